"""The Mix Transformer (SegFormer's encoder) as released, attention with all its scores written out.

What a training drops at random is left out.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from originals.parts import Layer

WIDTHS, HEADS, REDUCTIONS = (64, 128, 320, 512), (1, 2, 5, 8), (8, 4, 2, 1)


def to_map(tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return tokens (B,H·W,D) as a map (B,D,H,W)."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, *size)


class OverlapPatchEmbed(nn.Module):
    """A convolution whose result is read as normalized tokens."""

    def __init__(self, given: int, made: int, patch: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(given, made, patch, stride, patch // 2)
        self.norm = nn.LayerNorm(made)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
        """Return tokens (B,N,m) of (B,n,H,W), and how many rows and columns they are."""
        embedded = self.proj(features)
        return self.norm(embedded.flatten(2).transpose(1, 2)), (embedded.shape[2], embedded.shape[3])


class ReducedAttention(nn.Module):
    """Attention whose keys and values come from a map that is smaller by `reduction`."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Return (B,N,D)."""
        images, count, width = tokens.shape
        query = self.q(tokens).reshape(images, count, self.heads, -1).permute(0, 2, 1, 3)
        if self.reduction > 1:
            tokens = self.norm(self.sr(to_map(tokens, size)).flatten(2).transpose(1, 2))
        key, value = self.kv(tokens).reshape(images, -1, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5
        return self.proj((scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(images, count, width))


class MixMLP(nn.Module):
    """Two linear layers with a depthwise convolution and an exact GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dwconv = Layer(dwconv=nn.Conv2d(4 * width, 4 * width, 3, padding=1, groups=4 * width))

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Return (B,N,D)."""
        mixed = self.dwconv.dwconv(to_map(self.fc1(tokens), size)).flatten(2).transpose(1, 2)
        return self.fc2(functional.gelu(mixed))


class MixBlock(nn.Module):
    """Attention and MLP, each with a norm before and a residual."""

    def __init__(self, width: int, heads: int, reduction: int, eps: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=eps), nn.LayerNorm(width, eps=eps)
        self.attn = ReducedAttention(width, heads, reduction)
        self.mlp = MixMLP(width)

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Return (B,N,D)."""
        tokens = tokens + self.attn(self.norm1(tokens), size)
        return tokens + self.mlp(self.norm2(tokens), size)


def add_stages(encoder: nn.Module, depths: tuple[int, ...], prefix: str = "", eps: float = 1e-6) -> None:
    """Give a module the layers of all four stages, for RGB images, under the released names."""
    for i, depth in enumerate(depths):
        embed = OverlapPatchEmbed(WIDTHS[i - 1], WIDTHS[i], 3, 2) if i else OverlapPatchEmbed(3, WIDTHS[0], 7, 4)
        encoder.add_module(f"{prefix}patch_embed{i + 1}", embed)
        blocks = (MixBlock(WIDTHS[i], HEADS[i], REDUCTIONS[i], eps) for _ in range(depth))
        encoder.add_module(f"{prefix}block{i + 1}", nn.ModuleList(blocks))
        encoder.add_module(f"{prefix}norm{i + 1}", nn.LayerNorm(WIDTHS[i], eps=eps))


def run_stage(encoder: nn.Module, stage: int, features: torch.Tensor, prefix: str = "") -> torch.Tensor:
    """Return the features (B,D,h,w) of a stage, counted from 1, for those of the stage before, or an RGB image."""
    tokens, size = getattr(encoder, f"{prefix}patch_embed{stage}")(features)
    for block in getattr(encoder, f"{prefix}block{stage}"):
        tokens = block(tokens, size)
    return to_map(getattr(encoder, f"{prefix}norm{stage}")(tokens), size)
