"""Check that a network does what `FusionModel` promises."""

from __future__ import annotations

import torch

from ssvif.io.errors import UserError
from ssvif.models.base import FusionModel
from ssvif.models.segmentation import join_features


@torch.no_grad()
def check_contract(model: FusionModel, height: int, width: int, device: torch.device) -> None:
    """Check a network's sizes against what `FusionModel` promises.

    Args:
        model: on the device.
        height: H in pixels of the pair that it is tried on.
        width: W in pixels.
        device: "meta" computes nothing.

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
            remedy="pad in `backbone`; `forward` cuts what is beyond H×W off",
        )
    joined = join_features(features)
    small = joined.shape[-2] < height or joined.shape[-1] < width
    if joined.shape[:-2] != (1, model.feature_channels) or small:
        raise UserError(
            f"{type(model).__name__}'s features are not what it says",
            expected=f"(1, {model.feature_channels}, {height}, {width}), the first map's size or more",
            got=str(tuple(joined.shape)),
            remedy="set `feature_channels` to the channels of all maps together, and return the finest map first",
        )


def blank_pair(model: FusionModel, height: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a pair (1,C,H,W) of float32 zeros for a network."""
    visible, infrared = (torch.zeros(1, model.channels, height, width, device=device) for _ in range(2))
    return visible, infrared
