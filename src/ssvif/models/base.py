"""The interface of a fusion network: a backbone that fuses features, then a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

from ssvif.ops.shapes import check_same_shape, check_shape, crop

Features = torch.Tensor | Sequence[torch.Tensor]


class FusionModel(nn.Module, ABC):
    """A fusion network cut where both modalities are one and reconstruction has not begun.

    A network may widen images at the bottom and right to a grid it needs, then its features and the image
    `decoder` makes of them lie on that grid: what is beyond H×W is to be cut off, as `forward` does.

    Attributes:
        channels: C of the visible, infrared and fused images (3, or 1 for luma only).
        feature_channels: D of the features, summed over the maps if there are several.
        multiple: the network takes any H×W; at multiples of this no padding is needed.
        smallest: shortest H or W that it takes, pixels; `ssvif fuse` pads smaller images.
    """

    channels: int
    feature_channels: int
    multiple: int = 1
    smallest: int = 1

    @abstractmethod
    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> Features:
        """Return the fused features of (B,C,H,W) images: (B,D,H,W) or a list of maps, finest first."""

    @abstractmethod
    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W), not clamped, of what `backbone` returned."""

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W), not clamped, of (B,C,H,W) images in [0,1].

        Raises:
            ValueError: the images differ in shape or do not have C channels.
        """
        check_shape("visible", visible, f"B {self.channels} H W")
        check_same_shape(visible=visible, infrared=infrared)
        height, width = visible.shape[-2:]
        return crop(self.decoder(self.backbone(visible, infrared)), height, width)
