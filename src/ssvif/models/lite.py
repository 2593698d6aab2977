"""A small network of ours for frames as they come: a correction at half size to a fusion without parameters.

The correction is computed where 2×2 pixels are one place with four times the channels (pixel unshuffle, as in Shi et
al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network",
CVPR 2016), which costs a quarter of the same layers at full size.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv3x3
from ssvif.ops.color import to_channels
from ssvif.ops.shapes import check_shape, pad_to_multiple

WIDTH = 32  # channels at half size
DEPTH = 5  # convolutions of the backbone
FACTOR = 2  # pixels of a side that become one place
START_SCALE = 0.1  # of the last convolution's first weights: training begins near the base image


def brighter_luma(visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """Return visible (B,C,H,W) with the larger of its luma and of infrared (B,1,H,W) as luma, and its own chroma.

    One difference is added to all channels, so differences to luma, i.e. Cb and Cr, stay. May exceed 1.
    """
    luma = to_channels(visible, 1) if visible.shape[1] == 3 else visible
    return visible + functional.relu(infrared - luma)


class Lite(FusionModel):
    """A base image, `brighter_luma`, plus a correction by convolutions at half size; C = 1 or 3.

    The features are two maps: the base image (B,C,H,W) and 32 channels at half size. Of infrared the first channel is
    used, as the others repeat it. The output is not bounded.
    """

    multiple = FACTOR
    smallest = 2  # reflection needs more rows than the one it adds

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.feature_channels = channels + WIDTH
        widths = [(channels + 1) * FACTOR**2, *[WIDTH] * DEPTH]
        layers = [(conv3x3(into, WIDTH), nn.ReLU(inplace=True)) for into in widths[:-1]]
        self.encoder = nn.Sequential(*(layer for pair in layers for layer in pair))
        self.correct = conv3x3(WIDTH, channels * FACTOR**2)
        with torch.no_grad():
            for parameter in self.correct.parameters():
                parameter.mul_(START_SCALE)

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> list[torch.Tensor]:
        """Return the base image (B,C,H,W) and features (B,32,H/2,W/2) of (B,C,H,W) images; H and W become even."""
        visible, infrared = (pad_to_multiple(each, FACTOR, self.smallest) for each in (visible, infrared[:, :1]))
        places = functional.pixel_unshuffle(torch.cat([visible, infrared], dim=1), FACTOR)
        return [brighter_luma(visible, infrared), self.encoder(places)]

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W) of a base image (B,C,H,W) and features (B,32,H/2,W/2)."""
        base, places = features
        check_shape("features", base, f"B {self.channels} H W")
        check_shape("features", places, f"B {WIDTH} H W")
        correction: torch.Tensor = functional.pixel_shuffle(self.correct(places), FACTOR)
        return base + correction
