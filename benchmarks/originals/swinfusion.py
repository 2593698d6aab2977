"""SwinFusion as released: attention with all its scores and masks written out, windows cut by copies."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from originals.parts import Layer, leaky

EMBED, HEADS, WINDOW, SHIFT, STORED = 60, 6, 8, 4, 128
MEANS = {1: (0.0,), 3: (0.4488, 0.4371, 0.4040)}


def cut_windows(tokens: torch.Tensor) -> torch.Tensor:
    """Return windows (B·H/8·W/8,64,D) of (B,H,W,D)."""
    images, height, width, depth = tokens.shape
    cut = tokens.view(images, height // WINDOW, WINDOW, width // WINDOW, WINDOW, depth)
    return cut.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, WINDOW * WINDOW, depth)


def join_windows(windows: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Undo `cut_windows`."""
    cut = windows.view(-1, height // WINDOW, width // WINDOW, WINDOW, WINDOW, windows.shape[-1])
    return cut.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, height, width, windows.shape[-1])


def mask_of(height: int, width: int, shift: int) -> torch.Tensor:
    """Return the mask (N,64,64) of all N windows: −100 where two pixels are no neighbors, else 0."""
    regions = torch.zeros(1, height, width, 1)
    if shift:
        bounds = (slice(0, -WINDOW), slice(-WINDOW, -shift), slice(-shift, None))
        for i, rows in enumerate(bounds):
            for j, columns in enumerate(bounds):
                regions[:, rows, columns] = 3 * i + j
    cut = cut_windows(regions).squeeze(-1)
    apart = cut[:, None] - cut[:, :, None]
    return apart.masked_fill(apart != 0, -100.0)


class Attention(nn.Module):
    """Windowed attention with its scores written out."""

    def __init__(self, cross: bool) -> None:
        super().__init__()
        self.cross = cross
        self.relative_position_bias_table = nn.Parameter(torch.zeros(225, HEADS))
        places = torch.stack(torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")).flatten(1)
        offsets = (places[:, :, None] - places[:, None]).permute(1, 2, 0) + WINDOW - 1
        self.register_buffer("relative_position_index", offsets[..., 0] * 15 + offsets[..., 1])
        if cross:
            self.q, self.kv = nn.Linear(EMBED, EMBED), nn.Linear(EMBED, 2 * EMBED)
        else:
            self.qkv = nn.Linear(EMBED, 3 * EMBED)
        self.proj = nn.Linear(EMBED, EMBED)

    def forward(self, windows: torch.Tensor, context: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return (N,64,D) of windows (N,64,D)."""
        count, area, depth = windows.shape
        if self.cross:
            query = self.q(windows).reshape(count, area, HEADS, -1).permute(0, 2, 1, 3)
            key, value = self.kv(context).reshape(count, area, 2, HEADS, -1).permute(2, 0, 3, 1, 4)
        else:
            query, key, value = self.qkv(windows).reshape(count, area, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        query = query * (depth // HEADS) ** -0.5
        scores = query @ key.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)].view(area, area, HEADS)
        scores = scores + bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if mask is not None:
            scores = scores.view(-1, len(mask), HEADS, area, area) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, HEADS, area, area)
        return self.proj((scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(count, area, depth))


class MLP(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(EMBED, 2 * EMBED), nn.Linear(2 * EMBED, EMBED)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (B,N,D)."""
        return self.fc2(functional.gelu(self.fc1(tokens)))


def drop_path(branch: torch.Tensor, rate: float, training: bool) -> torch.Tensor:
    """Drop a residual branch (B,N,D) of some images."""
    if rate == 0 or not training:
        return branch
    return branch.div(1 - rate) * torch.floor(1 - rate + torch.rand(len(branch), 1, 1))


class Block(nn.Module):
    """A Swin block, or with `suffixes` "_A" and "_B" a cross block of two streams."""

    def __init__(self, shift: int, drop: float, suffixes: tuple[str, ...] = ("",)) -> None:
        super().__init__()
        self.shift, self.drop, self.suffixes = shift, drop, suffixes
        for suffix in suffixes:
            self.add_module(f"norm1{suffix}", nn.LayerNorm(EMBED))
            self.add_module(f"attn{suffix}", Attention(cross=len(suffixes) == 2))
            self.add_module(f"norm2{suffix}", nn.LayerNorm(EMBED))
            self.add_module(f"mlp{suffix}", MLP())
        if shift:
            self.register_buffer("attn_mask", mask_of(STORED, STORED, shift))
        else:
            self.attn_mask = None

    def forward(self, streams: list[torch.Tensor], size: tuple[int, int]) -> list[torch.Tensor]:
        """Return the streams (B,H·W,D), updated."""
        height, width = size
        normalized = [
            getattr(self, f"norm1{suffix}")(each) for suffix, each in zip(self.suffixes, streams, strict=True)
        ]
        maps = [each.view(len(each), height, width, EMBED) for each in normalized]
        if self.shift:
            maps = [torch.roll(each, (-self.shift, -self.shift), dims=(1, 2)) for each in maps]
        windows = [cut_windows(each) for each in maps]
        mask = self.attn_mask if size == (STORED, STORED) else mask_of(height, width, self.shift)
        updated = []
        for suffix, tokens, own, other in zip(self.suffixes, streams, windows, windows[::-1], strict=True):
            found = join_windows(getattr(self, f"attn{suffix}")(own, other, mask), height, width)
            if self.shift:
                found = torch.roll(found, (self.shift, self.shift), dims=(1, 2))
            tokens = tokens + drop_path(found.view(tokens.shape), self.drop, self.training)
            changed = getattr(self, f"mlp{suffix}")(getattr(self, f"norm2{suffix}")(tokens))
            updated.append(tokens + drop_path(changed, self.drop, self.training))
        return updated


def blocks(drops: tuple[float, ...], suffixes: tuple[str, ...] = ("",)) -> nn.Module:
    """Return blocks, every second one shifted."""
    return Layer(blocks=nn.ModuleList(Block(SHIFT * (i % 2), drop, suffixes) for i, drop in enumerate(drops)))


def run_blocks(group: nn.Module, streams: list[torch.Tensor], size: tuple[int, int]) -> list[torch.Tensor]:
    """Return streams (B,H·W,D) after a group's blocks."""
    for block in group.blocks:
        streams = block(streams, size)
    return streams


class SwinFusion(nn.Module):
    """SwinFusion as released."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        drops = (0.0, 0.1 / 3, 0.2 / 3, 0.1)
        self.mean = torch.tensor(MEANS[channels]).view(1, -1, 1, 1)
        self.conv_first1_A = nn.Conv2d(channels, 30, 3, 1, 1)
        self.conv_first2_A = nn.Conv2d(30, EMBED, 3, 1, 1)
        self.conv_first1_B = nn.Conv2d(channels, 30, 3, 1, 1)
        self.conv_first2_B = nn.Conv2d(30, 30, 3, 1, 1)
        self.patch_embed = Layer(norm=nn.LayerNorm(EMBED))
        for name in ("Ex_A", "Ex_B", "Re"):
            self.add_module(f"layers_{name}", nn.ModuleList([Layer(residual_group=blocks(drops))]))
        self.layers_Fusion = nn.ModuleList(
            Layer(
                residual_group_A=blocks(part), residual_group_B=blocks(part), residual_group=blocks(part, ("_A", "_B"))
            )
            for part in (drops[:2], drops[2:])
        )
        for name in ("Ex_A", "Ex_B", "Fusion_A", "Fusion_B", "Re"):
            self.add_module(f"norm_{name}", nn.LayerNorm(EMBED))
        self.conv_after_body_Fusion = nn.Conv2d(2 * EMBED, EMBED, 3, 1, 1)
        self.conv_last1 = nn.Conv2d(EMBED, 30, 3, 1, 1)
        self.conv_last2 = nn.Conv2d(30, 15, 3, 1, 1)
        self.conv_last3 = nn.Conv2d(15, channels, 3, 1, 1)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W)."""
        height, width = visible.shape[-2:]
        pad = (0, -width % WINDOW, 0, -height % WINDOW)
        streams = [functional.pad(each, pad, "reflect") - self.mean for each in (infrared, visible)]
        size = streams[0].shape[2], streams[0].shape[3]
        found = []
        for name, each in zip("AB", streams, strict=True):
            shallow = leaky(self.conv_first2_A(leaky(self.conv_first1_A(each))))
            (tokens,) = run_blocks(getattr(self, f"layers_Ex_{name}")[0].residual_group, [self._tokens(shallow)], size)
            found.append(self._map(getattr(self, f"norm_Ex_{name}")(tokens), size))
        first, second = (self._tokens(each) for each in found)
        for stage in self.layers_Fusion:
            (first,) = run_blocks(stage.residual_group_A, [first], size)
            (second,) = run_blocks(stage.residual_group_B, [second], size)
            first, second = run_blocks(stage.residual_group, [first, second], size)
        both = [self._map(self.norm_Fusion_A(first), size), self._map(self.norm_Fusion_B(second), size)]
        fused = leaky(self.conv_after_body_Fusion(torch.cat(both, dim=1)))
        (tokens,) = run_blocks(self.layers_Re[0].residual_group, [self._tokens(fused)], size)
        image = leaky(self.conv_last2(leaky(self.conv_last1(self._map(self.norm_Re(tokens), size)))))
        return (self.conv_last3(image) + self.mean)[..., :height, :width]

    def _tokens(self, features: torch.Tensor) -> torch.Tensor:
        return self.patch_embed.norm(features.flatten(2).transpose(1, 2))

    def _map(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return tokens.transpose(1, 2).view(len(tokens), EMBED, *size)
