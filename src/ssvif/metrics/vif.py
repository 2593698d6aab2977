"""Visual information fidelity, pixel-domain variant, and its variant for fusion."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional

from ssvif.metrics.base import Triple, centred_lumas, metric
from ssvif.metrics.moments import filter_images, window_moments
from ssvif.ops.filters import gaussian_window

WINDOW_SIZES = (17, 9, 5, 3)
NOISE_VARIANCE = 2.0
EPSILON = 1e-10
FUSION_NOISE_VARIANCE = 0.005 * 255**2
FUSION_WEIGHTS = (1.0, 0.0, 0.15, 1.0)
LEAST_INFORMATION = 1e-7
# 16 factors of at most 1 + 255²/8 stay far below the largest float64
LOG_GROUP = 16


@metric("VIF", better="up", smallest_side=41)
def vif(images: Triple) -> torch.Tensor:
    """Visual information fidelity of the fused luma for visible plus that for infrared.

    Four scales with Gaussian windows of 17, 9, 5, 3 pixels, σ = size/5, noise variance 2 for values
    0..255; numerators and denominators are summed over all scales before the division; a source
    flat at all scales counts 1. Range ≥ 0, 2 when all three images are equal, more is possible;
    higher is better. Source: Sheikh & Bovik 2006, pixel domain. Not VIFF of Han et al. 2013.
    """
    kept = torch.zeros((2, len(images.fused)), dtype=torch.float64, device=images.fused.device)
    offered, one = torch.zeros_like(kept), torch.ones_like(kept[0, 0])
    for _, variances, covariances in _scales(images):
        sources, fused = variances[:2], variances[2]
        # the gain is 0 where source and fused image run against each other; where one of them is
        # flat it does not matter, the product of squared gain and source variance being next to 0
        covariances.clamp_(min=0)
        gains = covariances / (sources + EPSILON)
        # the noise is at least EPSILON, that of the eye comes on top of it
        noises = torch.addcmul(fused + NOISE_VARIANCE, gains, covariances, value=-1)
        noises.clamp_(min=EPSILON + NOISE_VARIANCE)
        kept += _sum_of_logs(torch.addcdiv(one, gains.square_().mul_(sources), noises))
        offered += _sum_of_logs(torch.add(one, sources, alpha=1 / NOISE_VARIANCE))
    return torch.where(offered > 0, kept / offered, 1.0).sum(dim=0)


@metric("VIFF", better="up", smallest_side=41)
def viff(images: Triple) -> torch.Tensor:
    """Visual information fidelity for fusion: in each window that source counts whose gain is less.

    Windows, moments, gain g, source variance v and noise e as for `vif`, visual noise variance
    0.005·255² = 325.125. Of each window that source is taken whose g is smaller (the infrared one
    when equal). Scale j: F_j = Σ(log₁₀(1 + g²v/(e + 325.125)) + 1e-7)/Σ(log₁₀(1 + v/325.125) + 1e-7);
    VIFF = (F_1 + 0·F_2 + 0.15·F_3 + F_4)/2.15. Range ≥ 0, 1 when all three images are equal, more is
    possible; higher is better. Source: Han et al. 2013, with the numbers of the authors' program.
    That takes 8-bit L* of colour images; here all is luma.
    """
    kept = torch.zeros((len(WINDOW_SIZES), len(images.fused)), dtype=torch.float64, device=images.fused.device)
    offered = torch.zeros_like(kept)
    for scale, variances, covariances in _scales(images):
        if FUSION_WEIGHTS[scale]:
            gain, noise, source = _weaker_channel(variances, covariances)
            ratio = gain.square_().mul_(source).div_(noise.add_(FUSION_NOISE_VARIANCE))
            kept[scale] += ratio.add_(1).log10_().add_(LEAST_INFORMATION).sum(dim=(1, 2, 3))
            potential = source.div_(FUSION_NOISE_VARIANCE).add_(1).log10_()
            offered[scale] += potential.add_(LEAST_INFORMATION).sum(dim=(1, 2, 3))
    ratios = torch.where(offered > 0, kept / offered, 0.0)
    return (ratios.new_tensor(FUSION_WEIGHTS) @ ratios) / sum(FUSION_WEIGHTS)


def _scales(images: Triple) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    # scale by scale and part by part: variances of the three images (3,B,N,K,S), 0 below EPSILON, and
    # covariances of sources and fused image (2,B,N,K,S)
    values = images.share(centred_lumas)[0]
    for scale, size in enumerate(WINDOW_SIZES):
        window = gaussian_window(size, size / 5, torch.float64, values.device)
        if scale:
            values = filter_images(values, window, step=2)
        for moments in window_moments(values, window, _squares_and_products):
            means = moments[:3]
            variances = torch.addcmul(moments[3:6], means, means, value=-1)
            functional.threshold(variances, EPSILON, 0.0, inplace=True)
            yield scale, variances, torch.addcmul(moments[6:], means[:2], means[2], value=-1)


def _squares_and_products(values: torch.Tensor) -> torch.Tensor:
    maps = values.new_empty((8, *values.shape[1:]), dtype=torch.float64)
    maps[:3] = values
    torch.mul(maps[:3], maps[:3], out=maps[3:6])
    torch.mul(maps[:2], maps[2], out=maps[6:])
    return maps


def _weaker_channel(
    variances: torch.Tensor, covariances: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # gain, noise and source variance of the source with the smaller gain, (B,N,K,S) each
    sources, fused = variances[:2], variances[2]
    covariances = covariances.clamp_(min=0).masked_fill_((fused == 0) | (sources == 0), 0.0)
    gains = covariances / (sources + EPSILON)
    noises = torch.addcmul(fused, gains, covariances, value=-1).clamp_(min=EPSILON)
    visible = gains[0] < gains[1]
    gain, noise, source = (torch.where(visible, each[0], each[1]) for each in (gains, noises, sources))
    return gain, noise, source


def _sum_of_logs(x: torch.Tensor) -> torch.Tensor:
    # (2,B,N,K,S) to (2,B): the logarithm of products of 16 costs a fifth of 16 logarithms
    parts = [each.prod(dim=2).log_().sum(dim=(2, 3)) for each in torch.split(x, LOG_GROUP, dim=2)]
    return torch.stack(parts).sum(dim=0)
