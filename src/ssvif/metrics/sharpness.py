"""Activity of the fused image alone: differences of neighbouring pixels."""

from __future__ import annotations

import torch

from ssvif.metrics.base import Triple, lumas, metric


def differences(images: Triple) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the fused luma's forward differences along rows (B,H,W−1) and along columns (B,H−1,W)."""
    fused = images.share(lumas)[2].to(torch.float64)
    return fused[..., 1:] - fused[..., :-1], fused[:, 1:] - fused[:, :-1]


@metric("SF", unit="gray level", better="up")
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


@metric("AG", unit="gray level", better="up", smallest_side=2)
def ag(images: Triple) -> torch.Tensor:
    """Average gradient of the fused luma, the mean of √((Δx² + Δy²)/2) over (H−1)(W−1) pixels.

    Forward differences, which the last row and column lack (VIFB's script takes central ones over
    all pixels and divides by the same (H−1)(W−1)). Range 0..255 gray levels, higher is better, 0 for
    a constant image. Source: Cui et al. 2015.
    """
    across, down = images.share(differences)
    squares = across[:, :-1].square().add_(down[..., :-1].square())
    return squares.div_(2).sqrt_().mean(dim=(1, 2))
