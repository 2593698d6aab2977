"""SwinFusion's network: Swin Transformer blocks that extract, fuse across the two images, and reconstruct.

Source: Ma, Tang, Fan, Huang, Mei, Ma: SwinFusion: Cross-domain long-range learning for general image fusion via
Swin Transformer, IEEE/CAA Journal of Automatica Sinica 9(7), 2022; the blocks are those of Liu et al.: Swin
Transformer, ICCV 2021. The released network's second pair of shallow convolutions, never called, is left out.

Tokens lie as (B,H,W,D), channels last, so that a map and its tokens are two views of the same memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv3x3
from ssvif.ops.shapes import check_shape, pad_to_multiple

EMBED = 60
HEADS = 6
WINDOW = 8
AREA = WINDOW * WINDOW
SHIFT = WINDOW // 2
SLOPE = 0.2
APART = -100.0  # added to the score of two pixels that only the cyclic shift made neighbours
GROUP_DROPS = (0.0, 0.1 / 3, 0.2 / 3, 0.1)  # extraction's and reconstruction's four blocks
STAGE_DROPS = (GROUP_DROPS[:2], GROUP_DROPS[2:])
MEANS = {1: (0.0,), 3: (0.4488, 0.4371, 0.4040)}


def to_windows(tokens: torch.Tensor, shift: int) -> torch.Tensor:
    """Cut tokens (B,H,W,D) into 8×8 windows (B, H/8, W/8, 64, D) after rolling them up and left by `shift`."""
    if shift:
        tokens = tokens.roll((-shift, -shift), dims=(1, 2))
    rows, columns = tokens.shape[1] // WINDOW, tokens.shape[2] // WINDOW
    cut = tokens.reshape(tokens.shape[0], rows, WINDOW, columns, WINDOW, -1)
    return cut.transpose(2, 3).flatten(3, 4)


def from_windows(windows: torch.Tensor, shift: int) -> torch.Tensor:
    """Undo `to_windows`: (B, H/8, W/8, 64, D) → (B,H,W,D)."""
    cut = torch.unflatten(windows, 3, (WINDOW, WINDOW))
    tokens = cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return tokens.roll((shift, shift), dims=(1, 2)) if shift else tokens


def relative_positions() -> torch.Tensor:
    """Return, for each query and key of a window, the row (64,64) of the bias table: (dy + 7)·15 + dx + 7."""
    places = torch.stack(torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")).flatten(1)
    offsets = places[:, :, None] - places[:, None, :] + WINDOW - 1
    return offsets[0] * (2 * WINDOW - 1) + offsets[1]


class DropPath(nn.Module):
    """In training, drops a residual branch of an image with probability `rate` and scales the others to the same mean.

    Source: Huang et al.: Deep networks with stochastic depth, ECCV 2016.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        """Return (B,…) with each image either zero or divided by 1 − rate."""
        if not self.training or self.rate == 0:
            return branch
        keep = branch.new_empty(branch.shape[0], *[1] * (branch.ndim - 1)).bernoulli_(1 - self.rate)
        return branch * (keep / (1 - self.rate))


def seam_masks() -> torch.Tensor:
    """Return what is added to the scores of shifted windows, (2,2,1,64,64), by last row or not, last column or not.

    The roll brings opposite edges together: in the last row of windows the upper half must not attend to the lower, in
    the last column the left half not to the right. A finite penalty, as in the released network.
    """
    places = torch.arange(AREA)
    lower, right = places // WINDOW >= SHIFT, places % WINDOW >= SHIFT
    rows, columns = (half[:, None] != half[None, :] for half in (lower, right))
    apart = torch.stack([torch.zeros_like(rows), columns, rows, rows | columns])
    return apart.view(2, 2, 1, AREA, AREA) * APART


def spread_seams(masks: torch.Tensor, dim: int, count: int) -> torch.Tensor:
    """Return masks of `count` windows along an axis of size two: the second for the last, the first for all others."""
    last = (torch.arange(count, device=masks.device) + 1) // count
    return masks.index_select(dim, last)


def explicit_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor, masks: torch.Tensor | None
) -> torch.Tensor:
    """Return softmax(q kᵀ / √d + bias + mask) v, storing only the softmax for the backward pass.

    Query, key, value and result are (B, rows, columns, heads, 64, d), the bias is (heads,64,64); masks are those of
    `seam_masks`, or None for windows that were not shifted.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    scores += bias
    if masks is not None:
        rows, columns = query.shape[1:3]
        scores += spread_seams(spread_seams(masks, 0, rows), 1, columns)
    found: torch.Tensor = scores.softmax(dim=-1) @ value
    return found


def fused_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor, masks: torch.Tensor | None
) -> torch.Tensor:
    """Return what `explicit_attention` does, of the same shape, storing all scores only where the device needs it."""
    triple = (query, key, value)
    if masks is None:
        flat = [each.flatten(0, 2) for each in triple]
        return functional.scaled_dot_product_attention(flat[0], flat[1], flat[2], bias[None]).view(query.shape)
    rows, columns = query.shape[1:3]
    # all rows of windows but the last share one mask, so that no mask of the image's size is needed
    upper, last = (bias + spread_seams(row, 0, columns) for row in masks)
    parts = [(slice(rows - 1), upper), (slice(rows - 1, rows), last)][rows == 1 :]
    found = []
    for chosen, added in parts:
        # columns count as heads: the mask of a row of windows is then one for the batch
        flat = [each[:, chosen].flatten(2, 3).flatten(0, 1) for each in triple]
        part = functional.scaled_dot_product_attention(flat[0], flat[1], flat[2], added.flatten(0, 1)[None])
        found.append(part.view(query.shape[0], -1, *query.shape[2:]))
    return torch.cat(found, dim=1)


class WindowAttention(nn.Module):
    """Multi-head attention within 8×8 windows, with a learnt bias for each relative position.

    Shifted windows were cut from rolled tokens, so those of the last row and column hold a seam. With `cross`, keys and
    values come from other tokens than the queries.
    """

    positions: torch.Tensor
    seams: torch.Tensor | None

    def __init__(self, shifted: bool, cross: bool) -> None:
        super().__init__()
        self.cross = cross
        self.bias_table = nn.Parameter(torch.empty((2 * WINDOW - 1) ** 2, HEADS))
        nn.init.trunc_normal_(self.bias_table, std=0.02)
        if cross:
            self.q, self.kv = nn.Linear(EMBED, EMBED), nn.Linear(EMBED, 2 * EMBED)
        else:
            self.qkv = nn.Linear(EMBED, 3 * EMBED)
        self.proj = nn.Linear(EMBED, EMBED)
        self.register_buffer("positions", relative_positions(), persistent=False)
        self.register_buffer("seams", seam_masks() if shifted else None, persistent=False)

    def forward(self, tokens: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return the attention of `tokens` to `context`, both windows (B, rows, columns, 64, D), in the same shape."""
        if self.cross:
            joint = (self.q(tokens), *self.kv(context).split(EMBED, dim=-1))
        else:
            joint = self.qkv(tokens).split(EMBED, dim=-1)
        query, key, value = (torch.unflatten(each, -1, (HEADS, -1)).transpose(3, 4) for each in joint)
        bias = self.bias_table[self.positions].permute(2, 0, 1)
        # a bias that learns keeps PyTorch from its fast kernels, and its slow one reads the scores more often than ours
        explicit = bias.requires_grad or torch.compiler.is_compiling()  # the other has a branch for a single window
        attend = explicit_attention if explicit else fused_attention
        found = attend(query, key, value, bias, self.seams)
        projected: torch.Tensor = self.proj(found.transpose(3, 4).flatten(4))
        return projected


class SwinBlock(nn.Module):
    """x + attention(LayerNorm(x)), then x + MLP(LayerNorm(x)), with `DropPath` of rate `drop`.

    The windows are moved down and right by `shift` pixels, 0 or 4.
    """

    def __init__(self, shift: int, drop: float, cross: bool = False) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(EMBED)
        self.attention = WindowAttention(shift > 0, cross)
        self.norm2 = nn.LayerNorm(EMBED)
        self.mlp = nn.Sequential(nn.Linear(EMBED, 2 * EMBED), nn.GELU(), nn.Linear(2 * EMBED, EMBED))
        self.drop_path = DropPath(drop)

    def windows(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the normalized tokens (B,H,W,D) in windows (B, H/8, W/8, 64, D)."""
        return to_windows(self.norm1(tokens), self.shift)

    def update(self, tokens: torch.Tensor, own: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return the block's output (B,H,W,D), given `windows` of its tokens and of those they attend to."""
        found = self.attention(own, context)
        tokens = tokens + self.drop_path(from_windows(found, self.shift))
        updated: torch.Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return updated

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the block's output (B,H,W,D) where tokens attend to themselves."""
        own = self.windows(tokens)
        return self.update(tokens, own, own)


class CrossBlock(nn.Module):
    """Two `SwinBlock`s, each of which attends to what the other was given."""

    def __init__(self, shift: int, drop: float) -> None:
        super().__init__()
        self.infrared = SwinBlock(shift, drop, cross=True)
        self.visible = SwinBlock(shift, drop, cross=True)

    def forward(self, infrared: torch.Tensor, visible: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both streams' tokens (B,H,W,D), updated."""
        first, second = self.infrared.windows(infrared), self.visible.windows(visible)
        return self.infrared.update(infrared, first, second), self.visible.update(visible, second, first)


def self_blocks(drops: Sequence[float]) -> nn.Sequential:
    """Return self-attention blocks, one for each drop rate, every second one shifted."""
    return nn.Sequential(*(SwinBlock(SHIFT * (i % 2), drop) for i, drop in enumerate(drops)))


class FusionStage(nn.Module):
    """Self-attention within each stream, then attention across them; `drops` are the rates of a group's two blocks."""

    def __init__(self, drops: Sequence[float]) -> None:
        super().__init__()
        self.infrared = self_blocks(drops)
        self.visible = self_blocks(drops)
        self.cross = nn.ModuleList(CrossBlock(SHIFT * (i % 2), drop) for i, drop in enumerate(drops))

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
        """Return the features (B,60,⌈H/8⌉·8,⌈W/8⌉·8) of (B,C,H,W) images in [0,1].

        Raises:
            ValueError: H or W is below 5.
        """
        # both streams share these layers: one pass for both
        both = pad_to_multiple(torch.cat([infrared, visible]), WINDOW, self.smallest)
        tokens = self.token_norm(self.shallow(both - self.mean).permute(0, 2, 3, 1))
        infrared, visible = tokens.chunk(2)
        extracted = torch.cat([self.extract_infrared(infrared), self.extract_visible(visible)])
        infrared, visible = self.token_norm(extracted).chunk(2)
        for stage in self.stages:
            infrared, visible = stage(infrared, visible)
        fused = torch.cat([self.norm_infrared(infrared), self.norm_visible(visible)], dim=-1)
        features: torch.Tensor = self.fuse(fused.permute(0, 3, 1, 2))
        return features

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W), unbounded, of features (B,60,H,W); H and W are multiples of 8."""
        assert isinstance(features, torch.Tensor)
        check_shape("features", features, f"B {EMBED} H W")
        tokens = self.refine(self.token_norm(features.permute(0, 2, 3, 1)))
        fused: torch.Tensor = self.reconstruct(tokens.permute(0, 3, 1, 2)) + self.mean
        return fused


def initialize_linear(module: nn.Module) -> None:
    """Give a linear layer the released network's start: truncated normal weights, σ = 0.02, and no bias."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
