"""Feature mutual information of small windows."""

from __future__ import annotations

import math

import torch

from ssvif.metrics.base import Triple, lumas, metric

SIDE = 3
SIZE = SIDE * SIDE
# windows worked on together on a CPU: fewer mean more calls, more leave its cache
CHUNK = 2**14


@metric(smallest_side=SIDE)
def fmi(images: Triple) -> torch.Tensor:
    """Feature mutual information of fused and source lumas, mean over both sources, of raw pixels.

    The windowed definition, 3×3, not the one histogram over the image that some code calls FMI.
    Pixels of a window, column by column, are stretched to 0..1 (all 1 when equal) and divided by
    their sum: distributions p_s, p_f over nine places, with cumulative sums. Their joint
    distribution is φ·U + (1 − φ)·p_s p_f, where U is the coupling of greatest correlation ρ_U (of
    least, when the pixels' Pearson coefficient c is negative) and φ = c/ρ_U, not limited to 1; φ = 0
    where c = 0, a window is flat or one place holds everything. Value of a window:
    2·(H_s + H_f − H_sf)/(H_s + H_f), 0 when the information is 0, 1 when the pixels are equal, with
    −p·log|p| as joint entropy, as the authors' program has it for φ > 1. Range about 0..1, 1 when
    all three are equal, higher is better. Source: Haghighat et al. 2011; Haghighat & Razian 2014
    (Fast-FMI), features "none".
    """
    windows = _windows(images.share(lumas))
    batch, count = windows.shape[1], windows.shape[3]
    total = torch.zeros(batch, dtype=torch.float64, device=windows.device)
    size = CHUNK if windows.device.type == "cpu" else count
    for part in torch.split(windows, size, dim=3):
        pixels = part.to(torch.float64)
        masses = _distributions(pixels)
        for source in range(2):
            total += _normalised_information(pixels[source], pixels[2], masses[source], masses[2]).sum(dim=1)
    return total / (2 * count)


def _windows(values: torch.Tensor) -> torch.Tensor:
    # (3,B,H,W) to (3,B,9,N): the pixels of every window, column by column
    height, width = (each - SIDE + 1 for each in values.shape[2:])
    shifted = [values[..., i : i + height, j : j + width] for j in range(SIDE) for i in range(SIDE)]
    return torch.stack(shifted, dim=2).flatten(3)


def _distributions(pixels: torch.Tensor) -> torch.Tensor:
    above = pixels - pixels.amin(dim=-2, keepdim=True)
    total = above.sum(dim=-2, keepdim=True)
    # the stretching to 0..1 cancels in the division by the sum
    return torch.where(total > 0, above / total.clamp(min=1), 1 / SIZE)


def _normalised_information(
    source: torch.Tensor, fused: torch.Tensor, source_mass: torch.Tensor, fused_mass: torch.Tensor
) -> torch.Tensor:
    # (B,9,N) each to (B,N)
    correlation = _correlation(source, fused)
    ends = fused_mass.cumsum(dim=1), source_mass.cumsum(dim=1)
    starts = ends[0] - fused_mass, ends[1] - source_mass
    # a coupling of least correlation is that of greatest with one distribution turned round
    against = (correlation < 0)[:, None]
    turned = torch.where(against, 1 - ends[1], starts[1]), torch.where(against, 1 - starts[1], ends[1])
    share = _share(correlation, fused_mass, source_mass, ends, torch.where(against, turned[0], turned[1]))
    entropies = _entropy(source_mass) + _entropy(fused_mass)
    joint = torch.zeros_like(correlation)
    for i in range(SIZE):
        overlap = torch.minimum(ends[0][:, i : i + 1], turned[1]) - torch.maximum(starts[0][:, i : i + 1], turned[0])
        independent = fused_mass[:, i : i + 1] * source_mass
        mass = independent + share[:, None] * (overlap.clamp_(min=0) - independent)
        joint += _entropy(mass)
    information = entropies - joint
    value = torch.where(entropies > 0, 2 * information / entropies.clamp(min=torch.finfo(joint.dtype).tiny), 0.0)
    return value.masked_fill_((source == fused).all(dim=1), 1.0)


def _correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    # of whole numbers, so that 0 is exactly 0; 0 where a window is flat
    sums = first.sum(dim=1), second.sum(dim=1)
    shared = SIZE * (first * second).sum(dim=1) - sums[0] * sums[1]
    spread = [
        SIZE * each.square().sum(dim=1) - total * total for each, total in zip((first, second), sums, strict=True)
    ]
    return shared / (spread[0] * spread[1]).clamp_(min=1).sqrt_()


def _share(
    correlation: torch.Tensor,
    fused_mass: torch.Tensor,
    source_mass: torch.Tensor,
    ends: tuple[torch.Tensor, torch.Tensor],
    bounds: torch.Tensor,
) -> torch.Tensor:
    # φ = c/ρ: the greatest or least covariance of two places is Σ_ij min(F_i,S_j) − F_i S_j or its mirror image
    places = torch.arange(1, SIZE + 1, dtype=torch.float64, device=correlation.device)[:, None]
    spread = [_variance(each, places) for each in (fused_mass, source_mass)]
    smaller = torch.zeros_like(correlation)
    for i in range(SIZE):
        smaller += torch.minimum(ends[0][:, i : i + 1], bounds).sum(dim=1)
    covariance = smaller - ends[0].sum(dim=1) * bounds.sum(dim=1)
    covariance = torch.where(correlation < 0, -covariance, covariance)
    defined = (correlation != 0) & (spread[0] > 0) & (spread[1] > 0)
    root = (spread[0] * spread[1]).sqrt_()
    return torch.where(defined, correlation * root / torch.where(defined, covariance, 1.0), 0.0)


def _variance(mass: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    mean = (mass * places).sum(dim=1, keepdim=True)
    return (mass * (places - mean).square()).sum(dim=1)


def _entropy(mass: torch.Tensor) -> torch.Tensor:
    # −Σ p·log₂|p|, (B,9,N) to (B,N); the tiny number makes 0·log 0 = 0
    return -(mass * mass.abs().clamp_(min=torch.finfo(mass.dtype).tiny).log_()).sum(dim=1) / math.log(2)
