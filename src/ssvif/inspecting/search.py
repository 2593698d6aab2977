"""A first guess of how two cameras lie on each other: all scales, turns and shifts tried on small pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ssvif.inspecting.correlation import Peak, Spectra, correlate, find_peak, padded_shape, spectra_of
from ssvif.inspecting.structure import Grey, describe, level_size, resample, shrink
from ssvif.ops.statistics import choose_evenly
from ssvif.pairs.alignment import Matrix, resizing

LONGEST_PX = 160
MOST_PAIRS = 6
SMOOTHING_PX = 2.0  # of the descriptions: a step of the scale moves the border by three pixels
REACH = 0.25  # largest shift, as a share of the side
SCALES = tuple(1.04**step for step in range(-10, 11))  # 0.68 to 1.48
FINE_SCALES = (0.98, 1.0, 1.02)
TURNS_DEG = (-4.0, -2.0, 0.0, 2.0, 4.0)
SAME_ASPECT = 0.01  # aspect ratios that differ by less are one


def search_start(visible: Sequence[Grey], infrared: Sequence[Grey], model: str) -> tuple[Matrix, Peak]:
    """Guess the transform of a camera pair from a few of its pairs.

    Args:
        visible: images (H,W) of one size.
        infrared: images of one size, as many.
        model: a translation is looked for at the given scale only; anything else at scales of 0.67 to 1.5 of that
            and turns of −4° to 4°.

    Returns:
        The (3,3) matrix from visible to infrared pixels, good to some pixels of `LONGEST_PX`, and how clearly it
        stands out.
    """
    search = _Search(visible, infrared)
    starts = _stretches(visible[0], infrared[0], model)
    if model == "translation":
        return search.best([(start, 1.0, 0.0) for start in starts])[0]
    tries = [(start, scale, 0.0) for start in starts for scale in SCALES]
    _, (start, scale, _) = search.best(tries)
    return search.best([(start, scale * fine, turn) for fine in FINE_SCALES for turn in TURNS_DEG])[0]


def _stretches(visible: Grey, infrared: Grey, model: str) -> list[Matrix]:
    """Return the ways to lay the infrared image over the visible one: with square pixels, and border on border."""
    sizes = (visible.shape[1], visible.shape[0]), (infrared.shape[1], infrared.shape[0])
    stretched = resizing(*sizes)
    ratio = stretched[0, 0] / stretched[1, 1]
    if abs(math.log(ratio)) < SAME_ASPECT:
        ratio = 1.0
    square = stretched.copy()
    square[0, 0] = square[1, 1] = math.sqrt(stretched[0, 0] * stretched[1, 1])
    middles = [(np.array(size) - 1) / 2 for size in sizes]
    square[:2, 2] = middles[1] - square[0, 0] * middles[0]
    return [square] if ratio == 1 or model in ("translation", "similarity") else [square, stretched]


class _Search:
    """The visible side, transformed once, against which everything is tried.

    Args:
        visible: as given to `search_start`.
        infrared: likewise.
    """

    def __init__(self, visible: Sequence[Grey], infrared: Sequence[Grey]) -> None:
        places = choose_evenly(range(len(visible)), MOST_PAIRS)
        fixed = [shrink(visible[place], LONGEST_PX) for place in places]
        self.moving = [shrink(infrared[place], LONGEST_PX) for place in places]
        self.shape = fixed[0].shape
        self.reach = (int(self.shape[0] * REACH), int(self.shape[1] * REACH))
        self.padded = padded_shape((self.shape[0], self.shape[1]), self.reach)
        whole = np.ones(self.shape, np.float32)
        self.fixed = [spectra_of(describe(each, SMOOTHING_PX), whole, self.padded) for each in fixed]
        self.up, self.down = levels(visible[0], infrared[0], LONGEST_PX)

    def best(
        self, tries: Iterable[tuple[Matrix, float, float]]
    ) -> tuple[tuple[Matrix, Peak], tuple[Matrix, float, float]]:
        """Return the best of some (stretch, scale, turn in degrees): its transform and peak, and the three."""
        found = [(*self._shift(self._matrix(*each)), each) for each in tries]
        matrix, peak, tried = max(found, key=lambda each: each[1].height)
        return (matrix, peak), tried

    def _matrix(self, stretch: Matrix, scale: float, turn_deg: float) -> Matrix:
        return self.down @ stretch @ self.up @ _about_middle((self.shape[1], self.shape[0]), scale, turn_deg)

    def _shift(self, matrix: Matrix) -> tuple[Matrix, Peak]:
        moving: list[Spectra] = []
        for image in self.moving:
            looked_at, inside = resample(image, matrix, (self.shape[0], self.shape[1]))
            moving.append(spectra_of(describe(looked_at, SMOOTHING_PX) * inside, inside, self.padded))
        peak = find_peak(correlate(zip(self.fixed, moving, strict=True), self.padded, self.reach))
        shift = np.eye(3)
        shift[:2, 2] = peak.x_px, peak.y_px
        return np.linalg.inv(self.down) @ matrix @ shift @ np.linalg.inv(self.up), peak


def levels(visible: Grey, infrared: Grey, longest_px: int) -> tuple[Matrix, Matrix]:
    """Return the matrices from small visible to visible pixels, and from infrared to small infrared pixels."""
    sizes = [(image.shape[1], image.shape[0]) for image in (visible, infrared)]
    small = [level_size(size, longest_px) for size in sizes]
    return resizing(small[0], sizes[0]), resizing(sizes[1], small[1])


def _about_middle(size: tuple[int, int], scale: float, turn_deg: float) -> Matrix:
    cosine, sine = scale * math.cos(math.radians(turn_deg)), scale * math.sin(math.radians(turn_deg))
    middle = (np.array(size) - 1) / 2
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    matrix[:2, 2] = middle - matrix[:2, :2] @ middle
    return matrix
