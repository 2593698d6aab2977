"""MRFS: fusion and segmentation from two encoders that complete each other after every stage.

Source: Zhang, Zuo, Jiang, Guo, Ma: MRFS: mutually reinforcing image fusion and segmentation, CVPR 2024, in its form
for FMB: two MiT-B4, 15 classes.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import FusionNetwork
from ssvif.models.layers import conv3x3, normalized
from ssvif.models.mit import HEADS, REDUCTIONS, SMALLEST, build_mit
from ssvif.models.segmentation import SEGFORMER_SIZES
from ssvif.ops.shapes import check_same_shape, check_shape, check_smallest

WIDTHS = SEGFORMER_SIZES["b4"][1]
SEGMENTATION_WIDTH = 512
FUSION_WIDTH = 16
CLASSES = 15  # of FMB: background and 14 more


def to_pixels(features: torch.Tensor) -> torch.Tensor:
    """Return maps (B,D,H,W) as a view (B,H,W,D), on which linear layers work."""
    return features.permute(0, 2, 3, 1)


def to_maps(pixels: torch.Tensor) -> torch.Tensor:
    """Return (B,H,W,D) as a view (B,D,H,W)."""
    return pixels.permute(0, 3, 1, 2)


class VisualCompletion(nn.Module):
    """What one modality's maps lack is added from the other's, for both, (B,D,H,W) each: the paper's IGM-AVC."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(2 * width, width // 2), nn.ReLU(), nn.Linear(width // 2, width))
        self.channel_weights = nn.Sequential(
            nn.Linear(2 * width, width // 2), nn.ReLU(), nn.Linear(width // 2, 2 * width)
        )
        self.pixel_weights = nn.Sequential(nn.Conv2d(4, 16, kernel_size=1), nn.ReLU(), nn.Conv2d(16, 2, kernel_size=1))

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        both = torch.cat([visible, infrared], dim=1)
        gate = to_maps(self.gate(to_pixels(both)).sigmoid())
        summed = self.channel_weights(both.mean(dim=(2, 3))) + self.channel_weights(both.amax(dim=(2, 3)))
        channels = summed.sigmoid()[..., None, None].chunk(2, dim=1)
        extremes = [each(dim=1, keepdim=True) for maps in (visible, infrared) for each in (maps.mean, maps.amax)]
        pixels = self.pixel_weights(torch.cat(extremes, dim=1)).sigmoid().chunk(2, dim=1)
        from_visible, from_infrared = (
            channel * pixel * maps for channel, pixel, maps in zip(channels, pixels, (visible, infrared), strict=True)
        )
        return visible + (1 - gate) * from_infrared, infrared + gate * from_visible


class TokenAttention(nn.Module):
    """Attention (B,H,W,D) → (B,H,W,D) of queries to other tokens, which are first reduced as in MiT.

    The queries, not projected, are added before the last layer.
    """

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.reduce = nn.Conv2d(width, width, kernel_size=reduction, stride=reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(width) if reduction > 1 else None
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.project = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Return (B,H,W,D) for tokens and others (B,H,W,D)."""
        if self.reduce is not None and self.norm is not None:
            others = self.norm(to_pixels(self.reduce(to_maps(others))))
        key, value = (self._heads(each) for each in self.key_value(others).chunk(2, dim=-1))
        found = functional.scaled_dot_product_attention(self._heads(self.query(tokens)), key, value)
        return self.project(tokens + found.transpose(1, 2).flatten(2).view_as(tokens))

    def _heads(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens (B,H,W,D) as (B,heads,H·W,D/heads)."""
        batch, height, width, depth = tokens.shape
        return tokens.reshape(batch, height * width, self.heads, depth // self.heads).transpose(1, 2)


class SemanticCompletion(nn.Module):
    """A cycle of attention through both modalities' maps, (B,D,H,W) each, to one (B,D,H,W): the paper's PC-ASC."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.cycle = nn.ModuleList(TokenAttention(width, heads, reduction) for _ in range(4))
        self.project = nn.Linear(width, width)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        visible_only, crossed, crossed_only, back = self.cycle
        pixels = to_pixels(visible)
        first = visible_only(pixels, pixels)
        second = crossed(to_pixels(infrared), first)
        return to_maps(self.project(back(first, crossed_only(second, second))))


class SegmentationDecoder(nn.Module):
    """Four semantic maps, finest first, → logits (B,15,h,w) of the finest's size, as SegFormer's decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(width, SEGMENTATION_WIDTH) for width in WIDTHS)
        self.mix = nn.Conv2d(len(WIDTHS) * SEGMENTATION_WIDTH, SEGMENTATION_WIDTH, kernel_size=1)
        self.norm = nn.BatchNorm2d(SEGMENTATION_WIDTH)
        self.classify = nn.Conv2d(SEGMENTATION_WIDTH, CLASSES, kernel_size=1)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Return logits (B,15,h,w) for maps (B,D_s,h/2^s,w/2^s)."""
        size = maps[0].shape[-2:]
        finest, *coarser = (to_maps(project(to_pixels(each))) for project, each in zip(self.project, maps, strict=True))
        resized = [functional.interpolate(each, size, mode="bilinear") for each in reversed(coarser)]
        mixed = self.mix(torch.cat([*resized, finest], dim=1))
        return self.classify(functional.relu(self.norm(mixed)))


class Reconstruction(nn.Module):
    """Completed maps of four stages, visible and infrared in turn, and both images → the fused image (B,3,H,W)."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.ModuleList(
            normalized(nn.Conv2d(width, FUSION_WIDTH, kernel_size=1), nn.ReLU()) for width in WIDTHS for _ in range(2)
        )
        self.mix = conv3x3(len(self.squeeze) * FUSION_WIDTH + 6, FUSION_WIDTH)
        self.norm = nn.BatchNorm2d(FUSION_WIDTH)
        self.last = nn.Conv2d(FUSION_WIDTH, 3, kernel_size=1)

    def forward(self, maps: list[torch.Tensor], visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the image (B,3,H,W) in (0,1) of eight maps and images (B,3,H,W)."""
        size = visible.shape[-2:]
        resized = [
            functional.interpolate(squeeze(each), size, mode="bilinear")
            for squeeze, each in zip(self.squeeze, maps, strict=True)
        ]
        mixed = functional.relu(self.norm(self.mix(torch.cat([*resized, visible, infrared], dim=1))))
        return self.last(mixed).sigmoid()


class MRFS(FusionNetwork):
    """MRFS as released: color images of three channels only, infrared as three equal ones; it is not trained here.

    Its features are coarser than the image, and the maps of all scales and the images are mixed in its last layers
    only, so there is no place to cut it for SSVIF. The fused image is in (0,1).
    """

    smallest = SMALLEST

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.visible_encoder, self.infrared_encoder = build_mit("b4"), build_mit("b4")
        self.complete = nn.ModuleList(map(VisualCompletion, WIDTHS))
        self.semantic = nn.ModuleList(map(SemanticCompletion, WIDTHS, HEADS, REDUCTIONS))
        self.segment = SegmentationDecoder()
        self.reconstruct = Reconstruction()

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,3,H,W) in (0,1) of (B,3,H,W) images; nothing of the segmentation is computed.

        Raises:
            ValueError: the shapes are others, or a side is shorter than 29 pixels.
        """
        maps = self._completed(visible, infrared)
        return self.reconstruct([each for pair in maps for each in pair], visible, infrared)

    def logits(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the classes' logits (B,15,H,W) of (B,3,H,W) images; the fused image is not computed.

        Raises:
            ValueError: as `forward`.
        """
        maps = self._completed(visible, infrared)
        found = self.segment([semantic(*pair) for semantic, pair in zip(self.semantic, maps, strict=True)])
        return functional.interpolate(found, visible.shape[-2:], mode="bilinear")

    def _completed(self, visible: torch.Tensor, infrared: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return both completed maps (B,D_s,H_s,W_s) of each stage, at a quarter of H×W first, then halved."""
        check_shape("visible", visible, "B 3 H W")
        check_same_shape(visible=visible, infrared=infrared)
        check_smallest(visible, self.smallest)
        maps = []
        for visible_stage, infrared_stage, complete in zip(
            self.visible_encoder, self.infrared_encoder, self.complete, strict=True
        ):
            visible, infrared = complete(visible_stage(visible), infrared_stage(infrared))
            maps.append((visible, infrared))
        return maps
