"""TIMFusion's light network: two searched cells between a stem of both images and the reconstruction.

Source: see `ssvif.models.timfusion_cells`.
"""

from __future__ import annotations

import torch
from torch import nn

from ssvif.models.base import Features, FusionModel
from ssvif.models.timfusion_cells import WIDTH, ChannelGate, cell, first_stage_ends, residual_block
from ssvif.ops.shapes import check_shape, check_smallest


class TIMFusionLight(FusionModel):
    """TIMFusion's light network for C channels; C = 1 is the released one (luma), C = 3 is ours.

    Both images enter as one of 2·C channels. The features are the 48 maps behind the last cell, a cut of ours; the
    output is not bounded.
    """

    feature_channels = WIDTH
    smallest = 2  # reflection needs more rows than the one it adds

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.stem, self.reconstruct = first_stage_ends(channels)
        self.cells = nn.Sequential(*(cell(residual_block(WIDTH), ChannelGate(WIDTH)) for _ in range(2)))

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the (B,48,H,W) features of (B,C,H,W) images."""
        check_smallest(visible, self.smallest)
        return self.cells(self.stem(torch.cat([visible, infrared], dim=1)))

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W) of (B,48,H,W) features."""
        assert isinstance(features, torch.Tensor)
        check_shape("features", features, f"B {WIDTH} H W")
        return self.reconstruct(features)
