import numpy as np
import pytest
from made_cameras import shifted

from ssvif.inspecting.edges import Correlation, describe, find_peak, gray_of, resample, shrink


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
    correlation = Correlation(fixed.shape, 0.1)
    peak = find_peak(correlation.surface([[correlation.spectra(describe(each)) for each in (fixed, moving)]]))
    assert (peak.x_px, peak.y_px) == pytest.approx((right, down), abs=0.1)
    assert 0.8 < peak.height < 1.001
    assert peak.sharpness > 1


def test_a_peak_lies_between_places():
    rows, columns = np.mgrid[-10:11, -10:11]
    surface = (1 - 0.01 * ((columns - 2.3) ** 2 + (rows + 1.4) ** 2)).astype(np.float32)
    peak = find_peak(surface)
    assert (peak.x_px, peak.y_px) == pytest.approx((2.3, -1.4), abs=1e-4)


def test_what_lies_beyond_is_masked():
    matrix = np.eye(3)
    matrix[0, 2] = 4
    looked_at, inside = resample(np.ones((10, 20), np.float32), matrix, (10, 20))
    assert (looked_at == 1).all()
    assert inside[:, :16].all()
    assert not inside[:, 16:].any()


@pytest.mark.parametrize(("shape", "small"), [((1024, 1280), (256, 320)), ((3, 100), (3, 100)), ((1, 5000), (1, 320))])
def test_images_are_made_smaller_and_never_larger(shape, small):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    shrunk = shrink(image, 320)
    assert shrunk.shape == small
    assert (shrunk is image) == (shape == small)
    assert shrunk.mean() == pytest.approx(image.mean(), abs=0.01)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_brightness_of_every_kind(shape):
    image = np.full(shape, 40_000, np.uint16)
    np.testing.assert_allclose(gray_of(image), np.full((4, 5), 40_000), rtol=1e-6)
    assert gray_of(np.full(shape, np.nan)).tolist() == np.zeros((4, 5)).tolist()
    image[0, 0] = 41_000
    assert gray_of(image, nodata=40_000).tolist() == np.full((4, 5), 41_000).tolist()
