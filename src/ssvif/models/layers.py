"""Layers shared by several networks."""

from collections import OrderedDict
from functools import partial

import torch
from torch import nn

conv1x1 = partial(nn.Conv2d, kernel_size=1, bias=False)
conv3x3 = partial(nn.Conv2d, kernel_size=3, padding=1)  # with bias; keeps H×W, padding with zeros
mirrored3x3 = partial(nn.Conv2d, kernel_size=3, padding=1, padding_mode="reflect", bias=False)  # stride 1 keeps H×W


class Residual(nn.Sequential):
    """What the layers make of a map (B,C,H,W), added to it: (B,C,H,W) → (B,C,H,W)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features + super().forward(features)  # type: ignore[no-untyped-call]


def normalized(conv: nn.Conv2d, activation: nn.Module) -> nn.Sequential:
    """Return a convolution, a BatchNorm and an activation: (B,n,H,W) → (B,m,H,W)."""
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(conv.out_channels), activation=activation))


def initialize_linear(module: nn.Module) -> None:
    """Give a linear layer the start of the released transformers: truncated normal weights, σ = 0.02, and no bias."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
