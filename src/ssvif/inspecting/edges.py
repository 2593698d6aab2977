"""Edges, which visible and infrared images of one scene share, and the shift at which they match best.

Each pixel is described by how strongly edges run in each of a few directions, without a sign: an edge stays an edge
when dark and light change places. The descriptions are smoothed, so that edges also match a pixel or two apart, and
normalized, so that a weak edge counts almost as much as a strong one (after Ye et al., "Fast and robust matching for
multimodal remote sensing image registration", 2019, channel features of gradients).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.pairs import alignment
from ssvif.pairs.alignment import Matrix
from ssvif.pairs.pair import resized, to_gray
from ssvif.pairs.ranges import mark_missing

DIRECTIONS = 6
DERIVATIVE_PX = 1.0  # standard deviation of the Gaussian whose derivative finds edges
SMOOTHING_PX = 1.5  # standard deviation of the Gaussian that smooths the descriptions
SMALLEST_SHARE = 1e-3  # of the largest product of energies: below it there is nothing to compare
PEAK_PX = 4  # places nearer than this to a peak belong to it
Gray = NDArray[np.float32]
Spectra = NDArray[np.complex64]


def gray_of(image: NDArray[Any], nodata: float | None = None) -> Gray:
    """Return the luma (H,W) float32 of an image (H,W) or (H,W,3), in its own unit.

    Missing values (see `mark_missing`) become the least of the others, or 0 if there are none.
    """
    gray = to_gray(mark_missing(image, nodata)).astype(np.float32)
    known = np.isfinite(gray)
    return gray if known.all() else np.where(known, gray, gray[known].min() if known.any() else np.float32(0))


def size_of(image: NDArray[Any]) -> tuple[int, int]:
    """Return the width and height of an image (H,W) or (H,W,C)."""
    return image.shape[1], image.shape[0]


def shrink(image: Gray, longest_px: int) -> Gray:
    """Return an image (H,W) scaled down, with smoothing, to a longest side of `longest_px`; never enlarged."""
    share = longest_px / max(image.shape)
    height, width = (max(1, round(side * share)) for side in image.shape)
    return image if share >= 1 else resized(image, (height, width))


def describe(image: Gray, smoothing_px: float = SMOOTHING_PX) -> Gray:
    """Describe each pixel of an image (H,W) by the edges that run through it.

    Returns:
        (K,H,W) float32 for K directions, each pixel's vector shorter than 1 and summing to 0: zero where there is no
        edge, or where edges run in all directions, as in noise.
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


def resample(image: Gray, matrix: Matrix, shape: tuple[int, int]) -> tuple[Gray, Gray]:
    """Look at an image (H,W) through a transform (3,3) from the result's coordinates to the image's.

    Returns:
        The result of the given height and width, continued over its border by the nearest pixels, and a mask of the
        same shape: 1 where the image lies, 0 beyond.
    """
    points = alignment.map_pixels(matrix, shape)
    inside = ((points >= 0) & (points <= np.array(image.shape[::-1])[:, None, None] - 1)).all(axis=0)
    return alignment.resample(image, matrix, shape), np.asarray(inside, np.float32)


@dataclass(frozen=True)
class Peak:
    """Where a correlation surface is highest."""

    x_px: float  # shift to the right that brings the best match, to a fraction of a pixel
    y_px: float  # shift down
    height: float  # correlation there, −1 to 1
    sharpness: float  # how many standard deviations of the surface it stands above the next best place


class Correlation:
    """Normalized correlation of descriptions (K,H,W) at every shift, by FFT, over where both images lie.

    `shape` is the images' height and width, `reach` the largest shift as a share of each side.
    """

    def __init__(self, shape: tuple[int, int], reach: float) -> None:
        from scipy.fft import next_fast_len

        self.shape, self.reach = shape, (int(shape[0] * reach), int(shape[1] * reach))
        self.padded = [next_fast_len(side + most, real=True) for side, most in zip(shape, self.reach, strict=True)]

    def spectra(self, description: Gray, mask: Gray | None = None) -> Spectra:
        """Return the spectra (K+2,·,·) of a description (K,H,W), of its energy and of its mask (H,W).

        The mask is 1 where the image lies, everywhere when None; the description is 0 outside it.
        """
        from scipy.fft import rfft2

        mask = np.ones(self.shape, np.float32) if mask is None else mask
        energy = np.square(description).sum(axis=0)
        return np.asarray(rfft2(np.concatenate([description, energy[None], mask[None]]), self.padded), np.complex64)

    def surface(self, pairs: Iterable[tuple[Spectra, Spectra]]) -> Gray:
        """Return the correlation at each shift of all pairs together, given the fixed and moving spectra of each.

        Returns:
            (2·reach+1, 2·reach+1); the middle is no shift, and at (row, column) the moving image's content lies that
            far down and right of the fixed one's.
        """
        from scipy.fft import irfft2

        total: Any = 0
        for fixed, moving in pairs:
            conjugate = fixed.conj()
            products = (conjugate[:-2] * moving[:-2]).sum(axis=0)
            total = total + np.stack([products, conjugate[-2] * moving[-1], conjugate[-1] * moving[-2]])
        product, energy_fixed, energy_moving = irfft2(total, self.padded)
        energies = np.maximum(energy_fixed, 0) * np.maximum(energy_moving, 0)
        surface = product / np.sqrt(np.maximum(energies, SMALLEST_SHARE * energies.max() + 1e-12))
        rows, columns = (np.arange(-most, most + 1) for most in self.reach)
        return np.asarray(surface[np.ix_(rows, columns)], np.float32)


def find_peak(surface: Gray) -> Peak:
    """Find the highest place of a `Correlation.surface`, to a fraction of a pixel."""
    row, column, shift, _ = fit_peak(surface)
    rivals = surface.copy()
    rivals[max(0, row - PEAK_PX) : row + PEAK_PX + 1, max(0, column - PEAK_PX) : column + PEAK_PX + 1] = -1
    height = float(surface[row, column])
    sharpness = (height - float(rivals.max())) / (float(surface.std()) or 1.0)
    return Peak(float(shift[0]), float(shift[1]), height, sharpness)


def fit_peak(surface: NDArray[Any]) -> tuple[int, int, Matrix, Matrix | None]:
    """Fit a paraboloid to a surface about its highest place.

    Returns:
        The place's row and column, the peak's shift (x, y) from the surface's middle, and its curvature (2,2); no
        curvature, and a shift of whole pixels, where the place is on the border or no peak.
    """
    row, column = (int(place) for place in np.unravel_index(surface.argmax(), surface.shape))
    shift = np.array([column - surface.shape[1] // 2, row - surface.shape[0] // 2], np.float64)
    if not (0 < row < surface.shape[0] - 1 and 0 < column < surface.shape[1] - 1):
        return row, column, shift, None
    near = surface[row - 1 : row + 2, column - 1 : column + 2].astype(np.float64)
    slope = np.array([near[1, 2] - near[1, 0], near[2, 1] - near[0, 1]]) / 2
    mixed = (near[2, 2] - near[2, 0] - near[0, 2] + near[0, 0]) / 4
    across, along = 2 * near[1, 1] - near[1, 0] - near[1, 2], 2 * near[1, 1] - near[0, 1] - near[2, 1]
    curvature = np.array([[across, -mixed], [-mixed, along]])
    if np.linalg.eigvalsh(curvature)[0] <= 0:
        return row, column, shift, None
    return row, column, shift + np.linalg.solve(curvature, slope).clip(-0.5, 0.5), curvature
