import errno
import os
import struct
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from reference.images import write_png_of
from ssvif.io import files
from ssvif.io.errors import UserError, shorten


def names(folder):
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture
def color() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def test_a_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with files.write_aside(path) as aside:
        aside.write_text("new")
        assert aside.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(path.parent) == ["file.txt"]


@pytest.fixture(params=["file", "folder"])
def former(request, tmp_path):
    """A former result and what replaces it; its content."""
    path = tmp_path / "results"
    if request.param == "file":
        path.write_text("old")
        return files.write_aside(path), path
    path.mkdir()
    (path / "old.png").write_text("old")
    return files.write_folder_aside(path, ["*.png"]), path / "old.png"


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), OSError(errno.EIO, "broken")])
def test_a_failure_keeps_what_was_there(tmp_path, former, error):
    writer, kept = former
    with pytest.raises(type(error)) as caught, writer as aside:  # noqa: PT012
        (aside / "new.png" if aside.is_dir() else aside).write_text("half")
        raise error
    assert caught.value is error
    assert kept.read_text() == "old"
    assert names(tmp_path) == ["results"]


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EFBIG, "File too large"),
    OSError("Can't write data (file write failed: error message = 'No space left on device')"),
]


@pytest.mark.parametrize("error", FULL, ids=["space", "quota", "limit", "hdf5"])
def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path, former, error):
    writer, kept = former
    with pytest.raises(UserError, match=r"No space left while writing .*results") as caught, writer:
        raise error
    assert "MB free" in caught.value.got
    assert caught.value.remedy
    assert names(tmp_path) == ["results"]
    assert kept.read_text() == "old"


def test_a_folder_takes_the_others_place(tmp_path):
    folder = tmp_path / "fused"
    folder.mkdir()
    (folder / "old.png").touch()
    with files.write_folder_aside(folder, ["*"]) as aside:
        (aside / "new.png").touch()
        assert names(folder) == ["old.png"]
    assert names(folder) == ["new.png"]
    assert names(tmp_path) == ["fused"]


@pytest.mark.parametrize("folder", [False, True])
def test_what_a_killed_process_left_is_deleted_and_what_another_writes_is_not(tmp_path, folder):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    for pid in (killed.pid, os.getpid(), os.getppid()):  # one killed before may have had this process's number
        left = tmp_path / f".made.{pid}.part"
        if folder:
            left.mkdir()
        (left / "stale.png" if folder else left).touch()
    with files.write_folder_aside(tmp_path / "made", []) if folder else files.write_aside(tmp_path / "made") as aside:
        if not folder:
            aside.touch()
    assert names(tmp_path) == [f".made.{os.getppid()}.part", "made"]
    assert not folder or names(tmp_path / "made") == []


def test_what_cannot_be_written_is_named_and_not_its_temporary_file(tmp_path):
    path = tmp_path / "scores.csv"
    with pytest.raises(PermissionError) as caught, files.write_aside(path) as aside:
        raise PermissionError(errno.EACCES, "Permission denied", str(aside))
    assert caught.value.filename == str(path)


def test_sha256_is_the_standards(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert files.sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def palette_image():
    image = Image.new("P", (3, 2))
    image.putdata([0, 1, 2, 2, 1, 0])
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    return image


@pytest.mark.parametrize("transparency", [{}, {"transparency": 1}])
def test_a_palette_gives_colors_to_images_and_ids_to_labels(tmp_path, transparency):
    palette_image().save(tmp_path / "palette.png", **transparency)
    image = files.read_image(tmp_path / "palette.png")
    assert image[:, 0].tolist() == [[10, 20, 30], [70, 80, 90]]
    assert image.shape == (2, 3, 3)
    assert files.read_label(tmp_path / "palette.png").tolist() == [[0, 1, 2], [2, 1, 0]]


@pytest.mark.parametrize("opacity", [0, 255])
def test_a_tiff_with_palette_and_alpha_gives_colors(tmp_path, opacity):
    image = palette_image().convert("PA")
    image.putalpha(opacity)
    image.save(tmp_path / "palette.tif")
    with Image.open(tmp_path / "palette.tif") as stored:
        assert stored.mode == "PA"
    colors = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    assert files.read_image(tmp_path / "palette.tif").tolist() == [colors, colors[::-1]]
    assert files.read_label(tmp_path / "palette.tif").tolist() == [[0, 1, 2], [2, 1, 0]]


@pytest.mark.skipif(
    (b"II", 1, (1,), 1, (8, 8), (1,)) not in TiffImagePlugin.OPEN_INFO, reason="Pillow before 13 cannot read such files"
)
def test_a_tiff_multiplied_by_its_alpha_gives_what_was_multiplied(tmp_path):
    gray = np.array([[[100, 255], [50, 128]]], np.uint8)  # value times alpha, alpha
    path = tmp_path / "gray.tif"
    Image.fromarray(gray).save(path)
    extra_samples = struct.pack("<HHI", 338, 3, 1)  # the tag, with one short number: 2 for alpha, 1 if multiplied
    assert extra_samples + b"\2" in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(extra_samples + b"\2", extra_samples + b"\1"))
    with Image.open(path) as stored:
        assert stored.mode == "La"
    assert files.read_image(path).tolist() == [[100, 99]]


@pytest.mark.parametrize(("bits", "ids"), [(1, [0, 1, 1, 0, 1, 0, 0, 0]), (2, [0, 1, 2, 3]), (4, [0, 1, 9, 15])])
def test_label_ids_packed_in_few_bits_keep_their_values(tmp_path, bits, ids):
    """What optimisers of PNG make of a label map; as an image, the same file is stretched to 0..255."""
    packed = int("".join(f"{each:0{bits}b}" for each in ids), 2).to_bytes(len(ids) * bits // 8, "big")
    write_png_of(tmp_path / "packed.png", len(ids), 1, bits, 0, b"\0" + packed)  # gray, one row without a filter
    label = files.read_label(tmp_path / "packed.png")
    assert (label.dtype, label.tolist()) == (np.uint8, [ids])
    assert files.read_image(tmp_path / "packed.png").tolist() == [[each * 255 // (2**bits - 1) for each in ids]]


def test_a_gray_label_map_in_three_channels_is_taken_and_a_colored_one_is_not(tmp_path, color):
    same = np.repeat(color[..., :1], 3, axis=2)
    files.write_png(tmp_path / "same.png", same)
    assert np.array_equal(files.read_label(tmp_path / "same.png"), same[..., 0])
    files.write_png(tmp_path / "color.png", color)
    with pytest.raises(UserError, match=r"color\.png is a color image, not a label map"):
        files.read_label(tmp_path / "color.png")


@pytest.mark.parametrize(
    ("reader", "expected"), [(files.read_image, "not an 8-bit image"), (files.read_label, "not a label map")]
)
@pytest.mark.parametrize("value", [0.5, np.nan, 1e30])
def test_floats_are_refused(tmp_path, reader, expected, value):
    Image.fromarray(np.full((4, 5), value, np.float32)).save(tmp_path / "deep.tif")
    with pytest.raises(UserError, match=rf"deep\.tif is {expected}"):
        reader(tmp_path / "deep.tif")


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, ">u2"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_label_ids_of_any_depth_keep_their_values(tmp_path, dtype, suffix):
    ids = np.array([[0, 1, 2], [255, 256, 40000]])
    if suffix == "tif":
        tifffile.imwrite(tmp_path / "label.tif", ids.astype(dtype))
    elif dtype == np.uint16:
        Image.fromarray(ids.astype(dtype)).save(tmp_path / "label.png")
    else:
        pytest.skip("PNG has no such values")
    label = files.read_label(tmp_path / f"label.{suffix}")
    assert (label.dtype.kind in "ui", label.tolist()) == (True, ids.tolist())


def test_colors_of_a_label_map_become_numbers(tmp_path, color):
    files.write_png(tmp_path / "color.png", color)
    label = files.read_label(tmp_path / "color.png", colors=True)
    assert [[(each >> 16, each >> 8 & 255, each & 255) for each in row] for row in label.tolist()] == [
        [tuple(pixel) for pixel in row] for row in color.tolist()
    ]
    palette_image().save(tmp_path / "palette.png")
    assert files.read_label(tmp_path / "palette.png", colors=True)[0].tolist() == [0x0A141E, 0x28323C, 0x46505A]
    Image.fromarray(np.array([[0, 255]], np.uint8) > 0).save(tmp_path / "one_bit.png")
    assert files.read_label(tmp_path / "one_bit.png", colors=True).tolist() == [[0, 0xFFFFFF]]
    Image.fromarray(np.full((4, 5), 300, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UserError, match=r"deep\.png is not a label map(?s:.*)8 bits"):
        files.read_label(tmp_path / "deep.png", colors=True)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow says so too
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
@pytest.mark.parametrize("kept", [0, 20, 0.5, 0.9])
def test_a_truncated_image_is_named(tmp_path, suffix, kept):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(UserError, match=rf"cut\.{suffix} cannot be read as an image") as caught:
        files.read_image(path)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["gone.png", "gone.tif", "text.png", "text.tif", "folder.png"])
@pytest.mark.parametrize("reader", [files.read_image, files.read_label])
def test_what_is_no_image_is_named(tmp_path, name, reader):
    if name == "folder.png":
        (tmp_path / name).mkdir()
    elif name.startswith("text"):
        (tmp_path / name).write_text("no image")
    with pytest.raises(UserError, match=f"{name} {'does not exist' if 'gone' in name else 'cannot be read'}"):
        reader(tmp_path / name)


def test_equal_arrays_give_equal_bytes(tmp_path, color):
    first, second = tmp_path / "a.png", tmp_path / "other" / "b.png"
    files.write_png(first, color)
    files.write_png(second, np.asfortranarray(color))
    assert first.read_bytes() == second.read_bytes()
    files.write_png(second, color ^ 1)
    assert first.read_bytes() != second.read_bytes()
    assert np.array_equal(files.read_image(first), color)
    files.write_png(second, color[..., 0])
    assert np.array_equal(files.read_image(second), color[..., 0])


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_text_that_is_no_unicode_is_told_and_nothing_is_lost(tmp_path, kind):
    path = tmp_path / f"scores.{kind}"
    path.write_text("old")
    write = partial(files.write_csv, columns=("run",)) if kind == "csv" else files.write_json
    content = {"run": "run\udce9"}
    with pytest.raises(UserError, match=rf"scores\.{kind} cannot hold: .*run.udce9") as caught:
        write(path, [content] if kind == "csv" else content)
    assert str(caught.value).encode("utf-8")
    assert path.read_text() == "old"
    assert names(tmp_path) == [path.name]


def test_json_is_sorted_and_readable(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1, "a": "α"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "a": "α",\n  "b": 1\n}\n'


def test_csv_goes_and_comes(tmp_path):
    path = tmp_path / "a.csv"
    rows = [{"name": "x, y", "value": 1 / 3}, {"name": "z"}, {"name": "n", "value": None}]
    files.write_csv(path, rows, ("name", "value"))
    assert path.read_bytes() == b'name,value\n"x, y",0.3333333333\nz,\nn,\n'
    assert files.read_csv(path)[0] == {"name": "x, y", "value": "0.3333333333"}
    with pytest.raises(ValueError, match="extra"):
        files.write_csv(path, [{"extra": 1}], ("name", "value"))
    assert len(files.read_csv(path)) == 3
    with pytest.raises(UserError, match=r"gone\.csv does not exist"):
        files.read_csv(tmp_path / "gone.csv")


def test_long_lists_are_shortened():
    assert shorten(["a", "b"]) == "a, b"
    assert shorten([str(i) for i in range(5)]) == "0, 1, 2, 3, 4"
    assert shorten([str(i) for i in range(12)]) == "0, 1, 2, 3, 4 and 7 more"


def test_a_folder_with_foreign_files_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds other files"), files.write_folder_aside(tmp_path, ["*.png"]):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_what_is_no_file_is_not_replaced(tmp_path):
    """As root, a rename over a device node would succeed."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, says in ((fifo, "is not a file that could be replaced"), (tmp_path, "is a folder, not a file")):
        with pytest.raises(UserError, match=says), files.write_aside(path) as aside:
            aside.write_text("x")
    assert fifo.is_fifo()
    assert [each.name for each in tmp_path.iterdir()] == ["fifo"]
