"""SAGE's small network, the one its authors run at test time: a plain three-level U-Net over both images.

Source: Wu, Liu, Fu et al.: Every SAM drop counts: embracing semantic priors for multi-modality image fusion and
beyond, CVPR 2025. The large teacher that it is distilled from is not part of the release and not needed.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv3x3, normalized
from ssvif.ops.shapes import check_shape, check_smallest

WIDTH = 32
SLOPE = 0.01


def triple(in_channels: int) -> nn.Sequential:
    """Return three steps of 3×3 convolutions: (B,n,H,W) → (B,32,H,W)."""
    steps = (normalized(conv3x3(each, WIDTH), nn.LeakyReLU(SLOPE)) for each in (in_channels, WIDTH, WIDTH))
    return nn.Sequential(*steps)


class SAGE(FusionModel):
    """SAGE's test-time network for C channels; C = 1 is the released one (luma), C = 3 is ours.

    Both images enter as one of 2·C channels. The features are the last 32 maps of full size, a cut of ours that
    leaves the decoder one convolution; the output is in (−1,1), for images about [0,1].
    """

    feature_channels = WIDTH
    smallest = 4  # of which halving twice leaves one

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.down = nn.ModuleList(triple(each) for each in (2 * channels, WIDTH, WIDTH))
        self.squeeze = nn.ModuleList(
            normalized(nn.Conv2d(2 * WIDTH, WIDTH, kernel_size=1), nn.LeakyReLU(SLOPE)) for _ in range(2)
        )
        self.up = nn.ModuleList(triple(WIDTH) for _ in range(2))
        self.reconstruct = conv3x3(WIDTH, channels)

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the (B,32,H,W) features of (B,C,H,W) images."""
        check_smallest(visible, self.smallest)
        maps: list[torch.Tensor] = [self.down[0](torch.cat([visible, infrared], dim=1))]
        for extract in self.down[1:]:
            maps.append(extract(functional.max_pool2d(maps[-1], kernel_size=2)))
        *finer, features = maps
        for squeeze, extract, skip in zip(self.squeeze, self.up, reversed(finer), strict=True):
            # to the exact size: halving an odd side loses a row that a factor of two would not bring back
            resized = functional.interpolate(features, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            features = extract(squeeze(torch.cat([resized, skip], dim=1)))
        return features

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (−1,1) of (B,32,H,W) features."""
        assert isinstance(features, torch.Tensor)
        check_shape("features", features, f"B {WIDTH} H W")
        return torch.tanh(self.reconstruct(features))
