"""SAGE's test-time network as released."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from originals.parts import spread

WIDTH = 32


def steps(*widths: int, size: int = 3) -> nn.Sequential:
    """Return convolutions from each width to the next, each with a BatchNorm and a LeakyReLU."""
    layers: list[nn.Module] = []
    for given, made in pairwise(widths):
        layers += [nn.Conv2d(given, made, size, padding=size // 2), nn.BatchNorm2d(made), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


class SAGE(nn.Module):
    """SAGE as released, without the list of five maps that it returns besides: all of them are computed anyway."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for i in range(1, 6):
            given = 2 * channels if i == 1 else WIDTH
            self.add_module(f"module{i}", steps(given, WIDTH, WIDTH, WIDTH))
        self.adjust_channels4, self.adjust_channels5 = (steps(2 * WIDTH, WIDTH, size=1) for _ in range(2))
        self.final_decoder = nn.Sequential(nn.Conv2d(WIDTH, channels, 3, padding=1), nn.Tanh())
        spread(self, gain=1.4)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (−1,1)."""
        x1 = self.module1(torch.cat([visible, infrared], dim=1))
        x2 = self.module2(functional.max_pool2d(x1, 2))
        x3 = self.module3(functional.max_pool2d(x2, 2))
        x4 = self.module4(self.adjust_channels4(self._join(x3, x2)))
        x5 = self.module5(self.adjust_channels5(self._join(x4, x1)))
        return self.final_decoder(x5)

    def _join(self, small: torch.Tensor, skipped: torch.Tensor) -> torch.Tensor:
        resized = functional.interpolate(small, skipped.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([resized, skipped], dim=1)
