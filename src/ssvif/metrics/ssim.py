"""Structural similarity at one and at five scales, each in the table's and the standard convention."""

from __future__ import annotations

import torch
from torch.nn import functional

from ssvif.metrics.base import Triple, centred_lumas, metric
from ssvif.metrics.moments import window_moments
from ssvif.ops.filters import gaussian_window

WINDOW_SIZE, WINDOW_SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
# L; both together cost hardly more than one
DYNAMIC_RANGES = (1, 255)
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
CONTRAST, SIMILARITY = range(2)


def first_scale(images: Triple) -> torch.Tensor:
    """Return means over all windows, (B,2,2,2): dynamic range, source, contrast or its product with luminance, SSIM."""
    return _means(*images.share(centred_lumas))


def coarser_scales(images: Triple) -> torch.Tensor:
    """Return the means of `first_scale` at scales 2 to 5, each of 2×2 block means of the scale before, (4,B,2,2,2)."""
    values, offsets = images.share(centred_lumas)
    means = []
    for _ in SCALE_WEIGHTS[1:]:
        height, width = values.shape[2:]
        values = functional.pad(values, (0, width % 2, 0, height % 2), mode="replicate")
        # six times as fast as `avg_pool2d` in float64
        rows = values[..., ::2, :] + values[..., 1::2, :]
        values = (rows[..., ::2] + rows[..., 1::2]).div_(4)
        means.append(_means(values, offsets))
    return torch.stack(means)


def _means(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    return (means_by_loops if values.device.type == "cpu" else means_by_maps)(values, offsets)


def means_by_loops(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return the means of `first_scale`, (B,2,2,2), on a CPU, in float64.

    Args:
        values: (B,3,H,W), two sources and the fused image less their offsets.
        offsets: (B,3,1,1).
    """
    from ssvif.metrics.compiled import ssim_sums

    window = gaussian_window(WINDOW_SIZE, WINDOW_SIGMA, torch.float64)
    height, width = (side - WINDOW_SIZE + 1 for side in values.shape[2:])
    stabilisers = window.new_tensor([[(K1 * each) ** 2, (K2 * each) ** 2] for each in DYNAMIC_RANGES])
    sums = values.new_zeros((len(values), len(DYNAMIC_RANGES), 4, width))
    ssim_sums(values.numpy(), offsets.flatten(1).numpy(), window.numpy(), stabilisers.numpy(), sums.numpy())
    return sums.sum(dim=3).view(-1, len(DYNAMIC_RANGES), 2, 2) / (height * width)


def means_by_maps(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return the same (B,2,2,2) as `means_by_loops`, on any device, from maps of the whole images."""
    from ssvif.metrics.compiled import contrast, luminance

    moments = window_moments(values, gaussian_window(WINDOW_SIZE, WINDOW_SIGMA, torch.float64, values.device))
    means, variances = moments.means + offsets, moments.variances[:, :2] + moments.variances[:, 2:]
    found = []
    for dynamic_range in DYNAMIC_RANGES:
        contrasts = contrast(moments.covariances, variances, (K2 * dynamic_range) ** 2)
        similarities = contrasts * luminance(means[:, :2], means[:, 2:], (K1 * dynamic_range) ** 2)
        found.append(torch.stack([each.mean(dim=(2, 3)) for each in (contrasts, similarities)], dim=2))
    return torch.stack(found, dim=1)


def _ssim(images: Triple, dynamic_range: int) -> torch.Tensor:
    return images.share(first_scale)[:, DYNAMIC_RANGES.index(dynamic_range), :, SIMILARITY].sum(dim=1)


def _ms_ssim(images: Triple, dynamic_range: int) -> torch.Tensor:
    scales = torch.cat([images.share(first_scale)[None], images.share(coarser_scales)])
    scales = scales[:, :, DYNAMIC_RANGES.index(dynamic_range)].clamp(min=0)
    terms = torch.cat([scales[:-1, ..., CONTRAST], scales[-1:, ..., SIMILARITY]])
    return (terms ** terms.new_tensor(SCALE_WEIGHTS)[:, None, None]).prod(dim=0).sum(dim=1)


@metric(smallest_side=WINDOW_SIZE, convention="paper")
def ssim(images: Triple) -> torch.Tensor:
    """SSIM of fused and visible luma plus that of fused and infrared, dynamic range L = 1.

    Gaussian window 11×11, σ 1.5, "valid" part, biased moments, C₁ = (.01 L)², C₂ = (.03 L)², mean
    over windows. Range −2..2, higher is better. Source: Wang et al. 2004. Convention: L = 1 on
    values 0..255, which published fusion tables need; `ssim255` is the standard.
    """
    return _ssim(images, 1)


@metric(smallest_side=WINDOW_SIZE, convention="standard")
def ssim255(images: Triple) -> torch.Tensor:
    """SSIM of fused and visible luma plus that of fused and infrared, dynamic range L = 255.

    As `ssim` in everything else. Range −2..2, higher is better. Source: Wang et al. 2004, whose L
    this is.
    """
    return _ssim(images, 255)


@metric(smallest_side=161, convention="paper")
def ms_ssim(images: Triple) -> torch.Tensor:
    """Multi-scale SSIM of fused and visible luma plus that of fused and infrared, L = 1.

    Π max(cs_j, 0)^w_j over four scales times max(ssim_5, 0)^w_5, scales by 2×2 block means with an
    odd last row or column repeated; window and constants as in `ssim`. Range 0..2, higher is
    better. Source: Wang et al. 2003. Convention: L = 1, as published fusion tables need.
    """
    return _ms_ssim(images, 1)


@metric(smallest_side=161, convention="standard")
def ms_ssim255(images: Triple) -> torch.Tensor:
    """Multi-scale SSIM as `ms_ssim` but with the standard dynamic range L = 255.

    Range 0..2, higher is better. Source: Wang et al. 2003.
    """
    return _ms_ssim(images, 255)
