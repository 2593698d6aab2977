import errno
import os
import re
import resource
import tracemalloc
import zlib
from contextlib import contextmanager
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image

from ssvif.data.descriptor import Layout, descriptor_to_json
from ssvif.data.pack import pack_pairs
from ssvif.data.packed import PairsFile, create_hdf5
from ssvif.data.split import read_splits, split_dataset
from ssvif.io.errors import UserError
from ssvif.io.files import read_image, read_label, sha256_of, write_png
from ssvif.pairs.alignment import Alignment, alignment_to_json, write_alignment
from ssvif.pairs.pair import Rules
from ssvif.pairs.ranges import Range


@contextmanager
def largest_file(size: int):
    """Let no file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def attributes_of(path):
    with h5py.File(path, locking=False) as file:
        return dict(file.attrs)


def test_what_was_packed_is_what_lay_in_the_folders(packed, descriptor, raw, tmp_path):
    file = PairsFile(packed)
    for split, pair in read_splits(tmp_path / "splits.csv"):
        where = (split, pair.pair_id)
        np.testing.assert_array_equal(file.visible(*where), read_image(raw / pair.visible), strict=True)
        np.testing.assert_array_equal(file.infrared(*where), read_image(raw / pair.infrared), strict=True)
        label, boxes = file.label(*where), file.boxes(*where)
        assert (label is not None) == bool(pair.label)
        assert (boxes is not None) == bool(pair.boxes)
        if label is not None:
            np.testing.assert_array_equal(label, read_label(raw / pair.label), strict=True)
    assert (file.boxes("test", "00t").shape, file.boxes("test", "00t").dtype) == ((0, 5), np.float64)
    assert file.boxes("test", "02t").tolist() == [[1, 0.5, 0.5, 0.25, 0.5]] * 2
    assert file.descriptor == descriptor


def test_the_file_has_the_documented_form(packed, descriptor, raw, tmp_path):
    with h5py.File(packed) as file:
        assert file.attrs["format"] == "ssvif-pairs-1"
        assert file.attrs["descriptor"] == descriptor_to_json(descriptor)
        assert file.attrs["splits_sha256"] == sha256_of(tmp_path / "splits.csv")
        pair = file["test/00t"]
        assert sorted(pair) == ["boxes", "infrared", "label", "visible"]
        assert pair.attrs["sha256_visible"] == sha256_of(raw / "testing" / "vi" / "00t.png")
        assert pair.attrs["source_boxes"] == "testing/boxes/00t.txt"
        for kind in ("visible", "infrared", "label"):
            assert pair[kind].dtype == np.uint8
            assert pair[kind].compression == ("gzip" if kind == "label" else None)
            assert pair.attrs[f"crc32_{kind}"] == zlib.crc32(pair[kind][()])


def test_two_packs_have_the_same_bytes_and_a_changed_input_another_digest(pack, raw):
    first = pack()
    digest, content = PairsFile(first).digest, first.read_bytes()
    assert pack().read_bytes() == content
    write_png(raw / "training" / "ir" / "00.png", np.zeros((24, 32), np.uint8))
    assert PairsFile(pack()).digest != digest


def test_an_alignment_brings_infrared_onto_visible_and_is_kept(pack, tmp_path):
    plain = PairsFile(pack())
    alignment = Alignment(((1.0, 0.0, 3.0), (0.0, 1.0, -2.0), (0.0, 0.0, 1.0)), "translation", (32, 24), (32, 24))
    write_alignment(tmp_path / "a.json", alignment)
    aligned = PairsFile(pack("aligned.h5", alignment=tmp_path / "a.json"))
    for name in aligned.names("test"):
        np.testing.assert_array_equal(aligned.infrared("test", name)[2:, :-3], plain.infrared("test", name)[:-2, 3:])
        np.testing.assert_array_equal(aligned.visible("test", name), plain.visible("test", name))
    assert aligned.digest != plain.digest
    assert attributes_of(aligned.path)["alignment"] == alignment_to_json(alignment)
    assert "alignment" not in attributes_of(plain.path)


def test_an_alignment_lets_cameras_of_two_sizes_be_packed(pack, raw, tmp_path):
    write_alignment(tmp_path / "a.json", Alignment(((0.5, 0, 0), (0, 0.5, 0), (0, 0, 1)), "affine", (32, 24), (16, 12)))
    for path in (raw / "training/ir").iterdir():
        write_png(path, np.full((12, 16), 80, np.uint8))
    with pytest.raises(UserError, match="the infrared image 00t does not fit the alignment"):
        pack(alignment=tmp_path / "a.json")
    for path in (raw / "testing/ir").iterdir():
        write_png(path, np.full((12, 16), 80, np.uint8))
    file = PairsFile(pack(alignment=tmp_path / "a.json"))
    assert (file.infrared("test", "00t") == 80).all()
    assert file.size("test", "00t") == (24, 32)


def test_more_than_8_bits_are_refused_unless_a_range_is_given(pack, raw):
    for path in raw.glob("*/ir/*.png"):
        Image.fromarray(read_image(path).astype(np.uint16) * 8 + 20000).resize((16, 12)).save(path)
    with pytest.raises(UserError, match="is not an 8-bit image") as caught:
        pack()
    assert "pass --infrared-range" in caught.value.remedy
    path = pack(rules=Rules(infrared_range=Range(20000, 20000 + 8 * 255)))
    assert PairsFile(path).size("test", "00t") == (24, 32)
    reading = '{"infrared_range": "20000:22040", "resize": "infrared", "visible_range": "full"}'
    assert attributes_of(path)["reading"] == reading


def test_what_is_left_out_of_8_bits_is_told(pack, raw, caplog):
    path = next(raw.glob("*/ir/*.png"))
    image = Image.open(path).convert("RGBA")
    image.save(path)
    pack()
    assert any("has an alpha channel, which is ignored" in message for message in caplog.messages)


def test_rules_leave_8_bits_as_they_are(pack):
    plain, ruled = PairsFile(pack()), PairsFile(pack("ruled.h5", rules=Rules()))
    for name in plain.names("test"):
        np.testing.assert_array_equal(ruled.visible("test", name), plain.visible("test", name))
        np.testing.assert_array_equal(ruled.infrared("test", name), plain.infrared("test", name))
    reading = '{"infrared_range": "auto", "resize": "infrared", "visible_range": "full"}'
    assert attributes_of(ruled.path)["reading"] == reading


def test_pairs_of_different_sizes_are_packed(pack, raw):
    for side, shape in (("vi", (7, 5, 3)), ("ir", (7, 5))):
        write_png(raw / "training" / side / "11.png", np.zeros(shape, np.uint8))
    file = PairsFile(pack())
    split = next(split for split in ("train", "validation") if "11" in file.names(split))
    assert file.size(split, "11") == (7, 5)


def test_color_infrared_becomes_luma_and_gray_visible_three_channels(pack, raw):
    colors = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    write_png(raw / "testing" / "ir" / "00t.png", colors)
    write_png(raw / "testing" / "vi" / "00t.png", colors[..., 0])
    file = PairsFile(pack())
    luma = (colors.astype(int) @ np.array([299, 587, 114]) + 500) // 1000
    np.testing.assert_array_equal(file.infrared("test", "00t"), luma)
    np.testing.assert_array_equal(file.visible("test", "00t"), np.stack([colors[..., 0]] * 3, axis=-1))


def spoil_label(path):
    label = np.zeros((24, 32), np.uint8)
    label[3, 4], label[5, 6] = 9, 200
    write_png(path, label)


@pytest.mark.parametrize(
    ("where", "spoil", "messages"),
    [
        ("vi/01t.png", lambda path: os.truncate(path, 600), ("testing/vi/01t.png cannot be read as an image",)),
        (
            "ir/01t.png",
            lambda path: write_png(path, np.zeros((24, 31), np.uint8)),
            ("The two images of 01t differ in size", "infrared 31×24"),
        ),
        ("labels/01t.png", lambda path: write_png(path, np.zeros((23, 32), np.uint8)), ("labels/01t.png", "32×23 px")),
        ("labels/01t.png", spoil_label, ("labels/01t.png", "9, 200")),
        (
            "boxes/01t.txt",
            lambda path: path.write_text("0 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n"),
            ("boxes/01t.txt, line 2: class 7",),
        ),
    ],
)
def test_a_bad_file_is_named_and_the_last_pack_is_kept(pack, raw, tmp_path, where, spoil, messages):
    content = pack().read_bytes()
    spoil(raw / "testing" / where)
    with pytest.raises(UserError) as caught:
        pack()
    assert all(message in str(caught.value) for message in messages)
    assert caught.value.remedy
    assert (tmp_path / "pairs.h5").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.h5", "splits.csv", "toy"]


def test_files_that_are_gone_are_listed_before_anything_is_packed(pack, descriptor, raw, tmp_path):
    splits = pack().with_name("splits.csv")
    for i in range(7):
        (raw / "training" / "ir" / f"{i:02d}.png").unlink()
    with pytest.raises(UserError, match=r"7 files listed in .*splits\.csv") as caught:
        pack_pairs(descriptor, raw, splits, tmp_path / "new.h5")
    assert "and 2 more" in caught.value.got
    assert not (tmp_path / "new.h5").exists()


@pytest.mark.parametrize("size", [0, 3_000, 20_000, 40_000])
def test_no_space_left_is_told_and_the_last_pack_is_kept(pack, descriptor, raw, tmp_path, size):
    content = pack().read_bytes()
    assert len(content) > 50_000
    with largest_file(size), pytest.raises(UserError, match="No space left while writing") as caught:
        pack_pairs(descriptor, raw, tmp_path / "splits.csv", tmp_path / "pairs.h5")
    assert str(tmp_path / "pairs.h5") in caught.value.what
    assert (tmp_path / "pairs.h5").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.h5", "splits.csv", "toy"]


def write_noise(path, noise):
    with create_hdf5(path) as (file, check):
        for i, row in enumerate(noise):
            group = file.require_group("train")
            group.create_dataset(f"{i}", data=row, chunks=row.shape, compression="gzip")
            group.attrs[f"{i}"] = "x" * 64
            check()


def test_wherever_the_space_ends_hdf5_survives_it(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 2_000), np.uint8)
    for size in range(0, 80_000, 997):
        with largest_file(size), pytest.raises(OSError, match="File too large") as caught:
            write_noise(tmp_path / "a.h5", noise)
        assert caught.value.errno == errno.EFBIG
    write_noise(tmp_path / "a.h5", noise)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["train/39"], noise[39])


def test_memory_does_not_grow_with_the_number_of_pairs(descriptor, tmp_path):
    """Each pair takes 4 bytes a pixel once read: 24 pairs are 29 MB, one is 1.2 MB; three are read ahead."""
    root, random = tmp_path / "large", np.random.default_rng(0)
    for i in range(24):
        for side, shape in (("vi", (480, 640, 3)), ("ir", (480, 640))):
            write_png(root / side / f"{i}.png", np.full(shape, random.integers(256), np.uint8))
    plain = replace(descriptor, official_splits={}, layouts=(Layout("vi/{name}", "ir/{name}"),), expected={})
    split_dataset(plain, root, tmp_path / "splits.csv", seed=0)
    tracemalloc.start()
    pack_pairs(plain, root, tmp_path / "splits.csv", tmp_path / "pairs.h5")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 7 * 4 * 480 * 640


@pytest.mark.parametrize("name", ["msrs", "roadscene"])
def test_real_pairs_are_packed(load, shared, tmp_path, name):
    descriptor = load(name)
    root = shared / "data" / descriptor.folder
    limit = {"train": 4, "validation": 2, "test": 2}
    counts = split_dataset(descriptor, root, tmp_path / "splits.csv", seed=0, limit=limit)
    pack_pairs(descriptor, root, tmp_path / "splits.csv", tmp_path / "pairs.h5")
    file = PairsFile(tmp_path / "pairs.h5")
    assert {split: len(file.names(split)) for split in file.splits()} == counts == limit
    labelled = [bool(file.label("train", pair_id) is not None) for pair_id in file.names("train")]
    assert sum(labelled) == (1 if name == "msrs" else 0)
    assert (tmp_path / "pairs.h5").stat().st_size < 16 * 2**20


def test_converted_annotations_are_told_once_each_and_the_mapping_is_part_of_the_digest(
    raw, descriptor, tmp_path, caplog
):
    for name in ("01t", "02t"):
        (raw / f"testing/boxes/{name}.txt").write_text("1 0.5 0.5 0.25 0.5 0.9\nPeople 0.5 0.5 0.25 0.5\n")
    splits = tmp_path / "splits.csv"
    split_dataset(descriptor, raw, splits, seed=0)
    digests = set()
    for names in ({"person": ("people",)}, {"car": ("people",)}):
        mapped = replace(descriptor, detection_aliases=names)
        caplog.clear()
        pack_pairs(mapped, raw, splits, tmp_path / "mapped.h5")
        (told,) = [line for line in caplog.messages if "annotations" in line]
        assert re.search(r"Toy: annotations: .*confidence.*: 2, first .*01t\.txt, line 1$", told)
        file = PairsFile(tmp_path / "mapped.h5")
        assert file.boxes("test", "02t")[:, 0].tolist() == [1, float("car" in names)]
        digests.add(file.digest)
        file.close()
    assert len(digests) == 2
