"""The interface of a fusion network: a backbone that fuses features, then a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from ssvif.io.errors import UserError
from ssvif.ops.shapes import check_same_shape, check_shape, crop

Features = torch.Tensor | Sequence[torch.Tensor]  # (B,D,H,W), or maps from the finest on


class FusionModel(nn.Module, ABC):
    """A fusion network in two parts: the backbone fuses both modalities into features, the decoder makes the image.

    A network may pad images at the bottom and right to a multiple that it needs. Its features and the output of
    `decoder` then have the padded size; `forward` crops to H×W.
    """

    channels: int  # C of the visible, infrared and fused images (3, or 1 for luma only)
    feature_channels: int  # D of the features, summed over the maps if there are several
    multiple: int = 1  # the network takes any H×W; at multiples of this no padding is needed
    smallest: int = 1  # shortest H or W that it takes, pixels; `ssvif fuse` pads smaller images

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


@torch.no_grad()
def check_contract(model: FusionModel, height: int, width: int, device: torch.device) -> None:
    """Check a network's sizes against what `FusionModel` promises, by a pair (1,C,H,W); device "meta" computes nothing.

    Raises:
        UserError: the fused image has another shape than the inputs, or the features are not `feature_channels`
            maps with a feature for each pixel.
    """
    visible, infrared = blank_pair(model, height, width, device)
    features = model.backbone(visible, infrared)
    fused = model.decoder(features)[..., :height, :width]
    if fused.shape != visible.shape:
        raise UserError(
            f"{type(model).__name__} changes the image's shape",
            expected=f"fused {tuple(visible.shape)}",
            got=str(tuple(fused.shape)),
            remedy="pad in `backbone`; `forward` crops to H×W",
        )
    joined = join_features(features)
    small = joined.shape[-2] < height or joined.shape[-1] < width
    if joined.shape[:-2] != (1, model.feature_channels) or small:
        raise UserError(
            f"{type(model).__name__}'s features do not have the shape it declares",
            expected=f"(1, {model.feature_channels}, {height}, {width}), the first map's size or more",
            got=str(tuple(joined.shape)),
            remedy="set `feature_channels` to the channels of all maps together, and return the finest map first",
        )


def blank_pair(model: FusionModel, height: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a pair (1,C,H,W) of float32 zeros for a network."""
    visible, infrared = (torch.zeros(1, model.channels, height, width, device=device) for _ in range(2))
    return visible, infrared
