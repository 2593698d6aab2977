"""TIMFusion's light network as released, which is the full one's first stage with other cells."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from originals.parts import Layer, spread

WIDTH = 48


def plain(given: int, made: int, size: int = 1, *, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a convolution without bias that pads with zeros."""
    return nn.Conv2d(given, made, size, padding=size // 2 * dilation, dilation=dilation, groups=groups, bias=False)


class Mirrored(nn.Module):
    """A convolution that mirrors the edges."""

    def __init__(self, given: int, made: int, size: int = 3) -> None:
        super().__init__()
        self.edge = size // 2
        self.conv2d = nn.Conv2d(given, made, size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,m,H,W) of (B,n,H,W)."""
        if self.edge:
            features = functional.pad(features, (self.edge,) * 4, "reflect")
        return self.conv2d(features)


class Depthwise(nn.Module):
    """A 3×3 convolution of D groups, from `times`·D channels to D."""

    def __init__(self, width: int, times: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = plain(times * width, width, 3, groups=width, dilation=dilation)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        return self.conv(features)


class ResidualBlock(nn.Module):
    """The operation Residualblocks_3_1; its second convolution is dilated."""

    def __init__(self, width: int) -> None:
        super().__init__()
        dilated = plain(width, width, 3, groups=width, dilation=2)
        self.op = nn.Sequential(Depthwise(width), dilated, plain(width, width), nn.BatchNorm2d(width), nn.PReLU())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        return features + self.op(features)


class ChannelGate(nn.Module):
    """The operation ECAattention_3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.se = Layer(conv=nn.Conv1d(1, 1, 3, padding=1, bias=False))
        self.conv1, self.relu = plain(width, width, 3), nn.PReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        means = functional.adaptive_avg_pool2d(features, 1).squeeze(-1).transpose(1, 2)
        gate = self.se.conv(means).transpose(1, 2).unsqueeze(-1).sigmoid()
        return self.relu(self.conv1(features * gate))


class Cell(nn.Module):
    """A head and operations in a row."""

    def __init__(self, *operations: nn.Module) -> None:
        super().__init__()
        head = nn.Sequential(nn.ReLU(), plain(WIDTH, WIDTH), nn.BatchNorm2d(WIDTH))
        self.preprocess1 = Layer(op=head)
        self._ops = nn.ModuleList(Layer(_op=each) for each in operations)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,48,H,W)."""
        return run(self._ops, self.preprocess1.op(features))


def run(operations: nn.ModuleList, features: torch.Tensor) -> torch.Tensor:
    """Return features (B,D,H,W) after operations in a row."""
    for each in operations:
        features = each._op(features)
    return features


class FirstStage(nn.Module):
    """A stem, two cells and layers that make an image."""

    def __init__(self, channels: int, *cells: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Mirrored(2 * channels, 2 * WIDTH), nn.PReLU(), Mirrored(2 * WIDTH, WIDTH), nn.PReLU()
        )  # fmt: skip
        self.stem_out = image_layers(channels)
        self.cells = nn.ModuleList(cells)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return an image (B,C,H,W) of two, not bounded."""
        features = self.stem(torch.cat([first, second], dim=1))
        for cell in self.cells:
            features = cell(features)
        return self.stem_out(features)


def image_layers(channels: int) -> nn.Sequential:
    """Return the layers (B,48,H,W) → (B,C,H,W), with one activation."""
    half = WIDTH // 2
    return nn.Sequential(Mirrored(WIDTH, WIDTH), nn.PReLU(), Mirrored(WIDTH, half), Mirrored(half, channels, 1))


class TIMFusionLight(FirstStage):
    """TIMFusion's light network as released, for C = 1; it takes the visible image first."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, *(Cell(ResidualBlock(WIDTH), ChannelGate(WIDTH)) for _ in range(2)))
        spread(self, gain=1.15)
