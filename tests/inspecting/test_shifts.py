from dataclasses import replace

import numpy as np
import pytest

from ssvif.inspecting.edges import Peak, gray_of, shrink
from ssvif.inspecting.shifts import combine_shifts, is_trusted, is_unlike, measure_shift
from ssvif.io.images import read_raw


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
        visible, infrared = (gray_of(read_raw(each).pixels) for each in (path, path.parents[1] / "ir" / path.name))
        down, right = random.integers(-25, 26, 2)
        moved = np.roll(infrared, (down, right), axis=(0, 1))
        peak = measure_shift(visible, moved)
        trusted += is_trusted(peak)
        assert not is_trusted(peak) or np.hypot(peak.x_px - right, peak.y_px - down) < 8
    assert trusted >= 5


def test_what_pairs_say_together():
    clear = {str(i): Peak(3.2 + 0.1 * (i - 4), -1.1, 0.5, 2.0) for i in range(9)}
    together = combine_shifts(clear | {"blurred": Peak(40, 40, 0.1, 0.1)}, 192)
    assert together is not None
    assert str(together) == (
        "infrared is about 3.2 px right, 1.1 px above of visible (confidence high, 9 of 10 pairs, spread 0.2 px)"
    )
    assert together.notable
    assert not replace(together, longest_px=640).notable
    assert combine_shifts({"blurred": Peak(40, 40, 0.1, 0.1)}, 192) is None


def test_pairs_of_two_camera_positions_have_no_shift_in_common():
    peaks = {str(i): Peak(*((6, 3) if i < 3 else (-12, -8)), 0.5, 2.0) for i in range(6)}
    together = combine_shifts(peaks, 640)
    assert together is not None
    assert together.confidence == "low"
    assert "the pairs disagree" in str(together)
