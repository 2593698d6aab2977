"""Large images in parts: exact where the network sees a bounded neighbourhood, blended where it sees everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ssvif.fusing.fuser import Reach
from ssvif.io.errors import UserError

GLOBAL_GRID_PX = 32  # a multiple of every network's stride and window
OVERLAP_PX = 64  # on either side of a seam, where two tiles of a network that sees everything are blended


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels of the image.

    Attributes:
        start: first pixel that is read.
        stop: where reading ends.
        keep_start: first pixel that is this tile's own.
        keep_stop: where its own pixels end.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    @property
    def read(self) -> slice:
        """What is read."""
        return slice(self.start, self.stop)

    @property
    def keep(self) -> slice:
        """What is kept, in the image."""
        return slice(self.keep_start, self.keep_stop)

    @property
    def inner(self) -> slice:
        """What is kept, in the tile."""
        return slice(self.keep_start - self.start, self.keep_stop - self.start)


def spans(side: int, tile: int, reach: Reach | None) -> list[Span]:
    """Cut a side into tiles of about equal size, each widened by what its own pixels need.

    Args:
        side: of the image, pixels.
        tile: most that may be read at once, pixels.
        reach: how far the network sees; None for a network that sees everything.

    Raises:
        UserError: `tile` leaves nothing to keep.
    """
    if tile >= side:
        return [Span(0, side, 0, side)]
    grid = reach.grid_px if reach else GLOBAL_GRID_PX
    margin = -(-reach.radius_px // grid) * grid if reach else OVERLAP_PX
    least = grid if reach else 2 * OVERLAP_PX
    most = (tile - 2 * margin) // grid * grid
    if most < least:
        raise UserError(
            f"Tiles of {tile} pixels are too small for this network",
            expected=f"{2 * margin + least} or more",
            remedy="pass a larger --tile, or 0 for none",
        )
    count = -(-side // most)
    own = -(-side // (count * grid)) * grid
    cuts = [*range(0, side, own), side]
    return [_widened(start, stop, own + 2 * margin, margin, side, grid) for start, stop in pairwise(cuts)]


def _widened(start: int, stop: int, length: int, margin: int, side: int, grid: int) -> Span:
    # tiles at the border read more than they need: those of one size use the same memory again
    first = max(0, min(start - margin, (side - length) // grid * grid))
    return Span(first, side if side - first < length + grid else first + length, start, stop)


def blending_weights(parts: Sequence[Span]) -> list[NDArray[np.float32]]:
    """Return for each tile along one axis the weight of every pixel it reads; they add up to 1 at every pixel.

    Args:
        parts: of `spans`.
    """
    side, ramp = parts[-1].stop, 2 * OVERLAP_PX
    weights = []
    for part in parts:
        places = np.arange(part.start, part.stop) + 0.5
        up = (places - (part.keep_start - OVERLAP_PX)) / ramp if part.keep_start else np.ones_like(places)
        down = (part.keep_stop + OVERLAP_PX - places) / ramp if part.keep_stop < side else np.ones_like(places)
        weights.append(np.minimum(up.clip(0, 1), down.clip(0, 1)))
    total = np.zeros(side)
    for part, weight in zip(parts, weights, strict=True):
        total[part.read] += weight
    return [(weight / total[part.read]).astype(np.float32) for part, weight in zip(parts, weights, strict=True)]
