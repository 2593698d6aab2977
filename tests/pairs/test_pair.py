import re

import numpy as np
import pytest
import torch
from PIL import Image

from fusing.made import noise, smooth
from ssvif.io.errors import UserError
from ssvif.io.images import RawImage
from ssvif.ops.color import luma
from ssvif.pairs.alignment import Alignment
from ssvif.pairs.pair import Rules, looks_colored, make_pair, resized, to_gray
from ssvif.pairs.ranges import Range


def pair_of(visible, infrared, **rules):
    return make_pair("a", RawImage(visible), RawImage(infrared), Rules(**rules))


def kinds(pair):
    return [kind for kind, _ in pair.notes]


def test_gray_and_color_come_as_floats_and_what_was_left_out_is_told():
    gray, thermal = noise(0, 5, 7, 0), noise(1, 5, 7, 0)
    visible, infrared = pair_of(gray, thermal).crop(slice(1, 4), slice(2, 7))
    assert (visible.shape, infrared.shape) == ((3, 5, 3), (3, 5))
    assert visible.dtype == infrared.dtype == np.float32
    assert np.array_equal(visible[..., 1] * 255, gray[1:4, 2:7])
    assert np.allclose(infrared * 255, thermal[1:4, 2:7])
    pair = make_pair("a", RawImage(noise(0, 4, 4), ("alpha",)), RawImage(noise(0, 4, 4, 0), ("pages",)), Rules())
    assert kinds(pair) == ["visible alpha", "infrared pages"]


def test_a_colored_infrared_image_is_its_luma_as_when_packing():
    color = noise(0, 9, 8)
    assert np.array_equal(to_gray(color), luma(torch.tensor(color).permute(2, 0, 1)[None])[0, 0].numpy())
    three = np.repeat(noise(1, 9, 8, 1), 3, axis=2)
    assert np.array_equal(to_gray(three), three[..., 0])
    deep = color.astype(np.uint16) * 257
    assert np.allclose(to_gray(deep) / 257, color @ np.array([0.299, 0.587, 0.114]), atol=0.01)


def test_a_color_map_is_recognised_and_gray_saved_as_a_color_jpeg_is_not(tmp_path):
    infrared = smooth(0, 64, 80, 0)
    ramp = infrared.astype(float) / 255
    iron = np.stack([ramp**0.5, ramp**2, np.sin(ramp * np.pi)], axis=2)
    assert looks_colored((iron * 255).astype(np.uint8))
    assert looks_colored((iron * 65535).astype(np.uint16))
    Image.fromarray(infrared).convert("RGB").save(tmp_path / "gray.jpg", quality=60)
    assert not looks_colored(np.asarray(Image.open(tmp_path / "gray.jpg")))
    assert not looks_colored(infrared)
    assert kinds(pair_of(noise(0, 64, 80), (iron * 255).astype(np.uint8))) == ["colored"]
    assert kinds(pair_of(noise(0, 64, 80), infrared)) == []


def test_a_gray_visible_image_beside_a_colored_infrared_one_may_be_swapped():
    gray, pale = smooth(0, 64, 80, 0), smooth(1, 64, 80) // 8 + 100
    pale[..., 0] += 3
    assert "swapped" in kinds(pair_of(gray, pale))
    assert "swapped" in kinds(pair_of(np.repeat(gray[..., None], 3, axis=2), pale))
    assert kinds(pair_of(pale, gray)) == kinds(pair_of(gray, gray)) == []


@pytest.mark.parametrize("sizes", [((40, 60), (20, 30)), ((40, 60), (100, 150)), ((40, 60), (41, 61))])
def test_infrared_is_brought_to_visibles_size(sizes):
    visible, infrared = noise(0, *sizes[0]), smooth(1, *sizes[1], 0)
    pair = pair_of(visible, infrared)
    assert (pair.size, pair.infrared.shape, kinds(pair)) == (sizes[0], sizes[0], ["resized"])
    assert abs(float(pair.infrared.mean()) - float(infrared.mean())) < 3
    other = pair_of(visible, infrared, resize="visible")
    assert (other.size, other.infrared.shape) == (sizes[1], sizes[1])


def test_reduction_averages():
    checkers = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert abs(resized(checkers, (16, 16))[2:-2, 2:-2].astype(int) - 127).max() <= 2
    deep = resized(checkers.astype(np.uint16) * 257, (16, 16))
    assert deep.dtype == np.uint16
    assert resized(np.full((5, 5, 3), 7, np.uint8), (9, 3)).shape == (9, 3, 3)


def test_what_is_of_another_shape_is_refused_with_both_sizes():
    for infrared, rules in (((40, 70), {}), ((20, 30), {"resize": "error"})):
        with pytest.raises(UserError, match="The two images of a differ in size") as caught:
            pair_of(noise(0, 40, 60), noise(1, *infrared, 0), **rules)
        assert caught.value.got == f"visible 60×40, infrared {infrared[1]}×{infrared[0]}"


@pytest.mark.parametrize(
    ("visible", "infrared", "says"),
    [((20, 60), (20, 30), "visible files .* columns$"), ((20, 30), (40, 30), "infrared files .* rows$")],
)
def test_a_file_with_room_for_both_images_may_hold_them(visible, infrared, says):
    with pytest.raises(UserError) as caught:
        pair_of(noise(0, *visible), noise(1, *infrared, 0))
    assert re.search(says, caught.value.remedy)


def test_an_alignment_takes_the_place_of_resizing():
    shift = Alignment(((1.0, 0, 3), (0, 1.0, 2), (0, 0, 1)), "translation", (20, 16), (40, 30))
    infrared = smooth(0, 30, 40, 0)
    pair = pair_of(noise(0, 16, 20), infrared, alignment=shift)
    assert np.array_equal(pair.infrared, infrared[2:18, 3:23])
    with pytest.raises(UserError, match="the visible image a does not fit the alignment"):
        pair_of(noise(0, 17, 20), infrared, alignment=shift)
    with pytest.raises(UserError, match="the infrared image a does not fit the alignment"):
        pair_of(noise(0, 16, 20), infrared[1:], alignment=shift)


def test_a_missing_value_does_not_spread_when_resized():
    infrared = np.linspace(280, 320, 200, dtype=np.float32).reshape(10, 20)
    infrared[3, 4] = np.nan
    _, cropped = pair_of(noise(0, 20, 40), infrared).crop(slice(20), slice(40))
    assert np.isfinite(cropped).all()
    assert cropped[-1, -1] == 1


def test_a_dark_16_bit_visible_image_is_explained():
    shallow = noise(0, 8, 9, 3, levels=4096, dtype=np.uint16)
    (kind, sentence), *_ = pair_of(shallow, noise(1, 8, 9, 0)).notes
    assert kind == "shallow"
    assert "--visible-range 0:4095" in sentence
    assert kinds(pair_of(shallow, noise(1, 8, 9, 0), visible_range=Range(0, 4095))) == []
    assert kinds(pair_of(noise(0, 8, 9).astype(np.uint16) * 257, noise(1, 8, 9, 0))) == []


def test_floats_beyond_0_and_1_are_refused_rather_than_white():
    levels = noise(0, 8, 9).astype(np.float32)
    with pytest.raises(UserError, match="The visible image a holds floats outside") as caught:
        pair_of(levels, noise(1, 8, 9, 0))
    assert "--visible-range 0:255" in caught.value.remedy
    given = pair_of(levels, noise(1, 8, 9, 0), visible_range=Range(0, 255))
    assert np.allclose(given.crop(slice(8), slice(9))[0] * 255, levels, atol=1e-3)
    pair_of(levels / 255, noise(1, 8, 9, 0))
    infrared = np.linspace(280, 320, 72, dtype=np.float32).reshape(8, 9)
    infrared[0, 0] = np.nan
    pair_of(noise(0, 8, 9), infrared)
    with pytest.raises(UserError, match="infrared image a holds floats outside") as caught:
        pair_of(noise(0, 8, 9), infrared, infrared_range="full")
    assert caught.value.got == "280.563 to 320"
    assert "--infrared-range 280:320," in caught.value.remedy
    for levels, fixed in ((65535, "0:65535"), (4095, "0:4095"), (300.5, "0:301")):
        with pytest.raises(UserError) as caught:
            pair_of(noise(0, 8, 9), np.float32([[0, levels]] * 2), infrared_range="full")
        assert f"--infrared-range {fixed}," in caught.value.remedy
