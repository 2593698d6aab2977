"""Entropy and mutual information of gray levels."""

from __future__ import annotations

import math

import torch

from ssvif.metrics.base import Triple, lumas, metric

LEVELS = 256


def histograms(images: Triple) -> torch.Tensor:
    """Return the joint frequencies of (visible, fused) and (infrared, fused) luma, (2,B,256,256)."""
    values = images.share(lumas)
    sources, fused = values[:2].to(torch.int32), values[2]
    count = fused.shape[0]
    first = torch.arange(2 * count, device=fused.device, dtype=torch.int32).view(2, count, 1, 1)
    bins = (first * LEVELS + sources) * LEVELS + fused
    counts = torch.bincount(bins.flatten(), minlength=2 * count * LEVELS**2)
    return counts.view(2, count, LEVELS, LEVELS).to(torch.float64) / fused[0].numel()


def _entropy(frequencies: torch.Tensor, dims: int) -> torch.Tensor:
    # entr(0) = 0 and no epsilon; of a constant image frequencies may sum to 1 + 1e-16, whose entropy is below 0
    return (torch.sum(torch.special.entr(frequencies).flatten(-dims), dim=-1) / math.log(2)).clamp(min=0.0) + 0.0


@metric()
def en(images: Triple) -> torch.Tensor:
    """Entropy of the fused luma, −Σ p log₂ p over its 256-bin histogram.

    Range 0..8 bit, higher is better, 0 for a constant image; no epsilon is added. Source: Shannon
    1948; Roberts et al. 2008 (fusion).
    """
    return _entropy(images.share(histograms)[0].sum(dim=1), 1)


@metric()
def mi(images: Triple) -> torch.Tensor:
    """Mutual information of fused and visible luma plus that of fused and infrared luma.

    MI(s,f) = H(s) + H(f) − H(s,f) from the 256×256 joint histogram, logarithm to base 2, neither
    stretched nor normalised. Range 0..16 bit, higher is better. Source: Qu et al. 2002. VIFB's
    number is ln 2 times this, of stretched images per channel.
    """
    joint = images.share(histograms)
    shared = _entropy(joint.sum(dim=3), 1) + _entropy(joint.sum(dim=2), 1) - _entropy(joint, 2)
    return shared.clamp(min=0).sum(dim=0)
