"""How far one side of a pair is shifted against the other, and the shift that many pairs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ssvif.inspecting.edges import Correlation, Gray, Peak, describe, find_peak, shrink
from ssvif.pairs.pair import resized

LONGEST_PX = 192
REACH = 0.12  # largest shift looked for, as a share of each side
# Of 72 real pairs (MSRS day and night, RoadScene) with simulated shifts of up to 6 % all were above both, with an error
# of at most 8 px of 640; of 72 pairs of unlike scenes about one in fifteen was.
TRUSTED_SHARPNESS = 0.6
TRUSTED_HEIGHT = 0.3
# None of the real pairs was below both of these, but most of the unlike ones were.
UNLIKE_SHARPNESS = 0.5
UNLIKE_HEIGHT = 0.25
# Of 201 real pairs (MSRS, RoadScene) none was below 0.24, of 201 with noise as infrared none above 0.12.
NOISE_HEIGHT = 0.15
FEWEST = 3  # trusted pairs that a shift of the set is computed from
NOTABLE_PX = 1.5  # at LONGEST_PX or less
OTHER_SHIFT = 0.03  # of the longer side
WIDE, WIDE_PX = 0.015, 3.0  # of the longer side, and at least: a spread beyond is of pairs that disagree


@dataclass(frozen=True)
class SetShift:
    """The shift that the trusted pairs of a set have in common, in visible pixels."""

    x_px: float  # median of how far infrared lies to the right of visible
    y_px: float  # median of how far it lies below
    spread_px: float  # median distance of the pairs from these medians
    trusted: int  # number of pairs whose shift is clear
    measured: int  # number of pairs that were measured
    longest_px: int = LONGEST_PX  # longer side of the visible images

    @property
    def confidence(self) -> str:
        """Either "high", "fair" or "low": what share of the pairs is trusted; "low" if these disagree."""
        if self.disagree:
            return "low"
        share = self.trusted / max(1, self.measured)
        return "high" if share >= 2 / 3 and self.trusted >= FEWEST else "low" if share < 1 / 3 else "fair"

    @property
    def disagree(self) -> bool:
        """Whether the pairs are shifted so differently that they have no shift in common."""
        return self.spread_px > max(WIDE_PX, WIDE * self.longest_px)

    @property
    def notable(self) -> bool:
        """Whether the shift exceeds the error of this estimate."""
        return float(np.hypot(self.x_px, self.y_px)) > NOTABLE_PX * max(1.0, self.longest_px / LONGEST_PX)

    def __str__(self) -> str:
        right = f"{abs(self.x_px):.1f} px {'right' if self.x_px >= 0 else 'left'}"
        below = f"{abs(self.y_px):.1f} px {'below' if self.y_px >= 0 else 'above'}"
        return (
            f"infrared is about {right}, {below} of visible (confidence {self.confidence}, "
            f"{self.trusted} of {self.measured} pairs, spread {self.spread_px:.1f} px)"
            + (": the pairs disagree, as of several positions of the cameras" if self.disagree else "")
        )


def measure_shift(visible: Gray, infrared: Gray) -> Peak:
    """Measure how far the infrared image's content lies right of and below the visible one's, in visible pixels.

    Both images (H,W), of any two sizes, are resized to one small size, and their edge directions correlated at every
    shift up to 12 % of the sides. Good to 1 % of the longer side; see `is_trusted`.
    """
    fixed = shrink(visible, LONGEST_PX)
    height, width = fixed.shape
    moving = resized(infrared, (height, width))
    correlation = Correlation((height, width), REACH)
    spectra = correlation.spectra(describe(fixed)), correlation.spectra(describe(moving))
    peak = find_peak(correlation.surface([spectra]))
    return replace(peak, x_px=peak.x_px * visible.shape[1] / width, y_px=peak.y_px * visible.shape[0] / height)


def is_trusted(peak: Peak) -> bool:
    """Whether a shift is clear enough to be trusted."""
    return peak.sharpness >= TRUSTED_SHARPNESS and peak.height >= TRUSTED_HEIGHT


def is_unlike(peak: Peak) -> bool:
    """Whether the two sides share so few edges that they hardly show one scene."""
    return peak.height < (UNLIKE_HEIGHT if peak.sharpness < UNLIKE_SHARPNESS else NOISE_HEIGHT)


def combine_shifts(peaks: Mapping[str, Peak], longest_px: int) -> SetShift | None:
    """Return the median of the trusted shifts of `measure_shift`, given by pair; None if they are too few.

    `longest_px` is the longer side of the visible images.
    """
    trusted = np.array([(peak.x_px, peak.y_px) for peak in peaks.values() if is_trusted(peak)])
    if len(trusted) < FEWEST:
        return None
    middle = np.median(trusted, axis=0)
    spread = float(np.median(np.linalg.norm(trusted - middle, axis=1)))
    return SetShift(float(middle[0]), float(middle[1]), spread, len(trusted), len(peaks), longest_px)


def other_shifts(peaks: Mapping[str, Peak], together: SetShift, longest_px: int) -> dict[str, float]:
    """Return the pairs whose clear shift differs much from that of the set, and by how many pixels."""
    limit = max(OTHER_SHIFT * longest_px, 4 * together.spread_px)
    away = {
        name: float(np.hypot(peak.x_px - together.x_px, peak.y_px - together.y_px))
        for name, peak in peaks.items()
        if is_trusted(peak)
    }
    return {name: distance for name, distance in away.items() if distance > limit}
