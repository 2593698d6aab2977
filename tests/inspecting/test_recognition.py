from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ssvif.data.find import find_pairs
from ssvif.inspecting.appearance import digest_of, near_duplicates, thumbnail_of
from ssvif.inspecting.correlation import Peak
from ssvif.inspecting.folders import recognise_folder
from ssvif.inspecting.images import read_picture
from ssvif.inspecting.shifts import combine_shifts, is_trusted, is_unlike, measure_shift
from ssvif.inspecting.structure import shrink
from ssvif.io.errors import UserError
from ssvif.io.files import write_png


def make(root, *folders):
    for folder in folders:
        write_png(root / folder / "a.png", np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize(
    ("folders", "visible"),
    [
        (("vi", "ir"), "vi/{name}"),
        (("VIS", "IR", "labels"), "VIS/{name}"),
        (("rgb", "lwir"), "rgb/{name}"),
        (("crop_LR_visible", "cropinfrared"), "crop_LR_visible/{name}"),
        (("Thermal", "Visible", "visible_masks"), "Visible/{name}"),
        (("train/vi", "train/ir", "test/vi", "test/ir"), "{split}/vi/{name}"),
        (("Training/visible", "Training/infrared", "val/visible", "val/infrared"), "{split}/visible/{name}"),
    ],
)
def test_sides_are_recognised_by_their_folders_names(tmp_path, folders, visible):
    make(tmp_path, *folders)
    descriptor, root = recognise_folder(tmp_path)
    assert descriptor.layouts[0].visible == visible
    assert sum(map(len, find_pairs(descriptor, root).values())) == len({each.rpartition("/")[0] for each in folders})


@pytest.mark.parametrize("folders", [(), ("a", "b"), ("vi", "vis", "ir"), ("train/vi", "train/ir", "test/rgb", "x/ir")])
def test_what_cannot_be_recognised_is_told(tmp_path, folders):
    make(tmp_path, *folders)
    with pytest.raises(UserError, match="which of its folders"):
        recognise_folder(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        recognise_folder(tmp_path / "gone")


@pytest.mark.parametrize(
    ("image", "name", "depth", "shape"),
    [
        (np.zeros((5, 7), np.uint8), "a.png", "8-bit", (5, 7)),
        (np.zeros((5, 7, 3), np.uint8), "a.bmp", "8-bit", (5, 7, 3)),
        (np.zeros((5, 7, 4), np.uint8), "a.png", "8-bit", (5, 7, 3)),
        (np.zeros((5, 7), np.uint16), "a.png", "16-bit", (5, 7)),
        (np.zeros((5, 7), np.uint16), "a.tif", "16-bit", (5, 7)),
        (np.zeros((5, 7), np.float32), "a.tif", "float", (5, 7)),
        (np.zeros((1, 1), bool), "a.png", "8-bit", (1, 1)),
    ],
)
def test_files_of_every_depth_are_read(tmp_path, image, name, depth, shape):
    Image.fromarray(image).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert (picture.depth, picture.pixels.shape, picture.size) == (depth, shape, shape[1::-1])


@pytest.mark.parametrize("mode", ["P", "LA", "CMYK", "PA"])
def test_other_modes_are_read(tmp_path, mode):
    image = Image.fromarray(np.full((5, 7, 3), 204, np.uint8))  # a color of the palette
    name = "a.jpg" if mode == "CMYK" else "a.tif" if mode == "PA" else "a.png"
    image.convert("P" if mode == "PA" else mode).convert(mode).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert abs(picture.pixels.astype(int) - 204).max() <= 3
    assert picture.pixels.ndim == (2 if mode == "LA" else 3)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_file_is_told(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png cannot be read"):
        read_picture(tmp_path / "a.png")
    with pytest.raises(UserError, match="does not exist"):
        read_picture(tmp_path / "gone.png")


def test_equal_pixels_are_recognised_whatever_the_file(tmp_path, small_scenes):
    image = small_scenes[0][0]
    for name in ("a.png", "b.bmp"):
        Image.fromarray(image).save(tmp_path / name)
    one, two = (read_picture(tmp_path / name).pixels for name in ("a.png", "b.bmp"))
    assert digest_of(one) == digest_of(two)
    assert digest_of(one) != digest_of(one[:-1])
    assert digest_of(np.zeros((2, 3), np.uint8)) != digest_of(np.zeros((3, 2), np.uint8))


def test_the_nearest_earlier_image_is_named():
    random = np.random.default_rng(0)
    images = random.random((10, 40, 50)).astype(np.float32)
    images[7] = images[2] + 0.01 * random.random((40, 50))
    images[9] = images[2]
    thumbnails = np.stack([thumbnail_of(image) for image in images])
    for at_once in (3, 100):
        pairs = near_duplicates(thumbnails, 0.99, at_once)
        assert [(place, earlier) for place, earlier, _ in pairs] == [(7, 2), (9, 2)]


def test_trust_is_for_the_clear_ones_alone(scenes):
    for visible, infrared in zip(*scenes, strict=True):
        peak = measure_shift(visible, infrared)
        assert is_trusted(peak)
        assert not is_unlike(peak)
        assert np.hypot(peak.x_px, peak.y_px) < 1.5
    turned = [np.flipud(np.fliplr(each)) for each in scenes[1][1:] + scenes[1][:1]]
    peaks = [measure_shift(visible, infrared) for visible, infrared in zip(scenes[0], turned, strict=True)]
    assert sum(map(is_trusted, peaks)) <= 1


def test_the_shift_is_in_visible_pixels_whatever_the_infrared_size(scenes):
    visible, infrared = scenes[0][0], np.roll(scenes[1][0], (4, -6), axis=(0, 1))
    for size in (256, 128, 100):
        peak = measure_shift(visible, shrink(infrared, size))
        assert (peak.x_px, peak.y_px) == pytest.approx((-6, 4), abs=1)


def test_real_pairs_moved_by_what_is_known_are_measured_or_not_trusted(shared):
    """MSRS by day and night: of the trusted ones none is off by more than 8 of 640 pixels, its own misfit included."""
    trusted = 0
    random = np.random.default_rng(0)
    for path in sorted((shared / "data/MSRS/test/vi").iterdir())[::3]:
        visible, infrared = (
            np.asarray(read_picture(each).pixels.astype(np.float32))
            for each in (path, path.parents[1] / "ir" / path.name)
        )
        down, right = random.integers(-25, 26, 2)
        moved = np.roll(infrared, (down, right), axis=(0, 1))
        peak = measure_shift(visible.mean(axis=2), moved)
        trusted += is_trusted(peak)
        assert not is_trusted(peak) or np.hypot(peak.x_px - right, peak.y_px - down) < 8
    assert trusted >= 5


def test_what_pairs_say_together():
    clear = {str(i): Peak(3.2 + 0.1 * (i - 4), -1.1, 0.5, 2.0) for i in range(9)}
    together = combine_shifts(clear | {"blurred": Peak(40, 40, 0.1, 0.1)})
    assert together is not None
    assert str(together) == (
        "infrared is about 3.2 px right, 1.1 px above of visible (confidence high, 9 of 10 pairs, spread 0.2 px)"
    )
    assert together.notable(192)
    assert not together.notable(640)
    assert combine_shifts({"blurred": Peak(40, 40, 0.1, 0.1)}) is None
