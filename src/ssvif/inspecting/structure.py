"""What a visible and an infrared picture of one scene have in common: where edges run, not how bright their sides are.

Each pixel is described by how strongly edges run in each of a few directions, without a sign: an edge stays an edge
when warm and cold, bright and dark change places. The descriptions are smoothed, so that edges meet that do not lie
on each other to the pixel, and normalised, so that a weak edge counts almost as much as a strong one (after Ye et al.,
"Fast and robust matching for multimodal remote sensing image registration", 2019, channel features of gradients).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.pairs.alignment import Matrix, map_points

DIRECTIONS = 6
DERIVATIVE_PX = 1.0  # standard deviation of the Gaussian whose derivative finds edges
SMOOTHING_PX = 1.5  # standard deviation of the Gaussian that smooths the descriptions
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
Grey = NDArray[np.float32]


def to_grey(image: NDArray[Any]) -> Grey:
    """Return an image's brightness, (H,W) float32 in the image's own unit.

    Args:
        image: (H,W), (H,W,1) or (H,W,3) of any real type; what is not finite becomes 0.
    """
    floats = np.nan_to_num(image.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if floats.ndim == 3:
        floats = floats @ LUMA if floats.shape[2] == 3 else floats[..., 0]
    return np.asarray(floats, np.float32)


def level_size(size: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """Return a size's width and height, brought down to a longest side of `longest_px`; never enlarged."""
    share = min(1.0, longest_px / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def shrink(image: Grey, longest_px: int) -> Grey:
    """Return an image brought down to a longest side of `longest_px`, smoothed as that needs."""
    height, width = image.shape
    size = level_size((width, height), longest_px)
    if size == (width, height):
        return image
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def describe(image: Grey, smoothing_px: float = SMOOTHING_PX) -> Grey:
    """Describe each pixel by the edges that run through it.

    Args:
        image: (H,W).
        smoothing_px: standard deviation of the smoothing, pixels.

    Returns:
        (K,H,W) float32 for K directions, each of length below 1 and summing to 0 over the directions: zero where
        nothing runs, or everything runs in all directions, as noise does.
    """
    from scipy.ndimage import gaussian_filter

    right = gaussian_filter(image, DERIVATIVE_PX, order=(0, 1))
    down = gaussian_filter(image, DERIVATIVE_PX, order=(1, 0))
    angles = np.arange(DIRECTIONS, dtype=np.float32) * np.float32(np.pi / DIRECTIONS)
    edges = np.abs(np.cos(angles)[:, None, None] * right + np.sin(angles)[:, None, None] * down)
    described = gaussian_filter(edges, (0, smoothing_px, smoothing_px))
    described -= described.mean(axis=0)
    strength = np.sqrt(np.square(described).sum(axis=0))
    described /= strength + np.median(strength) + np.float32(1e-6)
    return np.asarray(described, np.float32)


def resample(image: Grey, matrix: Matrix, shape: tuple[int, int]) -> tuple[Grey, Grey]:
    """Look at an image through a transform.

    Args:
        image: (H,W).
        matrix: (3,3), from the result's coordinates to the image's.
        shape: height and width of the result.

    Returns:
        The result, continued over its border by the nearest pixels, and a mask of the same shape: 1 where the image
        lies, 0 beyond.
    """
    from skimage.transform import ProjectiveTransform, warp

    looked_at = warp(  # type: ignore[no-untyped-call]
        np.array(image),
        ProjectiveTransform(matrix=matrix),  # type: ignore[no-untyped-call]
        output_shape=shape,
        order=1,
        mode="edge",
        preserve_range=True,
    )
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    points = map_points(matrix, np.c_[columns.ravel(), rows.ravel()].astype(np.float64))
    last = np.array(image.shape[::-1]) - 1
    inside = ((points >= 0) & (points <= last)).all(axis=1).reshape(shape)
    return np.asarray(looked_at, np.float32), np.asarray(inside, np.float32)
