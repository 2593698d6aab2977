"""Visual information fidelity, pixel-domain variant, and its variant for fusion."""

from __future__ import annotations

import math

import torch

from ssvif.metrics.base import Triple, centred_lumas, metric
from ssvif.metrics.moments import filter_images, window_moments
from ssvif.ops.filters import gaussian_window

WINDOW_SIZES = (17, 9, 5, 3)
FUSION_WEIGHTS = (1.0, 0.0, 0.15, 1.0)
LEAST_INFORMATION = 1e-7


@metric(smallest_side=41)
def vif(images: Triple) -> torch.Tensor:
    """Visual information fidelity of the fused luma for visible plus that for infrared.

    Four scales with Gaussian windows of 17, 9, 5, 3 pixels, σ = size/5, noise variance 2 for values
    0..255; numerators and denominators are summed over all scales before the division; a source
    flat at all scales counts 1. Range ≥ 0, 2 when all three images are equal, more is possible;
    higher is better. Source: Sheikh & Bovik 2006, pixel domain. Not VIFF of Han et al. 2013.
    """
    logarithms, _ = images.share(information)
    kept, offered = logarithms[:, :, :4].sum(dim=1).view(-1, 2, 2).unbind(dim=2)
    return torch.where(offered > 0, kept / offered, 1.0).sum(dim=1)


@metric(smallest_side=41)
def viff(images: Triple) -> torch.Tensor:
    """Visual information fidelity for fusion: each window counts the source that has the smaller gain there.

    Windows, moments, gain g, source variance v and noise e as for `vif`, visual noise variance
    0.005·255² = 325.125. Of each window that source is taken whose g is smaller (the infrared one
    when equal). Scale j: F_j = Σ(log₁₀(1 + g²v/(e + 325.125)) + 1e-7)/Σ(log₁₀(1 + v/325.125) + 1e-7);
    VIFF = (F_1 + 0·F_2 + 0.15·F_3 + F_4)/2.15. Range ≥ 0, 1 when all three images are equal, more is
    possible; higher is better. Source: Han et al. 2013, with the numbers of the authors' program.
    That takes 8-bit L* of colour images; here all is luma.
    """
    logarithms, windows = images.share(information)
    each = logarithms[:, :, 4:] / math.log(10) + LEAST_INFORMATION * windows[:, None]
    kept, offered = each.unbind(dim=2)
    weights = kept.new_tensor(FUSION_WEIGHTS)
    return (kept / offered) @ weights / weights.sum()


def information(images: Triple) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logarithms of `compiled.fidelity_factors`, summed over the windows of each scale, and their number.

    Returns:
        (B,4,6) and (4,), float64.
    """
    values, _ = images.share(centred_lumas)
    log_sums = log_sums_by_loops if values.device.type == "cpu" else log_sums_by_maps
    sums, windows = [], []
    for scale, size in enumerate(WINDOW_SIZES):
        window = gaussian_window(size, size / 5, torch.float64, values.device)
        if scale:
            values = filter_images(values, window, step=2)
        sums.append(log_sums(values, window))
        windows.append((values.shape[2] - size + 1) * (values.shape[3] - size + 1))
    return torch.stack(sums, dim=1), values.new_tensor(windows)


def log_sums_by_loops(values: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Return the logarithms of `compiled.fidelity_factors`, (B,6), summed over windows (D,) of (B,3,H,W) on a CPU."""
    from ssvif.metrics.compiled import LOG_GROUP, fidelity_products

    height, width = (side - len(window) + 1 for side in values.shape[2:])
    products = values.new_ones((len(values), math.ceil(height / LOG_GROUP), 6, width))
    fidelity_products(values.numpy(), window.numpy(), products.numpy())
    return products.log_().sum(dim=(1, 3))


def log_sums_by_maps(values: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Return the same (B,6) as `log_sums_by_loops`, on any device, from maps of the whole images."""
    from ssvif.metrics.compiled import fidelity_factors

    moments = window_moments(values, window)
    factors = fidelity_factors(*moments.variances.unbind(dim=1), *moments.covariances.unbind(dim=1))
    return torch.stack([each.log().sum(dim=(1, 2)) for each in factors], dim=1)
