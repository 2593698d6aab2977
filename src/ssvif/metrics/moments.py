"""Gaussian window moments in float64, the costly part of SSIM, MS-SSIM and VIF.

PyTorch has no fast float64 convolution on the CPU. A band matrix times a block of rows gives several
rows of the filtered image at once, as ordinary matrix products, ten times faster. On the CPU strips
of rows are worked on one after the other, so that what is made of a strip stays in the processor's
cache and little memory is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

# rows and columns made by one product, measured on a CPU: larger wastes work on zeros, smaller on calls
BLOCK_ROWS = 16
BLOCK_COLUMNS = 12
# blocks of rows in a strip: fewer mean more calls, more leave the cache
STRIP_BLOCKS = 4
Maps = Callable[[torch.Tensor], torch.Tensor]


class _Part(NamedTuple):
    # filtered maps (M,B,N,K,R·S): N blocks beside and K blocks below each other, of R rows and S columns
    values: torch.Tensor
    row: int
    column: int
    rows: int


def window_moments(values: torch.Tensor, window: torch.Tensor, maps: Maps) -> Iterator[torch.Tensor]:
    """Correlate maps made of images with a symmetric window along rows and columns, "valid" part.

    Args:
        values: (I,B,H,W) numbers.
        window: (D,) float64, D ≤ H and W, on the same device.
        maps: makes contiguous float64 maps (M,B,R,W) of the images' rows (I,B,R,W), pixel by pixel.

    Yields:
        (M,B,N,K,S): the N·K·S windows of some part of the images; together every window once, in no
        order to rely on.
    """
    for part in _parts(values, window, maps, 1):
        yield part.values


def filter_images(values: torch.Tensor, window: torch.Tensor, step: int = 1) -> torch.Tensor:
    """Correlate images with a symmetric window along rows and columns, "valid" part.

    Args:
        values: (I,B,H,W) numbers.
        window: (D,) float64, D ≤ H and W, on the same device.
        step: keep every step-th row and column, from the first on.

    Returns:
        (I,B,(H−D)//step+1,(W−D)//step+1) float64.
    """
    height, width = ((side - len(window)) // step + 1 for side in values.shape[2:])
    filtered = window.new_empty((*values.shape[:2], height, width))
    for part in _parts(values, window, lambda rows: rows.to(window.dtype).contiguous(), step):
        count, batch, beside, below, size = part.values.shape
        columns = size // part.rows
        blocks = part.values.view(count, batch, beside, below, part.rows, columns).permute(0, 1, 3, 4, 2, 5)
        place = filtered[:, :, part.row : part.row + below * part.rows, part.column : part.column + beside * columns]
        # the sides of a part of the result may be split without a copy
        place.view(blocks.shape).copy_(blocks)
    return filtered


def blocks_at_once(device: torch.device) -> tuple[int, int]:
    """Return how many rows a block has and how many blocks are worked on together."""
    # a GPU is busy only with the whole image
    return (BLOCK_ROWS, STRIP_BLOCKS) if device.type == "cpu" else (BLOCK_ROWS, 2**30)


def _parts(values: torch.Tensor, window: torch.Tensor, maps: Maps, step: int) -> Iterator[_Part]:
    height = (values.shape[2] - len(window)) // step + 1
    size, most = blocks_at_once(values.device)
    row = 0
    while row < height:
        size = min(size, height - row)
        blocks = min(most, (height - row) // size)
        reach = (blocks * size - 1) * step + len(window)
        made = maps(values[:, :, row * step : row * step + reach])
        filtered = _filter_rows(made, _band(window, size, step), blocks, size * step)
        for column, part in _filter_columns(filtered, window, step):
            yield _Part(part, row, column, size)
        row += blocks * size


def _filter_rows(maps: torch.Tensor, band: torch.Tensor, blocks: int, shift: int) -> torch.Tensor:
    # (M,B,H,W) to (K,M,B,R,W): the maps stand beside each other in one product
    count, batch, _, width = maps.shape
    filtered = maps.new_empty((blocks, count, batch, len(band), width))
    for i in range(blocks):
        reach = maps[:, :, i * shift : i * shift + band.shape[1]].flatten(0, 1)
        torch.bmm(band.expand(len(reach), -1, -1), reach, out=filtered[i].flatten(0, 1))
    return filtered


def _filter_columns(maps: torch.Tensor, window: torch.Tensor, step: int) -> Iterator[tuple[int, torch.Tensor]]:
    # (K,M,B,R,W) to parts (M,B,N,K,R·S): equal blocks of columns, then what is left
    below, count, batch, rows, length = maps.shape
    width = (length - len(window)) // step + 1
    size = min(BLOCK_COLUMNS, width)
    beside = width // size
    for start, number, columns in ((0, beside, size), (beside * size, 1, width - beside * size)):
        if columns:
            band = _band(window, columns, step)
            # blocks overlap, so they are views of the rows, not copies
            shape, strides = (number, maps.numel() // length, band.shape[1]), (columns * step, length, 1)
            tall = maps.as_strided(shape, strides, start * step)
            wide = torch.bmm(tall, band.t().expand(number, -1, -1))
            yield start, wide.view(number, below, count, batch, rows * columns).permute(2, 3, 0, 1, 4)


def _band(window: torch.Tensor, size: int, step: int) -> torch.Tensor:
    # row i holds the window from column i·step on
    reach = (size - 1) * step + len(window)
    band = window.new_zeros((size, reach))
    band.as_strided((size, len(window)), (reach + step, 1)).copy_(window.expand(size, -1))
    return band
