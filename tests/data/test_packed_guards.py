from contextlib import contextmanager

import h5py
import numpy as np
import pytest

from ssvif.data.packed import FORMAT, PairsFile
from ssvif.io.errors import UserError

SECRET = b"what another file holds" * 100
PIXELS, KEY = np.zeros((40, 47), np.uint8), "test/test0/infrared"


@pytest.fixture
def packed(tmp_path, pairs):
    """A packed file to be spoiled, and another file that it must not read."""
    path = tmp_path / "pairs.h5"
    path.write_bytes(pairs.read_bytes())
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = PIXELS
        other["g/infrared"], other["g/visible"] = PIXELS, np.zeros((40, 47, 3), np.uint8)
        other["test0"] = other["g"]
    return path


@contextmanager
def unchecked(path, key):
    """The file without a part and without its checksum, which would tell of any other content."""
    group, _, kind = key.rpartition("/")
    with h5py.File(path, "r+") as file:
        del file[key]
        file[group or "/"].attrs.pop(f"crc32_{kind}", None)
        yield file


def replace(path, key, **made):
    with unchecked(path, key) as file:
        file.create_dataset(key, **made)


def as_external(path):
    where = str(path.with_name("secret"))
    replace(path, KEY, shape=PIXELS.shape, dtype=np.uint8, external=[(where, 0, PIXELS.size)])


def as_virtual(path):
    layout = h5py.VirtualLayout((40, 47), np.uint8)
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "x", (40, 47))
    with unchecked(path, KEY) as file:
        file.create_virtual_dataset(KEY, layout)


def as_link(key, link):
    def spoil(path):
        with unchecked(path, key) as file:
            file[key] = link

    return spoil


def as_group(path):
    with unchecked(path, KEY) as file:
        file.create_group(KEY)


def with_attribute(name, value):
    def spoil(path):
        with h5py.File(path, "r+") as file:
            file.attrs[name] = value

    return spoil


def data(key, array, **made):
    return lambda path: replace(path, key, data=array, **made)


SPOILED = {
    "external storage": as_external,
    "virtual": as_virtual,
    "external link to an array": as_link(KEY, h5py.ExternalLink("other.h5", "/x")),
    "external link to a pair": as_link("test/test0", h5py.ExternalLink("other.h5", "/g")),
    "external link to a split": as_link("test", h5py.ExternalLink("other.h5", "/")),
    "soft link": as_link(KEY, h5py.SoftLink("/train")),
    "link to itself": as_link(KEY, h5py.SoftLink("infrared")),
    "group": as_group,
    "an unknown filter": data(KEY, PIXELS, compression="lzf"),
    "huge": lambda path: replace(path, KEY, shape=(2**20, 2**20), dtype=np.uint8, chunks=(64, 64), compression="gzip"),
    "huge, contiguous": lambda path: replace(path, KEY, shape=(2**16, 2**16), dtype=np.uint8),
    "huge chunk": lambda path: replace(
        path, KEY, shape=(40, 47), maxshape=(None, None), chunks=(2**15, 2**15), dtype=np.uint8, compression="gzip"
    ),
    "floats": data(KEY, PIXELS.astype(np.float32)),
    "text": data(KEY, "pixels"),
    "no pixel": data(KEY, PIXELS[:0]),
    "empty": lambda path: replace(path, KEY, data=h5py.Empty("u1")),
    "objects": lambda path: replace(path, KEY, shape=(40, 47), dtype=h5py.special_dtype(vlen=np.uint8)),
    "one axis": data(KEY, PIXELS[0]),
    "another size": data("test/test0/visible", np.zeros((40, 40, 3), np.uint8)),
    "gray visible": data("test/test0/visible", PIXELS),
    "four channels": data("test/test0/visible", np.zeros((40, 47, 4), np.uint8)),
    "a label of another size": data("test/test0/label", PIXELS[:20]),
    "boxes of four columns": lambda path: data("test/test0/boxes", np.zeros((2, 4)))(add_boxes(path)),
    "boxes that are no numbers": lambda path: data("test/test0/boxes", np.full((2, 5), np.nan))(add_boxes(path)),
    "format as an array": with_attribute("format", np.zeros(3)),
    "digest as an array": with_attribute("digest", np.zeros((3, 3))),
    "no descriptor": with_attribute("descriptor", h5py.Empty("f")),
    "descriptor as a list": with_attribute("descriptor", "[]"),
    "deep descriptor": with_attribute("descriptor", "[" * 60_000),
    "descriptor of other types": with_attribute("descriptor", '{"name": 5}'),
}


def add_boxes(path):
    with h5py.File(path, "r+") as file:
        file["test/test0/boxes"] = np.zeros((1, 5))
    return path


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_packed_file_reads_nothing_else_and_takes_no_more_than_it_holds(packed, spoil):
    spoil(packed)
    file = PairsFile(packed)
    with pytest.raises(UserError) as caught:  # noqa: PT012 (whichever of these reads the spoiled part)
        for split in ("test", "train"):
            for name in file.names(split):
                file.visible(split, name)
                file.infrared(split, name)
                file.mask(split, name)
                file.boxes(split, name)
        assert all([file.digest, file.dataset, file.descriptor])
    assert str(packed) in str(caught.value)
    assert len(str(caught.value)) < 1500


def test_a_plain_file_is_read_as_it_was_written(packed):
    file = PairsFile(packed)
    assert file.visible("test", "test0").shape == (40, 47, 3)
    held = file.infrared("test", "test0")
    file.close()
    with h5py.File(packed) as opened:
        assert opened.attrs["format"] == FORMAT
        assert np.array_equal(held, opened["test/test0/infrared"][()])
    blank = np.zeros((2000, 2000), np.uint8)  # what deflate makes smallest
    for kind in ("infrared", "label"):
        replace(packed, f"test/test0/{kind}", data=blank, chunks=blank.shape, compression="gzip", compression_opts=9)
    assert packed.stat().st_size < 1_000_000
    assert not file.infrared("test", "test0").any()
    file.close()
    assert not file.label("test", "test0").any()
