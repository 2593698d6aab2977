"""SwinFusion's network: Swin Transformer blocks that extract, fuse across the two images, and reconstruct.

Source: Ma, Tang, Fan, Huang, Mei, Ma: SwinFusion: Cross-domain long-range learning for general image fusion via
Swin Transformer, IEEE/CAA Journal of Automatica Sinica 9(7), 2022; the blocks are those of Liu et al.: Swin
Transformer, ICCV 2021. The released network's second pair of shallow convolutions, never called, is left out.

Tokens lie as (B,H,W,D), channels last, so that a map and its tokens are two views of the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv3x3, initialize_linear
from ssvif.models.window_attention import EMBED, WINDOW, WindowAttention
from ssvif.ops.shapes import check_shape, pad_to_multiple
from ssvif.ops.strips import Maps, Memory, map_strips

SLOPE = 0.2
WINDOWS_AT_ONCE = 128  # 8192 tokens: with half as many, two threads wait longer for Python's lock
GPU_WINDOWS_AT_ONCE = 4096
GROUP_DROPS = (0.0, 0.1 / 3, 0.2 / 3, 0.1)  # extraction's and reconstruction's four blocks
STAGE_DROPS = (GROUP_DROPS[:2], GROUP_DROPS[2:])
MEANS = {1: (0.0,), 3: (0.4488, 0.4371, 0.4040)}


class DropPath(nn.Module):
    """In training, drops a residual branch of an image with probability `rate` and scales the others to the same mean.

    Source: Huang et al.: Deep networks with stochastic depth, ECCV 2016.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Draw a factor (B,1,1,1) for each of the images (B,H,W,D): 0 or 1 / (1 − rate); 1 outside training."""
        factors = tokens.new_ones(tokens.shape[0], 1, 1, 1)  # `len` would fix an exported file's batch size
        if not self.training or self.rate == 0:
            return factors
        return factors.bernoulli_(1 - self.rate) / (1 - self.rate)


class SwinBlock(nn.Module):
    """x + attention(LayerNorm(x)), then x + MLP(LayerNorm(x)), both branches with `DropPath` of rate `drop`."""

    def __init__(self, shifted: bool, drop: float, cross: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(EMBED)
        self.attention = WindowAttention(shifted, cross)
        self.norm2 = nn.LayerNorm(EMBED)
        self.mlp = nn.Sequential(nn.Linear(EMBED, 2 * EMBED), nn.GELU(), nn.Linear(2 * EMBED, EMBED))
        self.drop_path = DropPath(drop)

    def draw(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return both branches' factors (B,2,1,1,1) for images (B,H,W,D)."""
        return torch.stack([self.drop_path(tokens), self.drop_path(tokens)], dim=1)

    def update(
        self,
        tokens: torch.Tensor,
        own: torch.Tensor,
        context: torch.Tensor,
        last: torch.Tensor,
        drops: torch.Tensor,
        memory: Memory,
    ) -> torch.Tensor:
        """Return new tokens of rows of windows (R,8,W,D), given `norm1` of them and of those that they attend to.

        `last` (R,) says which rows are the last of their image, `drops` (R,2,1,1,1) are the branches' factors.
        """
        tokens = torch.addcmul(tokens, self.attention(own, context, last, memory), drops[:, 0])
        return torch.addcmul(tokens, self.mlp(self.norm2(tokens)), drops[:, 1])


class SelfBlock(SwinBlock):
    """A `SwinBlock` whose tokens attend to themselves."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the block's output (B,H,W,D)."""
        (found,) = over_windows(self, (tokens,), self.attention.shift, self.draw(tokens))
        return found

    def strips(self, tokens: torch.Tensor, last: torch.Tensor, drops: torch.Tensor, memory: Memory) -> Maps:
        """Return new tokens of rows of windows (R,8,W,D)."""
        own = self.norm1(tokens)
        return (self.update(tokens, own, own, last, drops, memory),)


class CrossBlock(nn.Module):
    """Two `SwinBlock`s, each of which attends to what the other was given."""

    def __init__(self, shifted: bool, drop: float) -> None:
        super().__init__()
        self.infrared = SwinBlock(shifted, drop, cross=True)
        self.visible = SwinBlock(shifted, drop, cross=True)

    def forward(self, infrared: torch.Tensor, visible: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both streams' tokens (B,H,W,D), updated."""
        drops = torch.cat([self.infrared.draw(infrared), self.visible.draw(visible)], dim=1)
        found = over_windows(self, (infrared, visible), self.infrared.attention.shift, drops)
        return found[0], found[1]

    def strips(
        self, infrared: torch.Tensor, visible: torch.Tensor, last: torch.Tensor, drops: torch.Tensor, memory: Memory
    ) -> Maps:
        """Return both streams' new tokens of rows of windows (R,8,W,D)."""
        first, second = self.infrared.norm1(infrared), self.visible.norm1(visible)
        return (
            self.infrared.update(infrared, first, second, last, drops[:, :2], memory),
            self.visible.update(visible, second, first, last, drops[:, 2:], memory),
        )


def over_windows(block: SelfBlock | CrossBlock, streams: Maps, shift: int, drops: torch.Tensor) -> Maps:
    """Return a block's output for streams (B,H,W,D), computed in strips of rows of 8×8 windows.

    `drops` (B,N,1,1,1) are the factors of the block's branches for each image.
    """
    images, height, width, _ = streams[0].shape
    rows = height // WINDOW
    rolled = (each.roll(-shift, dims=1) if shift else each for each in streams)
    strips = tuple(torch.unflatten(each, 1, (rows, WINDOW)).flatten(0, 1) for each in rolled)
    last = (torch.arange(rows, device=drops.device) + 1) // rows == 1
    of_rows = drops[:, None].expand(-1, rows, -1, -1, -1, -1).flatten(0, 1)
    maps = (*strips, last.repeat(images), of_rows)
    compute: Callable[..., Maps] = block.strips
    if torch.compiler.is_compiling():  # a program for any size has no strips of some size
        found = compute(*maps, Memory(keep=False))
    else:
        at_once = WINDOWS_AT_ONCE if strips[0].device.type == "cpu" else GPU_WINDOWS_AT_ONCE
        found = map_strips(compute, maps, block, max(1, at_once // (width // WINDOW)))
    whole = (torch.unflatten(each, 0, (images, rows)).flatten(1, 2) for each in found)
    return tuple(each.roll(shift, dims=1) if shift else each for each in whole)


def self_blocks(drops: Sequence[float]) -> nn.Sequential:
    """Return self-attention blocks, one for each drop rate, every second one shifted."""
    return nn.Sequential(*(SelfBlock(i % 2 == 1, drop) for i, drop in enumerate(drops)))


class FusionStage(nn.Module):
    """Self-attention within each stream, then attention across them; `drops` are the rates of a group's two blocks."""

    def __init__(self, drops: Sequence[float]) -> None:
        super().__init__()
        self.infrared = self_blocks(drops)
        self.visible = self_blocks(drops)
        self.cross = nn.ModuleList(CrossBlock(i % 2 == 1, drop) for i, drop in enumerate(drops))

    def forward(self, infrared: torch.Tensor, visible: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both streams' tokens (B,H,W,D), updated."""
        infrared, visible = self.infrared(infrared), self.visible(visible)
        for block in self.cross:
            infrared, visible = block(infrared, visible)
        return infrared, visible


class SwinFusion(FusionModel):
    """SwinFusion for C channels; C = 3 is SSVIF's form, C = 1 the released one (luma).

    Takes any H×W of at least 5×5: images are mirrored at the bottom and right up to multiples of 8, and the features
    lie on that larger grid. The output is not bounded.
    """

    feature_channels = EMBED
    multiple = WINDOW
    smallest = 5  # reflection cannot add as many rows as there are
    mean: torch.Tensor

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("mean", torch.tensor(MEANS[channels]).view(1, channels, 1, 1), persistent=False)
        self.shallow = nn.Sequential(
            conv3x3(channels, EMBED // 2), nn.LeakyReLU(SLOPE), conv3x3(EMBED // 2, EMBED), nn.LeakyReLU(SLOPE)
        )
        self.token_norm = nn.LayerNorm(EMBED)
        self.extract_infrared = self_blocks(GROUP_DROPS).append(nn.LayerNorm(EMBED))
        self.extract_visible = self_blocks(GROUP_DROPS).append(nn.LayerNorm(EMBED))
        self.stages = nn.ModuleList(FusionStage(drops) for drops in STAGE_DROPS)
        self.norm_infrared, self.norm_visible = nn.LayerNorm(EMBED), nn.LayerNorm(EMBED)
        self.fuse = nn.Sequential(conv3x3(2 * EMBED, EMBED), nn.LeakyReLU(SLOPE))
        self.refine = self_blocks(GROUP_DROPS).append(nn.LayerNorm(EMBED))
        self.reconstruct = nn.Sequential(
            conv3x3(EMBED, EMBED // 2),
            nn.LeakyReLU(SLOPE),
            conv3x3(EMBED // 2, EMBED // 4),
            nn.LeakyReLU(SLOPE),
            conv3x3(EMBED // 4, channels),
        )
        self.apply(initialize_linear)

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the features (B,60,⌈H/8⌉·8,⌈W/8⌉·8) of (B,C,H,W) images in [0,1]."""
        # both streams share these layers: one pass for both
        both = pad_to_multiple(torch.cat([infrared, visible]), WINDOW, self.smallest)
        tokens = self._normalize(self.shallow(both - self.mean))
        infrared, visible = tokens.chunk(2)
        extracted = torch.cat([self.extract_infrared(infrared), self.extract_visible(visible)])
        infrared, visible = self.token_norm(extracted).chunk(2)
        for stage in self.stages:
            infrared, visible = stage(infrared, visible)
        fused = torch.cat([self.norm_infrared(infrared), self.norm_visible(visible)], dim=-1)
        return self.fuse(fused.permute(0, 3, 1, 2))

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W), unbounded, of features (B,60,H,W); H and W are multiples of 8."""
        assert isinstance(features, torch.Tensor)
        check_shape("features", features, f"B {EMBED} H W")
        tokens = self.refine(self._normalize(features))
        return self.reconstruct(tokens.permute(0, 3, 1, 2)) + self.mean

    def _normalize(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the tokens (B,H,W,D) of maps (B,D,H,W), normalized, in float32 even if autocast narrowed the maps.

        Blocks add to their tokens; what is added may be of less precision, the sums may not.
        """
        return self.token_norm(maps.permute(0, 2, 3, 1).to(self.token_norm.weight.dtype))
