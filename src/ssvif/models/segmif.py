"""SegMiF's fusion network: two streams that meet twice, guided by the first stages of a segmentation encoder.

Source: Liu, Liu, Wu, Ma, Liu, Zhong, Luo, Fan: Multi-interactive feature learning and a full-time multi-modality
benchmark for image fusion and segmentation, ICCV 2023. The guidance encoder is SegFormer's MiT-B3, of which fusing
uses two of four stages; the others and the segmentation head are not built.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv3x3, initialize_linear
from ssvif.models.mit import SMALLEST, build_mit
from ssvif.ops.color import to_channels
from ssvif.ops.shapes import check_same_shape, check_shape, check_smallest

WIDTH = 64
GROWTH = 32
HEADS = 8
GUIDANCE_WIDTHS = (64, 128)


class DenseBlock(nn.Module):
    """Five dilated convolutions, each of all maps so far, then a residual: (B,64,H,W) → (B,64,H,W)."""

    def __init__(self) -> None:
        super().__init__()
        widths = range(WIDTH, WIDTH + 5 * GROWTH, GROWTH)
        self.grow = nn.ModuleList(nn.Conv2d(each, GROWTH, kernel_size=3, padding=2, dilation=2) for each in widths)
        self.squeeze = nn.Conv2d(WIDTH + 5 * GROWTH, WIDTH, kernel_size=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        maps = features
        for grow in self.grow:
            maps = torch.cat([maps, functional.relu_(grow(maps))], dim=1)
        return features + functional.relu_(self.squeeze(maps))


class ChannelsFirst(nn.Linear):
    """A linear layer of tokens (B,D,N) → (B,E,N), from which heads are cut without a copy, whatever the layout of D,N.

    Products of matrices take both layouts of a map; `nn.Linear` and convolutions would copy it into one.
    """

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        weight = self.weight.expand(tokens.shape[0], -1, -1)
        return torch.bmm(weight, tokens) if self.bias is None else torch.baddbmm(self.bias[:, None], weight, tokens)


class Context(ChannelsFirst):
    """How much each of a head's eight channels takes of the others, (B,8,8,8), from tokens (B,64,N).

    Keys times values are summed over the N pixels, not averaged: the shares become sharper in larger images.
    """

    def __init__(self) -> None:
        super().__init__(WIDTH, 2 * WIDTH, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return, per head, a matrix whose columns sum to one."""
        key, value = super().forward(tokens).view(tokens.shape[0], 2 * HEADS, WIDTH // HEADS, -1).chunk(2, dim=1)
        return (key @ value.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5).softmax(dim=-2)


def apply_context(tokens: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """Return tokens (B,64,N), each head of them multiplied by its matrix of (B,8,8,8)."""
    heads = tokens.view(tokens.shape[0], HEADS, WIDTH // HEADS, -1)
    return (context.transpose(-2, -1) @ heads).flatten(1, 2)


class Stream(nn.Module):
    """One stream's layers where it meets the guidance."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = ChannelsFirst(WIDTH, 2 * WIDTH)
        self.context = Context()
        self.project = nn.Linear(2 * WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, features: torch.Tensor, asked: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Return features (B,64,H,W), changed by the guidance's queries `asked` (B,64,N) and its context `shown`."""
        tokens = features.flatten(2)
        weight = self.project.weight.t().expand(tokens.shape[0], -1, -1)
        found = torch.baddbmm(self.project.bias, self._attend(tokens, asked, shown).transpose(1, 2), weight)
        changed: torch.Tensor = self.norm(tokens.transpose(1, 2) + found)
        return changed.view(features.shape[0], *features.shape[-2:], WIDTH).permute(0, 3, 1, 2)

    def _attend(self, tokens: torch.Tensor, asked: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Return (B,128,N): what the guidance asks of tokens (B,64,N), then what these ask of it."""
        answer, query = functional.relu_(self.expand(tokens)).chunk(2, dim=1)
        return torch.cat([apply_context(asked, self.context(answer)), apply_context(query, shown)], dim=1)


class Interaction(nn.Module):
    """Both streams (B,64,H,W) and a guidance map (B,64,H,W) attend to each other, by channels: linear in H·W."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = ChannelsFirst(WIDTH, 2 * WIDTH)
        self.context = Context()
        self.infrared, self.visible = Stream(), Stream()
        self.apply(initialize_linear)

    def forward(
        self, infrared: torch.Tensor, visible: torch.Tensor, guidance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the infrared and the visible stream (B,64,H,W) of such maps."""
        asked, shown = functional.relu_(self.expand(guidance.flatten(2))).chunk(2, dim=1)
        shown = self.context(shown)
        return self.infrared(infrared, asked, shown), self.visible(visible, asked, shown)


class SegMiF(FusionModel):
    """SegMiF's fusion network for C channels; C = 1 is the released one (luma), C = 3 is ours.

    The guidance is what the encoder makes of a gray picture, at best a fused image of another method. Where there is
    none the authors take the visible image; its luma is assumed, by `backbone` as well. With C = 3 only the first
    convolutions and the last differ. The features are both streams after their second meeting, 128 maps, a cut of
    ours. The output is not bounded. SSVIF trains the encoder with everything else (ours): the authors train it
    to segment, and their initial weights are not part of this package.
    """

    feature_channels = 2 * WIDTH
    smallest = SMALLEST

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.guidance_encoder = build_mit("b3", len(GUIDANCE_WIDTHS))
        self.infrared_shallow, self.visible_shallow = conv3x3(channels, WIDTH), conv3x3(channels, WIDTH)
        self.infrared_blocks, self.visible_blocks = (
            nn.ModuleList(DenseBlock() for _ in GUIDANCE_WIDTHS) for _ in range(2)
        )
        self.adapt = nn.ModuleList(nn.Conv2d(each, WIDTH, kernel_size=1) for each in GUIDANCE_WIDTHS)
        self.interact = Interaction()  # one for both meetings
        self.reconstruct = nn.ModuleList(map(conv3x3, (2 * WIDTH, WIDTH, WIDTH // 2), (WIDTH, WIDTH // 2, channels)))
        self.activation = nn.PReLU()  # one slope for all places

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the features (B,128,H,W) of (B,C,H,W) images, guided by the visible image's luma."""
        return self.guided_features(visible, infrared, visible if self.channels == 1 else to_channels(visible, 1))

    def guided_features(self, visible: torch.Tensor, infrared: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """Return the features (B,128,H,W), guided by a gray picture (B,1,H,W) in [0,1].

        Raises:
            ValueError: a side is shorter than 29 pixels, or the picture has another shape.
        """
        check_smallest(visible, self.smallest)
        size = visible.shape[-2:]
        check_same_shape(visible=visible[:, :1], picture=picture)
        guidance = picture.expand(-1, 3, -1, -1)
        infrared, visible = (
            self.activation(self.infrared_shallow(infrared)),
            self.activation(self.visible_shallow(visible)),
        )
        for stage, adapt, infrared_block, visible_block in zip(
            self.guidance_encoder, self.adapt, self.infrared_blocks, self.visible_blocks, strict=True
        ):
            infrared, visible = infrared_block(infrared), visible_block(visible)
            guidance = stage(guidance).contiguous(memory_format=torch.channels_last)  # a small map, before it grows
            adapted = adapt(functional.interpolate(guidance, size, mode="bilinear"))
            infrared, visible = self.interact(infrared, visible, adapted)
        return torch.cat([infrared, visible], dim=1)

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W), unbounded, of features (B,128,H,W)."""
        assert isinstance(features, torch.Tensor)
        check_shape("features", features, f"B {2 * WIDTH} H W")
        made = features
        for conv in self.reconstruct:
            made = self.activation(conv(made))
        return made
