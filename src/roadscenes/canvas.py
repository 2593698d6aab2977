"""The drawing board: a street camera, and flat shapes painted far to near, of which each pixel keeps the last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from roadscenes.plan import Color, Condition, Point

Spot = tuple[float, float]
Floats = NDArray[np.float32]
Thing = tuple[float, Callable[[np.random.Generator], None]]  # metres ahead, how to paint it

NEAR_M, FAR_M = 0.9, 400.0  # nothing nearer is drawn, nothing is further
Category = IntEnum("Category", "BACKGROUND ROAD SIDEWALK BUILDING VEGETATION SKY PERSON CAR LAMP SIGN", start=0)
Pattern = IntEnum("Pattern", "PLAIN ASPHALT SLABS BRICKS LEAVES", start=0)
SKY, GROUND, WALL, CARD = range(4)  # planes: a wall runs along the street, a card stands across it


def palette(text: str) -> tuple[Color, ...]:
    """Return the colours written as hexadecimal RRGGBB, separated by spaces, in [0, 1]."""
    return tuple((code[0] / 255, code[1] / 255, code[2] / 255) for code in map(bytes.fromhex, text.split()))


class Surface(NamedTuple):
    """One material."""

    category: Category  # class id of the label map
    color: Color  # sRGB in [0, 1]
    heat: float = 0.0  # °C above the air
    solar: float = 2.0  # °C gained in full sun
    grain: float = 0.05  # relative strength of the texture; the infrared camera sees a part of it
    pattern: Pattern = Pattern.PLAIN
    glow: Color = (0.0, 0.0, 0.0)  # linear light it emits; 1 = a white sheet in the sun
    shine: float = 0.0  # share of its light that a retroreflector returns to our own headlights
    gloss: float = 0.0  # share of the sky that it mirrors, in both bands

    def shaded(self, factor: float) -> Surface:
        """Return the surface with its sRGB colour darker (`factor` < 1) or lighter (> 1)."""
        red, green, blue = self.color
        return self._replace(color=(min(red * factor, 1.0), min(green * factor, 1.0), min(blue * factor, 1.0)))

    def varied(self, rng: np.random.Generator, spread: float) -> Surface:
        """Return the surface in a similar colour: one random shift of brightness, smaller ones per channel."""
        shift, *steps = rng.normal(0.0, spread, 4).tolist()
        red, green, blue = (
            min(max(part + shift + step / 3, 0.0), 1.0) for part, step in zip(self.color, steps, strict=True)
        )
        return self._replace(color=(red, green, blue))

    def lit(self, glow: Color, strength: float, heat: float = 0.0) -> Surface:
        """Return the surface emitting `strength` times the linear colour `glow`, and `heat` °C warmer."""
        red, green, blue = glow
        return self._replace(glow=(red * strength, green * strength, blue * strength), heat=self.heat + heat)


class Part(NamedTuple):
    """A painted shape, or several of one material."""

    surface: Surface
    kind: int  # SKY, GROUND, WALL or CARD
    at: float = 0.0  # where its plane lies: metres to the right of a wall, metres ahead of a card
    normal: Point = (0.0, 0.0, -1.0)
    instance: int = 0  # the object that it belongs to, 0 for none
    sunlit: float = 1.0  # share of the sun that reaches it


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks along the street; lengths in pixels of the supersampled grid, `eye` in metres."""

    height: int
    width: int
    focal: float
    horizon: float
    center: float
    eye: float

    def pixel(self, right: float, up: float, ahead: float) -> Spot:
        """Return (column, row) of a point that lies ahead of the camera."""
        scale = self.focal / ahead
        return self.center + right * scale, self.horizon + (self.eye - up) * scale

    def project(self, points: Sequence[Point]) -> list[Spot]:
        """Return a polygon's pixels, cut off at NEAR_M; empty when all of it is nearer."""
        kept = points
        if any(point[2] < NEAR_M for point in points):
            kept = []
            for (x, y, z), (x2, y2, z2) in pairwise([*points, points[0]]):
                if z >= NEAR_M:
                    kept.append((x, y, z))
                if (z >= NEAR_M) != (z2 >= NEAR_M):
                    share = (NEAR_M - z) / (z2 - z)
                    kept.append((x + share * (x2 - x), y + share * (y2 - y), NEAR_M))
        return [self.pixel(*point) for point in kept]

    def size_px(self, metres: float, ahead: float) -> float:
        """Return how many pixels of the supersampled grid a length takes at a distance."""
        return metres * self.focal / max(ahead, NEAR_M)

    def draw_distance(self, right: float, near: float, far: float, rng: np.random.Generator) -> float:
        """Draw metres ahead, smaller ones more often, at which `right` lies inside the picture."""
        away = max(right / (self.width - self.center), -right / self.center)  # from the edge of the picture
        near = min(max(near, 1.06 * away * self.focal), far - 4)
        return near + (far - near) * math.pow(rng.random(), 1.7)


class Canvas:
    """The painted parts, the part of each pixel, and shadows, `scale` times as fine as the picture."""

    def __init__(self, camera: Camera, scale: int, condition: Condition) -> None:
        self.camera, self.scale, self.condition = camera, scale, condition
        size = (camera.width, camera.height)
        self.map, self.shadow, self.contact = Image.new("I", size, 0), Image.new("L", size, 0), Image.new("L", size, 0)
        self._map, self._shadow, self._contact = map(ImageDraw.Draw, (self.map, self.shadow, self.contact))
        self.parts = [Part(Surface(Category.SKY, (0.5, 0.5, 0.5), grain=0.0), SKY)]
        self.objects: list[int] = [Category.SKY]  # class of each instance; instance 0 is everything that gets no box

    def table(self) -> dict[str, Floats]:
        """Return the properties of the parts and their surfaces as columns, each (N,) or (N,3)."""
        rows = zip(*(part.surface + part[1:] for part in self.parts), strict=True)
        names = Surface._fields + Part._fields[1:]
        return {name: np.array(column, np.float32) for name, column in zip(names, rows, strict=True)}

    def polygon(self, part: int | None, points: Sequence[Point], casts: bool = False) -> None:
        """Paint a polygon given in metres, unless `part` is None, and its shadow on the ground if it casts one."""
        if part is not None:
            _fill(self._map, self.camera.project(points), part)
        if casts and self.condition.sunny:
            right, up, ahead = self.condition.sun
            spots = [(x - y * right / up, 0.0, z - y * ahead / up) for x, y, z in points]
            _fill(self._shadow, self.camera.project(spots), 255)

    def blobs(self, parts: Sequence[int], center: Point, blobs: NDArray[np.float64]) -> None:
        """Paint ellipses, (N,4) rows of right, up, half width, half height in metres from `center`."""
        if center[2] >= NEAR_M:
            column, row = self.camera.pixel(*center)
            right, up, wide, high = blobs.T * (self.camera.focal / center[2])
            edges = np.stack([column + right - wide, row - up - high, column + right + wide, row - up + high], axis=1)
            for part, edge in zip(parts, edges.tolist(), strict=True):
                self._map.ellipse(edge, fill=part)

    def occlude(self, left: float, right: float, near: float, far: float) -> None:
        """Paint the soft dark patch where something stands on the ground, in any light."""
        corners = [(left, 0.0, near), (right, 0.0, near), (right, 0.0, far), (left, 0.0, far)]
        _fill(self._contact, self.camera.project(corners), 255)

    def stand(self, right: float, ahead: float, foot: float, category: int = 0, deep: float = 0.0) -> Frame:
        """Return a card for something upright on the ground, `foot` metres wide to both sides and `deep` metres long.

        A category other than 0 opens a new object, which gets a box.
        """
        column, row = map(int, self.camera.pixel(right, 0.0, max(ahead, NEAR_M)))
        inside = 0 <= column < self.camera.width and 0 <= row < self.camera.height
        sunlit = 0.25 if inside and self.shadow.getpixel((column, row)) else 1.0
        self.occlude(right - foot, right + foot, ahead - min(0.8 * foot, 0.3), ahead + (deep or 0.8 * foot))
        if category:
            self.objects.append(category)
        instance = len(self.objects) - 1 if category else 0
        return Frame(self, CARD, ahead, right, instance=instance, sunlit=sunlit, casts=True)


def _fill(draw: ImageDraw.ImageDraw, pixels: list[Spot], value: int) -> None:
    if len(pixels) > 2:
        draw.polygon(pixels, fill=value)


@dataclass(frozen=True)
class Frame:
    """Flat coordinates (x, y) to paint on: (right, up) on a card, (ahead, up) on a wall, (right, ahead) on the ground.

    Its methods paint in a surface, or as a part that was registered before.
    """

    canvas: Canvas
    kind: int
    at: float = 0.0  # as in Part
    x: float = 0.0  # origin, metres
    y: float = 0.0
    unit: Spot = (1.0, 1.0)  # metres of one step in x and y; a negative one mirrors
    instance: int = 0
    sunlit: float = 1.0
    casts: bool = False  # whether its shapes cast shadows

    def part(self, surface: Surface, normal: Point | None = None) -> int:
        """Register a part and return its number; `normal` replaces that of the plane in the sun's light."""
        wall = (math.copysign(1.0, -self.at), 0.0, 0.0)
        normal = normal or ((0.0, 1.0, 0.0) if self.kind == GROUND else wall if self.kind == WALL else (0.0, 0.0, -1.0))
        self.canvas.parts.append(Part(surface, self.kind, self.at, normal, self.instance, self.sunlit))
        return len(self.canvas.parts) - 1

    def place(self, x: float, y: float) -> Point:
        """Return the point (right, up, ahead) of a spot."""
        x, y = self.x + x * self.unit[0], self.y + y * self.unit[1]
        if self.kind == GROUND:
            return (x, 0.0, y)
        return (self.at, y, x) if self.kind == WALL else (x, y, self.at)

    def polygon(self, paint: Surface | int, spots: Sequence[Spot]) -> None:
        """Paint a polygon."""
        part = paint if isinstance(paint, int) else self.part(paint)
        self.canvas.polygon(part, [self.place(*spot) for spot in spots], self.casts)

    def solid(self, surface: Surface, points: Sequence[Point]) -> None:
        """Paint one side of a body, its corners counterclockwise seen from outside; nothing where it faces away."""
        (x, y, z), (x1, y1, z1), (x2, y2, z2) = points[0], points[1], points[-1]
        first, last = (x1 - x, y1 - y, z1 - z), (x2 - x, y2 - y, z2 - z)
        across, up, ahead = (last[i - 2] * first[i - 1] - last[i - 1] * first[i - 2] for i in range(3))
        if across * x + up * (y - self.canvas.camera.eye) + ahead * z < 0:
            size = math.hypot(across, up, ahead)
            middle = sum(point[2] for point in points) / len(points)
            unit = (across / size, up / size, ahead / size)
            self.canvas.parts.append(Part(surface, CARD, middle, unit, self.instance, self.sunlit))
            self.canvas.polygon(len(self.canvas.parts) - 1, points, self.casts)

    def box(self, paint: Surface | int, left: float, right: float, low: float, high: float) -> None:
        """Paint a rectangle."""
        self.polygon(paint, [(left, low), (right, low), (right, high), (left, high)])

    def bar(self, paint: Surface | int, low: float, high: float, wide: float, thin: float, x: float = 0.0) -> None:
        """Paint an upright bar round `x`, 2·`wide` wide at its foot and 2·`thin` at its top."""
        self.polygon(paint, [(x - wide, low), (x + wide, low), (x + thin, high), (x - thin, high)])

    def ellipse(
        self, paint: Surface | int, x: float, y: float, wide: float, high: float, corners: int = 20, turn: float = 0.0
    ) -> None:
        """Paint an ellipse of these half axes as a polygon, the first corner `turn` radians from the top."""
        angles = [turn + math.tau * i / corners for i in range(corners)]
        self.polygon(paint, [(x + wide * math.sin(angle), y + high * math.cos(angle)) for angle in angles])

    def limb(self, surface: Surface, joints: Sequence[Spot], widths: Sequence[float]) -> None:
        """Paint a bent limb: tapered pieces between joints of these half widths, and round joints."""
        part = self.part(surface)
        for (first, second), (wide, thin) in zip(pairwise(joints), pairwise(widths), strict=True):
            right, up = second[0] - first[0], second[1] - first[1]
            length = math.hypot(right, up)
            x, y = up / length, -right / length
            edge = ((first, wide), (second, thin), (second, -thin), (first, -wide))
            self.polygon(part, [(at[0] + x * half, at[1] + y * half) for at, half in edge])
            self.ellipse(part, *second, thin, thin, corners=10)
