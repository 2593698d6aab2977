"""Where the content of each block of an image lies in the other one, and the motion that explains most blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.inspecting.edges import Gray, fit_peak
from ssvif.pairs.alignment import Matrix, map_points

_ENTRY = np.eye(9).reshape(9, 3, 3)  # matrices with a single one, row by row
# model → what each of its parameters adds to the identity, (P,3,3); to first order that is how it moves points
GENERATORS = {
    "translation": _ENTRY[[2, 5]],
    "similarity": np.stack([_ENTRY[2], _ENTRY[5], _ENTRY[0] + _ENTRY[4], _ENTRY[3] - _ENTRY[1]]),
    "affine": _ENTRY[[2, 5, 0, 1, 3, 4]],
    "homography": np.concatenate([_ENTRY[[2, 5, 0, 1, 3, 4]], -_ENTRY[[6, 7]]]),
}
ROUNDS = 20
TINY = 1e-9  # of the trace: parameters that no block determines stay 0
Surfaces = NDArray[np.float32]


def compare_blocks(fixed: Gray, moving: Gray, grid: tuple[int, int], reach_px: int) -> Surfaces:
    """Compare two descriptions (K,H,W) at every small shift, for each of `grid` rows and columns of blocks.

    Returns:
        (3, 2·reach+1, 2·reach+1, rows, columns): the sum of products, the fixed block's energy and the moving one's,
        the shift down first. The surfaces of several pairs may be added.
    """
    height, width = fixed.shape[1:]
    side = 2 * reach_px + 1
    padded = np.pad(moving, ((0, 0), (reach_px, reach_px), (reach_px, reach_px)))
    energy = np.square(padded).sum(axis=0)
    surfaces = np.empty((3, side, side, *grid), np.float32)
    surfaces[1] = sum_blocks(np.square(fixed).sum(axis=0), grid)
    for i, j in np.ndindex(side, side):
        shifted = padded[:, i : i + height, j : j + width]
        surfaces[0, i, j] = sum_blocks(np.einsum("kyx,kyx->yx", fixed, shifted), grid)
        surfaces[2, i, j] = sum_blocks(energy[i : i + height, j : j + width], grid)
    return surfaces


def sum_blocks(values: Gray, grid: tuple[int, int]) -> Gray:
    """Return the sum of (H,W) values over each of `grid` rows and columns of blocks, without a gap between them."""
    rows, columns = (
        np.linspace(0, length, count, endpoint=False).astype(int)
        for length, count in zip(values.shape, grid, strict=True)
    )
    summed: Gray = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    return summed


@dataclass(frozen=True)
class Blocks:
    """The shift measured in each block; coordinates from the image's middle, in units of half its longer side."""

    points: Matrix  # (N,2), the blocks' middles
    shifts: Matrix  # (N,2), how far off their content lies
    weights: NDArray[np.float64]  # (N,2,2), how certain each is, by direction: an edge does not show shifts along it
    heights: NDArray[np.float64]  # (N,), each one's correlation at its peak


def read_shifts(surfaces: Sequence[Surfaces], shape: tuple[int, int]) -> Blocks:
    """Read each block's shift off the surfaces of some pairs together; a block without a peak is left out.

    The surfaces are those of `compare_blocks` (3,·,·,rows,columns), of one grid and reach, for descriptions of a height
    and width `shape`.
    """
    products, fixed, moving = np.asarray(np.sum(surfaces, axis=0, dtype=np.float64))
    energies = np.sqrt(np.maximum(fixed * moving, 1e-9))
    rows, columns = products.shape[2:]
    unit = unit_of(shape)
    found: list[tuple[Any, ...]] = []
    for i, j in np.ndindex(rows, columns):
        surface = products[..., i, j] / energies[..., i, j]
        row, column, shift, curvature = fit_peak(surface)
        if curvature is not None:
            point = np.array([[(j + 0.5) * shape[1] / columns - 0.5, (i + 0.5) * shape[0] / rows - 0.5]])
            weight = curvature * energies[row, column, i, j]
            found.append((map_points(unit, point), shift * unit[0, 0], weight, surface[row, column]))
    points, shifts, weights, heights = ([each[part] for each in found] for part in range(4))
    return Blocks(
        np.reshape(points, (-1, 2)), np.reshape(shifts, (-1, 2)), np.reshape(weights, (-1, 2, 2)), np.array(heights)
    )


def unit_of(shape: tuple[int, int]) -> Matrix:
    """Return the (3,3) matrix from an image's pixels to the unit of `Blocks`, given its height and width."""
    right, down = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    half = max(right, down, 0.5)
    return np.array([[1 / half, 0, -right / half], [0, 1 / half, -down / half], [0, 0, 1]])


def basis(model: str, points: Matrix) -> NDArray[np.float64]:
    """Return how each parameter of a model moves each point (N,2), to first order: (N,2,P)."""
    moved = np.einsum("pij,nj->nip", GENERATORS[model], np.c_[points, np.ones(len(points))])
    return np.asarray(moved[:, :2] - points[..., None] * moved[:, 2:])


def motion_matrix(model: str, parameters: Matrix) -> Matrix:
    """Return the model's own transform (3,3) whose first order is `basis @ parameters`, of parameters (P,)."""
    return np.asarray(np.eye(3) + np.tensordot(parameters, GENERATORS[model], 1))


def fit_motion(model: str, blocks: Blocks, tolerance: float) -> tuple[Matrix, Matrix]:
    """Fit a motion to the blocks' shifts by reweighted least squares: a block counts the less the more it disagrees.

    The model is one of `GENERATORS`, and there are at least half as many blocks as it has parameters. At a disagreement
    of `tolerance` a block's weight has fallen to a quarter (Geman and McClure's weight).

    Returns:
        The parameters (P,), and each block's remaining disagreement (N,), in the blocks' unit.
    """
    moves = basis(model, blocks.points)
    trust = np.ones(len(blocks.points))
    parameters, rest = np.zeros(len(GENERATORS[model])), np.zeros(len(trust))
    for step in range(ROUNDS):
        weighted = np.einsum("nip,nij->npj", moves, blocks.weights * trust[:, None, None])
        normal = np.einsum("npj,njq->pq", weighted, moves)
        wanted = np.einsum("npj,nj->p", weighted, blocks.shifts)
        parameters = np.linalg.solve(normal + TINY * np.trace(normal) * np.eye(len(normal)), wanted)
        rest = np.linalg.norm(blocks.shifts - moves @ parameters, axis=1)
        # wide at first, so that a far start does not make an outlier of every block
        width = max(tolerance, 2 * float(np.median(rest))) if step < 3 else tolerance
        trust = 1 / (1 + (rest / width) ** 2) ** 2
    return parameters, rest
