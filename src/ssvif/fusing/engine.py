"""From pairs to 8-bit fused images: whole or in tiles, with bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.fusing.fuser import Floats, Fuser
from ssvif.fusing.tiles import Span, blending_weights, spans
from ssvif.io.errors import UserError
from ssvif.io.progress import track_within
from ssvif.pairs.pair import Pair

Image = NDArray[np.uint8]
AUTO = -1
ROWS = 512  # turned to levels at once
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def tile_side(fuser: Fuser, size: tuple[int, int], requested: int = AUTO) -> int:
    """Return the largest side in pixels that is fused at once; 0 for whole images.

    Args:
        fuser: says what memory it may use and what it needs.
        size: of the images, height and width in pixels.
        requested: a side, 0 for whole images, or AUTO for whole images where they fit and tiles that fit elsewhere.

    Raises:
        UserError: tiles are requested of a fuser whose result depends on the image as a whole.
    """
    if not fuser.tileable:
        if requested > 0:
            raise UserError(
                "This --inference cannot be computed in tiles",
                expected="a script that does not stretch each part by itself",
                remedy="pass --inference plain, or --tile 0",
            )
        return 0
    if requested != AUTO:
        return 0 if requested >= max(size) else requested
    if size[0] * size[1] * fuser.bytes_per_px <= fuser.memory_bytes:
        return 0
    return max(32, math.isqrt(fuser.memory_bytes // fuser.bytes_per_px) // 32 * 32)


def batch_size(fuser: Fuser, size: tuple[int, int], requested: int = 0) -> int:
    """Return how many pairs of a size are fused at once.

    Args:
        fuser: says what memory it may use, what it needs and what suits it.
        size: of the images, height and width in pixels.
        requested: at most so many; 0 leaves it to the fuser.
    """
    fitting = fuser.memory_bytes // max(1, size[0] * size[1] * fuser.bytes_per_px)
    return max(1, min(requested or fuser.batch, fitting))


def check_color(fuser: Fuser, color: str) -> None:
    """Check that a fuser can give the color that is asked for.

    Raises:
        UserError: color is asked of a network that fuses luma.
    """
    if color == "rgb" and fuser.channels == 1:
        raise UserError(
            "This network has one channel: it fuses luma, and visible's chroma is kept",
            remedy="leave --color out, or pass --color ycbcr",
        )


def fuse_batch(fuser: Fuser, pairs: Sequence[Pair], *, tile: int = AUTO, color: str = "") -> list[Image]:
    """Fuse pairs of one size.

    Args:
        fuser: computes.
        pairs: of one size.
        tile: as `requested` of `tile_side`.
        color: "rgb" for the network's own colors, "ycbcr" for its luma with visible's chroma; "" is rgb for three
            channels, and ycbcr for one.

    Returns:
        Images (H,W,3) uint8, one for each pair.

    Raises:
        UserError: the network cannot take images of this size, or in tiles.
    """
    return _fuse_batch(fuser, pairs, tile, color, to_levels)


def fuse_floats(fuser: Fuser, pairs: Sequence[Pair], *, tile: int = AUTO, color: str = "") -> list[Floats]:
    """Fuse pairs of one size as `fuse_batch` does, but return (H,W,3) float32 in [0,1], not rounded."""
    return _fuse_batch(fuser, pairs, tile, color, clipped)


def _fuse_batch(
    fuser: Fuser, pairs: Sequence[Pair], tile: int, color: str, store: Callable[[Floats], NDArray[Any]]
) -> list[NDArray[Any]]:
    check_color(fuser, color)
    side = tile_side(fuser, pairs[0].size, tile)
    keep_chroma = color == "ycbcr" and fuser.channels == 3
    try:
        if side:
            return [_fuse_tiles(fuser, pair, side, keep_chroma, store) for pair in pairs]
        height, width = pairs[0].size
        fused = _fuse_part(fuser, pairs, slice(height), slice(width), keep_chroma)
    except ValueError as error:  # e.g. of another size than the network can pad
        raise UserError(f"{pairs[0].name} cannot be fused by this network", got=str(error)) from error
    return [store(_finished(fuser, each)) for each in fused]


def clipped(fused: Floats) -> Floats:
    """Return floats cut off to [0,1]."""
    return fused.clip(0, 1)


def to_levels(fused: Floats) -> Image:
    """Return floats as uint8: clipped to [0,1], times 255, rounded half up."""
    image = np.empty(fused.shape, np.uint8)
    for start in range(0, len(fused), ROWS):
        levels = fused[start : start + ROWS].clip(0, 1)
        levels *= 255
        levels += 0.5
        image[start : start + ROWS] = levels  # towards zero, which is downwards here
    return image


def with_chroma(fused: Floats, visible: Floats) -> Floats:
    """Return visible with the luma of `fused`, both (…,3) RGB in [0,1]: Cb and Cr, being differences to Y, stay."""
    change: Floats = np.einsum("...i,i->...", fused - visible, LUMA)
    return visible + change[..., None]


def _finished(fuser: Fuser, fused: Floats) -> Floats:
    return fuser.finish(fused) if fuser.finish else fused


def _fuse_part(fuser: Fuser, pairs: Sequence[Pair], rows: slice, columns: slice, keep_chroma: bool) -> Floats:
    visible, infrared = (np.stack(each) for each in zip(*(pair.crop(rows, columns) for pair in pairs), strict=True))
    height, width = infrared.shape[1:]
    below, right = max(0, fuser.least_px - height), max(0, fuser.least_px - width)
    if below or right:
        widen = ((0, 0), (0, below), (0, right))
        made = fuser(np.pad(visible, (*widen, (0, 0)), mode="edge"), np.pad(infrared, widen, mode="edge"))
        made = made[:, :height, :width]
    else:
        made = fuser(visible, infrared)
    return with_chroma(made, visible) if keep_chroma else made


def _fuse_tiles(
    fuser: Fuser, pair: Pair, side: int, keep_chroma: bool, store: Callable[[Floats], NDArray[Any]]
) -> NDArray[Any]:
    height, width = pair.size
    rows, columns = spans(height, side, fuser.reach), spans(width, side, fuser.reach)
    if fuser.reach is None:
        return store(_finished(fuser, _blend(fuser, pair, rows, columns, keep_chroma)))
    # floats of a whole image only where something is to be done to all of it
    fused = np.empty((height, width, 3), np.uint8 if store is to_levels and not fuser.finish else np.float32)
    for row, column in track_within(list(product(rows, columns)), f"{pair.name}, tiles"):
        (made,) = _fuse_part(fuser, [pair], row.read, column.read, keep_chroma)
        own = made[row.inner, column.inner]
        fused[row.keep, column.keep] = own if fuser.finish else store(own)
    return store(_finished(fuser, fused)) if fuser.finish else fused


def _blend(fuser: Fuser, pair: Pair, rows: list[Span], columns: list[Span], keep_chroma: bool) -> Floats:
    fused = np.zeros((*pair.size, 3), np.float32)
    down, across = (list(zip(each, blending_weights(each), strict=True)) for each in (rows, columns))
    for (row, tall), (column, wide) in track_within(list(product(down, across)), f"{pair.name}, tiles"):
        (made,) = _fuse_part(fuser, [pair], row.read, column.read, keep_chroma)
        fused[row.read, column.read] += made * (tall[:, None] * wide)[..., None]
    return fused
