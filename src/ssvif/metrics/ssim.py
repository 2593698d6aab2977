"""Structural similarity at one and at five scales, each in the table's and the standard convention."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from ssvif.metrics.base import Triple, centred_lumas, metric
from ssvif.metrics.moments import window_moments
from ssvif.ops.filters import gaussian_window

WINDOW_SIZE, WINDOW_SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


class Structure(NamedTuple):
    """Moments of some windows of both sources against the fused image at one scale.

    Attributes:
        means: (3,B,N,K,S) of visible, infrared, fused.
        covariances: (2,B,N,K,S) of each source with the fused image.
        variances: (2,B,N,K,S), of each source plus that of the fused image.
    """

    means: torch.Tensor
    covariances: torch.Tensor
    variances: torch.Tensor


def _structures(values: torch.Tensor, offsets: torch.Tensor) -> list[Structure]:
    window = gaussian_window(WINDOW_SIZE, WINDOW_SIGMA, torch.float64, values.device)
    structures = []
    for moments in window_moments(values, window, _products_and_powers):
        means, products, powers = moments[:3], moments[3:5], moments[5:]
        covariances = torch.addcmul(products, means[:2], means[2], value=-1)
        variances = torch.addcmul(powers, means[:2], means[:2], value=-1).sub_(means[2].square())
        structures.append(Structure(means + offsets[..., None], covariances, variances))
    return structures


def _products_and_powers(values: torch.Tensor) -> torch.Tensor:
    maps = values.new_empty((7, *values.shape[1:]), dtype=torch.float64)
    maps[:3] = values
    sources, fused = maps[:2], maps[2]
    torch.mul(sources, fused, out=maps[3:5])
    torch.addcmul(fused.square(), sources, sources, out=maps[5:])
    return maps


def first_scale(images: Triple) -> list[Structure]:
    """Return the window moments of the images as they are."""
    return _structures(*images.share(centred_lumas))


def coarser_scales(images: Triple) -> list[list[Structure]]:
    """Return the window moments at scales 2 to 5, each of 2×2 block means of the scale before."""
    values, offsets = images.share(centred_lumas)
    scales = []
    for _ in SCALE_WEIGHTS[1:]:
        height, width = values.shape[2:]
        if height % 2 or width % 2:
            values = functional.pad(values, (0, width % 2, 0, height % 2), mode="replicate")
        pairs = values[:, :, ::2] + values[:, :, 1::2]
        values = (pairs[..., ::2] + pairs[..., 1::2]) / 4
        scales.append(_structures(values, offsets))
    return scales


def contrast_map(structure: Structure, dynamic_range: float) -> torch.Tensor:
    """Return (2c + C₂)/(v_s + v_f + C₂) for both sources, (2,B,N,K,S)."""
    stabiliser = (K2 * dynamic_range) ** 2
    return (2 * structure.covariances).add_(stabiliser).div_(structure.variances + stabiliser)


def luminance_map(structure: Structure, dynamic_range: float) -> torch.Tensor:
    """Return (2μ_sμ_f + C₁)/(μ_s² + μ_f² + C₁) for both sources, (2,B,N,K,S)."""
    stabiliser = (K1 * dynamic_range) ** 2
    sources, fused = structure.means[:2], structure.means[2]
    squares = sources.square().add_(fused.square()).add_(stabiliser)
    return (sources * fused).mul_(2).add_(stabiliser).div_(squares)


def _means(structures: list[Structure], dynamic_range: float) -> tuple[torch.Tensor, torch.Tensor]:
    # of contrast and of SSIM, its product with luminance, over all windows, (2,B) each
    contrasts, similarities = [], []
    for structure in structures:
        contrast = contrast_map(structure, dynamic_range)
        contrasts.append(contrast.sum(dim=(2, 3, 4)))
        similarities.append(contrast.mul_(luminance_map(structure, dynamic_range)).sum(dim=(2, 3, 4)))
    windows = sum(each.variances[0, 0].numel() for each in structures)
    return torch.stack(contrasts).sum(dim=0) / windows, torch.stack(similarities).sum(dim=0) / windows


def _mean_contrast(structures: list[Structure], dynamic_range: float) -> torch.Tensor:
    # over all windows, (2,B)
    sums = [contrast_map(each, dynamic_range).sum(dim=(2, 3, 4)) for each in structures]
    return torch.stack(sums).sum(dim=0) / sum(each.variances[0, 0].numel() for each in structures)


# single objects, so that both metrics of a dynamic range share their first scale
_FIRST_MEANS: dict[int, Callable[[Triple], tuple[torch.Tensor, torch.Tensor]]] = {
    1: lambda images: _means(images.share(first_scale), 1),
    255: lambda images: _means(images.share(first_scale), 255),
}


def _ssim(images: Triple, dynamic_range: int) -> torch.Tensor:
    return images.share(_FIRST_MEANS[dynamic_range])[1].sum(dim=0)


def _ms_ssim(images: Triple, dynamic_range: int) -> torch.Tensor:
    *finer, coarsest = images.share(coarser_scales)
    terms = [images.share(_FIRST_MEANS[dynamic_range])[0]]
    terms.extend(_mean_contrast(each, dynamic_range) for each in finer)
    terms.append(_means(coarsest, dynamic_range)[1])
    powers = [term.clamp(min=0) ** weight for term, weight in zip(terms, SCALE_WEIGHTS, strict=True)]
    return torch.stack(powers).prod(dim=0).sum(dim=0)


@metric("SSIM", better="up", smallest_side=WINDOW_SIZE, convention="paper")
def ssim(images: Triple) -> torch.Tensor:
    """SSIM of fused and visible luma plus that of fused and infrared, dynamic range L = 1.

    Gaussian window 11×11, σ 1.5, "valid" part, biased moments, C₁ = (.01 L)², C₂ = (.03 L)², mean
    over windows. Range −2..2, higher is better. Source: Wang et al. 2004. Convention: L = 1 on
    values 0..255, which published fusion tables need; `ssim255` is the standard.
    """
    return _ssim(images, 1)


@metric("SSIM (L = 255)", better="up", smallest_side=WINDOW_SIZE, convention="standard")
def ssim255(images: Triple) -> torch.Tensor:
    """SSIM of fused and visible luma plus that of fused and infrared, dynamic range L = 255.

    As `ssim` in everything else. Range −2..2, higher is better. Source: Wang et al. 2004, whose L
    this is.
    """
    return _ssim(images, 255)


@metric("MS-SSIM", better="up", smallest_side=161, convention="paper")
def ms_ssim(images: Triple) -> torch.Tensor:
    """Multi-scale SSIM of fused and visible luma plus that of fused and infrared, L = 1.

    Π max(cs_j, 0)^w_j over four scales times max(ssim_5, 0)^w_5, scales by 2×2 block means with an
    odd last row or column repeated; window and constants as in `ssim`. Range 0..2, higher is
    better. Source: Wang et al. 2003. Convention: L = 1, as published fusion tables need.
    """
    return _ms_ssim(images, 1)


@metric("MS-SSIM (L = 255)", better="up", smallest_side=161, convention="standard")
def ms_ssim255(images: Triple) -> torch.Tensor:
    """Multi-scale SSIM as `ms_ssim` but with the standard dynamic range L = 255.

    Range 0..2, higher is better. Source: Wang et al. 2003.
    """
    return _ms_ssim(images, 255)
