"""The transform between two rigidly mounted cameras, from several of their pairs, and how sure it is.

All scales, turns and shifts are tried on small images first. Then each block of the image says where its content lies,
by the correlation of edge directions summed over all pairs; a motion that most blocks agree with is fitted, and the
same again from there and at the next finer size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ssvif.inspecting.blocks import (
    PARAMETERS,
    Blocks,
    Surfaces,
    compare_blocks,
    fit_motion,
    middle_of,
    motion_matrix,
    read_shifts,
    sum_blocks,
)
from ssvif.inspecting.edges import SMOOTHING_PX, Correlation, Gray, Peak, describe, find_peak, resample, shrink
from ssvif.ops.statistics import choose_evenly
from ssvif.pairs.alignment import Matrix, corners_of, map_points, resizing

# the search over small images
SEARCH_PX = 160  # longest side
MOST_PAIRS = 6
SEARCH_SMOOTHING_PX = 2.0  # of the descriptions: a step of the scale moves the border by three pixels
REACH = 0.25  # largest shift, as a share of the side
SCALES = tuple(1.04**step for step in range(-10, 11))  # 0.68 to 1.48
FINE_SCALES = (0.98, 1.0, 1.02)
TURNS_DEG = (-4.0, -2.0, 0.0, 2.0, 4.0)
SAME_ASPECT = 0.01  # aspect ratios that differ by less are one
# the refinement by blocks
TOLERANCE_PX = 1.5  # a block further off than this, in pixels of its level, is hardly believed
INLIER_PX = 2.0  # and one nearer than this counts as agreeing
SIMPLER = {"translation": "translation", "similarity": "similarity", "affine": "similarity", "homography": "affine"}


@dataclass(frozen=True)
class Level:
    """One size of the images to work at."""

    longest_px: int  # longest side of both images
    grid: tuple[int, int]  # rows and columns of blocks
    reach_px: int  # how far each block looks, pixels of the level
    rounds: int  # how often to look again from the better place
    simpler: bool = False  # whether to fit the model below the one wanted


LEVELS = (Level(160, (4, 5), 6, 2, simpler=True), Level(320, (5, 6), 4, 3))


@dataclass(frozen=True)
class Estimate:
    """A transform, and what speaks for it.

    Attributes:
        matrix: (3,3), from visible to infrared pixels.
        blocks: how many blocks of the visible image the infrared camera sees, at least half of each.
        usable: how many blocks had something to say.
        inliers: how many of these agree with the transform.
        residual_px: root mean square of what the agreeing blocks are off, in visible pixels.
        correlation: median over the usable blocks, 0 to 1.
        repeatability_px: mean distance, over the visible image's corners, between two estimates from one half of
            the evidence each, in visible pixels; None if a half alone says too little.
    """

    matrix: Matrix
    blocks: int
    usable: int
    inliers: int
    residual_px: float
    correlation: float
    repeatability_px: float | None


def estimate_transform(visible: Sequence[Gray], infrared: Sequence[Gray], model: str) -> Estimate | None:
    """Estimate one transform for all pairs.

    Args:
        visible: images (H,W) of one size.
        infrared: images (H,W) of one size, as many.
        model: "translation" is looked for at the given scale only; "similarity", "affine" and "homography" at scales
            of 0.67 to 1.5 of that and turns of −4° to 4°.

    Returns:
        The estimate, or None if fewer blocks than the model needs have anything to say.
    """
    matrix = _search(visible, infrared, model)
    found: Estimate | None = None
    for level in LEVELS:
        step = _Refinement(visible, infrared, level, SIMPLER[model] if level.simpler else model)
        for _ in range(level.rounds):
            found = step.improve(matrix)
            if found is None:
                return None
            matrix = found.matrix
    return found


class _Pyramid:
    """All pairs brought down to one size.

    Attributes:
        fixed: descriptions (K,H,W) of the visible images.
        moving: the infrared images, small.
        shape: height and width of the small visible images.
    """

    def __init__(
        self, visible: Sequence[Gray], infrared: Sequence[Gray], longest_px: int, smoothing_px: float = SMOOTHING_PX
    ) -> None:
        self._smoothing_px = smoothing_px
        small = [shrink(image, longest_px) for image in visible]
        self.fixed = [describe(image, smoothing_px) for image in small]
        self.moving = [shrink(image, longest_px) for image in infrared]
        self.shape = (small[0].shape[0], small[0].shape[1])
        self._up = resizing(_size(small[0]), _size(visible[0]))
        self._down = resizing(_size(infrared[0]), _size(self.moving[0]))

    def reduce(self, matrix: Matrix) -> Matrix:
        """Return a transform of whole images as one of small images, (3,3)."""
        return self._down @ matrix @ self._up

    def enlarge(self, matrix: Matrix) -> Matrix:
        """Return a transform of small images as one of whole images, (3,3)."""
        whole = np.linalg.inv(self._down) @ matrix @ np.linalg.inv(self._up)
        return np.asarray(whole / whole[2, 2])

    def look(self, place: int, matrix: Matrix) -> tuple[Gray, Gray]:
        """Return the description (K,H,W) of an infrared image through a transform of small images, and its mask."""
        seen, inside = resample(self.moving[place], matrix, self.shape)
        return describe(seen, self._smoothing_px) * inside, inside


def _size(image: Gray) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _search(visible: Sequence[Gray], infrared: Sequence[Gray], model: str) -> Matrix:
    """Return the transform (3,3), good to some pixels of `SEARCH_PX`, under which the edges of a few pairs match best.

    Tried are the given scale alone for a translation; else first all scales, then turns about the best one.
    """
    places = choose_evenly(range(len(visible)), MOST_PAIRS)
    few = [[side[place] for place in places] for side in (visible, infrared)]
    small = _Pyramid(few[0], few[1], SEARCH_PX, SEARCH_SMOOTHING_PX)
    correlation = Correlation(small.shape, REACH)
    fixed = [correlation.spectra(each) for each in small.fixed]

    def best(tries: Iterable[tuple[Matrix, float, float]]) -> tuple[Matrix, tuple[Matrix, float, float]]:
        found = []
        for stretch, scale, turn_deg in tries:
            matrix = small.reduce(stretch) @ _about_middle(small.shape, scale, turn_deg)
            moving = [correlation.spectra(*small.look(place, matrix)) for place in range(len(fixed))]
            peak = find_peak(correlation.surface(zip(fixed, moving, strict=True)))
            found.append((peak, matrix, (stretch, scale, turn_deg)))
        peak, matrix, tried = max(found, key=lambda each: each[0].height)
        return small.enlarge(matrix @ _shift(peak)), tried

    stretches = _stretches(_size(visible[0]), _size(infrared[0]), model)
    if model == "translation":
        return best([(stretch, 1.0, 0.0) for stretch in stretches])[0]
    _, (stretch, scale, _) = best([(stretch, scale, 0.0) for stretch in stretches for scale in SCALES])
    return best([(stretch, scale * fine, turn) for fine in FINE_SCALES for turn in TURNS_DEG])[0]


def _stretches(visible: tuple[int, int], infrared: tuple[int, int], model: str) -> list[Matrix]:
    """Return the ways to lay the infrared image over the visible one: with square pixels, and border on border."""
    stretched = resizing(visible, infrared)
    ratio = stretched[0, 0] / stretched[1, 1]
    square = stretched.copy()
    square[0, 0] = square[1, 1] = math.sqrt(stretched[0, 0] * stretched[1, 1])
    middles = [(np.array(size) - 1) / 2 for size in (visible, infrared)]
    square[:2, 2] = middles[1] - square[0, 0] * middles[0]
    same = abs(math.log(ratio)) < SAME_ASPECT or model in ("translation", "similarity")
    return [square] if same else [square, stretched]


def _about_middle(shape: tuple[int, int], scale: float, turn_deg: float) -> Matrix:
    """Return the (3,3) matrix that scales and turns about the middle of an image of a height and width."""
    matrix = motion_matrix(
        "similarity",
        np.array([0, 0, scale * math.cos(math.radians(turn_deg)) - 1, scale * math.sin(math.radians(turn_deg))]),
    )
    middle, _ = middle_of(shape)
    matrix[:2, 2] = middle - matrix[:2, :2] @ middle
    return matrix


def _shift(peak: Peak) -> Matrix:
    return motion_matrix("translation", np.array([peak.x_px, peak.y_px]))


class _Refinement:
    """Block by block at one size.

    Args:
        visible: images (H,W) of one size.
        infrared: images (H,W) of one size, as many.
        level: the size to work at.
        model: what to fit there.
    """

    def __init__(self, visible: Sequence[Gray], infrared: Sequence[Gray], level: Level, model: str) -> None:
        self.level, self.model = level, model
        self.small = _Pyramid(visible, infrared, level.longest_px)
        self.size = _size(visible[0])

    def improve(self, matrix: Matrix) -> Estimate | None:
        """Return a better transform than `matrix`, or None if too few blocks say anything."""
        look = self.small.reduce(matrix)
        surfaces = [self._compare(place, look) for place in range(len(self.small.fixed))]
        fitted = self._fit(surfaces, look)
        if fitted is None:
            return None
        improved, rest, blocks = fitted
        near = rest[rest < INLIER_PX]
        per_pixel = self.size[0] / self.small.shape[1]
        return Estimate(
            matrix=improved,
            blocks=self._seen(improved),
            usable=len(rest),
            inliers=len(near),
            residual_px=float(np.sqrt(np.square(near).mean())) * per_pixel if len(near) else float("inf"),
            correlation=float(np.median(blocks.heights)),
            repeatability_px=self._repeat(surfaces, look),
        )

    def _compare(self, place: int, look: Matrix) -> Surfaces:
        described, inside = self.small.look(place, look)
        return compare_blocks(self.small.fixed[place] * inside, described, self.level.grid, self.level.reach_px)

    def _fit(self, surfaces: Sequence[Surfaces], look: Matrix) -> tuple[Matrix, Matrix, Blocks] | None:
        """Return the transform (3,3), what each block is off in pixels of the level (N,), and the blocks."""
        blocks = read_shifts(surfaces, self.small.shape)
        if 2 * len(blocks.points) <= PARAMETERS[self.model]:
            return None
        middle, half = middle_of(self.small.shape)
        parameters, rest = fit_motion(self.model, blocks, TOLERANCE_PX / half)
        to_unit = np.array([[1 / half, 0, -middle[0] / half], [0, 1 / half, -middle[1] / half], [0, 0, 1]])
        moved = look @ np.linalg.inv(to_unit) @ motion_matrix(self.model, parameters) @ to_unit
        return self.small.enlarge(moved), rest * half, blocks

    def _seen(self, matrix: Matrix) -> int:
        inside = resample(self.small.moving[0], self.small.reduce(matrix), self.small.shape)[1]
        whole = sum_blocks(np.ones_like(inside), self.level.grid)
        return int((sum_blocks(inside, self.level.grid) >= whole / 2).sum())

    def _repeat(self, surfaces: Sequence[Surfaces], look: Matrix) -> float | None:
        first, second = (self._fit(half, look) for half in _halve(surfaces))
        if first is None or second is None:
            return None
        between = np.linalg.inv(first[0]) @ second[0]  # how the one's place for a corner looks to the other
        corners = corners_of(self.size)
        return float(np.linalg.norm(map_points(between, corners) - corners, axis=1).mean())


def _halve(surfaces: Sequence[Surfaces]) -> tuple[list[Surfaces], list[Surfaces]]:
    """Return every other pair's evidence, or of a single pair every other block's, as on a chessboard."""
    if len(surfaces) > 1:
        return list(surfaces[::2]), list(surfaces[1::2])
    (only,) = surfaces
    black = np.indices(only.shape[-2:]).sum(axis=0) % 2
    return [only * black], [only * (1 - black)]
