"""Fuse a batch of pairs, large images in tiles: exact for a bounded receptive field, blended for a global one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssvif.fusing.fuser import AUTO, Floats, FuseOptions, Fuser, Reach
from ssvif.io.errors import UserError
from ssvif.io.progress import track_within
from ssvif.pairs.pair import Pair
from ssvif.pairs.ranges import to_levels
from ssvif.schema import LUMA_PER_MILLE

GLOBAL_GRID_PX = 32  # a multiple of every network's stride and window
MOST_PX = 768  # largest side of tiles whose receptive field is small: larger ones gain little and cost memory
MOST_RADII = 16  # the same where it is large, in radii: each tile reads that far beyond what it gives
OVERLAP_PX = 64  # on either side of a seam, where two tiles of a network with a global receptive field are blended
DEFAULT = FuseOptions()
LEVELS: dict[int, type[np.unsignedinteger[Any]]] = {8: np.uint8, 16: np.uint16}  # of `FuseOptions.depth`
LUMA = np.array(LUMA_PER_MILLE, np.float32) / 1000


def fuse_batch(fuser: Fuser, pairs: Sequence[Pair], options: FuseOptions = DEFAULT) -> list[NDArray[Any]]:
    """Fuse pairs of one size (H,W) into one image (H,W,3) each.

    Raises:
        UserError: the network does not accept images of this size, cannot be tiled, or has no colors of its own.
    """
    check_color(fuser, options.color)
    side = tile_side(fuser, pairs[0].size, options.tile)
    try:
        if side:
            return [_fuse_tiles(fuser, pair, side, options) for pair in pairs]
        height, width = pairs[0].size
        fused = _fuse_part(fuser, pairs, slice(height), slice(width), options)
    except ValueError as error:  # e.g. a size that the network cannot pad
        raise UserError(f"{pairs[0].name} cannot be fused by this network", got=str(error)) from error
    return [_finish(fuser, each, options) for each in fused]


def check_color(fuser: Fuser, color: str) -> None:
    """Check that a fuser can produce the requested color.

    Raises:
        UserError: "rgb" is requested of a network that fuses luma only.
    """
    if color == "rgb" and fuser.channels == 1:
        raise UserError(
            "This network has one channel: it fuses luma, and the visible image's chroma is kept",
            remedy="omit --color, or pass --color ycbcr",
        )


def tile_side(fuser: Fuser, size: tuple[int, int], requested: int = AUTO) -> int:
    """Return the side of the tiles for images of a size (height, width), in pixels; 0 to fuse whole images.

    Raises:
        UserError: tiles are requested of a fuser whose result depends on the whole image.
    """
    if requested > 0 and not fuser.tileable:
        raise UserError(
            "This --inference, or the released script of this checkpoint, cannot be computed in tiles",
            expected="an --inference that does not depend on the whole image",
            remedy="pass --inference plain, or --tile 0",
        )
    if requested != AUTO or not fuser.tileable:
        return requested if 0 < requested < max(size) else 0
    pixels, fitting = size[0] * size[1], fuser.memory_bytes // fuser.bytes_per_px
    if pixels <= fitting // 2:
        return 0
    widest = max(MOST_PX, MOST_RADII * fuser.reach.radius_px) if fuser.reach else max(size)
    if widest == MOST_PX:  # tiles cost such a network little time, and save much memory
        fitting //= 2
    return min(max(32, math.isqrt(fitting) // 32 * 32), widest) if pixels > fitting else 0


def batch_size(fuser: Fuser, size: tuple[int, int], requested: int = 0) -> int:
    """Return how many pairs of a size (height, width) are fused at once: what is requested, if it fits into memory."""
    fitting = fuser.memory_bytes // max(1, size[0] * size[1] * fuser.bytes_per_px)
    return max(1, min(requested or fuser.batch, fitting))


class Span(NamedTuple):
    """One tile along one axis: the pixels that it reads of the image, and those of the result that it gives."""

    read: slice
    keep: slice

    @property
    def inner(self) -> slice:
        """The part of the tile that is kept, counted from the tile's start."""
        return slice(self.keep.start - self.read.start, self.keep.stop - self.read.start)


def spans(side: int, tile: int, reach: Reach | None) -> list[Span]:
    """Divide a side of an image into as few tiles as can be, each extended by the receptive field of its pixels.

    An extended tile has at most `tile` pixels, the last one up to a grid more. Without a `reach` tiles overlap by
    `OVERLAP_PX` on either side.

    Raises:
        UserError: `tile` leaves no pixel to keep.
    """
    if tile >= side:
        return [Span(slice(0, side), slice(0, side))]
    grid = reach.grid_px if reach else GLOBAL_GRID_PX
    margin = -(-reach.radius_px // grid) * grid if reach else OVERLAP_PX
    least = grid if reach else 2 * OVERLAP_PX
    most = (tile - 2 * margin) // grid * grid
    if most < least:
        raise UserError(
            f"Tiles of {tile} pixels are too small for this network",
            expected=f"{2 * margin + least} or more",
            remedy="pass a larger --tile, or --tile 0",
        )
    inner = side - 2 * margin  # tiles at the border extend to one side only, and keep a margin more than the others
    count = max(2, -(-inner // most))
    own = -(-inner // (count * grid)) * grid
    length = own + 2 * margin
    cut = []
    for start, stop in pairwise([0, *range(own + margin, side - margin, own), side]):
        # the last one may read more than it needs: tiles of one size reuse the same memory
        first = max(0, min(start - margin, (side - length) // grid * grid))
        last = side if side - first < length + grid else first + length
        cut.append(Span(slice(first, last), slice(start, stop)))
    return cut


def blending_weights(parts: Sequence[Span]) -> list[Floats]:
    """Return for each tile along an axis the weights (L,) of the L pixels it reads; at every pixel they add up to 1."""
    side, ramp = parts[-1].read.stop, 2 * OVERLAP_PX
    weights = []
    for read, keep in parts:
        places = np.arange(read.start, read.stop) + 0.5
        up = (places - (keep.start - OVERLAP_PX)) / ramp if keep.start else np.ones_like(places)
        down = (keep.stop + OVERLAP_PX - places) / ramp if keep.stop < side else np.ones_like(places)
        weights.append(np.minimum(up.clip(0, 1), down.clip(0, 1)))
    total = np.zeros(side)
    for part, weight in zip(parts, weights, strict=True):
        total[part.read] += weight
    return [(weight / total[part.read]).astype(np.float32) for part, weight in zip(parts, weights, strict=True)]


def _finish(fuser: Fuser, fused: Floats, options: FuseOptions) -> NDArray[Any]:
    fused = fuser.finish(fused) if fuser.finish else fused
    return to_levels(fused, LEVELS[options.depth]) if options.depth in LEVELS else fused.clip(0, 1)


def _fuse_part(fuser: Fuser, pairs: Sequence[Pair], rows: slice, columns: slice, options: FuseOptions) -> Floats:
    """Return the fused parts (B,h,w,3) of pairs, padded for the network where they are too small."""
    visible, infrared = (np.stack(each) for each in zip(*(pair.crop(rows, columns) for pair in pairs), strict=True))
    height, width = infrared.shape[1:]
    below, right = max(0, fuser.least_px - height), max(0, fuser.least_px - width)
    if below or right:
        widen = ((0, 0), (0, below), (0, right))
        made = fuser(np.pad(visible, (*widen, (0, 0)), mode="edge"), np.pad(infrared, widen, mode="edge"))
        made = made[:, :height, :width]
    else:
        made = fuser(visible, infrared)
    if np.isnan(made).any():
        raise UserError(
            f"{' '.join(pair.name for pair in pairs)}: the network's output holds NaN",
            expected="numbers from 0 to 1",
            remedy="pass --precision float32"
            if fuser.half
            else "look in the network for 0/0, sqrt and log; or train it again with a smaller learning_rate",
        )
    if options.color == "ycbcr" and fuser.channels == 3:  # the luma of `made`; Cb and Cr, differences to Y, stay
        made = visible + np.einsum("...i,i->...", made - visible, LUMA)[..., None]
    for place, pair in enumerate(pairs):
        if pair.coverage is not None:  # beyond the infrared image nothing is known but the visible one
            weights = pair.coverage[rows, columns, None]
            made[place] = weights * made[place] + (1 - weights) * visible[place]
    return made


def _fuse_tiles(fuser: Fuser, pair: Pair, side: int, options: FuseOptions) -> NDArray[Any]:
    """Return a pair fused tile by tile, (H,W,3)."""
    rows, columns = (spans(each, side, fuser.reach) for each in pair.size)
    blend = fuser.reach is None
    # floats of the whole image only where a later step needs them: it may have a hundred megapixels
    levels = None if blend or fuser.finish else LEVELS.get(options.depth)
    fused = np.zeros((*pair.size, 3), levels or np.float32)
    weighted = (zip(parts, blending_weights(parts), strict=True) for parts in (rows, columns))
    for (row, down), (column, across) in track_within(list(product(*weighted)), f"{pair.name}, tiles"):
        (made,) = _fuse_part(fuser, [pair], row.read, column.read, options)
        if blend:
            fused[row.read, column.read] += made * (down[:, None] * across)[..., None]
        else:
            own = made[row.inner, column.inner]
            fused[row.keep, column.keep] = to_levels(own, levels) if levels else own
    return fused if levels else _finish(fuser, fused, options)
