"""Window filters and moments in float64, by compiled loops on the CPU and by PyTorch elsewhere.

PyTorch has no fast float64 convolution on the CPU: `compiled` is ten times faster there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from ssvif.ops.filters import filter_separable


class Moments(NamedTuple):
    """Weighted moments of three images, two sources and the fused image, in every window."""

    means: torch.Tensor  # (B,3,H,W)
    variances: torch.Tensor  # (B,3,H,W), less than 0 by rounding only
    covariances: torch.Tensor  # (B,2,H,W), of each source with the fused image


def window_moments(images: torch.Tensor, window: torch.Tensor) -> Moments:
    """Return the moments (·,·,H−D+1,W−D+1) of images (B,3,H,W) in the "valid" windows (D,) of sum 1, in float64.

    By PyTorch's convolutions; the kernels of `compiled` compute the same on a CPU.
    """
    maps = torch.cat([images, images.square(), images[:, :2] * images[:, 2:]], dim=1)
    means, squares, products = torch.tensor_split(filter_separable(maps, window), (3, 6), dim=1)
    return Moments(means, squares - means.square(), products - means[:, :2] * means[:, 2:])


def filter_images(images: torch.Tensor, window: torch.Tensor, step: int = 1) -> torch.Tensor:
    """Correlate images (B,C,H,W) with a symmetric window (D,), D odd, along rows and columns, in float64.

    Returns:
        (B,C,(H−D)//step+1,(W−D)//step+1): of the "valid" part every step-th row and column, from the first on.
    """
    if images.device.type != "cpu":
        return filter_separable(images, window)[..., ::step, ::step]
    from ssvif.metrics import compiled

    height, width = ((side - len(window)) // step + 1 for side in images.shape[2:])
    filtered = images.new_empty((*images.shape[:2], height, width))
    compiled.filter_images(images.flatten(0, 1).numpy(), window.numpy(), step, filtered.flatten(0, 1).numpy())
    return filtered
