"""An output folder that is completed later holds what this command would make, and nothing else."""

import shutil

import numpy as np
import pytest
import tifffile

from fusing.made import noise, save
from ssvif.fusing.outputs import RECORD
from ssvif.io.files import read_image
from ssvif.io.images import read_raw

NAMES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _folders(tmp_path, monkeypatch):
    """Pairs in `vi` and `ir`, other infrared images in `ir2`."""
    for i, name in enumerate(NAMES):
        save(tmp_path / f"vi/{name}.png", noise(i, 12, 17))
        save(tmp_path / f"ir/{name}.png", noise(10 + i, 12, 17, 0))
        save(tmp_path / f"ir2/{name}.png", noise(20 + i, 12, 17, 0))
    monkeypatch.chdir(tmp_path)


def deep(folder, channels=3):
    for i, name in enumerate(NAMES):
        image = noise(i, 12, 17, channels, levels=65536, dtype=np.uint16)
        (folder / f"{name}.tif").parent.mkdir(exist_ok=True)
        tifffile.imwrite(folder / f"{name}.tif", image)


@pytest.mark.parametrize("tile", ["0", "8"])
def test_sixteen_bits_come_and_go_unrounded(command, tmp_path, tile):
    deep(tmp_path / "deep")
    arguments = "deep", "ir", "--baseline", "visible", "--depth", "16", "--tile", tile
    assert command(*arguments, "-o", "fused")[0] == 0
    assert command("deep/a.tif", "ir/a.png", *arguments[2:], "-o", "one.tiff")[0] == 0
    for name in NAMES:
        source, fused = (read_raw(tmp_path / folder / f"{name}.tif").pixels for folder in ("deep", "fused"))
        assert fused.dtype == np.uint16
        assert np.array_equal(source, fused)
    assert (tmp_path / "one.tiff").read_bytes() == (tmp_path / "fused/a.tif").read_bytes()


def test_a_network_has_more_than_eight_bits_to_say(command, tmp_path, network):
    arguments = "vi", "ir", "--model", str(network), "--device", "cpu"
    assert command(*arguments, "-o", "fused")[0] == command(*arguments, "-o", "fine", "--depth", "16")[0] == 0
    for name in NAMES:
        shallow, fine = read_image(tmp_path / f"fused/{name}.png"), read_raw(tmp_path / f"fine/{name}.tif").pixels
        assert np.abs(fine / 257 - shallow).max() <= 0.5 + 1 / 257
        assert len(np.unique(fine)) > 256


def test_a_folder_holds_each_image_in_one_depth(fuse, tmp_path):
    assert fuse("vi", "ir", "-o", "fused")[0] == 0
    status, errors = fuse("vi", "ir", "-o", "fused", "--depth", "16")
    assert status == 1
    assert "fused already holds 3 images of these names, made from other images, with other settings" in errors
    assert fuse("vi", "ir", "-o", "fused", "--depth", "16", "--overwrite")[0] == 0
    assert sorted(path.name for path in (tmp_path / "fused").glob("[!.]*")) == [f"{name}.tif" for name in NAMES]
    (tmp_path / "fused/b.tif").unlink()
    before = (tmp_path / "fused/a.tif").stat().st_mtime_ns
    assert fuse("vi", "ir", "-o", "fused", "--depth", "16")[0] == 0
    assert (tmp_path / "fused/b.tif").is_file()
    assert (tmp_path / "fused/a.tif").stat().st_mtime_ns == before
    assert fuse("vi", "ir", "-o", "fused", "--overwrite")[0] == 0
    assert sorted(path.name for path in (tmp_path / "fused").glob("[!.]*")) == [f"{name}.png" for name in NAMES]


def test_no_source_is_replaced_by_an_image_in_another_depth(fuse, tmp_path):
    """Even where an image of its name and the other depth lies beside each."""
    for name in NAMES:
        (tmp_path / f"vi/{name}.tif").touch()
    status, errors = fuse("vi/*.png", "ir/*.png", "-o", "vi", "--depth", "16", "--overwrite")
    assert status == 1
    assert "vi/a.png" in errors
    assert all((tmp_path / f"vi/{name}.png").is_file() for name in NAMES)


@pytest.mark.parametrize("output", ["fused.mp4", "fused.png"])
def test_sixteen_bits_are_written_as_tiff_alone(fuse, tmp_path, output):
    status, errors = fuse("vi/a.png", "ir/a.png", "-o", output, "--depth", "16")
    assert status == 1
    assert f"{output}: 16 bits can only be written as TIFF" in errors
    assert "leave out --depth 16" in errors
    assert not (tmp_path / output).exists()


def test_sixteen_bits_are_not_for_what_follows(fuse, command, call, tmp_path):
    assert "8 bits, which all later steps read" in command("--pairs", "pairs.h5", "--depth", "16")[1]
    assert fuse("vi", "ir", "-o", "fine", "--depth", "16")[0] == 0
    status, _, errors = call(
        "score", "--visible", "vi", "--infrared", "ir", "--fused", "fine", "--output", "scores.csv"
    )
    assert status == 1
    assert "a.tif is not an 8-bit image" in errors


def test_a_record_that_is_a_link_is_not_followed(fuse, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "fused").mkdir()
    (tmp_path / "fused" / RECORD).symlink_to(tmp_path / "mine.txt")
    status, errors = fuse("vi", "ir", "-o", "fused")
    assert (status, (tmp_path / "mine.txt").read_text()) == (1, "mine")
    assert "is a link" in errors


@pytest.mark.parametrize("other", [("vi", "ir2"), ("vi", "ir", "--color", "ycbcr")])
def test_images_of_other_sources_or_settings_are_kept_only_until_overwritten(fuse, tmp_path, other):
    assert fuse("vi", "ir", "-o", "fused")[0] == 0
    before = read_image(tmp_path / "fused/a.png")
    status, errors = fuse(*other, "-o", "fused")
    assert status == 1
    assert "fused already holds 3 images of these names, made from other images, with other settings" in errors
    assert "--overwrite" in errors
    assert np.array_equal(before, read_image(tmp_path / "fused/a.png"))
    assert fuse(*other, "-o", "fused", "--overwrite")[0] == 0
    assert not np.array_equal(before, read_image(tmp_path / "fused/a.png"))


def test_an_interrupted_overwrite_is_not_taken_for_done(fuse, tmp_path, monkeypatch):
    assert fuse("vi", "ir", "-o", "fused")[0] == 0
    others = {name: (tmp_path / f"fused/{name}.png").read_bytes() for name in NAMES}
    assert fuse("vi", "ir2", "-o", "fused", "--overwrite")[0] == 0
    record = tmp_path / "fused/.ssvif-fuse.jsonl"
    record.write_text("".join(record.read_text().splitlines(keepends=True)[:4]) + '7\n["b", "cut')
    for name in NAMES[1:]:  # as if it had been killed after the first
        (tmp_path / f"fused/{name}.png").write_bytes(others[name])
    assert fuse("vi", "ir2", "-o", "fused")[0] == 1
    assert fuse("vi", "ir2", "-o", "fused", "--overwrite")[0] == 0
    assert all((tmp_path / f"fused/{name}.png").read_bytes() != others[name] for name in NAMES)


def test_equal_sources_elsewhere_give_equal_images(fuse, tmp_path):
    shutil.copytree(tmp_path / "vi", tmp_path / "copy")
    assert fuse("vi", "ir", "-o", "one")[0] == fuse("copy", "ir", "-o", "two")[0] == 0
    assert all(
        (tmp_path / f"one/{name}.png").read_bytes() == (tmp_path / f"two/{name}.png").read_bytes() for name in NAMES
    )


SOURCES = [
    ("vi/*.png", "ir/*.png", "vi"),
    ("vi/a.png", "ir/a.png", "vi"),
    ("ir/*.png", "vi/*.png", "vi"),
    ("vi/a*.png", "ir/a*.png", "vi/a.png"),
    ("odd/*a.png", "ir/*a.png", "odd"),  # pair "b" is made of ba.png and pair "ba" of baa.png
]


@pytest.mark.parametrize("sources", SOURCES)
def test_no_source_is_ever_replaced(fuse, tmp_path, sources):
    for name in ("ba", "baa"):
        save(tmp_path / f"odd/{name}.png", noise(1, 12, 17))
        save(tmp_path / f"ir/{name}.png", noise(2, 12, 17, 0))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    status, errors = fuse(*sources[:2], "-o", sources[2], "--overwrite")
    assert status == 1
    assert "is an input and would be overwritten" in errors
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


def test_a_link_that_leads_to_itself_is_one_failure_among_others(fuse, tmp_path):
    for side in ("vi", "ir"):
        (tmp_path / side / "loop.png").symlink_to("loop.png")
    status, errors = fuse("vi", "ir", "-o", "made")
    assert status == 1
    assert "loop.png" in errors
    assert (tmp_path / "made/a.png").is_file()


@pytest.mark.parametrize("name", ["fused.webp", "fused.gif", "fused.heic"])
def test_a_kind_of_image_that_is_not_written_is_no_folder(fuse, tmp_path, name):
    status, errors = fuse("vi/a.png", "ir/a.png", "-o", name)
    assert status == 1
    assert f"{name}: images of this format cannot be written" in errors
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("output", ["taken", "taken/x", "taken/x.png"])
def test_a_file_in_the_place_of_the_folder_is_told_before_the_network_loads_and_kept(command, tmp_path, output):
    (tmp_path / "taken").write_text("kept")
    status, errors = command("vi/a.png", "ir/a.png", "-o", output, "--model", "gone.safetensors")
    assert status == 1
    assert errors.startswith("ssvif: taken is not a folder")
    assert (tmp_path / "taken").read_text() == "kept"


def test_the_frames_of_another_video_are_not_kept(fuse, tmp_path):
    pytest.importorskip("av")
    assert fuse("vi", "ir", "-o", "one.mp4")[0] == 0
    shutil.copy(tmp_path / "one.mp4", tmp_path / "one_ir.mp4")
    assert fuse("one.mp4", "one_ir.mp4", "-o", "frames")[0] == 0
    (tmp_path / "vi/c.png").unlink()
    (tmp_path / "ir2/c.png").unlink()
    assert fuse("vi", "ir2", "-o", "two.mp4")[0] == 0
    shutil.copy(tmp_path / "two.mp4", tmp_path / "two_ir.mp4")
    assert fuse("two.mp4", "two_ir.mp4", "-o", "frames")[0] == 1
    assert fuse("two.mp4", "two_ir.mp4", "-o", "frames", "--overwrite")[0] == 0
    left = {path.name for path in (tmp_path / "frames").iterdir()}
    assert left == {".ssvif-fuse.jsonl", "000001.png", "000002.png"}
