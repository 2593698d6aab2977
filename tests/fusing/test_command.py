import os
import shutil
from functools import partial

import numpy as np
import pytest
import tifffile
import torch

from fusing.made import Recorder, modules_and_memory, noise, pair_of, save, smooth
from reference.released import released_state
from ssvif.fusing.fuser import FuseOptions
from ssvif.fusing.pipeline import fuse_pairs
from ssvif.io.errors import UserError
from ssvif.io.files import read_image
from ssvif.pairs.alignment import Alignment, write_alignment
from ssvif.pairs.pair import Rules
from ssvif.pairs.sources import open_source
from ssvif.pairs.video import facts_of
from ssvif.schema import PACKAGED_MODELS

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders `vi` and `ir` of five images of two sizes, and the working directory beside them."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(NAMES):
        size = (24, 30) if i % 2 else (20, 26)
        save(tmp_path / f"vi/{name}.png", smooth(i, *size))
        save(tmp_path / f"ir/{name}.png", smooth(10 + i, *size, 0))
    return tmp_path


def average(visible, infrared):
    infrared = infrared if infrared.ndim == 3 else np.repeat(infrared[..., None], 3, axis=2)
    return ((visible.astype(int) + infrared + 1) // 2).astype(np.uint8)


def made(folder):
    return sorted(each.name for each in folder.glob("*.png"))


def test_two_files_become_a_file(folders, fuse):
    assert fuse("vi/a.png", "ir/a.png", "-o", "out/f.png")[0] == 0
    expected = average(read_image(folders / "vi/a.png"), read_image(folders / "ir/a.png"))
    assert np.array_equal(read_image(folders / "out/f.png"), expected)
    assert sorted(each.name for each in (folders / "out").iterdir()) == ["f.png"]
    save(folders / "half.png", noise(0, 10, 13, 0))
    for suffix in ("jpg", "bmp", "tif"):
        assert fuse("vi/a.png", "half.png", "-o", f"f.{suffix}", "--resize", "visible")[0] == 0
        assert read_image(folders / f"f.{suffix}").shape == (10, 13, 3)
    assert fuse("vi/a.png", "ir/a.png", "-o", "folder")[0] == 0
    assert made(folders / "folder") == ["a.png"]


def test_two_folders_become_a_folder_of_each_pairs_size(folders, fuse):
    assert fuse("vi", "ir", "-o", "fused", "--batch", "2")[0] == 0
    assert made(folders / "fused") == [f"{name}.png" for name in NAMES]
    for name in NAMES:
        expected = average(*(read_image(folders / side / f"{name}.png") for side in ("vi", "ir")))
        assert np.array_equal(read_image(folders / f"fused/{name}.png"), expected)


def test_pairs_of_one_size_are_fused_together(folders):
    fuser, source = Recorder(), open_source("vi", "ir")
    assert [name for name, _ in fuse_pairs(source.jobs(Rules()), fuser, FuseOptions(batch=3))] == [*"ace", *"bd"]
    assert fuser.shapes == [(3, 20, 26), (2, 24, 30)]
    list(fuse_pairs([("a", partial(pair_of, 4, 4))] * 20, fuser, FuseOptions(batch=20)))
    assert fuser.shapes[2:] == [(20, 4, 4)]


def test_what_has_no_partner_is_listed_and_the_rest_is_fused(folders, fuse):
    (folders / "ir/b.png").unlink()
    save(folders / "ir/z.png", noise(0, 4, 4, 0))
    status, errors = fuse("vi", "ir", "-o", "fused")
    assert status == 1
    assert "fused holds 4 fused pairs; 2 failed:\n  - visible b.png has no infrared image of the same name\n" in errors
    assert "  - infrared z.png has no visible image of the same name" in errors
    assert made(folders / "fused") == ["a.png", "c.png", "d.png", "e.png"]


def test_a_damaged_file_stops_no_other(folders, fuse):
    (folders / "ir/c.png").write_bytes((folders / "ir/c.png").read_bytes()[:60])
    save(folders / "ir/d.png", noise(0, 24, 60, 0))
    status, errors = fuse("vi", "ir", "-o", "fused")
    assert status == 1
    assert "fused holds 3 fused pairs; 2 failed:\n  - ir/c.png cannot be read as an image (" in errors
    assert "  - The two images of d differ in size (visible 30×24, infrared 60×24)" in errors
    assert made(folders / "fused") == ["a.png", "b.png", "e.png"]


def test_one_damaged_pair_alone_is_told_in_full_and_nothing_is_written(folders, fuse):
    (folders / "ir/a.png").write_bytes(b"")
    status, errors = fuse("vi/a.png", "ir/a.png", "-o", "f.png")
    assert status == 1
    assert errors.startswith("ssvif: ir/a.png cannot be read as an image\n  expected: ")
    assert not (folders / "f.png").exists()


@pytest.mark.parametrize(("side", "channels", "newer"), [("vi", 3, True), ("ir", 0, False)])
def test_a_half_done_folder_is_completed_and_a_replaced_source_fused_again(folders, fuse, side, channels, newer):
    assert fuse("vi", "ir", "-o", "fused")[0] == 0
    before = {name: (folders / f"fused/{name}.png").read_bytes() for name in NAMES}
    (folders / "fused/b.png").unlink()
    save(folders / side / "d.png", smooth(77, 24, 30, channels))
    latest = max(each.stat().st_mtime_ns for each in (folders / "fused").iterdir())
    os.utime(folders / side / "d.png", ns=(latest + 10**9,) * 2 if newer else (1, 1))
    kept = (folders / "fused/a.png").stat().st_mtime_ns
    assert fuse("vi", "ir", "-o", "fused")[0] == 0
    after = {name: (folders / f"fused/{name}.png").read_bytes() for name in NAMES}
    assert {name for name in NAMES if before[name] != after[name]} == {"d"}
    assert (folders / "fused/a.png").stat().st_mtime_ns == kept


def test_a_folder_of_somebody_elses_images_is_left_alone(folders, fuse):
    save(folders / "theirs/a.png", noise(0, 3, 3))
    save(folders / "theirs/other.png", noise(0, 3, 3))
    assert fuse("vi", "ir", "-o", "theirs")[0] == 1
    assert read_image(folders / "theirs/a.png").shape == (3, 3, 3)
    assert fuse("vi/b.png", "ir/b.png", "-o", "theirs")[0] == 0
    assert made(folders / "theirs") == ["a.png", "b.png", "other.png"]


def test_images_become_a_video(folders, fuse):
    pytest.importorskip("av")
    for name in ("b", "d"):
        (folders / f"vi/{name}.png").unlink()
        (folders / f"ir/{name}.png").unlink()
    assert fuse("vi", "ir", "-o", "fused.mp4", "--fps", "12.5")[0] == 0
    assert (facts_of(folders / "fused.mp4").frames, float(facts_of(folders / "fused.mp4").rate)) == (3, 12.5)


def tiff(path, array):
    tifffile.imwrite(path, array, photometric="minisblack")


ZOO = {
    "gray visible": ("v.png", lambda path: save(path, smooth(0, 20, 26, 0)), "i.png"),
    "alpha": ("v.png", lambda path: save(path, smooth(0, 20, 26, 4)), "i.png"),
    "16-bit visible": ("v.tif", lambda path: tiff(path, smooth(0, 20, 26, 0).astype(np.uint16) * 257), "i.png"),
    "16-bit infrared": ("i.png", lambda path: save(path, smooth(1, 20, 26, 0).astype(np.uint16) * 50), "v.png"),
    "temperatures": ("i.tif", lambda path: tiff(path, smooth(1, 20, 26, 0) / np.float32(9) + 280), "v.png"),
    "three channels": ("i.png", lambda path: save(path, smooth(1, 20, 26, 0)[..., None].repeat(3, axis=2)), "v.png"),
}


@pytest.mark.parametrize("name", ZOO)
def test_what_cameras_write_is_read(tmp_path, fuse, name):
    """With the other image black or 0, the average is half of what was read, whatever the file."""
    special, write, other = ZOO[name]
    write(tmp_path / special)
    save(tmp_path / other, np.zeros((20, 26) if other[0] == "i" else (20, 26, 3), np.uint8))
    sources = sorted((tmp_path / special, tmp_path / other), key=lambda path: path.name, reverse=True)
    assert fuse(*sources, "-o", tmp_path / "f.png")[0] == 0
    fused = read_image(tmp_path / "f.png").astype(int)
    assert fused.shape == (20, 26, 3)
    truth = smooth(0, 20, 26, {"alpha": 4, "gray visible": 0, "16-bit visible": 0}.get(name, 3)).astype(int)
    truth = truth[..., None] if truth.ndim == 2 else truth[..., :3]
    if special[0] == "v":
        assert abs(fused * 2 - truth).mean() < 2
    else:
        infrared = smooth(1, 20, 26, 0).astype(float)
        assert np.corrcoef(fused[..., 0].ravel(), infrared.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 2), (31, 45)])
def test_odd_sizes(tmp_path, fuse, size):
    save(tmp_path / "v.png", noise(0, *size))
    save(tmp_path / "i.png", noise(1, *size, 0))
    assert fuse(tmp_path / "v.png", tmp_path / "i.png", "-o", tmp_path / "f.png")[0] == 0
    assert read_image(tmp_path / "f.png").shape == (*size, 3)


def test_a_fixed_range_is_the_same_for_every_image(folders, fuse):
    before = {name: read_image(folders / f"ir/{name}.png") for name in NAMES}
    for name, infrared in before.items():
        (folders / f"ir/{name}.png").unlink()
        tiff(folders / f"ir/{name}.tif", infrared.astype(np.float32) * 0.1 + 280)
    assert fuse("vi", "ir", "-o", "fused", "--infrared-range", "280:305.5")[0] == 0
    for name in NAMES:
        expected = average(read_image(folders / f"vi/{name}.png"), before[name])
        assert abs(read_image(folders / f"fused/{name}.png").astype(int) - expected).max() <= 1


def test_a_word_is_said_once(folders, fuse, caplog):
    for name in NAMES:
        save(folders / f"vi/{name}.png", noise(0, 24, 30, 4))
        save(folders / f"ir/{name}.png", noise(1, 12, 15, 3))
    with caplog.at_level("INFO", "ssvif"):
        assert fuse("vi", "ir", "-o", "fused")[0] == 0
    said = [each.message for each in caplog.records]
    assert len(said) == 4
    for part in ("alpha channel", "looks color-mapped", "infrared image is resized", "fused 5 pairs into fused in"):
        assert sum(part in each for each in said) == 1


def test_what_fails_from_the_start_is_given_up(folders, fuse, monkeypatch):
    monkeypatch.setattr("ssvif.fusing.command.GIVE_UP", 3)
    for path in (folders / "ir").iterdir():
        save(path, noise(0, 24, 60, 0))
    status, said = fuse("vi", "ir", "-o", "fused")
    assert status == 1
    assert "given up after 3 failures" in said
    assert made(folders / "fused") == []


def test_an_alignment_is_used(folders, fuse, caplog):
    write_alignment(
        folders / "shift.json",
        Alignment(((1.0, 0, 2), (0, 1.0, 1), (0, 0, 1)), "translation", (26, 20), (26, 20)),
    )
    assert fuse("vi/a.png", "ir/a.png", "-o", "f.png", "--alignment", "shift.json")[0] == 0
    moved = np.pad(read_image(folders / "ir/a.png")[1:, 2:], ((0, 1), (0, 2)), mode="edge")
    assert "the infrared camera sees 88% of the visible image" in caplog.text
    fused, visible = read_image(folders / "f.png"), read_image(folders / "vi/a.png")
    assert np.array_equal(fused[:-1, :-2], average(visible, moved)[:-1, :-2])  # what both cameras see
    assert not np.array_equal(fused[-1], average(visible, moved)[-1])  # what only the visible one sees
    assert fuse("vi/b.png", "ir/b.png", "-o", "g.png", "--alignment", "shift.json")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vi", "-o", "x"], "needs two sources, or --pairs"),
        (["vi", "ir", "ir", "-o", "x"], "quote patterns, for instance"),
        (["vi", "ir/a.png", "-o", "x"], "different kinds"),
        (["vi", "gone", "-o", "x"], "gone does not exist"),
        (["vi", "ir", "-o", "vi"], "vi is an input and would be overwritten"),
        (["vi/a.png", "ir/a.png", "-o", "./ir/a.png"], "would be overwritten"),
        (["vi", "ir", "-o", "x.png"], "x.png is one image, but there are 5 pairs"),
        (["vi", "ir", "-o", "x.webm"], "x.webm: videos of this format cannot be written"),
        (["vi", "ir", "-o", "x", "--color", "hsv"], "'hsv' is not one of"),
        (["vi", "ir", "-o", "x", "--inference", "magic"], "Unknown inference 'magic'"),
        (["vi", "ir", "-o", "x", "--inference", "emma"], "The baseline average uses no network"),
        (["vi", "ir", "-o", "x", "--tile", "big"], "--tile 'big' is not a number"),
        (["vi", "ir", "-o", "x", "--infrared-range", "9:1"], "--infrared-range '9:1' is not a valid range"),
        (["vi", "ir", "-o", "x", "--alignment", "gone.json"], "gone.json does not exist"),
    ],
)
def test_a_wrong_call_is_told_before_anything_is_written(folders, fuse, arguments, says):
    status, errors = fuse(*arguments)
    assert status
    assert says in errors
    assert sorted(each.name for each in folders.iterdir()) == ["ir", "vi"]


def test_a_network_fuses_and_a_released_one_as_its_authors_do(folders, command, network):
    call = ["vi", "ir", "--model", network, "--device", "cpu"]
    assert command(*call, "-o", "fused")[0] == 0
    assert made(folders / "fused") == [f"{name}.png" for name in NAMES]
    assert command(*call, "-o", "fused", "--precision", "bfloat16")[0] == 1
    torch.save(released_state("seafusion"), folders / "net.pth")
    call = ["vi/a.png", "ir/a.png", "--checkpoint", "net.pth", "--network", "seafusion", "--device", "cpu"]
    ranges = {}
    for inference in ("seafusion", "plain"):
        more = ["--inference", "plain"] if inference == "plain" else []
        assert command(*call, "-o", f"{inference}.png", *more)[0] == 0
        image = read_image(folders / f"{inference}.png")
        ranges[inference] = (image.min(), image.max())
    assert ranges["seafusion"] == (0, 255)
    assert ranges["plain"] != (0, 255)
    status, errors = command(*call, "-o", "x.png", "--color", "rgb")
    assert status == 1
    assert "it fuses luma" in errors


def test_the_network_of_the_package_is_taken_when_none_is_named(folders, command, network, monkeypatch):
    call = ["vi/a.png", "ir/a.png", "-o", "f.png", "--device", "cpu"]
    monkeypatch.setattr("ssvif.models.names.WEIGHTS", folders / "weights")
    status, errors = command(*call)
    assert status == 1
    assert "This installation of ssvif lacks its network 'fast'" in errors
    (folders / "weights").mkdir()
    shutil.copy(network, folders / "weights/fast.safetensors")
    assert command(*call)[0] == 0
    assert read_image(folders / "f.png").shape == (20, 26, 3)


def test_networks_of_the_package_are_taken_by_name(folders, command):
    fused = {}
    for name in PACKAGED_MODELS:
        assert command("vi/a.png", "ir/a.png", "-o", f"{name}.png", "--model", name, "--device", "cpu")[0] == 0
        fused[name] = read_image(folders / f"{name}.png")
    assert not np.array_equal(fused["accurate"], fused["fast"])
    status, errors = command("vi/a.png", "ir/a.png", "-o", "x.png", "--model", "faster", "--device", "cpu")
    assert status == 1
    assert "There is no network 'faster'" in errors
    assert "fast | accurate | the file of a network" in errors


def test_without_a_network_torch_is_not_imported(folders):
    """Nor any other slow module."""
    loaded, _ = modules_and_memory(folders, "vi", "ir", "-o", "fused", "--baseline", "average")
    assert {"ssvif.fusing.command", "ssvif.fusing.pipeline", "PIL"} <= loaded
    assert loaded.isdisjoint({"torch", "av", "skimage", "scipy", "h5py", "pandas", "transformers", "tifffile"})


def test_a_failed_write_ends_everything(folders, fuse, monkeypatch):
    def fail(path, image):
        raise UserError(f"No space left while writing {path}")

    monkeypatch.setattr("ssvif.fusing.outputs.write_png", fail)
    status, errors = fuse("vi", "ir", "-o", "fused")
    assert status == 1
    assert errors.startswith("ssvif: No space left")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # two minutes on two idle cores
@pytest.mark.parametrize("inference", ["plain", "seafusion"])
def test_a_large_pair_takes_less_than_four_gib(tmp_path, inference):
    save(tmp_path / "v.png", smooth(0, 4000, 6000), compress_level=1)
    save(tmp_path / "i.png", smooth(1, 4000, 6000, 0), compress_level=1)
    torch.save(released_state("seafusion"), tmp_path / "net.pth")
    call = ["v.png", "i.png", "-o", "f.png", "--checkpoint", "net.pth", "--network", "seafusion"]
    _, peak_kb = modules_and_memory(tmp_path, *call, "--inference", inference)
    assert peak_kb < 4 * 2**20
    assert read_image(tmp_path / "f.png").shape == (4000, 6000, 3)
