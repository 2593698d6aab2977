"""The drawing board: a street camera, parts painted far to near, and the fields both cameras read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from roadscenes.surfaces import SKY as SKY_CLASS
from roadscenes.surfaces import Surface

Point = tuple[float, float, float]  # metres to the right of the camera, above the road, ahead of the camera
Pixel = tuple[float, float]  # column, row
Floats = NDArray[np.float32]

NEAR_M = 0.9  # nothing nearer is drawn
FAR_M = 400.0

SKY, GROUND, WALL, CARD = range(4)

PART = np.dtype(
    [
        ("category", "u1"),
        ("instance", "i4"),
        ("color", "f4", 3),
        ("heat", "f4"),
        ("solar", "f4"),
        ("grain", "f4"),
        ("pattern", "u1"),
        ("glow", "f4", 3),
        ("shine", "f4"),
        ("gloss", "f4"),
        ("kind", "u1"),
        ("at", "f4"),
        ("normal", "f4", 3),
        ("sunlit", "f4"),
    ]
)


class Plane(NamedTuple):
    """Where a part lies: the ground, a wall along the street (`at` = side) or a card across it (`at` = ahead)."""

    kind: int
    at: float

    def normal(self) -> Point:
        """Return the unit normal on the side the camera sees."""
        if self.kind == GROUND:
            return (0.0, 1.0, 0.0)
        return (-1.0 if self.at > 0 else 1.0, 0.0, 0.0) if self.kind == WALL else (0.0, 0.0, -1.0)


@dataclass(frozen=True)
class Camera:
    """A pinhole looking along the street; all lengths in pixels of the fine grid, `eye` in metres."""

    height: int
    width: int
    focal: float
    horizon: float
    center: float
    eye: float

    def project(self, points: Sequence[Point]) -> list[Pixel]:
        """Return the polygon's pixels, cut off at NEAR_M; empty when all of it is nearer."""
        if any(point[2] < NEAR_M for point in points):
            points = _cut_near(points)
        return [self.pixel(*point) for point in points]

    def pixel(self, side: float, up: float, ahead: float) -> Pixel:
        """Return (column, row) of a point that lies ahead of the camera."""
        scale = self.focal / ahead
        return self.center + side * scale, self.horizon + (self.eye - up) * scale

    def size_px(self, metres: float, ahead: float) -> float:
        """Return how many pixels of the fine grid a length takes at a distance."""
        return metres * self.focal / max(ahead, NEAR_M)

    def sees(self, side: float, ahead: float) -> bool:
        """Tell whether a point at this place falls between the picture's left and right edges."""
        return 0 <= self.center + side * self.focal / max(ahead, NEAR_M) < self.width


def _cut_near(points: Sequence[Point]) -> list[Point]:
    kept: list[Point] = []
    for first, second in zip(points, [*points[1:], points[0]], strict=True):
        if first[2] >= NEAR_M:
            kept.append(first)
        if (first[2] >= NEAR_M) != (second[2] >= NEAR_M):
            share = (NEAR_M - first[2]) / (second[2] - first[2])
            side, up = (first[axis] + share * (second[axis] - first[axis]) for axis in (0, 1))
            kept.append((side, up, NEAR_M))
    return kept


class Canvas:
    """Paints parts over each other; a pixel remembers the last part drawn there.

    Args:
        camera: on the fine grid, `scale` times the picture's size.
        scale: fine pixels per pixel and direction.
    """

    def __init__(self, camera: Camera, scale: int) -> None:
        self.camera, self.scale = camera, scale
        size = (camera.width, camera.height)
        self.map, self.sun, self.contact = (
            Image.new("I", size, 0),
            Image.new("L", size, 0),
            Image.new("L", size, 0),
        )
        self._draw, self._sun_draw, self._contact_draw = map(ImageDraw.Draw, (self.map, self.sun, self.contact))
        self._rows: list[tuple[object, ...]] = []
        self.objects: list[int] = [SKY_CLASS]  # class of each instance; instance 0 is everything else

    def instance(self, category: int) -> int:
        """Open a new object and return its number."""
        self.objects.append(category)
        return len(self.objects) - 1

    def part(
        self,
        surface: Surface,
        plane: Plane,
        instance: int = 0,
        normal: Point | None = None,
        sunlit: float = 1.0,
    ) -> int:
        """Register a part and return its number for the drawing methods.

        Args:
            surface: its material.
            plane: gives the distance of its pixels.
            instance: the object it belongs to, 0 for none.
            normal: overrides the plane's normal for the sun.
            sunlit: share of the sun that reaches it.
        """
        row = (
            *(surface.category, instance, surface.color, surface.heat, surface.solar, surface.grain),
            *(surface.pattern, surface.glow, surface.shine, surface.gloss),
            *(plane.kind, plane.at, normal or plane.normal(), sunlit),
        )
        self._rows.append(row)
        return len(self._rows) - 1

    def table(self) -> NDArray[np.void]:
        """Return the parts' properties, one PART record each."""
        return np.array(self._rows, dtype=PART)

    def polygon(self, part: int, points: Sequence[Point]) -> None:
        """Paint a polygon given in metres."""
        self.flat(part, self.camera.project(points))

    def flat(self, part: int, pixels: Sequence[Pixel]) -> None:
        """Paint a polygon given in pixels of the fine grid."""
        if len(pixels) > 2:
            self._draw.polygon(pixels, fill=part)

    def quads(self, part: int, corners: NDArray[np.float64]) -> None:
        """Paint quadrilaterals (N,4,3) in metres; those that come nearer than NEAR_M are left out."""
        corners = corners[corners[..., 2].min(axis=1, initial=FAR_M) >= NEAR_M]
        pixels = np.empty((len(corners), 4, 2))
        scale = self.camera.focal / corners[..., 2]
        pixels[..., 0] = self.camera.center + corners[..., 0] * scale
        pixels[..., 1] = self.camera.horizon + (self.camera.eye - corners[..., 1]) * scale
        seen = (pixels[..., 0].max(axis=1) >= 0) & (pixels[..., 0].min(axis=1) < self.camera.width)
        for flat in pixels[seen].reshape(-1, 8).tolist():
            self._draw.polygon(flat, fill=part)

    def ellipse(self, part: int, center: Point, half_width: float, half_height: float) -> None:
        """Paint an upright ellipse facing the camera; all in metres."""
        if center[2] < NEAR_M:
            return
        column, row = self.camera.pixel(*center)
        scale = self.camera.focal / center[2]
        wide, high = half_width * scale, half_height * scale
        self._draw.ellipse((column - wide, row - high, column + wide, row + high), fill=part)

    def blobs(self, parts: Sequence[int], center: Point, blobs: NDArray[np.float64]) -> None:
        """Paint ellipses given as rows (right, up, half width, half height) in metres from `center`."""
        if center[2] < NEAR_M:
            return
        column, row = self.camera.pixel(*center)
        right, up, wide, high = blobs.T * (self.camera.focal / center[2])
        edges = np.stack([column + right - wide, row - up - high, column + right + wide, row - up + high], axis=1)
        for part, box in zip(parts, edges.tolist(), strict=True):
            self._draw.ellipse(box, fill=part)

    def cast(self, points: Sequence[Point]) -> None:
        """Paint a sun shadow on the ground; it darkens ground parts only."""
        pixels = self.camera.project(points)
        if len(pixels) > 2:
            self._sun_draw.polygon(pixels, fill=255)

    def occlude(self, points: Sequence[Point]) -> None:
        """Paint the soft dark patch where something stands on the ground, in any light."""
        pixels = self.camera.project(points)
        if len(pixels) > 2:
            self._contact_draw.polygon(pixels, fill=255)

    def in_sun(self, side: float, ahead: float) -> float:
        """Return 1 where the ground is in the sun so far, less in a shadow cast before."""
        column, row = self.camera.pixel(side, 0.0, max(ahead, NEAR_M))
        inside = 0 <= column < self.camera.width and 0 <= row < self.camera.height
        return 0.25 if inside and self.sun.getpixel((int(column), int(row))) else 1.0
