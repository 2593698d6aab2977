"""EMMA's fusion network, the U-Fuser: two encoders, a fusion at each of four scales, one decoder.

Source: Zhao, Bai, Zhang, Zhang, Zhang, Xu, Chen, Timofte, Van Gool: Equivariant multi-modality image fusion, CVPR 2024.
Its block joins a global branch (channel attention and a gated MLP, after Zamir et al.: Restormer, CVPR 2022) and a
local one of residual convolutions. EMMA's sensing models are used in its own training only and are not included.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import Residual, mirrored3x3
from ssvif.models.restormer import ChannelAttention, ChannelNorm, GatedMLP
from ssvif.ops.shapes import check_shape, pad_to_multiple

WIDTHS = (8, 16, 32, 32)  # channels at strides 1, 2, 4, 8


def residual(channels: int) -> Residual:
    """Return x + convolution(ReLU(convolution(x))), (B,C,H,W) → (B,C,H,W)."""
    first, second = (mirrored3x3(channels, channels, bias=True) for _ in range(2))
    return Residual(OrderedDict(first=first, activation=nn.ReLU(), second=second))


class Block(nn.Module):
    """Embed, then a global and a local branch, joined by a convolution: (B,n,H,W) → (B,m,H,W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.embed = mirrored3x3(in_channels, out_channels)
        self.attention_norm, self.attention = ChannelNorm(out_channels), ChannelAttention(out_channels)
        self.mlp_norm = ChannelNorm(out_channels)
        self.mlp = GatedMLP(out_channels, out_channels, groups=out_channels, convolution=mirrored3x3)
        self.local = nn.Sequential(residual(out_channels), residual(out_channels))
        self.join = mirrored3x3(2 * out_channels, out_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        embedded = self.embed(features)
        distant = embedded + self.attention(self.attention_norm(embedded))
        distant = distant + self.mlp(self.mlp_norm(distant))
        return self.join(torch.cat([distant, self.local(embedded)], dim=1))


class Encoder(nn.Module):
    """One modality's encoder: (B,C,H,W) → four maps of 8, 16, 32, 32 channels at strides 1, 2, 4, 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(map(Block, (channels, *WIDTHS[:-1]), WIDTHS))
        self.downs = nn.ModuleList(mirrored3x3(width, width, stride=2) for width in WIDTHS[:-1])

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the four maps (B,C_i,H/2^i,W/2^i) of an image (B,C,H,W), finest first."""
        maps = [self.blocks[0](image)]
        for down, block in zip(self.downs, self.blocks[1:], strict=True):
            maps.append(block(down(maps[-1])))
        return maps


class Reconstruction(nn.Module):
    """From four maps to the image (B,C,H,W) before its sigmoid; the modules go from coarse to fine."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = WIDTHS[::-1]
        self.blocks = nn.ModuleList(map(Block, (widths[0], *(2 * width for width in widths[1:])), widths))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(width, finer, kernel_size=4, stride=2, padding=1, bias=False)
            for width, finer in pairwise(widths)
        )
        self.last = mirrored3x3(WIDTHS[0], channels, bias=True)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Return (B,C,H,W), unbounded."""
        *finer, coarsest = maps
        made = self.blocks[0](coarsest)
        for up, block, beside in zip(self.ups, self.blocks[1:], reversed(finer), strict=True):
            made = block(torch.cat([functional.relu(up(made)), beside], dim=1))
        return self.last(made)


class EMMA(FusionModel):
    """EMMA's U-Fuser for C channels; C = 3 is SSVIF's form, C = 1 the released one (luma).

    The features are four maps of 8, 16, 32 and 32 channels at strides 1, 2, 4 and 8; the output is in (0,1). The
    released network takes multiples of 8 only. Ours takes any H×W of at least 9×9: images are mirrored at the
    bottom and right up to multiples of 8, and the features lie on that larger grid.
    """

    feature_channels = sum(WIDTHS)
    multiple = 8
    smallest = 9  # at stride 8 two are left after padding, the least that reflection by one works on

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.visible_encoder = Encoder(channels)
        self.infrared_encoder = Encoder(channels)
        self.fuse = nn.ModuleList(Block(2 * width, width) for width in WIDTHS)
        self.reconstruct = Reconstruction(channels)

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> list[torch.Tensor]:
        """Return the four fused maps of (B,C,H,W) images, finest first, on the grid of multiples of 8."""
        visible_maps = self.visible_encoder(pad_to_multiple(visible, self.multiple, self.smallest))
        infrared_maps = self.infrared_encoder(pad_to_multiple(infrared, self.multiple, self.smallest))
        pairs = zip(infrared_maps, visible_maps, strict=True)
        return [fuse(torch.cat(pair, dim=1)) for fuse, pair in zip(self.fuse, pairs, strict=True)]

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (0,1) of the four maps; H and W are multiples of 8."""
        maps = list(features)
        for width, each in zip(WIDTHS, maps, strict=True):
            check_shape("features", each, f"B {width} H W")
        return torch.sigmoid(self.reconstruct(maps))
