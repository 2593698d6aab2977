"""CDDFuse as released: the encoder runs once for each image."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from originals.parts import ChannelAttention, ChannelNorm, Layer, attend_channels, spread

WIDTH, DEPTH = 64, 4


def pointwise(given: int, made: int) -> nn.Conv2d:
    """Return a 1×1 convolution."""
    return nn.Conv2d(given, made, 1, bias=False)


def convolution(given: int, made: int, groups: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution with zeros around the image."""
    return nn.Conv2d(given, made, 3, padding=1, groups=groups, bias=False)


class RestormerAttention(nn.Module):
    """Attention among channels, of depthwise convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(8, 1, 1))
        self.qkv = pointwise(WIDTH, 3 * WIDTH)
        self.qkv_dwconv = convolution(3 * WIDTH, 3 * WIDTH, groups=3 * WIDTH)
        self.project_out = pointwise(WIDTH, WIDTH)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,64,H,W)."""
        return self.project_out(attend_channels(self.qkv_dwconv(self.qkv(features)), self.temperature))


class GatedMLP(nn.Module):
    """A gated MLP."""

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.project_in = pointwise(WIDTH, 2 * hidden)
        self.dwconv = convolution(2 * hidden, 2 * hidden, groups)
        self.project_out = pointwise(hidden, WIDTH)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,64,H,W)."""
        gate, value = self.dwconv(self.project_in(features)).chunk(2, dim=1)
        return self.project_out(functional.gelu(gate) * value)


class RestormerBlock(nn.Module):
    """Attention and gated MLP, each with a norm before and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = ChannelNorm(WIDTH), ChannelNorm(WIDTH)
        self.attn, self.ffn = RestormerAttention(), GatedMLP(2 * WIDTH, groups=4 * WIDTH)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,64,H,W)."""
        features = features + self.attn(self.norm1(features))
        return features + self.ffn(self.norm2(features))


class BaseLayer(nn.Module):
    """The same of full convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = ChannelNorm(WIDTH), ChannelNorm(WIDTH)
        self.attn, self.mlp = ChannelAttention(WIDTH), GatedMLP(WIDTH, groups=WIDTH)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,64,H,W)."""
        features = features + self.attn(self.norm1(features))
        return features + self.mlp(self.norm2(features))


class Bottleneck(nn.Module):
    """What one half of the channels does to the other."""

    def __init__(self) -> None:
        super().__init__()
        self.bottleneckBlock = nn.Sequential(
            pointwise(WIDTH // 2, WIDTH),
            nn.ReLU6(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(WIDTH, WIDTH, 3, groups=WIDTH, bias=False),
            nn.ReLU6(inplace=True),
            pointwise(WIDTH, WIDTH // 2),
        )

    def forward(self, half: torch.Tensor) -> torch.Tensor:
        """Return (B,32,H,W)."""
        return self.bottleneckBlock(half)


class Node(nn.Module):
    """Each half of the channels changes the other."""

    def __init__(self) -> None:
        super().__init__()
        self.theta_phi, self.theta_rho, self.theta_eta = Bottleneck(), Bottleneck(), Bottleneck()
        self.shffleconv = nn.Conv2d(WIDTH, WIDTH, 1)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both halves (B,32,H,W)."""
        first, second = self.shffleconv(torch.cat([first, second], dim=1)).chunk(2, dim=1)
        second = second + self.theta_phi(first)
        return first * torch.exp(self.theta_rho(second)) + self.theta_eta(second), second


class DetailLayer(nn.Module):
    """Nodes in sequence."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.net = nn.ModuleList(Node() for _ in range(nodes))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,64,H,W)."""
        first, second = features.chunk(2, dim=1)
        for node in self.net:
            first, second = node(first, second)
        return torch.cat([first, second], dim=1)


class CDDFuse(nn.Module):
    """CDDFuse as released, its four parts in one module."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.DIDF_Encoder = Layer(
            patch_embed=Layer(proj=convolution(channels, WIDTH)),
            encoder_level1=nn.Sequential(*(RestormerBlock() for _ in range(DEPTH))),
            baseFeature=BaseLayer(),
            detailFeature=DetailLayer(3),
        )
        self.BaseFuseLayer, self.DetailFuseLayer = BaseLayer(), DetailLayer(1)
        self.DIDF_Decoder = Layer(
            reduce_channel=pointwise(2 * WIDTH, WIDTH),
            encoder_level2=nn.Sequential(*(RestormerBlock() for _ in range(DEPTH))),
            output=nn.Sequential(convolution(WIDTH, WIDTH // 2), nn.LeakyReLU(), convolution(WIDTH // 2, channels)),
        )
        spread(self)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (0,1)."""
        visible_base, visible_detail = self._encode(visible)
        infrared_base, infrared_detail = self._encode(infrared)
        base = self.BaseFuseLayer(visible_base + infrared_base)
        detail = self.DetailFuseLayer(visible_detail + infrared_detail)
        decoder = self.DIDF_Decoder
        fused = decoder.encoder_level2(decoder.reduce_channel(torch.cat([base, detail], dim=1)))
        return torch.sigmoid(decoder.output(fused) + visible)

    def _encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return base and detail features (B,64,H,W) of an image (B,C,H,W)."""
        encoder = self.DIDF_Encoder
        trunk = encoder.encoder_level1(encoder.patch_embed.proj(image))
        return encoder.baseFeature(trunk), encoder.detailFeature(trunk)
