"""Visual information fidelity, pixel-domain variant."""

from __future__ import annotations

import torch
from torch.nn import functional

from ssvif.metrics.base import Triple, centred_lumas, metric
from ssvif.metrics.moments import filter_maps
from ssvif.ops.filters import gaussian_window

WINDOW_SIZES = (17, 9, 5, 3)
NOISE_VARIANCE = 2.0
EPSILON = 1e-10
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
    values = images.share(centred_lumas)[0]
    kept = torch.zeros((2, values.shape[1]), dtype=values.dtype, device=values.device)
    offered = torch.zeros_like(kept)
    for size in WINDOW_SIZES:
        window = gaussian_window(size, size / 5, values.dtype, values.device)
        if size != WINDOW_SIZES[0]:
            values = filter_maps(values.clone(memory_format=torch.contiguous_format), window, step=2)
        for source, terms in enumerate(_information(values, window)):
            kept[source] += terms[0]
            offered[source] += terms[1]
    return torch.where(offered > 0, kept / offered, 1.0).sum(dim=0)


def _information(values: torch.Tensor, window: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    # for each source: information about it in the fused image and in itself, (B,)
    maps = values.new_empty((8, *values.shape[1:]))
    maps[:3] = values
    torch.mul(values, values, out=maps[3:6])
    torch.mul(values[:2], values[2], out=maps[6:])
    filtered = filter_maps(maps, window)
    means = filtered[:3]
    variances = torch.addcmul(filtered[3:6], means, means, value=-1).clamp_(min=0)
    covariances = torch.addcmul(filtered[6:], means[:2], means[2], value=-1)
    return [_terms(variances[each], variances[2], covariances[each]) for each in range(2)]


def _terms(source: torch.Tensor, fused: torch.Tensor, covariance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # gain 0 where either is flat or they run against each other: nothing is kept there. A flat
    # source needs no mask of its own, its variance 0 is a factor of what is kept.
    source = functional.threshold(source, EPSILON, 0.0)
    covariance = covariance.clamp_(min=0).masked_fill_(fused < EPSILON, 0.0)
    gain = covariance / (source + EPSILON)
    noise = torch.addcmul(fused, gain, covariance, value=-1).clamp_(min=EPSILON).add_(NOISE_VARIANCE)
    kept = gain.square_().mul_(source).div_(noise).add_(1)
    return _sum_of_logs(kept), _sum_of_logs(source.div(NOISE_VARIANCE).add_(1))


def _sum_of_logs(x: torch.Tensor) -> torch.Tensor:
    # (B,H,W) to (B,): the logarithm of products of 16 costs a fifth of 16 logarithms
    lines = x.movedim(2, 0)
    whole = len(lines) // LOG_GROUP * LOG_GROUP
    groups = lines[:whole].reshape(LOG_GROUP, -1, *lines.shape[1:]).prod(dim=0)
    return torch.log(groups).sum(dim=(0, 2)) + torch.log(lines[whole:]).sum(dim=(0, 2))
