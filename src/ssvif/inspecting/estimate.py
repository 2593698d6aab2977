"""The transform between two rigidly mounted cameras, from several of their pairs, and how sure it is.

All scales, turns and shifts are tried on small images first. Then the shift of each block of the image is measured, by
the correlation of edge directions summed over all pairs, and a motion that most blocks agree with is fitted. Both steps
are repeated from there, and at the next finer size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from ssvif.inspecting.blocks import (
    GENERATORS,
    Surfaces,
    compare_blocks,
    fit_motion,
    motion_matrix,
    read_shifts,
    sum_blocks,
    unit_of,
)
from ssvif.inspecting.edges import SMOOTHING_PX, Correlation, Gray, Peak, describe, find_peak, resample, shrink, size_of
from ssvif.ops.sampling import choose_evenly
from ssvif.pairs.alignment import Matrix, corners_of, map_points, resizing

# the search over small images
SEARCH_PX = 160  # longest side
MOST_PAIRS = 6
SEARCH_SMOOTHING_PX = 2.0  # of the descriptions: a step of the scale moves the border by three pixels
REACH = 0.25  # largest shift, as a share of the side
SCALES = tuple(1.04**step for step in range(-10, 11))  # 0.68 to 1.48
NARROW_SCALES = tuple(1.04**step for step in range(11, 25))  # 1.54 to 2.56: infrared lenses that see much less
FINE_SCALES = (0.98, 1.0, 1.02)
TURNS_DEG = (-4.0, -2.0, 0.0, 2.0, 4.0)
SAME_ASPECT = 0.01  # aspect ratios that differ by less are one
# the refinement by blocks
TOLERANCE_PX = 1.5  # a block further off than this, in pixels of its level, hardly counts
INLIER_PX = 2.0  # a block nearer than this agrees with the transform
SIMPLER = {"translation": "translation", "similarity": "similarity", "affine": "similarity", "homography": "affine"}


class Level(NamedTuple):
    """One size of the images to work at."""

    longest_px: int  # longest side of both images
    grid: tuple[int, int]  # rows and columns of blocks
    reach_px: int  # largest shift of a block, in pixels of the level
    rounds: int  # how often to measure and fit again
    simpler: bool  # whether to fit the model below the one wanted


LEVELS = (Level(160, (4, 5), 6, 2, simpler=True), Level(320, (5, 6), 4, 3, simpler=False))


class Estimate(NamedTuple):
    """A transform, and how sure it is."""

    matrix: Matrix  # (3,3), from visible to infrared pixels
    blocks: int  # how many blocks of the visible image the infrared camera sees, at least half of each
    usable: int  # in how many blocks a shift could be measured
    inliers: int  # how many of these agree with the transform
    residual_px: float  # root mean square of what the agreeing blocks are off, in visible pixels
    correlation: float  # median over the usable blocks, 0 to 1
    # mean distance, over the visible image's corners, between two estimates from one half of the evidence each,
    # in visible pixels; None if a half alone does not determine one
    repeatability_px: float | None


def estimate_transform(
    visible: Sequence[Gray], infrared: Sequence[Gray], model: str, scales: Sequence[float] = SCALES
) -> Estimate | None:
    """Estimate one transform for all pairs.

    Args:
        visible: images (H,W) of one size.
        infrared: images (H,W) of one size, as many.
        model: "translation" is looked for at the given scale only; "similarity", "affine" and "homography" at
            `scales` of that and turns of −4° to 4°.
        scales: infrared pixels per visible pixel to try, as multiples of what a plain resize has.

    Returns:
        The estimate, or None if a shift could be measured in fewer blocks than the model needs.
    """
    matrix = _search(visible, infrared, model, scales)
    found: Estimate | None = None
    for level in LEVELS:
        small = _Pairs(visible, infrared, level.longest_px)
        for _ in range(level.rounds):
            found = _improve(small, level, SIMPLER[model] if level.simpler else model, matrix)
            if found is None:
                return None
            matrix = found.matrix
    return found


class _Pairs:
    """All pairs brought down to one size."""

    fixed: list[Gray]  # descriptions (K,H,W) of the visible images
    moving: list[Gray]  # the infrared images, small
    shape: tuple[int, int]  # height and width of the small visible images
    size: tuple[int, int]  # width and height of the whole visible images

    def __init__(
        self, visible: Sequence[Gray], infrared: Sequence[Gray], longest_px: int, smoothing_px: float = SMOOTHING_PX
    ) -> None:
        small = [shrink(image, longest_px) for image in visible]
        self.fixed = [describe(image, smoothing_px) for image in small]
        self.moving = [shrink(image, longest_px) for image in infrared]
        self.shape, self.size = (small[0].shape[0], small[0].shape[1]), size_of(visible[0])
        self._smoothing_px = smoothing_px
        self._up = resizing(size_of(small[0]), self.size)
        self._down = resizing(size_of(infrared[0]), size_of(self.moving[0]))

    def reduce(self, matrix: Matrix) -> Matrix:
        """Return a transform (3,3) of whole images as one of small images."""
        return self._down @ matrix @ self._up

    def enlarge(self, matrix: Matrix) -> Matrix:
        """Return a transform (3,3) of small images as one of whole images."""
        whole = np.linalg.inv(self._down) @ matrix @ np.linalg.inv(self._up)
        return np.asarray(whole / whole[2, 2])

    def look(self, place: int, matrix: Matrix) -> tuple[Gray, Gray]:
        """Return an infrared image through a transform of small images, described (K,H,W), and its mask (H,W)."""
        seen, inside = resample(self.moving[place], matrix, self.shape)
        return describe(seen, self._smoothing_px) * inside, inside


def _search(visible: Sequence[Gray], infrared: Sequence[Gray], model: str, scales: Sequence[float]) -> Matrix:
    """Return the transform (3,3), good to some pixels of `SEARCH_PX`, under which the edges of a few pairs match best.

    A translation is looked for at the given scale alone; else all scales are tried first, then turns.
    """
    places = choose_evenly(range(len(visible)), MOST_PAIRS)
    few = [[side[place] for place in places] for side in (visible, infrared)]
    small = _Pairs(few[0], few[1], SEARCH_PX, SEARCH_SMOOTHING_PX)
    correlation, unit = Correlation(small.shape, REACH), unit_of(small.shape)
    fixed = [correlation.spectra(each) for each in small.fixed]

    def best(tries: Iterable[tuple[Matrix, float, float]]) -> tuple[Peak, Matrix, tuple[Matrix, float, float]]:
        found = []
        for stretch, scale, turn_deg in tries:
            turn = scale * np.exp(1j * math.radians(turn_deg))
            about_middle = motion_matrix("similarity", np.array([0, 0, turn.real - 1, turn.imag]))
            matrix = small.reduce(stretch) @ np.linalg.inv(unit) @ about_middle @ unit
            moving = [correlation.spectra(*small.look(place, matrix)) for place in range(len(fixed))]
            peak = find_peak(correlation.surface(zip(fixed, moving, strict=True)))
            found.append((peak, matrix, (stretch, scale, turn_deg)))
        return max(found, key=lambda each: each[0].height)

    stretches = _stretches(size_of(visible[0]), size_of(infrared[0]), model)
    if model == "translation":
        peak, matrix, _ = best(product(stretches, [1.0], [0.0]))
    else:
        _, _, (stretch, scale, _) = best(product(stretches, scales, [0.0]))
        peak, matrix, _ = best(product([stretch], [scale * fine for fine in FINE_SCALES], TURNS_DEG))
    return small.enlarge(matrix @ motion_matrix("translation", np.array([peak.x_px, peak.y_px])))


def _stretches(visible: tuple[int, int], infrared: tuple[int, int], model: str) -> list[Matrix]:
    """Return transforms (3,3) that lay the infrared image over the visible one: by square pixels, and by borders."""
    stretched = resizing(visible, infrared)
    square = stretched.copy()
    square[0, 0] = square[1, 1] = math.sqrt(stretched[0, 0] * stretched[1, 1])
    middles = [(np.array(size) - 1) / 2 for size in (visible, infrared)]
    square[:2, 2] = middles[1] - square[0, 0] * middles[0]
    same_aspect = abs(math.log(stretched[0, 0] / stretched[1, 1])) < SAME_ASPECT
    return [square] if same_aspect or model in ("translation", "similarity") else [square, stretched]


def _improve(small: _Pairs, level: Level, model: str, matrix: Matrix) -> Estimate | None:
    """Return a better transform than `matrix` (3,3), or None if a shift could be measured in too few blocks."""
    look = small.reduce(matrix)
    surfaces = []
    for place, fixed in enumerate(small.fixed):
        moving, inside = small.look(place, look)
        surfaces.append(compare_blocks(fixed * inside, moving, level.grid, level.reach_px))
    fitted = _fit(small, model, surfaces, look)
    if fitted is None:
        return None
    improved, rest, heights = fitted
    near = rest[rest < INLIER_PX]
    _, inside = resample(small.moving[0], small.reduce(improved), small.shape)
    covered = sum_blocks(inside, level.grid) / sum_blocks(np.ones_like(inside), level.grid)
    return Estimate(
        matrix=improved,
        blocks=int((covered >= 0.5).sum()),
        usable=len(rest),
        inliers=len(near),
        residual_px=float(np.sqrt(np.square(near).mean())) * small.size[0] / small.shape[1] if len(near) else math.inf,
        correlation=float(np.median(heights)),
        repeatability_px=_repeat(small, model, surfaces, look),
    )


def _fit(small: _Pairs, model: str, surfaces: Sequence[Surfaces], look: Matrix) -> tuple[Matrix, Matrix, Matrix] | None:
    """Return the transform (3,3), what each block is off in small pixels (N,), and their correlations (N,)."""
    blocks = read_shifts(surfaces, small.shape)
    if 2 * len(blocks.points) <= len(GENERATORS[model]):
        return None
    unit = unit_of(small.shape)
    parameters, rest = fit_motion(model, blocks, TOLERANCE_PX * unit[0, 0])
    moved = look @ np.linalg.inv(unit) @ motion_matrix(model, parameters) @ unit
    return small.enlarge(moved), rest / unit[0, 0], blocks.heights


def _repeat(small: _Pairs, model: str, surfaces: Sequence[Surfaces], look: Matrix) -> float | None:
    """Return `Estimate.repeatability_px`: of every other pair, or of a single pair's blocks as on a chessboard."""
    if len(surfaces) > 1:
        halves = surfaces[::2], surfaces[1::2]
    else:
        black = np.indices(surfaces[0].shape[-2:]).sum(axis=0) % 2
        halves = [surfaces[0] * black], [surfaces[0] * (1 - black)]
    first, second = (_fit(small, model, half, look) for half in halves)
    if first is None or second is None:
        return None
    between = np.linalg.inv(first[0]) @ second[0]  # how the one's place for a corner looks to the other
    corners = corners_of(small.size)
    return float(np.linalg.norm(map_points(between, corners) - corners, axis=1).mean())
