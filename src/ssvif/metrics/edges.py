"""Edges: the fused image's own gradients, and how those of the sources are preserved in it."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from ssvif.metrics.base import Triple, lumas, metric
from ssvif.ops.filters import sobel

# (height, steepness, middle) of sigmoids
NABF_STRENGTH, NABF_DIRECTION = (0.9999, 19.0, 0.5), (0.9995, 22.0, 0.5)
LEAST_STRENGTH, LEAST_WEIGHT, EXPONENT = 2.0, 0.001, 1.5


def differences(images: Triple) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the fused luma's forward differences along rows (B,H,W−1) and along columns (B,H−1,W)."""
    fused = images.share(lumas)[2].to(torch.float64)
    return fused[..., 1:] - fused[..., :-1], fused[:, 1:] - fused[:, :-1]


@metric()
def sf(images: Triple) -> torch.Tensor:
    """Spatial frequency of the fused luma, the root of row frequency² plus column frequency².

    Each is the sum of squared forward differences along rows or columns divided by the number of
    pixels H·W, as in the source and VIFB (some code divides by the number of differences instead,
    about 0.1 % more at 640×480). Range 0..361 gray levels, higher is better, 0 for a constant
    image. Source: Eskicioglu & Fisher 1995.
    """
    across, down = images.share(differences)
    squares = across.square().sum(dim=(1, 2)) + down.square().sum(dim=(1, 2))
    return (squares / (images.fused.shape[2] * images.fused.shape[3])).sqrt()


@metric(smallest_side=2)
def ag(images: Triple) -> torch.Tensor:
    """Average gradient of the fused luma, the mean of √((Δx² + Δy²)/2) over (H−1)(W−1) pixels.

    Forward differences, which the last row and column lack (VIFB's script takes central ones over
    all pixels and divides by the same (H−1)(W−1)). Range 0..255 gray levels, higher is better, 0 for
    a constant image. Source: Cui et al. 2015.
    """
    across, down = images.share(differences)
    squares = across[:, :-1].square().add_(down[..., :-1].square())
    return squares.div_(2).sqrt_().mean(dim=(1, 2))


@metric()
def qabf(images: Triple) -> torch.Tensor:
    """Share of the sources' edge strength and direction found in the fused luma, weighted by strength.

    Sobel strength g and direction α in (−π/2, π/2]; per source G = min(g)/max(g),
    A = 1 − |α_s − α_f|/(π/2), Q = sigmoid of G times sigmoid of A;
    Qabf = Σ(Q_V g_V + Q_I g_I)/Σ(g_V + g_I), zeros outside the image. Range 0..0.97479 (reached
    when all three are equal), higher is better, NaN when both sources are black. Source: Xydeas &
    Petrović 2000.
    """
    # 16-bit integers hold every Sobel response of an 8-bit image
    across, down = sobel(images.share(lumas).to(torch.int16))
    return (quality_by_loops if across.device.type == "cpu" else quality_by_maps)(across, down)


def quality_by_loops(across: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """Return Qabf, (B,), of the Sobel responses (3,B,H,W) int16 of visible, infrared and fused image on a CPU."""
    from ssvif.metrics.compiled_pixels import edge_sums

    sums = torch.zeros(across.shape[1], 2, across.shape[3], dtype=torch.float64)
    edge_sums(across.numpy(), down.numpy(), sums.numpy())
    kept, total = sums.sum(dim=2).unbind(dim=1)
    return kept / total


def quality_by_maps(across: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """Return the same (B,) as `quality_by_loops`, on any device, from maps of the whole images."""
    from ssvif.metrics.compiled_pixels import edge_quality, oriented

    edges = torch.stack(oriented(across.to(torch.float64), down.to(torch.float64)))
    sources, fused = edges[:, :2], edges[:, 2:]
    kept: torch.Tensor = (edge_quality(*sources, *fused) * sources[2]).sum(dim=(0, 2, 3))
    return kept / sources[2].sum(dim=(0, 2, 3))


def _sigmoid(x: torch.Tensor, shape: tuple[float, float, float]) -> torch.Tensor:
    # in place
    height, steepness, middle = shape
    return x.sub_(middle).mul_(steepness).sigmoid_().mul_(height)


@metric(smallest_side=2)
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
    across, down = _reflected_edges(images.share(lumas))
    strengths = (across.square() + down.square()).sqrt_()
    added = (strengths[2] > strengths[0]) & (strengths[2] > strengths[1])
    weights = torch.where(strengths[:2] >= LEAST_STRENGTH, strengths[:2] ** EXPONENT, LEAST_WEIGHT)
    smaller, larger = torch.minimum(strengths[:2], strengths[2]), torch.maximum(strengths[:2], strengths[2])
    # where both strengths are 0 nothing is added, whatever the ratio
    quality = _sigmoid(smaller / larger.clamp(min=LEAST_WEIGHT), NABF_STRENGTH)
    quality = (quality * _sigmoid(_alignment(across, down), NABF_DIRECTION)).sqrt_()
    lost = ((1 - quality) * weights).masked_fill_(~added, 0.0)
    return lost.sum(dim=(0, 2, 3)) / weights.sum(dim=(0, 2, 3))


def _reflected_edges(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
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
