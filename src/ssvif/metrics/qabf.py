"""Edge preservation from the sources to the fused image."""

from __future__ import annotations

import math

import torch

from ssvif.metrics.base import Triple, lumas, metric
from ssvif.ops.filters import sobel

# (height, steepness, middle) of the two sigmoids
STRENGTH = (0.9994, 15.0, 0.5)
DIRECTION = (0.9879, 22.0, 0.8)


@metric("Qabf", better="up")
def qabf(images: Triple) -> torch.Tensor:
    """Share of the sources' edge strength and direction found in the fused luma, weighted by strength.

    Sobel strength g and direction α in (−π/2, π/2]; per source G = min(g)/max(g),
    A = 1 − |α_s − α_f|/(π/2), Q = sigmoid of G times sigmoid of A;
    Qabf = Σ(Q_V g_V + Q_I g_I)/Σ(g_V + g_I), zeros outside the image. Range 0..0.97479 (reached
    when all three are equal), higher is better, NaN when both sources are black. Source: Xydeas &
    Petrović 2000. Gradients are exact; strengths, directions and sigmoids are float32 and their sums
    float64, which errs by less than 1e-6 (1e-8 at 640×480): in float64 it would cost twice as much.
    """
    strengths, directions = _edges(images.share(lumas))
    kept = torch.zeros_like(strengths[0, :, 0, 0], dtype=torch.float64)
    for source in range(2):
        kept += _preserved(strengths[source], strengths[2], directions[source], directions[2])
    return kept / strengths[:2].sum(dim=(0, 2, 3), dtype=torch.float64)


def _edges(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # 16-bit integers hold every Sobel response of an 8-bit image
    across, down = (each.to(torch.float32) for each in sobel(values.to(torch.int16)))
    directions = (down / across).masked_fill_(across == 0, math.inf).atan_()
    return across.square_().addcmul_(down, down).sqrt_(), directions


def _preserved(
    source: torch.Tensor, fused: torch.Tensor, source_direction: torch.Tensor, fused_direction: torch.Tensor
) -> torch.Tensor:
    # where both strengths are 0 the ratio does not matter: its weight, the source's strength, is 0
    largest = torch.maximum(source, fused).clamp_(min=1.0)
    quality = _sigmoid(torch.minimum(source, fused).div_(largest), STRENGTH)
    turn = (source_direction - fused_direction).abs_().mul_(-2 / math.pi).add_(1)
    return quality.mul_(_sigmoid(turn, DIRECTION)).mul_(source).sum(dim=(1, 2), dtype=torch.float64)


def _sigmoid(x: torch.Tensor, shape: tuple[float, float, float]) -> torch.Tensor:
    height, steepness, middle = shape
    return x.sub_(middle).mul_(steepness).sigmoid_().mul_(height)
