from __future__ import annotations

import functools
from pathlib import Path

import pytest
from made_dataset import Make, make_pairs


@pytest.fixture
def make_dataset(tmp_path: Path) -> Make:
    """Return `make_pairs` for a folder of the test's own."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    return functools.partial(make_pairs, folder)
