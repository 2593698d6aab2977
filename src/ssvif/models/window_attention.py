"""Multi-head attention within 8×8 windows of two images' tokens, with a learnt bias for each relative position.

Source: Liu et al.: Swin Transformer, ICCV 2021; sizes are those of SwinFusion. Tokens lie in rows of windows
(R,8,W,D), channels last, as the images do.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ssvif.ops.strips import Maps, Memory

EMBED = 60
HEADS = 6
WINDOW = 8
AREA = WINDOW * WINDOW
SHIFT = WINDOW // 2
APART = -100.0  # added to the score of two pixels that only the cyclic shift made neighbours


def relative_positions() -> torch.Tensor:
    """Return, for each query and key of a window, the row (64,64) of the bias table: (dy + 7)·15 + dx + 7."""
    places = torch.stack(torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")).flatten(1)
    offsets = places[:, :, None] - places[:, None, :] + WINDOW - 1
    return offsets[0] * (2 * WINDOW - 1) + offsets[1]


def seam_masks() -> torch.Tensor:
    """Return what is added to the scores of shifted windows, (4,1,64,64), by 2·(last row) + (last column).

    The roll brings opposite edges together: in the last row of windows the upper half must not attend to the lower, in
    the last column the left half not to the right. A finite penalty, as in the released network.
    """
    places = torch.arange(AREA)
    lower, right = places // WINDOW >= SHIFT, places % WINDOW >= SHIFT
    rows, columns = (half[:, None] != half[None, :] for half in (lower, right))
    return torch.stack([torch.zeros_like(rows), columns, rows, rows | columns])[:, None] * APART


def explicit_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor, last: torch.Tensor, shift: int
) -> torch.Tensor:
    """Return softmax(q kᵀ / √d + bias) v within windows whose columns begin at pixel `shift`, (R,8,W,D).

    Queries, keys and values are (R,8,W,D), heads one after the other, and `bias` (V,heads,64,64); V is 1, or 4 as of
    `seam_masks`. `last` (R,) bool says which rows of windows are the last of their image.
    """
    query, key, value = (_to_windows(each, shift) for each in (query, key, value))
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if len(bias) == 1:
        scores += bias
    else:
        columns = query.shape[1]
        at_end = (torch.arange(columns, device=last.device) + 1) // columns
        scores += bias[2 * last.long()[:, None] + at_end]
    return _from_windows(scores.softmax(dim=-1) @ value, shift)


def _to_windows(tokens: torch.Tensor, shift: int) -> torch.Tensor:
    # (R,8,W,D) to (R,W/8,heads,64,D/heads)
    rolled = tokens.roll(-shift, dims=2) if shift else tokens
    cut = torch.unflatten(torch.unflatten(rolled, 2, (-1, WINDOW)), 4, (HEADS, -1))
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3, 4)


def _from_windows(windows: torch.Tensor, shift: int) -> torch.Tensor:
    cut = torch.unflatten(windows, 3, (WINDOW, WINDOW)).permute(0, 3, 1, 4, 2, 5)
    tokens = cut.flatten(4, 5).flatten(2, 3)
    return tokens.roll(shift, dims=2) if shift else tokens


class CompiledAttention(torch.autograd.Function):
    """`explicit_attention` of float32 on a CPU, which keeps two numbers a query and head for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bias: torch.Tensor,
        last: torch.Tensor,
        shift: int,
        memory: Memory,
    ) -> torch.Tensor:
        """Return (R,8,W,D)."""
        from ssvif.models.attention_kernels import attend

        bias = bias.transpose(2, 3).contiguous()  # by key, then query

        def compute() -> Maps:
            found = query.new_empty(query.shape)
            norms = query.new_empty(len(query), query.shape[2] // WINDOW, HEADS, 2, AREA)
            triple = query.numpy(), key.numpy(), value.numpy()
            attend(*triple, bias.numpy(), last.numpy(), shift, found.numpy(), norms.numpy())
            return found, norms

        found, norms = memory.once(compute)
        ctx.save_for_backward(query, key, value, bias, last, norms, found)
        ctx.shift = shift
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients by query, key and value (R,8,W,D), and by the bias."""
        from ssvif.models.attention_kernels import attend_backward

        query, key, value, bias, last, norms, found = (each.numpy() for each in ctx.saved_tensors)
        by_query, by_key, by_value = (torch.empty_like(gradient) for _ in range(3))
        by_bias = torch.zeros(bias.shape)
        given = gradient.contiguous().numpy()
        made = by_query.numpy(), by_key.numpy(), by_value.numpy(), by_bias.numpy()
        attend_backward(query, key, value, bias, last, ctx.shift, norms, found, given, *made)
        return by_query, by_key, by_value, by_bias.transpose(2, 3), None, None, None


class WindowAttention(nn.Module):
    """Multi-head attention within 8×8 windows, with a learnt bias for each relative position.

    With `cross`, keys and values come from other tokens than the queries. Shifted windows begin four pixels down, which
    is for the caller to have rolled, and four to the right; those of the last row and column hold a seam.
    """

    positions: torch.Tensor
    seams: torch.Tensor

    def __init__(self, shifted: bool, cross: bool) -> None:
        super().__init__()
        self.cross, self.shift = cross, SHIFT if shifted else 0
        self.bias_table = nn.Parameter(torch.empty((2 * WINDOW - 1) ** 2, HEADS))
        nn.init.trunc_normal_(self.bias_table, std=0.02)
        if cross:
            self.q, self.kv = nn.Linear(EMBED, EMBED), nn.Linear(EMBED, 2 * EMBED)
        else:
            self.qkv = nn.Linear(EMBED, 3 * EMBED)
        self.proj = nn.Linear(EMBED, EMBED)
        self.register_buffer("positions", relative_positions(), persistent=False)
        self.register_buffer("seams", seam_masks() if shifted else torch.zeros(1, 1, AREA, AREA), persistent=False)

    def forward(self, tokens: torch.Tensor, context: torch.Tensor, last: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Return the attention (R,8,W,D) of `tokens` to `context`, both rows of windows (R,8,W,D).

        `last` (R,) says which rows are the last of their image.
        """
        if self.cross:
            joint = (self.q(tokens), *self.kv(context).split(EMBED, dim=-1))
        else:
            joint = self.qkv(tokens).split(EMBED, dim=-1)
        bias = self.bias_table[self.positions].permute(2, 0, 1) + self.seams
        query, key, value = joint
        in_loops = tokens.device.type == "cpu" and bias.dtype == torch.float32 and not torch.compiler.is_compiling()
        if in_loops:
            query, key, value = (each.float() for each in joint)  # autocast may have narrowed them
            found = CompiledAttention.apply(query, key, value, bias, last, self.shift, memory)
        else:
            found = explicit_attention(query, key, value, bias, last, self.shift)
        return self.proj(found)
