import json
from fractions import Fraction

import numpy as np
import pytest
from made_cameras import corner_error, look_through
from PIL import Image

from roadscenes.render import render_scene
from ssvif.fusing.outputs import video_writer
from ssvif.inspecting.align import CAPTION_PX, align_folders
from ssvif.inspecting.edges import gray_of
from ssvif.inspecting.estimate import estimate_transform
from ssvif.io.errors import UserError
from ssvif.io.files import read_image, write_png
from ssvif.io.images import read_raw
from ssvif.pairs.alignment import read_alignment, warp

HEIGHT, WIDTH = 192, 256


def about_middle(linear, shift, size=(WIDTH, HEIGHT), onto=None):
    middle, target = (np.array(each) / 2 - 0.5 for each in (size, onto or size))
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = target + np.array(shift) - matrix[:2, :2] @ middle
    return matrix


TILTED = about_middle([[1.02, 0.01], [-0.01, 0.99]], (-3, 4))
TILTED[2, :2] = 5e-5, -8e-5
TRUE = {
    "translation": (about_middle(np.eye(2), (10, -6)), (WIDTH, HEIGHT)),
    "affine": (about_middle([[1.04, 0.02], [-0.015, 0.97]], (5, 4)), (WIDTH, HEIGHT)),
    # fewer pixels, another aspect, a turn of two degrees, and four fifths of the view
    "similarity": (about_middle(0.625 * np.array([[0.9994, -0.0349], [0.0349, 0.9994]]), (3, -2), onto=(128, 102)),
                   (128, 102)),
    "homography": (TILTED, (WIDTH, HEIGHT)),
}  # fmt: skip


@pytest.mark.parametrize("model", TRUE)
def test_a_made_transform_is_found(scenes, write_folders, tmp_path, model):
    """Within a pixel at the corners; from visible by day, dusk and night to infrared."""
    true, size = TRUE[model]
    folders = write_folders(scenes[0][:2], look_through(scenes[1][:2], true, size))
    said = align_folders(*folders, tmp_path / "a.json", model=model, picture=tmp_path / "a.png")
    alignment = read_alignment(tmp_path / "a.json")
    assert alignment.visible_size == (WIDTH, HEIGHT)
    assert alignment.infrared_size == size
    assert corner_error(alignment.array, true, (WIDTH, HEIGHT)) < 1
    assert alignment.inlier_share > 0.5
    assert model in said
    assert "2 pairs" in said
    picture = read_image(tmp_path / "a.png")
    assert picture.shape == (CAPTION_PX + 2 * HEIGHT + 8, 2 * WIDTH + 8, 3)
    left, right = picture[:CAPTION_PX, : WIDTH + 4], picture[:CAPTION_PX, WIDTH + 4 :]
    assert max(left.min(), right.min()) < 64  # both halves are captioned
    # and warping by it brings the infrared image back to where it was
    infrared = read_image(folders[1] / "0.png")
    inner = np.s_[40:-40, 50:-50]
    back = warp(infrared, alignment).astype(float)[inner]
    assert np.corrcoef(back.ravel(), scenes[1][0][inner].ravel())[0, 1] > 0.97


def test_one_pair_is_enough_if_it_shows_much(scenes, write_folders, tmp_path):
    true = TRUE["translation"][0]
    folders = write_folders(scenes[0][:1], look_through(scenes[1][:1], true, (WIDTH, HEIGHT)))
    align_folders(*folders, tmp_path / "a.json", model="translation")
    assert corner_error(read_alignment(tmp_path / "a.json").array, true, (WIDTH, HEIGHT)) < 1


def test_two_videos_are_aligned_by_some_of_their_frames(scenes, tmp_path):
    pytest.importorskip("av", reason="the extra ssvif[video] is not installed")
    true = TRUE["translation"][0]
    sides = {"vi": scenes[0], "ir": look_through(scenes[1], true, (WIDTH, HEIGHT))}
    for side, images in sides.items():
        with video_writer(tmp_path / f"{side}.mkv", Fraction(25)) as write:
            for image in (*images, *images):
                write(np.rint(image).clip(0, 255).astype(np.uint8)[..., None].repeat(3, axis=2))
    align_folders(tmp_path / "vi.mkv", tmp_path / "ir.mkv", tmp_path / "a.json", model="translation", most_pairs=4)
    found = read_alignment(tmp_path / "a.json")
    assert found.made["names"] == ["000001", "000003", "000005", "000007"]
    assert corner_error(found.array, true, (WIDTH, HEIGHT)) < 1


@pytest.mark.parametrize("narrower", [1.8, 2.3])
def test_an_infrared_lens_that_sees_much_less_is_found(narrower, write_folders, tmp_path):
    drawn = [render_scene(seed, 288, 384, "day") for seed in range(4)]
    visible, infrared = ([gray_of(getattr(scene, side)) for scene in drawn] for side in ("visible", "infrared"))
    true = about_middle(narrower * 0.75 * np.eye(2), (8, -5), size=(384, 288), onto=(288, 216))
    folders = write_folders(visible, look_through(infrared, true, (288, 216)))
    said = align_folders(*folders, tmp_path / "a.json", model="similarity")
    assert corner_error(read_alignment(tmp_path / "a.json").array, true, (384, 288)) < 3
    assert f"sees {1 / narrower**2:.0%}"[:6] in said


@pytest.mark.parametrize("shift", [(8, 4), (24, 10)])
def test_pairs_of_two_positions_of_the_camera_are_refused(shift, scenes, write_folders, tmp_path):
    """Half of the pairs contradict the other half: neither half's transform may be written."""
    images = [
        look_through([infrared], about_middle(np.eye(2), sign * np.array(shift)), (WIDTH, HEIGHT))[0]
        for infrared, sign in zip(scenes[1], (1, -1, 1, -1), strict=True)
    ]
    with pytest.raises(UserError, match="contradict the transform"):
        align_folders(*write_folders(scenes[0], images), tmp_path / "a.json", model="translation")
    assert not (tmp_path / "a.json").exists()


def test_the_same_pairs_give_the_same_file(scenes, write_folders, tmp_path):
    folders = write_folders(scenes[0][:2], scenes[1][:2])
    for name in ("a", "b"):
        align_folders(*folders, tmp_path / f"{name}.json", model="translation", picture=tmp_path / f"{name}.png")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert str(tmp_path) not in (tmp_path / "a.json").read_text()
    assert json.loads((tmp_path / "a.json").read_text())["made"]["names"] == ["0", "1"]


@pytest.mark.parametrize("model", ["translation", "affine"])
def test_pairs_that_do_not_belong_together_are_refused(scenes, write_folders, tmp_path, model):
    folders = write_folders(scenes[0][:3], [np.fliplr(np.flipud(image)) for image in scenes[1][1:3] + scenes[1][:1]])
    with pytest.raises(UserError, match="do not determine how the two cameras are aligned"):
        align_folders(*folders, tmp_path / "a.json", model=model, picture=tmp_path / "a.png")
    assert not (tmp_path / "a.json").exists()
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("kind", ["constant", "noise"])
def test_images_without_structure_are_refused(scenes, write_folders, tmp_path, kind):
    random = np.random.default_rng(0)
    nothing = [np.full((HEIGHT, WIDTH), 90.0) if kind == "constant" else random.normal(90, 9, (HEIGHT, WIDTH))] * 2
    with pytest.raises(UserError, match="do not determine"):
        align_folders(*write_folders(scenes[0][:2], nothing), tmp_path / "a.json", model="translation")


def test_of_nothing_nothing_is_estimated():
    nothing = [np.zeros((64, 80), np.float32)]
    assert estimate_transform(nothing, nothing, "affine") is None


def test_cameras_of_more_than_one_size_are_told(scenes, write_folders, tmp_path):
    folders = write_folders(scenes[0][:3], scenes[1][:3])
    write_png(folders[1] / "2.png", np.zeros((50, 60), np.uint8))
    with pytest.raises(UserError, match="images of 2 sizes") as caught:
        align_folders(*folders, tmp_path / "a.json", model="affine")
    assert "60×50 px in 2.png" in str(caught.value)


def test_wrong_calls_are_told(write_folders, tmp_path):
    small = [np.zeros((20, 20))]
    folders = write_folders(small, small)
    with pytest.raises(UserError, match="Unknown model 'elastic'"):
        align_folders(*folders, tmp_path / "a.json", model="elastic")
    with pytest.raises(UserError, match="too small"):
        align_folders(*folders, tmp_path / "a.json", model="affine")
    (folders[1] / "0.png").rename(folders[1] / "x.png")
    with pytest.raises(UserError, match="have no name in common"):
        align_folders(*folders, tmp_path / "a.json", model="affine")
    (folders[1] / "x.png").rename(folders[1] / "0.png")
    (folders[0] / "0.png").write_bytes(b"\x89PNG no image")
    with pytest.raises(UserError, match=r"0\.png cannot be read"):
        align_folders(*folders, tmp_path / "a.json", model="affine")


def test_a_thermal_camera_of_16_bits_is_aligned_as_well(scenes, tmp_path):
    true = about_middle(np.eye(2), (6, 5))
    for number, infrared in enumerate(look_through(scenes[1][:2], true, (WIDTH, HEIGHT))):
        write_png(tmp_path / "vi" / f"{number}.png", scenes[0][number].astype(np.uint8))
        (tmp_path / "ir").mkdir(exist_ok=True)
        Image.fromarray((27_000 + 8 * infrared).astype(np.uint16)).save(tmp_path / "ir" / f"{number}.tif")
    align_folders(tmp_path / "vi", tmp_path / "ir", tmp_path / "a.json", model="translation")
    assert corner_error(read_alignment(tmp_path / "a.json").array, true, (WIDTH, HEIGHT)) < 1


def test_real_road_scenes_are_found_where_they_lie(shared, write_folders, tmp_path):
    """RoadScene is registered, each pair by itself to some pixels: cut to one size, and moved by what is known."""
    names = sorted((shared / "data/RoadScene/vi").iterdir())
    pairs = [
        (gray_of(read_raw(path).pixels), gray_of(read_raw(path.parents[1] / "ir" / path.name).pixels))
        for path in names[::4]
    ]
    pairs = [pair for pair in pairs if pair[0].shape[0] >= 300 and pair[0].shape[1] >= 480][:6]
    visible, infrared = ([cut(pair[side], 300, 480) for pair in pairs] for side in (0, 1))
    true = about_middle([[1.04, 0.02], [-0.015, 0.97]], (10, 6), size=(480, 300))
    folders = write_folders(visible, look_through(infrared, true, (480, 300)))
    align_folders(*folders, tmp_path / "a.json", model="affine")
    assert corner_error(read_alignment(tmp_path / "a.json").array, true, (480, 300)) < 3


def cut(image, height, width):
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
