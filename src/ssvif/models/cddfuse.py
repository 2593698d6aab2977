"""CDDFuse: one encoder for both images, split into a base and a detail part, which are fused apart and joined.

Source: Zhao, Bai, Zhang, Zhang, Xu, Lin, Timofte, Van Gool: CDDFuse: correlation-driven dual-branch feature
decomposition for multi-modality image fusion, CVPR 2023. The base part is made by channel attention, the detail part by
affine coupling (after Dinh et al.: Density estimation using Real NVP, ICLR 2017), here without its inverse.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv1x1, conv3x3, mirrored3x3
from ssvif.models.restormer import ChannelAttention, GatedMLP, Transformer
from ssvif.ops.shapes import check_shape, check_smallest

WIDTH = 64
DEPTH = 4  # blocks of the encoder, and of the decoder
DETAIL_DEPTH = 3  # couplings of the encoder


def block() -> Transformer:
    """Return a Restormer block of 64 channels: depthwise mixing."""
    return Transformer(ChannelAttention(WIDTH, groups=3 * WIDTH), GatedMLP(WIDTH, 2 * WIDTH, groups=4 * WIDTH))


def base_block() -> Transformer:
    """Return the block that makes base features, 64 channels: the attention mixes all channels, the MLP pairs."""
    return Transformer(ChannelAttention(WIDTH), GatedMLP(WIDTH, WIDTH, groups=WIDTH))


def bottleneck() -> nn.Sequential:
    """Return two 1×1 convolutions about a depthwise one, values between in [0,6]: (B,32,H,W) → (B,32,H,W)."""
    layers = OrderedDict(
        expand=conv1x1(WIDTH // 2, WIDTH),
        bound=nn.ReLU6(),
        mix=mirrored3x3(WIDTH, WIDTH, groups=WIDTH),
        bound_again=nn.ReLU6(),
        project=conv1x1(WIDTH, WIDTH // 2),
    )
    return nn.Sequential(layers)


class Coupling(nn.Module):
    """Each half of the channels changes the other, (B,64,H,W) → (B,64,H,W)."""

    def __init__(self) -> None:
        super().__init__()
        self.join = conv1x1(WIDTH, WIDTH, bias=True)
        self.addend, self.exponent, self.offset = bottleneck(), bottleneck(), bottleneck()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        first, second = self.join(features).chunk(2, dim=1)
        second = second + self.addend(first)
        first = first * self.exponent(second).exp() + self.offset(second)
        return torch.cat([first, second], dim=1)


class Encoder(nn.Module):
    """(B,C,H,W) → base features (B,64,H,W) and detail features (B,64,H,W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = conv3x3(channels, WIDTH, bias=False)
        self.blocks = nn.Sequential(*(block() for _ in range(DEPTH)))
        self.base = base_block()
        self.detail = nn.Sequential(*(Coupling() for _ in range(DETAIL_DEPTH)))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        trunk = self.blocks(self.embed(image))
        return self.base(trunk), self.detail(trunk)


class CDDFuse(FusionModel):
    """CDDFuse for C channels; C = 1 is the released network for visible and infrared images (luma), C = 3 is ours.

    The features are the fused base and detail maps side by side, 128 channels, and beside them the visible image, which
    the decoder adds before its sigmoid; to count the image among the features is ours. The output is in (0,1).
    """

    smallest = 2  # reflection needs more rows than the one it adds

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.feature_channels = 2 * WIDTH + channels
        self.encoder = Encoder(channels)
        self.fuse_base, self.fuse_detail = base_block(), Coupling()
        self.reduce = conv1x1(2 * WIDTH, WIDTH)
        self.refine = nn.Sequential(*(block() for _ in range(DEPTH)))
        self.reconstruct = nn.Sequential(
            conv3x3(WIDTH, WIDTH // 2, bias=False),
            nn.LeakyReLU(),
            conv3x3(WIDTH // 2, channels, bias=False),
        )

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> list[torch.Tensor]:
        """Return the fused features (B,128,H,W) of (B,C,H,W) images, and the visible image (B,C,H,W)."""
        check_smallest(visible, self.smallest)
        base, detail = self.encoder(visible)
        infrared_base, infrared_detail = self.encoder(infrared)
        fused = [self.fuse_base(base + infrared_base), self.fuse_detail(detail + infrared_detail)]
        return [torch.cat(fused, dim=1), visible]

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (0,1) of fused features (B,128,H,W) and the visible image (B,C,H,W)."""
        fused, visible = features
        check_shape("features", fused, f"B {2 * WIDTH} H W")
        check_shape("features", visible, f"B {self.channels} H W")
        return torch.sigmoid(self.reconstruct(self.refine(self.reduce(fused))) + visible)
