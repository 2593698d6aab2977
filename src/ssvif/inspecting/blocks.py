"""Where the content of each block of a picture lies in the other one, from all pairs of a camera pair together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ssvif.inspecting.motion import Blocks
from ssvif.inspecting.structure import Grey

Surfaces = NDArray[np.float32]


def compare_blocks(fixed: Grey, moving: Grey, grid: tuple[int, int], reach_px: int) -> Surfaces:
    """Compare two descriptions block by block at every small shift.

    Args:
        fixed: (K,H,W).
        moving: (K,H,W), zero where there is no picture.
        grid: rows and columns of blocks.
        reach_px: largest shift, pixels.

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
    for i in range(side):
        for j in range(side):
            shifted = padded[:, i : i + height, j : j + width]
            surfaces[0, i, j] = sum_blocks(np.einsum("kyx,kyx->yx", fixed, shifted), grid)
            surfaces[2, i, j] = sum_blocks(energy[i : i + height, j : j + width], grid)
    return surfaces


def sum_blocks(values: Grey, grid: tuple[int, int]) -> Grey:
    """Return the sum of (H,W) values over each of `grid` rows and columns of blocks, without a gap between them."""
    rows, columns = (
        np.linspace(0, length, count + 1).astype(int)[:-1] for length, count in zip(values.shape, grid, strict=True)
    )
    summed: Grey = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    return summed


def read_shifts(surfaces: Sequence[Surfaces], shape: tuple[int, int]) -> tuple[Blocks, Grey]:
    """Read each block's shift off the surfaces of some pairs together.

    A block without a peak inside its reach says nothing and is left out.

    Args:
        surfaces: of `compare_blocks`, of one grid and reach.
        shape: height and width of the descriptions.

    Returns:
        What the blocks say, and each one's correlation at its peak, (N,).
    """
    products, fixed, moving = sum(each.astype(np.float64) for each in surfaces)  # type: ignore[misc]
    energies = np.sqrt(np.maximum(fixed * moving, 1e-9))
    rows, columns = products.shape[2:]
    middle, half = middle_of(shape)
    points, shifts, weights, heights = [], [], [], []
    for i in range(rows):
        for j in range(columns):
            found = _peak_of(products[..., i, j] / energies[..., i, j])
            if found is None:
                continue
            place, shift, bend, height = found
            point = np.array([(j + 0.5) * shape[1] / columns - 0.5, (i + 0.5) * shape[0] / rows - 0.5])
            points.append((point - middle) / half)
            shifts.append(shift / half)
            weights.append(bend * energies[(*place, i, j)])
            heights.append(height)
    blocks = Blocks(
        np.array(points).reshape(-1, 2), np.array(shifts).reshape(-1, 2), np.array(weights).reshape(-1, 2, 2)
    )
    return blocks, np.array(heights, np.float32)


def middle_of(shape: tuple[int, int]) -> tuple[NDArray[np.float64], float]:
    """Return a picture's middle (x, y) and half its longer side, in pixels: the unit of `Blocks`."""
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    return middle, max(float(middle.max()), 0.5)


def _peak_of(
    surface: NDArray[np.float64],
) -> tuple[tuple[int, int], NDArray[np.float64], NDArray[np.float64], float] | None:
    """Return the peak's place, its shift (x, y) in pixels, its curvature (2,2) and its height; None without one."""
    side = len(surface)
    row, column = (int(place) for place in np.unravel_index(surface.argmax(), surface.shape))
    if not (0 < row < side - 1 and 0 < column < side - 1):
        return None
    near = surface[row - 1 : row + 2, column - 1 : column + 2]
    slope = np.array([near[1, 2] - near[1, 0], near[2, 1] - near[0, 1]]) / 2
    mixed = (near[2, 2] - near[2, 0] - near[0, 2] + near[0, 0]) / 4
    across, along = 2 * near[1, 1] - near[1, 0] - near[1, 2], 2 * near[1, 1] - near[0, 1] - near[2, 1]
    bend = np.array([[across, -mixed], [-mixed, along]])
    if np.linalg.eigvalsh(bend)[0] <= 0:
        return None
    shift = np.array([column, row]) - side // 2 + np.linalg.solve(bend, slope).clip(-0.5, 0.5)
    return (row, column), shift, bend, float(surface[row, column])
