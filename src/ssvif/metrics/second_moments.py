"""Contrast, correlation and squared error: metrics of the second moments of whole images."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ssvif.metrics.base import Triple, centred_lumas, metric

# weights of the three images in a sum
VISIBLE, INFRARED, FUSED = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
LESS_VISIBLE, LESS_INFRARED = (-1.0, 0.0, 1.0), (0.0, -1.0, 1.0)
PEAK = 255.0
Weights = tuple[float, float, float]


class Moments(NamedTuple):
    """Sums over the pixels of the three centred lumas: whole numbers, hence exact."""

    sums: torch.Tensor  # (B,3)
    products: torch.Tensor  # (B,3,3), of every two images
    offsets: torch.Tensor  # (B,3), the whole numbers subtracted before
    pixels: int  # their number


def second_moments(images: Triple) -> Moments:
    """Return the sums (B,3) and (B,3,3) from which the metrics of this module are computed."""
    values, offsets = images.share(centred_lumas)
    flat = values.flatten(2)
    return Moments(flat.sum(dim=2), flat @ flat.transpose(1, 2), offsets[..., 0, 0], flat.shape[2])


def _covariance(moments: Moments, first: Weights, second: Weights) -> torch.Tensor:
    # (B,), of two weighted sums of the three images; products are added before means are taken off, so
    # that a difference of equal images has a variance of exactly 0
    one, two = (moments.sums.new_tensor(each) for each in (first, second))
    products = torch.einsum("i,bij,j->b", one, moments.products, two)
    return (products - (moments.sums @ one) * (moments.sums @ two) / moments.pixels) / moments.pixels


def _correlation(moments: Moments, first: Weights, second: Weights) -> torch.Tensor:
    # Pearson's, (B,), of two weighted sums of the images; 0 where one of them is constant
    spread = _covariance(moments, first, first) * _covariance(moments, second, second)
    shared = _covariance(moments, first, second)
    return torch.where(spread > 0, shared / spread.clamp(min=torch.finfo(spread.dtype).tiny).sqrt(), 0.0)


@metric()
def sd(images: Triple) -> torch.Tensor:
    """Standard deviation of the fused luma, the root of its mean squared distance from its mean.

    The number of pixels stands in the denominator (MATLAB's `std2` has one less; that is 2e-6 of
    the value at 640×480). Range 0..127.5 gray levels, higher is better, 0 for a constant image.
    Source: Rao 1997; Ma et al. 2019 (fusion). VIFB lists it under "variance" with a root, too.
    """
    return _covariance(images.share(second_moments), FUSED, FUSED).clamp(min=0).sqrt()


@metric()
def cc(images: Triple) -> torch.Tensor:
    """Mean of the correlation coefficients of fused and visible luma and of fused and infrared luma.

    Pearson's coefficient over all pixels; it counts 0 where an image is constant. Range −1..1,
    higher is better. Source: Deshmukh & Bhosale 2010; Ma et al. 2019 (mean over both sources).
    """
    moments = images.share(second_moments)
    return (_correlation(moments, VISIBLE, FUSED) + _correlation(moments, INFRARED, FUSED)) / 2


@metric()
def scd(images: Triple) -> torch.Tensor:
    """Sum of the correlations of differences, corr(F − I, V) + corr(F − V, I), of lumas.

    What fusion added to one source is compared with the other source. Differences keep their sign
    (code that subtracts 8-bit images without widening them first gives other numbers). A term
    counts 0 where the difference or the source is constant, as when F equals a source. Range −2..2,
    higher is better. Source: Aslantas & Bendes 2015.
    """
    moments = images.share(second_moments)
    return _correlation(moments, LESS_INFRARED, VISIBLE) + _correlation(moments, LESS_VISIBLE, INFRARED)


@metric()
def psnr(images: Triple) -> torch.Tensor:
    """Peak signal-to-noise ratio, 10·log₁₀(255²/MSE), MSE the mean of those to both source lumas.

    Range ≥ 0 dB, higher is better, infinite when the fused image equals both sources.
    Source: Jagalingam & Hegde 2015; Zhang et al. 2020 (VIFB), whose script, unlike its text, takes a
    root before it divides by the number of pixels, so that its figures are larger.
    """
    moments = images.share(second_moments)
    error = torch.zeros_like(moments.sums[:, 0])
    for weights in map(moments.sums.new_tensor, (LESS_VISIBLE, LESS_INFRARED)):
        squares = torch.einsum("i,bij,j->b", weights, moments.products, weights)
        shift = moments.offsets @ weights
        error += squares + 2 * shift * (moments.sums @ weights) + moments.pixels * shift.square()
    return 10 * torch.log10(PEAK**2 * 2 * moments.pixels / error)
