import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

from ssvif.data.packed import PairsFile
from ssvif.io.errors import UserError


def test_names_splits_and_sizes(packed):
    file = PairsFile(packed)
    assert file.splits() == ["train", "validation", "test"]
    assert file.names("test") == ["00t", "01t", "02t"]
    assert len(file.names("train")) == 9
    assert file.size("test", "00t") == (24, 32)
    assert len(file.digest) == 64


def test_an_open_file_pickles_and_reads_on(packed):
    file = PairsFile(packed)
    wanted = file.visible("test", "00t")
    copy = pickle.loads(pickle.dumps(file))
    np.testing.assert_array_equal(copy.visible("test", "00t"), wanted)
    file.close()
    np.testing.assert_array_equal(file.visible("test", "00t"), wanted)


def test_a_reader_stops_nobody_from_writing(packed, pack):
    file = PairsFile(packed)
    before = file.visible("test", "00t")
    code = f"import h5py; h5py.File({str(packed)!r}, 'r+').attrs['note'] = 'written while it is read'"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    pack()
    np.testing.assert_array_equal(file.visible("test", "00t"), before)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_file_cut_short_is_named_with_the_remedy(packed, kept):
    os.truncate(packed, int(kept * packed.stat().st_size))
    with pytest.raises(UserError, match=r"(?s)pairs\.h5.*pack the pairs again"):
        PairsFile(packed).names("train")


def test_a_foreign_or_missing_file_is_refused_when_it_is_read(tmp_path):
    (tmp_path / "text.h5").write_text("not HDF5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["train/a"] = [1]
    (tmp_path / "folder").mkdir()
    foreign = "is not a packed-pairs file.*{}.*name the pairs.h5 of"
    got = {"text.h5": "another kind of file", "foreign.h5": "no format", "folder": "a folder"}
    told = {name: foreign.format(each) for name, each in got.items()} | {"none.h5": "does not exist"}
    for name, says in told.items():
        file = PairsFile(tmp_path / name)
        with pytest.raises(UserError, match=f"(?s){name} {says}"):
            file.splits()


@pytest.mark.parametrize("share", [0.01, 1], ids=["few bytes", "all of it"])
def test_a_damaged_image_is_named(packed, share):
    with h5py.File(packed) as file:
        start, size = file["test/01t/visible"].id.get_offset(), file["test/01t/visible"].nbytes
    content = bytearray(packed.read_bytes())
    lost = int(share * size)
    content[start : start + lost] = bytes(lost)
    packed.write_bytes(content)
    file = PairsFile(packed)
    assert file.visible("test", "00t").shape == (24, 32, 3)
    with pytest.raises(UserError, match="the visible image of test/01t cannot be read") as caught:
        file.visible("test", "01t")
    assert str(packed) in caught.value.what


def test_a_file_of_earlier_versions_is_read(packed):
    expected = PairsFile(packed).visible("test", "01t")
    with h5py.File(packed, "r+") as file:
        pair = file["test/01t"]
        del pair["visible"], pair.attrs["crc32_visible"]
        pair.create_dataset("visible", data=expected, chunks=expected.shape, compression="gzip", compression_opts=1)
    assert np.array_equal(PairsFile(packed).visible("test", "01t"), expected)


def test_a_missing_part_and_a_descriptor_of_another_version_are_named(packed):
    with h5py.File(packed, "r+") as file:
        del file["test/01t/infrared"], file.attrs["digest"]
        file.attrs["descriptor"] = '{"layouts": [], "classes": [], "ratios": [], "detection_classes": [], "new": 1}'
    file = PairsFile(packed)
    with pytest.raises(UserError, match="the infrared image of test/01t"):
        file.infrared("test", "01t")
    with pytest.raises(UserError, match="is damaged: its digest"):
        _ = file.digest
    with pytest.raises(UserError, match="holds a descriptor"):
        _ = file.descriptor
    file.close()
    with h5py.File(packed, "r+") as damaged:
        del damaged.attrs["descriptor"]
    with pytest.raises(UserError, match="is damaged: its descriptor"):
        _ = PairsFile(packed).descriptor


def test_a_mask_is_the_label_or_else_the_boxes(packed):
    with h5py.File(packed, "r+") as file:
        descriptor = file.attrs["descriptor"].replace('"ignore_index": 255', '"ignore_index": 250')
        file.attrs["descriptor"] = descriptor
        file["test/01t/label"][:2] = 250
        del file["test/01t"].attrs["crc32_label"]
        del file["test/02t/label"]
    file = PairsFile(packed)
    mask, label = file.mask("test", "01t"), file.label("test", "01t")
    assert (mask[:2] == 255).all()
    np.testing.assert_array_equal(mask[2:], label[2:])
    drawn = file.mask("test", "02t")  # two boxes of class 1, half as high and a quarter as wide as the image
    assert (np.unique(drawn).tolist(), (drawn == 2).mean()) == ([0, 2], 0.125)
    assert file.mask("train", file.names("train")[-1]) is None


def test_an_unknown_split_or_pair_lists_the_choices(packed):
    for split in ("training", "", "test/00t"):
        with pytest.raises(UserError, match="has no split") as caught:
            PairsFile(packed).names(split)
        assert caught.value.expected == "one of train, validation, test"
    for name in ("none", "", ".", "../train", "00t/visible"):
        with pytest.raises(UserError, match="has no pair") as caught:
            PairsFile(packed).label("test", name)
        assert caught.value.expected == "one of 00t, 01t, 02t"
