"""The fusion network with its two segmentation branches, and the terms it is trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from ssvif.losses.fusion import fusion_terms, weighted_sum
from ssvif.models.base import FusionModel, join_features
from ssvif.models.initialization import initialize
from ssvif.models.names import name_of_class
from ssvif.models.registry import build_fusion_model
from ssvif.models.segmentation import SegmentationHead, Segmenter
from ssvif.ops.augment import draw_flips, flip, jitter
from ssvif.ops.color import to_channels
from ssvif.ops.processes import share_batch_norms
from ssvif.ops.seeds import seed_torch
from ssvif.training.consistency_tasks import Branches, build_task
from ssvif.training.options import TrainingOptions
from ssvif.training.stages import Stage


class Output(NamedTuple):
    """Result of a forward pass."""

    fused: torch.Tensor  # (B,C,H,W), not clamped
    stage: Stage
    branches: Branches | None = None  # in stage II, of a task that has them
    target: torch.Tensor | None = None  # class ids (B,H,W) where the task is given some, H×W as those of the branches


class Framework(nn.Module):
    """SSVIF around a fusion network (paper, III-A and III-C); the options decide the networks and the loss."""

    def __init__(self, options: TrainingOptions, device: torch.device) -> None:
        super().__init__()
        self.options, self.device = options, device
        seed_torch(options.seed, "fusion model")
        self.fusion_model: FusionModel = build_fusion_model(options.fusion_model, options.channels)
        initialize(self.fusion_model, options.initialization)
        self.segmentation_head: nn.Module | None = None
        self.segmenter: nn.Module | None = None
        self.centers: nn.ModuleList | None = None
        self.task = build_task(options, self.fusion_model) if options.has_stage_two else None
        if options.has_branches:
            seed_torch(options.seed, "branches")
            self.segmentation_head = SegmentationHead(self.fusion_model.feature_channels, options.classes)
            self.segmenter = Segmenter(options.segmenter, options.classes)
            if options.centered_logits:
                self.centers = nn.ModuleList([nn.BatchNorm2d(options.classes, affine=False) for _ in range(2)])
        share_batch_norms(self)
        # a CPU convolves faster where a pixel's channels lie side by side; a user's network may not expect them there
        ours = bool(name_of_class(type(self.fusion_model)))
        self._layout = torch.channels_last if ours and device.type == "cpu" else torch.contiguous_format
        self.to(device)
        if ours:
            self.to(memory_format=self._layout)

    def forward(
        self, visible: torch.Tensor, infrared: torch.Tensor, stage: Stage, target: torch.Tensor | None = None
    ) -> Output:
        """Fuse images (B,C,H,W) in [0,1] and, in stage II, segment features and fused image.

        `target`, class ids (B,H,W), is cut as the branches' results are.
        """
        height, width = visible.shape[-2:]
        features = self.fusion_model.backbone(visible, infrared)
        fused = self.fusion_model.decoder(features)[..., :height, :width].float()
        if stage is Stage.FUSION or not self.options.has_branches:
            return Output(fused, stage)
        # a network may pad below and to the right: the padded part is no image
        joined = join_features(features)[..., :height, :width]
        return Output(fused, stage, *self._run_branches(joined, fused, target))

    def _run_branches(
        self, features: torch.Tensor, fused: torch.Tensor, target: torch.Tensor | None
    ) -> tuple[Branches, torch.Tensor | None]:
        """Return what the branches make of features (B,D,H,W) and fused image (B,C,H,W), and the target cut alike."""
        assert self.segmentation_head is not None
        assert self.task is not None
        rows, columns = self._draw_window(*fused.shape[-2:])
        feature_logits: torch.Tensor = self.segmentation_head(features).float()[..., rows, columns]
        pixel_logits = self._segment(fused[..., rows, columns])
        if self.centers is not None:
            feature_logits, pixel_logits = self.centers[0](feature_logits), self.centers[1](pixel_logits)
        feature_logits, pixel_logits = (
            self._leave_margin(each) / self.options.logit_temperature for each in (feature_logits, pixel_logits)
        )
        branches = Branches(feature_logits, pixel_logits, self.task.pseudo_label(feature_logits, pixel_logits))
        return branches, None if target is None else self._leave_margin(target[..., rows, columns])

    def _draw_window(self, height: int, width: int) -> tuple[slice, slice]:
        """Return rows and columns of a random window, so that the branches share no image border."""
        if not self.training or self.options.consistency_window == 1:
            return slice(None), slice(None)
        sides = [max(1, round(size * self.options.consistency_window)) for size in (height, width)]
        starts = [int(torch.randint(size - side + 1, ())) for size, side in zip((height, width), sides, strict=True)]
        return slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])

    def _leave_margin(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (...,H,W) without what is not compared in training."""
        margin = self.options.consistency_margin_px if self.training else 0
        height, width = maps.shape[-2:]
        return maps[..., margin : height - margin, margin : width - margin]

    def _segment(self, image: torch.Tensor) -> torch.Tensor:
        """Return the segmenter's logits (B,K,H,W) of fused images, in training of the view that the options ask for."""
        assert self.segmenter is not None
        if not (self.training and self.options.consistency_augment):
            return self.segmenter(image).float()
        flips = draw_flips(len(image), image.device)
        return flip(self.segmenter(jitter(flip(image, flips))).float(), flips)

    def losses(self, output: Output, visible: torch.Tensor, infrared: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the named loss terms of images (B,C,H,W): those of Eq. 3, `fusion`, in stage II `consistency`."""
        terms = fusion_terms(visible, infrared, output.fused, self.options.structural_shares)
        terms["fusion"] = weighted_sum(terms, self.options.fusion_weights())
        if output.stage is Stage.JOINT and self.task is not None:
            terms["consistency"] = self.task(output.branches, output.target)
        return terms

    def inputs(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return visible and infrared (B,C,H,W) of a batch of (B,3,H,W) images, on the device."""
        channels = self.fusion_model.channels
        visible, infrared = (
            to_channels(batch[name].to(self.device, non_blocking=True), channels).contiguous(memory_format=self._layout)
            for name in ("visible", "infrared")
        )
        return visible, infrared
