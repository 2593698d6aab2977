"""The transformer's parts that EMMA and CDDFuse share: channel attention and a gated MLP.

Source: Zamir, Arora, Khan, Hayat, Khan, Yang: Restormer: efficient transformer for high-resolution image restoration,
CVPR 2022. The networks differ in how a 3×3 convolution mixes within the two parts: over all channels or within groups.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.layers import conv1x1, conv3x3

HEADS = 8
NORM_EPS = 1e-5
LENGTH_EPS = 1e-12


class ChannelNorm(nn.Module):
    """Layer normalization (B,C,H,W) → (B,C,H,W) over the channels of each pixel, by the biased variance.

    Written out as in the released network: the paper's count of operations gives it none.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        centred = features - features.mean(dim=1, keepdim=True)
        variance = centred.square().mean(dim=1, keepdim=True)
        scale, offset = self.weight.view(-1, 1, 1), self.bias.view(-1, 1, 1)
        return centred * torch.rsqrt(variance + NORM_EPS) * scale + offset


class ChannelAttention(nn.Module):
    """Attention (B,C,H,W) → (B,C,H,W) among the channels of each of eight heads, over all pixels; C a multiple of 8.

    With one channel per head (C = 8) the softmax is 1 and the values pass unchanged. `groups` are those of the 3×3
    convolution of queries, keys and values: 1, or 3·C for a depthwise one.
    """

    def __init__(self, channels: int, groups: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.expand = conv1x1(channels, 3 * channels)
        self.mix = conv3x3(3 * channels, 3 * channels, groups=groups, bias=False)
        self.project = conv1x1(channels, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        mixed = self.mix(self.expand(features)).flatten(2)
        query, key, value = (each.unflatten(1, (HEADS, -1)) for each in mixed.chunk(3, dim=1))
        query = functional.normalize(query, dim=-1, eps=LENGTH_EPS)
        key = functional.normalize(key, dim=-1, eps=LENGTH_EPS)
        shares = (query @ key.transpose(-2, -1) * self.scale).softmax(dim=-1)
        return self.project((shares @ value).view_as(features))


class GatedMLP(nn.Module):
    """GELU of one half of 2·D expanded channels times the other half, (B,C,H,W) → (B,C,H,W).

    Args:
        channels: C.
        width: D.
        groups: of the 3×3 convolution between; 2·D for a depthwise one.
        convolution: `conv3x3` or `mirrored3x3`, by how it pads.
    """

    def __init__(self, channels: int, width: int, groups: int, convolution: Callable[..., nn.Conv2d] = conv3x3) -> None:
        super().__init__()
        self.expand = conv1x1(channels, 2 * width)
        self.mix = convolution(2 * width, 2 * width, groups=groups, bias=False)
        self.project = conv1x1(width, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        gate, value = self.mix(self.expand(features)).chunk(2, dim=1)
        return self.project(functional.gelu(gate) * value)


class Transformer(nn.Module):
    """Attention, then the MLP, each behind a norm and added to what it is given: (B,C,H,W) → (B,C,H,W)."""

    def __init__(self, attention: ChannelAttention, mlp: GatedMLP) -> None:
        super().__init__()
        channels = attention.project.out_channels
        self.attention_norm, self.attention = ChannelNorm(channels), attention
        self.mlp_norm, self.mlp = ChannelNorm(channels), mlp

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        features = features + self.attention(self.attention_norm(features))
        return features + self.mlp(self.mlp_norm(features))
