"""The interface of a network that fuses, and of one that SSVIF can train: a backbone of features, then a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from ssvif.ops.shapes import check_same_shape, check_shape, crop

Features = torch.Tensor | Sequence[torch.Tensor]  # (B,D,H,W), or maps from the finest on


class FusionNetwork(nn.Module, ABC):
    """A network that fuses a pair of images."""

    channels: int  # C of the visible, infrared and fused images (3, or 1 for luma only)
    multiple: int = 1  # the network takes any H×W; at multiples of this no padding is needed
    smallest: int = 1  # shortest H or W that it takes, pixels; `ssvif fuse` pads smaller images

    @abstractmethod
    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W), not clamped, of (B,C,H,W) images in [0,1]; other shapes: a ValueError."""


class FusionModel(FusionNetwork):
    """A network that SSVIF can train: its backbone fuses both modalities into features, its decoder makes the image.

    It may pad images at the bottom and right to a multiple that it needs. Its features and the output of `decoder` then
    have the padded size; `forward` crops to H×W.
    """

    feature_channels: int  # D of the features, summed over the maps if there are several

    @abstractmethod
    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> Features:
        """Return the fused features of (B,C,H,W) images: (B,D,H,W) or a list of maps, finest first.

        H or W below `smallest` is a ValueError.
        """

    @abstractmethod
    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W), not clamped, of what `backbone` returned."""

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """See `FusionNetwork`."""
        check_shape("visible", visible, f"B {self.channels} H W")
        check_same_shape(visible=visible, infrared=infrared)
        height, width = visible.shape[-2:]
        return crop(self.decoder(self.backbone(visible, infrared)), height, width)


def join_features(features: Features) -> torch.Tensor:
    """Join the output of a backbone into one map (B,D,H,W).

    A list of maps is resized bilinearly to the first map's size and concatenated (assumed: the
    coarser maps would otherwise get no gradient from the consistency loss).
    """
    if isinstance(features, torch.Tensor):
        return features
    size = features[0].shape[-2:]
    resized = [functional.interpolate(each, size, mode="bilinear") for each in features[1:]]
    return torch.cat([features[0], *resized], dim=1)


def blank_pair(
    model: FusionNetwork, height: int, width: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a pair (1,C,H,W) of float32 zeros for a network."""
    visible, infrared = (torch.zeros(1, model.channels, height, width, device=device) for _ in range(2))
    return visible, infrared
