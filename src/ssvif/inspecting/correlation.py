"""How well two pictures' edges meet at each shift of one over the other, over whole pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.inspecting.structure import Grey

SMALLEST_SHARE = 1e-3  # of the largest product of energies: below it there is nothing to compare
Spectra = NDArray[np.complex64]


@dataclass(frozen=True)
class Peak:
    """Where a surface is highest.

    Attributes:
        x_px: shift to the right that brings the best match, to a fraction of a pixel.
        y_px: shift down.
        height: correlation there, −1 to 1.
        sharpness: how many standard deviations of the surface it stands above the next best place.
    """

    x_px: float
    y_px: float
    height: float
    sharpness: float


def spectra_of(description: Grey, mask: Grey, padded: tuple[int, int]) -> Spectra:
    """Return the spectra of a description, its energy and its mask.

    Args:
        description: (K,H,W), zero outside the mask.
        mask: (H,W), 1 where the picture lies.
        padded: height and width to pad to, at least the picture's and the largest shift.

    Returns:
        (K+2, padded height, half the padded width + 1) complex64.
    """
    from scipy import fft

    energy = np.square(description).sum(axis=0)
    return np.asarray(fft.rfft2(np.concatenate([description, energy[None], mask[None]]), padded), np.complex64)


def padded_shape(shape: tuple[int, int], reach: tuple[int, int]) -> tuple[int, int]:
    """Return a height and width that hold a picture and every shift up to `reach`, quick to transform."""
    from scipy import fft

    height, width = (fft.next_fast_len(side + most, real=True) for side, most in zip(shape, reach, strict=True))
    return height, width


def correlate(pairs: Iterable[tuple[Spectra, Spectra]], padded: tuple[int, int], reach: tuple[int, int]) -> Grey:
    """Return the normalised correlation of all pairs together at each shift, over where both pictures lie.

    Args:
        pairs: spectra of the fixed and of the moving picture of each pair.
        padded: as given to `spectra_of`.
        reach: largest shift down and to the right, pixels.

    Returns:
        (2·reach+1, 2·reach+1); the middle is no shift, and at (row, column) the moving picture's content lies that
        far down and right of the fixed one's.
    """
    from scipy import fft

    total: Any = 0
    for fixed, moving in pairs:
        conjugate = fixed.conj()
        products = (conjugate[:-2] * moving[:-2]).sum(axis=0)
        total = total + np.stack([products, conjugate[-2] * moving[-1], conjugate[-1] * moving[-2]])
    product, energy_fixed, energy_moving = fft.irfft2(total, padded)
    energies = np.maximum(energy_fixed, 0) * np.maximum(energy_moving, 0)
    surface = product / np.sqrt(np.maximum(energies, SMALLEST_SHARE * energies.max() + 1e-12))
    rows, columns = (np.arange(-most, most + 1) for most in reach)
    return np.asarray(surface[np.ix_(rows, columns)], np.float32)


def find_peak(surface: Grey, around_px: int = 4) -> Peak:
    """Find the highest place of a surface, to a fraction of a pixel by a parabola through its neighbours.

    Args:
        surface: (2·reach+1, 2·reach+1), of `correlate`.
        around_px: places nearer than this to the peak belong to it and are no rivals.
    """
    row, column = (int(place) for place in np.unravel_index(surface.argmax(), surface.shape))
    rivals = surface.copy()
    rivals[max(0, row - around_px) : row + around_px + 1, max(0, column - around_px) : column + around_px + 1] = -1
    spread = float(surface.std()) or 1.0
    height = float(surface[row, column])
    return Peak(
        x_px=column + _fraction(surface[row], column) - surface.shape[1] // 2,
        y_px=row + _fraction(surface[:, column], row) - surface.shape[0] // 2,
        height=height,
        sharpness=(height - float(rivals.max())) / spread,
    )


def _fraction(line: Grey, place: int) -> float:
    """Return where a parabola through a place and its two neighbours is highest, −0.5 to 0.5."""
    if place in (0, len(line) - 1):
        return 0.0
    before, here, after = (float(value) for value in line[place - 1 : place + 2])
    curvature = 2 * here - before - after
    return (after - before) / (2 * curvature) if curvature > 0 else 0.0
