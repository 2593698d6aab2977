"""The fusion network with its two segmentation branches, and the terms it is trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from ssvif.losses.consistency import consistency_loss, make_pseudo_label
from ssvif.losses.fusion import fusion_terms, weighted_sum
from ssvif.models.base import FusionModel, join_features
from ssvif.models.initialization import INITIALIZATIONS
from ssvif.models.registry import build_fusion_model
from ssvif.models.segmentation import SegmentationHead, Segmenter
from ssvif.ops.color import to_channels
from ssvif.ops.seeds import seed_torch
from ssvif.training.options import TrainingOptions
from ssvif.training.stages import Stage


class Branches(NamedTuple):
    """Result of the segmentation branches, each (B,K,H,W); H×W of the window where there is one."""

    feature_logits: torch.Tensor  # of the segmentation head
    pixel_logits: torch.Tensor  # of the segmenter
    pseudo_label: torch.Tensor  # probabilities, detached


class Output(NamedTuple):
    """Result of a forward pass."""

    fused: torch.Tensor  # (B,C,H,W), not clamped
    branches: Branches | None = None  # in stage II only


class Framework(nn.Module):
    """SSVIF around a fusion network (paper, III-A and III-C); the options decide the networks and the loss."""

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__()
        self.options = options
        seed_torch(options.seed, "fusion model")
        self.fusion_model: FusionModel = build_fusion_model(options.fusion_model, options.channels)
        INITIALIZATIONS[options.initialization](self.fusion_model)
        self.segmentation_head: nn.Module | None = None
        self.segmenter: nn.Module | None = None
        if options.framework == "ssvif":
            seed_torch(options.seed, "branches")
            self.segmentation_head = SegmentationHead(self.fusion_model.feature_channels, options.classes)
            self.segmenter = Segmenter(options.segmenter, options.classes)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor, stage: Stage) -> Output:
        """Fuse images (B,C,H,W) in [0,1] and, in stage II, segment features and fused image."""
        height, width = visible.shape[-2:]
        features = self.fusion_model.backbone(visible, infrared)
        fused = self.fusion_model.decoder(features)[..., :height, :width].float()
        if stage is Stage.FUSION:
            return Output(fused)
        assert self.segmentation_head is not None, "a fusion-only framework has no stage II"
        assert self.segmenter is not None
        # a network may pad below and to the right: the padded part is no image
        joined = join_features(features)[..., :height, :width]
        feature_logits = self.segmentation_head(joined).float()
        seen = fused
        if self.training and self.options.consistency_window < 1:
            rows, columns = self._draw_window(height, width)
            feature_logits, seen = feature_logits[..., rows, columns], fused[..., rows, columns]
        pixel_logits = self.segmenter(seen).float()
        options = self.options
        label = make_pseudo_label(feature_logits, pixel_logits, options.consistency, options.label_temperature)
        return Output(fused, Branches(feature_logits, pixel_logits, label))

    def _draw_window(self, height: int, width: int) -> tuple[slice, slice]:
        """Return rows and columns of a random window, so that the branches share no image border."""
        sides = [max(1, round(size * self.options.consistency_window)) for size in (height, width)]
        starts = [int(torch.randint(size - side + 1, ())) for size, side in zip((height, width), sides, strict=True)]
        return slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])

    def losses(self, output: Output, visible: torch.Tensor, infrared: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the named loss terms of images (B,C,H,W): those of Eq. 3, `fusion`, in stage II `consistency`."""
        terms = fusion_terms(visible, infrared, output.fused, self.options.structural_shares)
        terms["fusion"] = weighted_sum(terms, self.options.fusion_weights())
        if output.branches:
            terms["consistency"] = consistency_loss(*output.branches, self.options.balance, self.options.dice_epsilon)
        return terms

    def inputs(self, batch: dict[str, torch.Tensor], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return visible and infrared (B,C,H,W) of a batch of (B,3,H,W) images, on the device."""
        visible, infrared = (batch[name].to(device, non_blocking=True) for name in ("visible", "infrared"))
        channels = self.fusion_model.channels
        return to_channels(visible, channels), to_channels(infrared, channels)
