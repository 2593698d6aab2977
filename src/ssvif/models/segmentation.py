"""The two segmentation branches: a small head on fused features, a SegFormer on the fused image."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from ssvif.io.errors import UserError
from ssvif.models.layers import conv3x3
from ssvif.ops.shapes import check_shape

# (depths, hidden sizes, decoder width): Xie et al., NeurIPS 2021, table 6
SEGFORMER_SIZES: dict[str, tuple[list[int], list[int], int]] = {
    "b0": ([2, 2, 2, 2], [32, 64, 160, 256], 256),
    "b1": ([2, 2, 2, 2], [64, 128, 320, 512], 256),
    "b2": ([3, 4, 6, 3], [64, 128, 320, 512], 768),
    "b3": ([3, 4, 18, 3], [64, 128, 320, 512], 768),
    "b4": ([3, 8, 27, 3], [64, 128, 320, 512], 768),
    "b5": ([3, 6, 40, 3], [64, 128, 320, 512], 768),
}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class SegmentationHead(nn.Sequential):
    """Segmentation (B,D,H,W) → (B,K,H,W) of fused features: two 3×3 convolutions and a 1×1 (paper, III-C).

    The width and BatchNorm + ReLU after each 3×3 are assumed.
    """

    def __init__(self, in_channels: int, num_classes: int, width: int = 64) -> None:
        layers: list[nn.Module] = []
        for channels in (in_channels, width):
            layers += [conv3x3(channels, width, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.Conv2d(width, num_classes, kernel_size=1))


class Segmenter(nn.Module):
    """SegFormer of a size "b0" to "b5" with random weights: images (B,3,H,W) in [0,1] → logits (B,K,H,W).

    The image is normalized by ImageNet's mean and deviation, as SegFormer's own data is; logits at
    a quarter of the size are upsampled bilinearly. A one-channel image is repeated to three.
    Source: Xie et al., NeurIPS 2021; network by the transformers library.

    Raises:
        UserError: the size is unknown.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, size: str, num_classes: int) -> None:
        super().__init__()
        if size not in SEGFORMER_SIZES:
            raise UserError(f"Unknown SegFormer size {size!r}", expected=" | ".join(SEGFORMER_SIZES))
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from transformers import SegformerConfig, SegformerForSemanticSegmentation

        depths, hidden_sizes, decoder_width = SEGFORMER_SIZES[size]
        self.network = SegformerForSemanticSegmentation(
            SegformerConfig(
                depths=depths,
                hidden_sizes=hidden_sizes,
                decoder_hidden_size=decoder_width,
                num_labels=num_classes,  # type: ignore[call-arg]  # known to the base class's kwargs only
            )
        )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    @property
    def encoder(self) -> nn.Module:
        """The hierarchical transformer without its decoder: what fine-tuning freezes first."""
        return self.network.segformer

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (B,K,H,W) for images (B,3,H,W) or (B,1,H,W) in [0,1]."""
        image = image.expand(-1, 3, -1, -1)
        check_shape("image", image, "B 3 H W")
        maps = self.encoder((image - self.mean) / self.std, output_hidden_states=True).hidden_states
        return functional.interpolate(self._decode(maps), image.shape[-2:], mode="bilinear")

    def _decode(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the library's decoder's logits (B,K,h,w) of the encoder's maps, the first of which is (B,C,h,w).

        It projects each map to one width, upsamples, joins and mixes them by a 1×1 convolution. Projection and mixing
        are one linear map of the channels, which commutes with upsampling: so small maps are mixed while they are
        small. Of the whole network's multiplications that saves a third to two thirds at 640×480, none below 64×64.
        """
        head = self.network.decode_head
        # `linear_c` or `linear_projections`, by the library's version
        (projections,) = (each for each in head.children() if isinstance(each, nn.ModuleList))
        mixing = head.linear_fuse.weight.flatten(1).chunk(len(maps), dim=1)  # the last map comes first
        mixed = []
        for found, projection, weight in zip(maps, projections, reversed(mixing), strict=True):
            (linear,) = projection.children()
            assert isinstance(linear, nn.Linear)
            pixels = functional.linear(found.permute(0, 2, 3, 1), weight @ linear.weight, weight @ linear.bias)
            small = pixels.permute(0, 3, 1, 2)
            same = found.shape[-2:] == maps[0].shape[-2:]
            mixed.append(small if same else functional.interpolate(small, maps[0].shape[-2:], mode="bilinear"))
        normalized = head.activation(head.batch_norm(sum(mixed[1:], start=mixed[0])))
        return head.classifier(head.dropout(normalized))
