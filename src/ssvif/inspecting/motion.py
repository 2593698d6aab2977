"""Small motions of a picture: what each model allows, and the motion that explains many blocks' shifts best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssvif.pairs.alignment import Matrix

PARAMETERS = {"translation": 2, "similarity": 4, "affine": 6, "homography": 8}
ROUNDS = 20
TINY = 1e-9  # of the trace: keeps what nothing speaks about where it is


@dataclass(frozen=True)
class Blocks:
    """What each block of the picture says about its own shift.

    Attributes:
        points: (N,2), the blocks' middles, in units of half the picture, from its middle.
        shifts: (N,2), where their content lies, as a displacement in the same unit.
        weights: (N,2,2), how sure each is, by direction: an edge tells nothing about the shift along it.
    """

    points: Matrix
    shifts: Matrix
    weights: NDArray[np.float64]


def basis(model: str, points: Matrix) -> NDArray[np.float64]:
    """Return how each parameter of a model moves each point, (N,2,P), to first order."""
    x, y = points.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    motions = [(one, zero), (zero, one)]
    if model == "similarity":
        motions += [(x, y), (-y, x)]
    elif model != "translation":
        motions += [(x, zero), (y, zero), (zero, x), (zero, y)]
    if model == "homography":
        motions += [(x * x, x * y), (x * y, y * y)]
    return np.stack([np.stack(motion, axis=1) for motion in motions], axis=2)


def motion_matrix(model: str, parameters: Matrix) -> Matrix:
    """Return the (3,3) transform whose first order is `basis @ parameters`; one of the model itself."""
    matrix = np.eye(3)
    matrix[:2, 2] = parameters[:2]
    if model == "similarity":
        grow, turn = parameters[2:4]
        matrix[:2, :2] += [[grow, -turn], [turn, grow]]
    elif model != "translation":
        matrix[:2, :2] += parameters[2:6].reshape(2, 2)
    if model == "homography":
        matrix[2, :2] = -parameters[6:8]
    return matrix


def fit_motion(model: str, blocks: Blocks, tolerance: float) -> tuple[Matrix, Matrix]:
    """Fit a motion to the blocks' shifts, by least squares that trust a block the less the more it disagrees.

    Args:
        model: one of `PARAMETERS`.
        blocks: at least half as many as parameters.
        tolerance: the disagreement at which a block's trust has fallen to a quarter (Geman and McClure's weight).

    Returns:
        The parameters (P,), and each block's remaining disagreement (N,), in the blocks' unit.
    """
    moves = basis(model, blocks.points)
    trust = np.ones(len(blocks.points))
    parameters, rest = np.zeros(PARAMETERS[model]), np.zeros(len(trust))
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
