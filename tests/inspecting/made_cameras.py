"""Infrared cameras that stand otherwise than the one that took the images."""

from __future__ import annotations

import numpy as np

from ssvif.inspecting.structure import Grey, resample
from ssvif.pairs.alignment import Matrix, corners_of, map_points


def look_through(images: list[Grey], matrix: Matrix, size: tuple[int, int]) -> list[Grey]:
    """Return what a camera sees whose pixels lie at `matrix` times those of the one that took the images."""
    return [resample(image, np.linalg.inv(matrix), (size[1], size[0]))[0] for image in images]


def corner_error(found: Matrix, true: Matrix, size: tuple[int, int]) -> float:
    """Return how far two transforms are apart at an image's corners, on the average, in its pixels."""
    corners = corners_of(size)
    return float(np.linalg.norm(map_points(np.linalg.inv(true) @ found, corners) - corners, axis=1).mean())
