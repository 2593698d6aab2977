"""EMMA's fusion network, the U-Fuser: two encoders, a fusion at each of four scales, one decoder.

Source: Zhao, Bai, Zhang, Zhang, Zhang, Xu, Chen, Timofte, Van Gool: Equivariant multi-modality image fusion, CVPR 2024.
Its block joins a global branch (channel attention and a gated MLP, after Zamir et al.: Restormer, CVPR 2022) and a
local one of residual convolutions. EMMA's sensing models are used in its own training only and are not included.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv3x3
from ssvif.ops.shapes import check_shape, pad_to_multiple

WIDTHS = (8, 16, 32, 32)  # channels at strides 1, 2, 4, 8
HEADS = 8
NORM_EPS = 1e-5
LENGTH_EPS = 1e-12


mirrored3x3 = partial(nn.Conv2d, kernel_size=3, padding=1, padding_mode="reflect", bias=False)  # stride 1 keeps H×W
conv1x1 = partial(nn.Conv2d, kernel_size=1, bias=False)


class ChannelNorm(nn.Module):
    """Layer normalization (B,C,H,W) → (B,C,H,W) over the channels of each pixel, by the biased variance.

    Written out as in the released network: the paper's count of operations gives it none.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return normalized features (B,C,H,W)."""
        centred = features - features.mean(dim=1, keepdim=True)
        variance = centred.square().mean(dim=1, keepdim=True)
        scale, offset = self.weight.view(-1, 1, 1), self.bias.view(-1, 1, 1)
        return centred * torch.rsqrt(variance + NORM_EPS) * scale + offset


class ChannelAttention(nn.Module):
    """Attention (B,C,H,W) → (B,C,H,W) among the channels of each of eight heads, over all pixels; C a multiple of 8.

    With one channel per head (C = 8) the softmax is 1 and the values pass unchanged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.expand = conv1x1(channels, 3 * channels)
        self.mix = conv3x3(3 * channels, 3 * channels, bias=False)
        self.project = conv1x1(channels, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the attended features (B,C,H,W) of features (B,C,H,W)."""
        mixed = self.mix(self.expand(features)).flatten(2)
        query, key, value = (each.unflatten(1, (HEADS, -1)) for each in mixed.chunk(3, dim=1))
        query = functional.normalize(query, dim=-1, eps=LENGTH_EPS)
        key = functional.normalize(key, dim=-1, eps=LENGTH_EPS)
        shares = (query @ key.transpose(-2, -1) * self.scale).softmax(dim=-1)
        gathered: torch.Tensor = self.project((shares @ value).view_as(features))
        return gathered


class GatedMLP(nn.Module):
    """GELU of one half of the expanded channels times the other half, (B,C,H,W) → (B,C,H,W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = conv1x1(channels, 2 * channels)
        self.mix = mirrored3x3(2 * channels, 2 * channels, groups=channels)
        self.project = conv1x1(channels, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,C,H,W)."""
        gate, value = self.mix(self.expand(features)).chunk(2, dim=1)
        gated: torch.Tensor = self.project(functional.gelu(gate) * value)
        return gated


class Residual(nn.Module):
    """x + convolution(ReLU(convolution(x))), (B,C,H,W) → (B,C,H,W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = mirrored3x3(channels, channels, bias=True)
        self.second = mirrored3x3(channels, channels, bias=True)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,C,H,W)."""
        changed: torch.Tensor = features + self.second(functional.relu(self.first(features)))
        return changed


class Block(nn.Module):
    """Embed, then a global and a local branch, joined by a convolution: (B,n,H,W) → (B,m,H,W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.embed = mirrored3x3(in_channels, out_channels)
        self.attention_norm, self.attention = ChannelNorm(out_channels), ChannelAttention(out_channels)
        self.mlp_norm, self.mlp = ChannelNorm(out_channels), GatedMLP(out_channels)
        self.local = nn.Sequential(Residual(out_channels), Residual(out_channels))
        self.join = mirrored3x3(2 * out_channels, out_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,m,H,W) features."""
        embedded = self.embed(features)
        distant = embedded + self.attention(self.attention_norm(embedded))
        distant = distant + self.mlp(self.mlp_norm(distant))
        joined: torch.Tensor = self.join(torch.cat([distant, self.local(embedded)], dim=1))
        return joined


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
        image: torch.Tensor = self.last(made)
        return image


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
        """Return the four fused maps of (B,C,H,W) images, finest first, on the grid of multiples of 8.

        Raises:
            ValueError: H or W is below 9.
        """
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
