from __future__ import annotations

import numpy as np
import pytest

from ssvif.inspecting.blocks import compare_blocks, read_shifts, sum_blocks
from ssvif.inspecting.correlation import correlate, find_peak, padded_shape, spectra_of
from ssvif.inspecting.structure import describe, level_size, resample, shrink, to_grey


def shifted(image, right, down):
    """The middle of an image, and the middle of the image whose content lies so far right and down."""
    height, width = image.shape
    margin = 20
    moved = image[margin - down : height - margin - down, margin - right : width - margin - right]
    return image[margin:-margin, margin:-margin].copy(), moved.copy()


def test_edges_stay_edges_when_bright_and_dark_change_places(scenes):
    image = scenes[0][0]
    np.testing.assert_allclose(describe(image), describe(255 - image), atol=1e-4)
    np.testing.assert_allclose(describe(image), describe(image * 200 + 3000), atol=1e-3)  # 16-bit thermal


def test_descriptions_are_bounded_and_know_no_direction_in_sum(scenes):
    described = describe(scenes[1][0])
    assert described.dtype == np.float32
    assert np.abs(described.sum(axis=0)).max() < 1e-4
    assert np.sqrt(np.square(described).sum(axis=0)).max() < 1
    assert not describe(np.full((20, 30), 8, np.float32)).any()


@pytest.mark.parametrize(("right", "down"), [(0, 0), (7, -4), (-12, 9)])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_known_shift_is_found(scenes, right, down, inverted):
    fixed, moving = shifted(scenes[0][0], right, down)
    moving = 255 - moving if inverted else moving
    padded = padded_shape(fixed.shape, (15, 15))
    whole = np.ones(fixed.shape, np.float32)
    spectra = [spectra_of(describe(each), whole, padded) for each in (fixed, moving)]
    peak = find_peak(correlate([(spectra[0], spectra[1])], padded, (15, 15)))
    assert (peak.x_px, peak.y_px) == pytest.approx((right, down), abs=0.1)
    assert 0.8 < peak.height < 1.001
    assert peak.sharpness > 1


def test_a_peak_lies_between_places():
    rows, columns = np.mgrid[-10:11, -10:11]
    surface = (1 - 0.01 * ((columns - 2.3) ** 2 + (rows + 1.4) ** 2)).astype(np.float32)
    peak = find_peak(surface)
    assert (peak.x_px, peak.y_px) == pytest.approx((2.3, -1.4), abs=1e-4)


def test_every_block_tells_its_own_shift(scenes):
    fixed, moving = shifted(scenes[0][3], 2, -3)
    surfaces = compare_blocks(describe(fixed), describe(moving), (3, 4), 5)
    assert surfaces.shape == (3, 11, 11, 3, 4)
    blocks, heights = read_shifts([surfaces], fixed.shape)
    half = (max(fixed.shape) - 1) / 2
    assert len(blocks.points) >= 8
    np.testing.assert_allclose(np.median(blocks.shifts * half, axis=0), [2, -3], atol=0.1)
    assert np.median(heights) > 0.8


def test_a_block_of_nothing_says_nothing():
    empty = np.zeros((6, 40, 50), np.float32)
    blocks, heights = read_shifts([compare_blocks(empty, empty, (2, 2), 3)], (40, 50))
    assert len(blocks.points) == len(heights) == 0


def test_blocks_leave_no_gap():
    values = np.random.default_rng(0).random((37, 53)).astype(np.float32)
    summed = sum_blocks(values, (5, 6))
    assert summed.shape == (5, 6)
    assert summed.sum() == pytest.approx(values.sum(), rel=1e-5)


def test_what_lies_beyond_is_masked():
    matrix = np.eye(3)
    matrix[0, 2] = 4
    looked_at, inside = resample(np.ones((10, 20), np.float32), matrix, (10, 20))
    assert (looked_at == 1).all()
    assert inside[:, :16].all()
    assert not inside[:, 16:].any()


def test_images_are_made_smaller_and_never_larger():
    assert level_size((1280, 1024), 320) == (320, 256)
    assert level_size((100, 3), 320) == (100, 3)
    assert level_size((5000, 1), 320) == (320, 1)
    image = np.random.default_rng(0).random((50, 80)).astype(np.float32)
    assert shrink(image, 100) is image
    small = shrink(image, 40)
    assert small.shape == (25, 40)
    assert small.mean() == pytest.approx(image.mean(), abs=0.01)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_brightness_of_every_kind(shape):
    image = np.full(shape, 40_000, np.uint16)
    np.testing.assert_allclose(to_grey(image), np.full((4, 5), 40_000), rtol=1e-6)
    assert to_grey(np.full(shape, np.nan)).tolist() == np.zeros((4, 5)).tolist()
