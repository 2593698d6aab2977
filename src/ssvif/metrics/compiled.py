"""Loops over windows that PyTorch has no fast form of on a CPU, compiled by numba for the processor at hand.

Importing this module imports numba, so it is done when a metric needs it.

Formulas are plain arithmetic of numbers or tensors: kernels compute them window by window, a GPU
computes them of whole maps.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.ops.compiling import compiled, formula

EPSILON = 1e-10
VIF_NOISE_VARIANCE = 2.0
VIFF_NOISE_VARIANCE = 0.005 * 255**2
# factors multiplied before their logarithm is taken, a fifth of the cost of as many logarithms; 16 of
# at most 1 + 255²/8 stay far below the largest float64
LOG_GROUP = 16

Floats = NDArray[np.float64]
Value = TypeVar("Value", float, torch.Tensor)


@formula
def fidelity_factors(
    visible: Value, infrared: Value, fused: Value, with_visible: Value, with_infrared: Value
) -> tuple[Value, Value, Value, Value, Value, Value]:
    """Return the factors whose logarithms VIF and VIFF sum, from variances and covariances with the fused image.

    With gain g, noise variance e and source variance v: 1 + g²v/(e + 2) and 1 + v/2 of the visible,
    then of the infrared image; then 1 + g²v/(e + 325.125) and 1 + v/325.125 of that one whose gain is
    less. Sources: Sheikh & Bovik 2006; Han et al. 2013.
    """
    gain, noise, visible = _channel(visible, fused, with_visible)
    other_gain, other_noise, infrared = _channel(infrared, fused, with_infrared)
    kept, other_kept = gain * gain * visible, other_gain * other_gain * infrared
    less, more = gain < other_gain, gain >= other_gain
    weaker, weaker_noise = less * kept + more * other_kept, less * noise + more * other_noise
    return (
        1 + kept / (noise + VIF_NOISE_VARIANCE),
        1 + visible / VIF_NOISE_VARIANCE,
        1 + other_kept / (other_noise + VIF_NOISE_VARIANCE),
        1 + infrared / VIF_NOISE_VARIANCE,
        1 + weaker / (weaker_noise + VIFF_NOISE_VARIANCE),
        1 + (less * visible + more * infrared) / VIFF_NOISE_VARIANCE,
    )


@formula
def _channel(source: Value, fused: Value, covariance: Value) -> tuple[Value, Value, Value]:
    # gain, noise variance and source variance; variances below EPSILON count 0, the gain is 0 where one
    # of them is 0 or the images run against each other, the noise is at least EPSILON
    source = source * (source >= EPSILON)
    fused = fused * (fused >= EPSILON)
    covariance = _positive(covariance) * (source > 0) * (fused > 0)
    gain = covariance / (source + EPSILON)
    noise = EPSILON + _positive(fused - gain * covariance - EPSILON)
    return gain, noise, source


@formula
def _positive(x: Value) -> Value:
    return (x + abs(x)) / 2


@formula
def contrast(covariance: Value, variances: Value, stabiliser: float) -> Value:
    """Return SSIM's contrast and structure (2c + C₂)/(v_s + v_f + C₂), of the variances' sum."""
    return (2 * covariance + stabiliser) / (variances + stabiliser)


@formula
def luminance(source: Value, fused: Value, stabiliser: float) -> Value:
    """Return SSIM's luminance (2μ_sμ_f + C₁)/(μ_s² + μ_f² + C₁) of two means."""
    return (2 * source * fused + stabiliser) / (source * source + fused * fused + stabiliser)


@compiled
def filter_images(images: Floats, window: Floats, step: int, filtered: Floats) -> None:
    """Correlate images with a symmetric window along columns and rows, "valid" part.

    Args:
        images: (N,H,W).
        window: (D,), D odd.
        step: of the rows and columns that are kept.
        filtered: (N,(H−D)//step+1,(W−D)//step+1), overwritten.
    """
    down = np.empty((1, images.shape[2]))
    across = np.empty((1, images.shape[2] - len(window) + 1))
    for image in range(len(images)):
        for i in range(filtered.shape[1]):
            down[:] = 0
            for j in range(len(window)):
                _add_row(down[0], window[j], images[image, i * step + j])
            _filter_rows(down, window, across)
            for j in range(filtered.shape[2]):
                filtered[image, i, j] = across[0, j * step]


@compiled
def fidelity_products(images: Floats, window: Floats, products: Floats) -> None:
    """Multiply `fidelity_factors` of all windows, column by column and in groups of LOG_GROUP rows.

    Args:
        images: (B,3,H,W): visible, infrared, fused.
        window: (D,) symmetric, D odd, of sum 1.
        products: (B,⌈(H−D+1)/LOG_GROUP⌉,6,W−D+1) of ones.
    """
    down, moments = np.empty((8, images.shape[3])), np.empty((8, products.shape[3]))
    for image in range(len(images)):
        for i in range(images.shape[2] - len(window) + 1):
            _row_moments(images[image], i, window, down, moments)
            _multiply_factors(moments, products[image, i // LOG_GROUP])


@compiled
def _multiply_factors(moments: Floats, products: Floats) -> None:
    for i in range(moments.shape[1]):
        factors = fidelity_factors(moments[3, i], moments[4, i], moments[5, i], moments[6, i], moments[7, i])
        for j in range(6):
            products[j, i] *= factors[j]


@compiled
def ssim_sums(images: Floats, offsets: Floats, window: Floats, stabilisers: Floats, sums: Floats) -> None:
    """Add contrast, and its product with luminance, of all windows, column by column.

    Args:
        images: (B,3,H,W): visible, infrared, fused.
        offsets: (B,3), added to the images' means.
        window: (D,) symmetric, D odd, of sum 1.
        stabilisers: (K,2): K times C₁ and C₂.
        sums: (B,K,4,W−D+1) of zeros: both sums of the visible, then of the infrared image.
    """
    down, moments = np.empty((8, images.shape[3])), np.empty((8, sums.shape[3]))
    for image in range(len(images)):
        for i in range(images.shape[2] - len(window) + 1):
            _row_moments(images[image], i, window, down, moments)
            for j in range(len(stabilisers)):
                _add_similarities(moments, offsets[image], stabilisers[j, 0], stabilisers[j, 1], sums[image, j])


@compiled
def _add_similarities(moments: Floats, offsets: Floats, first: float, second: float, sums: Floats) -> None:
    for i in range(moments.shape[1]):
        fused = moments[2, i] + offsets[2]
        for source in range(2):
            structure = contrast(moments[6 + source, i], moments[3 + source, i] + moments[5, i], second)
            sums[2 * source, i] += structure
            sums[2 * source + 1, i] += structure * luminance(moments[source, i] + offsets[source], fused, first)


@compiled
def _row_moments(images: Floats, first: int, window: Floats, down: Floats, moments: Floats) -> None:
    # of images (3,H,W) in the windows from row `first` on: means, variances (3,W−D+1 each), covariances (2,W−D+1)
    down[:] = 0
    last = len(window) - 1
    for i in range(last // 2):
        _add_products(down, window[i], images, first + i, first + last - i)
    _add_products(down, window[last // 2] / 2, images, first + last // 2, first + last // 2)
    _filter_rows(down, window, moments)
    _centre(moments)


@compiled
def _filter_rows(rows: Floats, window: Floats, filtered: Floats) -> None:
    # (N,W) to (N,W−D+1); the window's halves are equal, which saves half of the products
    middle = len(window) // 2
    for i in range(len(rows)):
        filtered[i] = 0
        _add_row(filtered[i], window[middle], rows[i, middle:])
        for j in range(middle):
            _add_rows(filtered[i], window[j], rows[i, j:], rows[i, len(window) - 1 - j :])


@compiled
def _add_row(sums: Floats, weight: float, row: Floats) -> None:
    for i in range(len(sums)):
        sums[i] += weight * row[i]


@compiled
def _add_rows(sums: Floats, weight: float, first: Floats, second: Floats) -> None:
    for i in range(len(sums)):
        sums[i] += weight * (first[i] + second[i])


@compiled
def _add_products(sums: Floats, weight: float, images: Floats, above: int, below: int) -> None:
    # of two rows at once, as the window gives them the same weight
    for i in range(sums.shape[1]):
        visible, visible_below = images[0, above, i], images[0, below, i]
        infrared, infrared_below = images[1, above, i], images[1, below, i]
        fused, fused_below = images[2, above, i], images[2, below, i]
        sums[0, i] += weight * (visible + visible_below)
        sums[1, i] += weight * (infrared + infrared_below)
        sums[2, i] += weight * (fused + fused_below)
        sums[3, i] += weight * (visible * visible + visible_below * visible_below)
        sums[4, i] += weight * (infrared * infrared + infrared_below * infrared_below)
        sums[5, i] += weight * (fused * fused + fused_below * fused_below)
        sums[6, i] += weight * (visible * fused + visible_below * fused_below)
        sums[7, i] += weight * (infrared * fused + infrared_below * fused_below)


@compiled
def _centre(sums: Floats) -> None:
    # weighted means of squares and products less squares and products of the means, in place
    for i in range(sums.shape[1]):
        visible, infrared, fused = sums[0, i], sums[1, i], sums[2, i]
        sums[3, i] -= visible * visible
        sums[4, i] -= infrared * infrared
        sums[5, i] -= fused * fused
        sums[6, i] -= visible * fused
        sums[7, i] -= infrared * fused
