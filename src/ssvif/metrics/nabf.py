"""Edges of the fused image that neither source has."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from ssvif.metrics.base import Triple, lumas, metric
from ssvif.ops.filters import sobel

# (height, steepness, middle) of the two sigmoids
STRENGTH = (0.9999, 19.0, 0.5)
DIRECTION = (0.9995, 22.0, 0.5)
LEAST_STRENGTH, LEAST_WEIGHT, EXPONENT = 2.0, 0.001, 1.5


@metric("Nabf", better="down", smallest_side=2)
def nabf(images: Triple) -> torch.Tensor:
    """Share of fusion artefacts: edge information of the fused luma that is in neither source, modified.

    Sobel responses x, y divided by 8, the image continued by reflection about its border pixels;
    strength g, direction α = arctan(x/y), 0 where there is no edge. Per source
    G = min(g)/max(g) (0 when either is 0), A = ||α_s − α_f| − π/2|·2/π,
    Q² = 0.9999/(1 + e^{−19(G − 0.5)}) · 0.9995/(1 + e^{−22(A − 0.5)}), weight w = g^1.5 where g ≥ 2,
    else 0.001. Nabf = Σ_N ((1 − Q_V)w_V + (1 − Q_I)w_I)/Σ(w_V + w_I), N the pixels where g_f exceeds
    both sources' strengths. Range 0..1, lower is better, 0 when the fused image is constant.
    Source: Petrović & Xydeas 2005, modified by Shreyamsha Kumar 2013. The threshold 2 is meant for
    gray levels 0..255; code that passes images in 0..1 gives every pixel the weight 0.001.
    """
    across, down = _edges(images.share(lumas))
    strengths = (across.square() + down.square()).sqrt_()
    added = (strengths[2] > strengths[0]) & (strengths[2] > strengths[1])
    weights = torch.where(strengths[:2] >= LEAST_STRENGTH, strengths[:2] ** EXPONENT, LEAST_WEIGHT)
    smaller, larger = torch.minimum(strengths[:2], strengths[2]), torch.maximum(strengths[:2], strengths[2])
    # where both strengths are 0 nothing is added, whatever the ratio
    quality = _sigmoid(smaller / larger.clamp(min=LEAST_WEIGHT), STRENGTH)
    quality = (quality * _sigmoid(_alignment(across, down), DIRECTION)).sqrt_()
    lost = ((1 - quality) * weights).masked_fill_(~added, 0.0)
    return lost.sum(dim=(0, 2, 3)) / weights.sum(dim=(0, 2, 3))


def _edges(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # the frame of zeros that `sobel` puts around the reflected image falls on what is cut off
    framed = functional.pad(values.to(torch.float64), (1, 1, 1, 1), mode="reflect")
    across, down = (each[..., 1:-1, 1:-1] / 8 for each in sobel(framed))
    return across, down


def _alignment(across: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    # the definition's A repeats after half a turn: 1 less the acute angle between both edges over π/2
    down = down.masked_fill((across == 0) & (down == 0), 1.0)
    along = (across[:2] * across[2] + down[:2] * down[2]).abs_()
    beside = (across[:2] * down[2] - down[:2] * across[2]).abs_()
    return torch.atan2(beside, along).mul_(-2 / math.pi).add_(1)


def _sigmoid(x: torch.Tensor, shape: tuple[float, float, float]) -> torch.Tensor:
    height, steepness, middle = shape
    return torch.sigmoid(steepness * (x - middle)) * height
