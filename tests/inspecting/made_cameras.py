"""Infrared cameras at another place than the one that took the images."""

import numpy as np

from ssvif.inspecting.edges import Gray, resample
from ssvif.pairs.alignment import Matrix, corners_of, map_points


def look_through(images: list[Gray], matrix: Matrix, size: tuple[int, int]) -> list[Gray]:
    """Return what a camera sees whose pixels lie at `matrix` times those of the one that took the images."""
    return [resample(image, np.linalg.inv(matrix), (size[1], size[0]))[0] for image in images]


def corner_error(found: Matrix, true: Matrix, size: tuple[int, int]) -> float:
    """Return how far two transforms are apart at an image's corners, on the average, in its pixels."""
    corners = corners_of(size)
    return float(np.linalg.norm(map_points(np.linalg.inv(true) @ found, corners) - corners, axis=1).mean())


def shifted(image: Gray, right: int, down: int) -> tuple[Gray, Gray]:
    """Return the middle of an image, and that of the image whose content lies so far right and down."""
    height, width = image.shape
    margin = 20
    moved = image[margin - down : height - margin - down, margin - right : width - margin - right]
    return image[margin:-margin, margin:-margin].copy(), moved.copy()
