"""Gaussian window moments in float64, the costly part of SSIM, MS-SSIM and VIF.

PyTorch has no fast float64 convolution on the CPU. A band matrix times a block of rows gives several
rows of the filtered image at once, as ordinary matrix products, ten times faster.
"""

from __future__ import annotations

import torch
from torch.nn import functional

# rows and columns made by one product, measured on a CPU: larger wastes work on zeros, smaller on calls
BLOCK_ROWS = 16
BLOCK_COLUMNS = 24


def filter_maps(maps: torch.Tensor, window: torch.Tensor, step: int = 1) -> torch.Tensor:
    """Correlate maps with a symmetric window along rows and columns, "valid" part.

    The result takes the memory of `maps`, which are lost: fetching new memory from the system cost a
    third of the time.

    Args:
        maps: (M,B,H,W) floats, contiguous.
        window: (K,), K ≤ H and W, of the same dtype and device.
        step: keep every step-th row and column, from the first on.

    Returns:
        (M,B,(H−K)//step+1,(W−K)//step+1), a view whose columns lie one after the other in memory.
    """
    height = (maps.shape[2] - len(window)) // step + 1
    width = (maps.shape[3] - len(window)) // step + 1
    if missing := -maps.shape[2] % step:
        maps = functional.pad(maps, (0, 0, 0, missing))
    count, batch, lines, _ = maps.shape
    size = maps_at_once(maps)
    for part in torch.split(maps.view(count * batch * lines, -1), size * lines):
        rows = _filter_rows(part, window, step)
        _filter_columns(rows, window, step, part.view(-1)[: width * len(rows)].view(width, -1))
    kept = lines // step
    stride = lines * maps.shape[3] if size == 1 else kept
    return maps.as_strided((count, batch, height, width), (batch * stride, stride, 1, size * kept))


def maps_at_once(maps: torch.Tensor) -> int:
    """Return how many of (M,B,H,W) maps to filter together: 1, or all M·B."""
    # one map stays in a CPU's cache; a GPU is busy only with all of them
    return 1 if maps.device.type == "cpu" else maps.shape[0] * maps.shape[1]


def _filter_rows(tall: torch.Tensor, window: torch.Tensor, step: int) -> torch.Tensor:
    # maps stand on one another, (N·H,W); the rows that mix two maps are dropped by the caller
    height, width = tall.shape
    made = (height - len(window)) // step + 1
    band = _band(window, min(BLOCK_ROWS, made), step)
    size, reach = band.shape
    blocks = made // size
    filtered = tall.new_empty((height // step, width))
    torch.bmm(
        band.expand(blocks, -1, -1),
        tall.as_strided((blocks, reach, width), (size * step * width, width, 1)),
        out=filtered[: blocks * size].view(blocks, size, width),
    )
    if rest := made - blocks * size:
        band = _band(window, rest, step)
        start = blocks * size * step
        torch.mm(band, tall[start : start + band.shape[1]], out=filtered[blocks * size : made])
    return filtered


def _filter_columns(tall: torch.Tensor, window: torch.Tensor, step: int, filtered: torch.Tensor) -> None:
    # (R,W) to (W',R): the transposed product runs twice as fast as the plain one
    made = len(filtered)
    # on a GPU one launch costs more than the zeros
    size = min(BLOCK_COLUMNS, made) if tall.device.type == "cpu" else made
    band = _band(window, size, step)
    for start in range(0, made, size):
        count = min(size, made - start)
        reach = (count - 1) * step + len(window)
        columns = tall[:, start * step : start * step + reach]
        torch.mm(band[:count, :reach], columns.t(), out=filtered[start : start + count])


def _band(window: torch.Tensor, size: int, step: int) -> torch.Tensor:
    # row i holds the window from column i·step on
    reach = (size - 1) * step + len(window)
    band = window.new_zeros((size, reach))
    band.as_strided((size, len(window)), (reach + step, 1)).copy_(window.expand(size, -1))
    return band
