"""SeAFusion as released."""

from __future__ import annotations

import torch
from torch import nn

from originals.parts import Layer, leaky


def convolution(channels_in: int, channels_out: int, size: int = 3) -> nn.Module:
    """Return a convolution under the released name."""
    return Layer(conv=nn.Conv2d(channels_in, channels_out, size, padding=size // 2))


class GradientBlock(nn.Module):
    """SeAFusion's gradient residual dense block."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.dense = Layer(conv1=convolution(given, given), conv2=convolution(2 * given, given))
        self.convdown = convolution(3 * given, made, 1)
        sobel = {f"conv{axis}": nn.Conv2d(given, given, 3, padding=1, groups=given, bias=False) for axis in "xy"}
        self.sobelconv = Layer(**sobel)
        self.convup = convolution(given, made, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,m,H,W) of (B,n,H,W)."""
        dense = torch.cat([features, leaky(self.dense.conv1.conv(features))], dim=1)
        dense = torch.cat([dense, leaky(self.dense.conv2.conv(dense))], dim=1)
        slopes = torch.abs(self.sobelconv.convx(features)) + torch.abs(self.sobelconv.convy(features))
        return leaky(self.convdown.conv(dense) + self.convup.conv(slopes), 0.1)


class SeAFusion(nn.Module):
    """SeAFusion as released."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("vis", "inf"):
            self.add_module(f"{name}_conv", convolution(channels, 16))
            self.add_module(f"{name}_rgbd1", GradientBlock(16, 32))
            self.add_module(f"{name}_rgbd2", GradientBlock(32, 48))
        for level, given, made in ((4, 96, 64), (3, 64, 32), (2, 32, 16), (1, 16, channels)):
            part = Layer(conv=nn.Conv2d(given, made, 3, padding=1), bn=nn.BatchNorm2d(made))
            self.add_module(f"decode{level}", part)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (0,1)."""
        found = []
        for name, image in (("vis", visible), ("inf", infrared)):
            shallow = leaky(getattr(self, f"{name}_conv").conv(image))
            found.append(getattr(self, f"{name}_rgbd2")(getattr(self, f"{name}_rgbd1")(shallow)))
        features = torch.cat(found, dim=1)
        for level in (4, 3, 2):
            features = leaky(getattr(self, f"decode{level}").conv(features))
        return torch.tanh(self.decode1.conv(features)) / 2 + 0.5
