"""Per-pixel fields of a painted canvas: part, distance, place in the world, texture, shadow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from roadscenes.canvas import CARD, FAR_M, GROUND, NEAR_M, SKY, WALL, Camera, Canvas
from roadscenes.surfaces import ASPHALT, BRICKS, LEAVES, SLABS

Floats = NDArray[np.float32]
Table = dict[str, NDArray[np.float32]]
TILE = 512  # side of the noise image every texture is read from; a power of two, so that it wraps with `&`
BAND_PIXELS = 40_000  # fine pixels worked on at once: few enough to stay in the processor's cache


@dataclass(frozen=True)
class Band:
    """What both cameras read in a band of the fine grid, (h,w) = `scale` times a band of the picture.

    Args:
        camera: of the whole fine grid.
        scale: fine pixels per pixel and direction.
        rows: the band's place in the picture.
        table: columns of the PART records, each (N,) or (N,3).
        parts: (h,w) index into the columns.
        kind: (h,w) SKY, GROUND, WALL or CARD.
        side: (h,w) metres to the right.
        up: (h,w) metres above the road.
        ahead: (h,w) metres ahead, FAR_M in the sky.
        grain: (h,w) texture, about zero mean, already scaled by the surface's strength.
        sun: (h,w) share of the sun that no cast shadow takes.
        contact: (h,w) share of the sky's light that reaches the ground beside what stands there.
    """

    camera: Camera
    scale: int
    rows: slice
    table: Table
    parts: NDArray[np.intp]
    kind: NDArray[np.float32]
    side: Floats
    up: Floats
    ahead: Floats
    grain: Floats
    sun: Floats
    contact: Floats

    def of(self, column: NDArray[np.float32]) -> Floats:
        """Return a value per part, (N,), spread over the band's pixels, (h,w)."""
        return np.asarray(column.take(self.parts), dtype=np.float32)

    def shrink(self, fine: Floats) -> Floats:
        """Return area means over the picture's pixels: (h,w) → (h/scale, w/scale)."""
        scale = self.scale
        total: Floats = np.zeros_like(fine[::scale, ::scale])
        for i in range(scale):
            for j in range(scale):
                total += fine[i::scale, j::scale]
        total /= np.float32(scale * scale)
        return total

    def sky_share(self) -> Floats:
        """Return the share of sky in each of the picture's pixels."""
        return self.shrink((self.kind == SKY).astype(np.float32))


@lru_cache(maxsize=2)
def noise_tile(fine: bool = False) -> Floats:
    """Return a seamless noise image (TILE,TILE), mean 0, standard deviation 1: cloud-like, or speckled."""
    rng = np.random.default_rng(20240229 + fine)
    sigmas = (0.7, 2.0, 5.0) if fine else tuple(TILE / 8 / 2**octave for octave in range(8))
    total = np.zeros((TILE, TILE))
    for octave, sigma in enumerate(sigmas):
        layer = ndimage.gaussian_filter(rng.standard_normal((TILE, TILE)), sigma, mode="wrap")
        total += layer / layer.std() * (1.0 if fine else 0.62**octave)
    return np.asarray((total - total.mean()) / total.std(), dtype=np.float32)


def bands(canvas: Canvas, rng: np.random.Generator) -> Iterator[Band]:
    """Yield the fields of a finished canvas, top to bottom."""
    camera, scale = canvas.camera, canvas.scale
    table = canvas.table()
    columns = {name: np.ascontiguousarray(table[name], dtype=np.float32) for name in table.dtype.names or ()}
    parts = np.asarray(canvas.map)
    sun = _shade(canvas.sun, 0.5 * scale, 1.0)
    contact = _shade(canvas.contact, camera.width / 160, 0.8)
    start = (int(rng.integers(TILE)), int(rng.integers(TILE)))
    step = max(BAND_PIXELS // camera.width // scale, 1)
    for top in range(0, camera.height // scale, step):
        rows = slice(top, min(top + step, camera.height // scale))
        fine = slice(rows.start * scale, rows.stop * scale)
        yield _band(camera, scale, rows, columns, parts[fine], sun[fine], contact[fine], start)


def _band(
    camera: Camera,
    scale: int,
    rows: slice,
    table: Table,
    parts: NDArray[np.int32],
    sun: Floats,
    contact: Floats,
    start: tuple[int, int],
) -> Band:
    index = parts.astype(np.intp)
    kind = table["kind"].take(index)
    down = np.arange(rows.start * scale, rows.stop * scale, dtype=np.float32)[:, None] + np.float32(0.5)
    below = (down - np.float32(camera.horizon)) / np.float32(camera.focal)
    right = np.arange(camera.width, dtype=np.float32) + np.float32(0.5)
    across = (right - np.float32(camera.center)) / np.float32(camera.focal)
    ahead = _distance(np.float32(camera.eye), kind, table["at"].take(index), below, across)
    side, up = ahead * across, np.float32(camera.eye) - ahead * below
    elsewhere = kind != GROUND
    return Band(
        camera=camera,
        scale=scale,
        rows=rows,
        table=table,
        parts=index,
        kind=kind,
        side=side,
        up=up,
        ahead=ahead,
        grain=_grain(table, index, kind, side, up, ahead, start),
        sun=np.maximum(sun, elsewhere),
        contact=np.maximum(contact, elsewhere),
    )


def _shade(mask: Image.Image, blur_px: float, depth: float) -> Floats:
    soft = mask.filter(ImageFilter.BoxBlur(blur_px)) if mask.getbbox() else mask
    return 1 - np.asarray(soft, dtype=np.float32) * np.float32(depth / 255)


def _distance(eye: np.float32, kind: Floats, at: Floats, below: Floats, across: Floats) -> Floats:
    """Meet each pixel's ray with the plane of its part."""
    ground = eye / np.maximum(below, np.float32(1e-4))
    with np.errstate(divide="ignore", invalid="ignore"):
        wall = at / across
    wall = np.where(wall > 0, wall, np.float32(FAR_M))
    ahead = np.where(kind == CARD, at, np.where(kind == WALL, wall, np.float32(FAR_M)))
    ahead = np.where(kind == GROUND, ground, ahead)
    return np.clip(ahead, np.float32(NEAR_M), np.float32(FAR_M))


def _grain(
    table: Table,
    parts: NDArray[np.intp],
    kind: Floats,
    side: Floats,
    up: Floats,
    ahead: Floats,
    start: tuple[int, int],
) -> Floats:
    pattern = table["pattern"].take(parts)
    along = np.where(kind == WALL, ahead, side)
    other = np.where(kind == GROUND, ahead, up)
    columns = (along * np.float32(24)).astype(np.int32) + start[0]
    rows = (other * np.float32(24)).astype(np.int32) + start[1]
    wrap = TILE - 1
    fine = noise_tile(fine=True).take(((rows & wrap) * TILE) + (columns & wrap))
    coarse = noise_tile().take(((rows >> 2) & wrap) * TILE + ((columns >> 2) & wrap))
    fade = 1 / (1 + ahead * np.float32(1 / 14))
    relief = (fine + _joints(pattern, along, other)) * fade
    relief += coarse * np.where(pattern == ASPHALT, np.float32(0.4), np.float32(0.8))
    return np.asarray(relief * table["grain"].take(parts), dtype=np.float32)


def _joints(pattern: Floats, along: Floats, other: Floats) -> Floats:
    """Dark joints between slabs and bricks, in units of the grain's standard deviation."""
    joints = np.zeros_like(along)
    for wanted, long_m, short_m, depth in ((SLABS, 0.9, 0.9, 3.5), (BRICKS, 0.5, 0.16, 2.0)):
        at = np.nonzero(pattern == wanted)
        course = other[at] / np.float32(short_m)
        shifted = along[at] / np.float32(long_m) + 0.5 * (course.astype(np.int32) & 1)
        joints[at] = -depth * ((course % 1 < 0.12) | (shifted % 1 < 0.06))
    clumps = np.nonzero(pattern == LEAVES)
    joints[clumps] = np.sin(along[clumps] * 9) * np.sin(other[clumps] * 11) * np.float32(0.4)
    return joints
