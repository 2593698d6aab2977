"""Layers shared by several networks."""

from __future__ import annotations

from torch import nn


def conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Return a 3×3 convolution with bias that keeps H×W, padding with zeros."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
