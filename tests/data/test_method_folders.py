from __future__ import annotations

import pytest

from ssvif.data.method_folders import folder_of


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ((), {"train": None, "validation": None, "test": "."}),
        (("notes",), {"train": None, "validation": None, "test": "."}),
        (("test",), {"train": None, "validation": None, "test": "test"}),
        (("train", "test"), {"train": "train", "validation": "train", "test": "test"}),
        (("train", "validation", "test"), {"train": "train", "validation": "validation", "test": "test"}),
        (("all",), {"train": "all", "validation": "all", "test": "all"}),
        (("all", "test"), {"train": "all", "validation": "all", "test": "test"}),
        (("train",), {"train": "train", "validation": "train", "test": None}),
    ],
)
def test_each_layout_is_understood(tmp_path, there, found):
    for name in there:
        (tmp_path / name).mkdir()
    assert {split: folder_of(tmp_path, split) for split in found} == {
        split: name and tmp_path / name for split, name in found.items()
    }
