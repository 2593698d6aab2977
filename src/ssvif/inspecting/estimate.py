"""The transform between two rigidly mounted cameras, from several of their pairs, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssvif.inspecting.blocks import Surfaces, compare_blocks, middle_of, read_shifts, sum_blocks
from ssvif.inspecting.correlation import Peak
from ssvif.inspecting.motion import PARAMETERS, fit_motion, motion_matrix
from ssvif.inspecting.search import levels, search_start
from ssvif.inspecting.structure import Grey, describe, resample, shrink
from ssvif.pairs.alignment import Matrix, corners_of, map_points

TOLERANCE_PX = 1.5  # a block further off than this, in pixels of its level, is hardly believed
INLIER_PX = 2.0  # and one nearer than this counts as agreeing
SIMPLER = {"translation": "translation", "similarity": "similarity", "affine": "similarity", "homography": "affine"}


@dataclass(frozen=True)
class Level:
    """One size of the pictures to work at.

    Attributes:
        longest_px: longest side of both pictures.
        grid: rows and columns of blocks.
        reach_px: how far each block looks, pixels of the level.
        rounds: how often to look again from the better place.
        simpler: whether to fit the model below the one wanted.
    """

    longest_px: int
    grid: tuple[int, int]
    reach_px: int
    rounds: int
    simpler: bool = False


LEVELS = (Level(160, (4, 5), 6, 2, simpler=True), Level(320, (5, 6), 4, 3))


@dataclass(frozen=True)
class Estimate:
    """What was found, and what speaks for it.

    Attributes:
        matrix: (3,3), from visible to infrared pixels.
        start: how clearly the first guess stood out.
        blocks: how many blocks of the visible image the infrared camera sees, at least half of each.
        usable: how many of them had something to say.
        inliers: how many of these agree with the transform.
        residual_px: root mean square of what the agreeing blocks are off, in visible pixels.
        correlation: median over the usable blocks, 0 to 1.
        repeatability_px: mean distance, over the visible image's corners, between two estimates from one half of
            the evidence each, in visible pixels; None if a half alone says too little.
    """

    matrix: Matrix
    start: Peak
    blocks: int
    usable: int
    inliers: int
    residual_px: float
    correlation: float
    repeatability_px: float | None


def estimate_transform(visible: Sequence[Grey], infrared: Sequence[Grey], model: str) -> Estimate | None:
    """Estimate one transform for all pairs.

    The first guess comes from whole small pictures (`search_start`). Then each block of the picture says where its
    content lies, by the sum over all pairs of the correlation of edge directions; a motion that most blocks agree
    with is fitted, and the same again from there and at the next finer size.

    Args:
        visible: images (H,W) of one size.
        infrared: images of one size, as many.
        model: "translation", "similarity", "affine" or "homography".

    Returns:
        The estimate, or None if fewer blocks than the model needs have anything to say.
    """
    matrix, start = search_start(visible, infrared, model)
    found: Estimate | None = None
    for level in LEVELS:
        step = _Step(visible, infrared, level, SIMPLER[model] if level.simpler else model)
        for _ in range(level.rounds):
            found = step.improve(matrix, start)
            if found is None:
                return None
            matrix = found.matrix
    return found


class _Step:
    """All pairs at one size.

    Args:
        visible: as given to `estimate_transform`.
        infrared: likewise.
        level: the size to work at.
        model: what to fit there.
    """

    def __init__(self, visible: Sequence[Grey], infrared: Sequence[Grey], level: Level, model: str) -> None:
        self.level, self.model = level, model
        self.fixed = [describe(shrink(image, level.longest_px)) for image in visible]
        self.moving = [shrink(image, level.longest_px) for image in infrared]
        self.up, self.down = levels(visible[0], infrared[0], level.longest_px)
        self.shape = (self.fixed[0].shape[1], self.fixed[0].shape[2])
        self.size = (visible[0].shape[1], visible[0].shape[0])

    def improve(self, matrix: Matrix, start: Peak) -> Estimate | None:
        """Return a better transform than `matrix`, or None if too few blocks say anything."""
        look = self.down @ matrix @ self.up
        surfaces = [self._compare(*each, look) for each in zip(self.fixed, self.moving, strict=True)]
        fitted = self._fit(surfaces, look)
        if fitted is None:
            return None
        improved, rest, heights = fitted
        near = rest[rest < INLIER_PX]
        per_pixel = self.size[0] / self.shape[1]
        return Estimate(
            matrix=improved,
            start=start,
            blocks=self._seen(improved),
            usable=len(rest),
            inliers=len(near),
            residual_px=float(np.sqrt(np.square(near).mean())) * per_pixel if len(near) else float("inf"),
            correlation=float(np.median(heights)),
            repeatability_px=self._repeat(surfaces, look),
        )

    def _compare(self, fixed: Grey, moving: Grey, look: Matrix) -> Surfaces:
        looked_at, inside = resample(moving, look, self.shape)
        return compare_blocks(fixed * inside, describe(looked_at) * inside, self.level.grid, self.level.reach_px)

    def _fit(self, surfaces: Sequence[Surfaces], look: Matrix) -> tuple[Matrix, Matrix, Grey] | None:
        blocks, heights = read_shifts(surfaces, self.shape)
        if 2 * len(blocks.points) <= PARAMETERS[self.model]:
            return None
        middle, half = middle_of(self.shape)
        parameters, rest = fit_motion(self.model, blocks, TOLERANCE_PX / half)
        to_unit = np.array([[1 / half, 0, -middle[0] / half], [0, 1 / half, -middle[1] / half], [0, 0, 1]])
        moved = look @ np.linalg.inv(to_unit) @ motion_matrix(self.model, parameters) @ to_unit
        matrix = np.linalg.inv(self.down) @ moved @ np.linalg.inv(self.up)
        return matrix / matrix[2, 2], rest * half, heights

    def _seen(self, matrix: Matrix) -> int:
        inside = resample(self.moving[0], self.down @ matrix @ self.up, self.shape)[1]
        whole = sum_blocks(np.ones_like(inside), self.level.grid)
        return int((sum_blocks(inside, self.level.grid) >= whole / 2).sum())

    def _repeat(self, surfaces: Sequence[Surfaces], look: Matrix) -> float | None:
        halves = [self._fit(half, look) for half in _halve(surfaces)]
        if halves[0] is None or halves[1] is None:
            return None
        # both in visible pixels: how the one's place for a corner looks to the other
        between = np.linalg.inv(halves[0][0]) @ halves[1][0]
        corners = corners_of(self.size)
        return float(np.linalg.norm(map_points(between, corners) - corners, axis=1).mean())


def _halve(surfaces: Sequence[Surfaces]) -> tuple[list[Surfaces], list[Surfaces]]:
    """Return every other pair's evidence, or of a single pair every other block's, as on a chessboard."""
    if len(surfaces) > 1:
        return list(surfaces[::2]), list(surfaces[1::2])
    (only,) = surfaces
    black = np.indices(only.shape[-2:]).sum(axis=0) % 2
    return [only * black], [only * (1 - black)]
