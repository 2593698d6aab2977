"""Cars as extruded side profiles: body, cabin, glass, wheels, lights, seen from behind or in front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from roadscenes.canvas import CARD, Canvas, Plane, Point
from roadscenes.street import Street, cast_box, ground_quad
from roadscenes.surfaces import CAR, RED_LIGHT, Color, Surface, lit, shaded, varied

PAINTS: tuple[Color, ...] = (
    *((0.80, 0.81, 0.82), (0.62, 0.63, 0.65), (0.13, 0.13, 0.14), (0.60, 0.10, 0.10), (0.12, 0.20, 0.42)),
    *((0.88, 0.87, 0.84), (0.30, 0.31, 0.33), (0.20, 0.34, 0.30), (0.78, 0.56, 0.18), (0.42, 0.30, 0.22)),
)
GLASS = Surface(CAR, (0.07, 0.09, 0.11), heat=0.5, solar=1.0, grain=0.0, gloss=0.30)
TYRE = Surface(CAR, (0.07, 0.07, 0.07), heat=1.0, solar=2.5, grain=0.05)
RIM = Surface(CAR, (0.62, 0.63, 0.65), heat=1.0, solar=2.0, grain=0.0)
TRIM = Surface(CAR, (0.10, 0.10, 0.11), heat=1.0, solar=3.0, grain=0.0)
PLATE = Surface(CAR, (0.92, 0.92, 0.86), heat=1.0, solar=2.0, grain=0.0, shine=0.5)
LENS = Surface(CAR, (0.90, 0.92, 0.95), heat=1.0, solar=2.0, grain=0.0, gloss=0.1)
RED_LENS = Surface(CAR, (0.62, 0.06, 0.06), heat=0.5, solar=2.0, grain=0.0, shine=0.3)


@dataclass(frozen=True)
class Shape:
    """A car's outline from the front bumper backwards: (metres back, metres up), and its sizes.

    Args:
        profile: the upper outline, front to rear.
        cabin: index of the points in `profile` where the windscreen starts and the rear window ends.
        width: metres.
    """

    profile: tuple[tuple[float, float], ...]
    cabin: tuple[int, int]
    width: float

    @property
    def length(self) -> float:
        """Return the length in metres."""
        return self.profile[-1][0]


SEDAN = Shape(
    (
        (0.0, 0.35),
        (0.02, 0.66),
        (0.25, 0.76),
        (1.25, 0.93),
        (1.95, 1.42),
        (3.15, 1.44),
        (3.85, 0.98),
        (4.45, 0.94),
        (4.5, 0.35),
    ),
    (3, 6),
    1.80,
)
HATCH = Shape(
    (
        (0.0, 0.35),
        (0.02, 0.68),
        (0.22, 0.80),
        (0.95, 0.98),
        (1.65, 1.50),
        (3.3, 1.52),
        (3.85, 1.02),
        (3.95, 0.92),
        (4.0, 0.35),
    ),
    (3, 6),
    1.76,
)
WAGON = Shape(
    (
        (0.0, 0.42),
        (0.02, 0.84),
        (0.2, 0.96),
        (1.1, 1.10),
        (1.75, 1.68),
        (3.95, 1.70),
        (4.35, 1.12),
        (4.5, 1.0),
        (4.55, 0.42),
    ),
    (3, 6),
    1.90,
)
VAN = Shape(
    (
        (0.0, 0.40),
        (0.02, 0.85),
        (0.15, 1.0),
        (0.7, 1.18),
        (1.35, 2.02),
        (4.85, 2.05),
        (5.0, 1.15),
        (5.05, 1.05),
        (5.1, 0.40),
    ),
    (3, 6),
    1.95,
)
SHAPES = (SEDAN, SEDAN, HATCH, HATCH, WAGON, WAGON, VAN)


@dataclass(frozen=True)
class Car:
    """A car being painted: its near end at `ahead`, its middle at `side`; `front` = we see its face."""

    canvas: Canvas
    shape: Shape
    side: float
    ahead: float
    front: bool
    running: bool
    paint: Color
    lamps: float
    instance: int
    sunlit: float

    def part(self, surface: Surface, normal: Point = (0.0, 0.0, -1.0), depth: float = 0.0) -> int:
        """Register a part of this car."""
        return self.canvas.part(surface, Plane(CARD, self.ahead + depth), self.instance, normal, self.sunlit)

    def body(self, factor: float, heat: float) -> Surface:
        """Return the painted sheet metal, shaded and warmed."""
        return Surface(CAR, shaded(self.paint, factor), heat=heat, solar=3.5, grain=0.0, gloss=0.07)

    @cached_property
    def outline(self) -> list[tuple[float, float]]:
        """Return the profile as (metres behind the near end, metres up), near to far."""
        points = list(self.shape.profile)
        return points if self.front else [(self.shape.length - back, up) for back, up in reversed(points)]

    @cached_property
    def cabin(self) -> tuple[int, int]:
        """Return the indices of the cabin's first and last point in `outline`."""
        first, last = self.shape.cabin
        count = len(self.shape.profile) - 1
        return (first, last) if self.front else (count - last, count - first)

    @cached_property
    def belt(self) -> float:
        """Return the height where the windows begin, metres."""
        return self.outline[self.cabin[0]][1]

    def half(self, up: float) -> float:
        """Return half the width at a height: the cabin leans inwards."""
        return self.shape.width * (0.5 - 0.12 * max(up - self.belt, 0.0))

    def at(self, share: float, up: float, back: float = 0.0) -> Point:
        """Return a place: `share` of the half width to the right, metres up, metres behind the near end."""
        return (self.side + share * self.half(up), up, self.ahead + back)

    def face(self, part: int, left: float, right: float, low: float, high: float) -> None:
        """Paint a rectangle on the near end."""
        self.canvas.polygon(part, [self.at(left, low), self.at(right, low), self.at(right, high), self.at(left, high)])

    def disc(self, part: int, share: float, up: float, size: float, aspect: float = 1.0) -> None:
        """Paint an ellipse on the near end."""
        self.canvas.ellipse(part, self.at(share, up), size, size * aspect)


def draw_car(
    canvas: Canvas,
    street: Street,
    side: float,
    ahead: float,
    front: bool,
    running: bool,
    rng: np.random.Generator,
) -> None:
    """Paint one car.

    Args:
        canvas: to paint on.
        street: gives the light.
        side: metres to the right of its middle.
        ahead: metres ahead of its near end.
        front: whether its face looks at us.
        running: warm engine, wheels and exhaust, and lights on when it is dark.
        rng: chooses shape and paint.
    """
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    car = Car(
        canvas=canvas,
        shape=shape,
        side=side,
        ahead=ahead,
        front=front,
        running=running,
        paint=varied(PAINTS[int(rng.integers(len(PAINTS)))], rng, 0.03),
        lamps=street.condition.lamps if running else 0.0,
        instance=canvas.instance(CAR),
        sunlit=canvas.in_sun(side - math.copysign(1.2, side), ahead + 1.0),
    )
    half = shape.width / 2
    corners = [
        (side - half, ahead),
        (side + half, ahead),
        (side + half, ahead + shape.length),
        (side - half, ahead + shape.length),
    ]
    cast_box(canvas, street.condition, corners, 1.25)
    canvas.occlude(ground_quad(side - half * 1.05, side + half * 1.05, ahead - 0.25, ahead + shape.length))
    _flank(car)
    _top(car)
    _near_end(car)
    (_headlights if front else _taillights)(car)


def _flank(car: Car) -> None:
    """Paint the side that looks at the street's middle, with its windows and wheels."""
    turn = -1.0 if car.side > 0 else 1.0
    outline, (first, last) = car.outline, car.cabin
    normal = (turn, 0.15, 0.0)
    warm = 4.0 if car.running else 0.6
    lower = [(back, up) for back, up in outline[: first + 1] + outline[last:]]
    canvas = car.canvas
    metal, glass = car.part(car.body(0.9, 0.35 * warm), normal, 1.5), car.part(GLASS, normal, 1.5)
    canvas.polygon(metal, [car.at(turn, up, back) for back, up in lower])
    canvas.polygon(metal, [car.at(turn, up, back) for back, up in outline[first : last + 1]])
    belt = max(outline[first][1], outline[last][1]) + 0.04
    roof = outline[first + 1][1] - 0.09
    low_near, low_far = outline[first][0] + 0.22, outline[last][0] - 0.22
    top_near, top_far = outline[first + 1][0] + 0.06, outline[last - 1][0] - 0.06
    middle = (low_near + low_far) / 2
    for near, far, near_top, far_top in (
        (low_near, middle - 0.05, top_near, middle - 0.05),
        (middle + 0.05, low_far, middle + 0.05, top_far),
    ):
        canvas.polygon(
            glass,
            [
                car.at(turn, belt, near),
                car.at(turn, belt, far),
                car.at(turn, roof, far_top),
                car.at(turn, roof, near_top),
            ],
        )
    trim = car.part(car.body(0.62, 0.35 * warm), normal, 1.5)
    canvas.polygon(
        trim,
        [
            car.at(turn, up, back)
            for back, up in (
                (0.1, 0.3),
                (car.shape.length - 0.1, 0.3),
                (car.shape.length - 0.1, 0.42),
                (0.1, 0.42),
            )
        ],
    )
    _wheels(car, turn, normal)


def _wheels(car: Car, turn: float, normal: Point) -> None:
    rubber = car.part(Surface(CAR, TYRE.color, heat=13.0 if car.running else 1.0, solar=2.5), normal, 1.5)
    rim = car.part(Surface(CAR, RIM.color, heat=9.0 if car.running else 1.0, solar=2.0), normal, 1.5)
    angles = [math.tau * i / 16 for i in range(16)]
    for back in (0.85, car.shape.length - 0.85):
        for part, radius in ((rubber, 0.34), (rim, 0.19)):
            circle = [
                car.at(turn, 0.34 + radius * math.sin(angle), back + radius * math.cos(angle)) for angle in angles
            ]
            car.canvas.polygon(part, circle)


def _top(car: Car) -> None:
    """Paint bonnet, windscreen, roof and boot, far to near, as far as they face the camera."""
    outline, (first, last) = car.outline, car.cabin
    eye = car.canvas.camera.eye
    for i in range(len(outline) - 2, 0, -1):
        (back, up), (further, higher) = outline[i], outline[i + 1]
        normal = (0.0, further - back, -(higher - up))
        size = math.hypot(normal[1], normal[2]) or 1.0
        seen = normal[1] * (eye - up) + normal[2] * -(car.ahead + back)
        if seen <= 0:
            continue
        pane = i in (first, last - 1)
        engine = car.front == (i < first)
        heat = (9.0 if engine else 3.0) if car.running else 0.8
        surface = GLASS if pane else car.body(1.08, heat)
        part = car.part(surface, (0.0, normal[1] / size, normal[2] / size), back)
        car.canvas.polygon(
            part,
            [
                car.at(-1, up, back),
                car.at(1, up, back),
                car.at(1, higher, further),
                car.at(-1, higher, further),
            ],
        )
        if pane:
            _pillars(car, i, heat)


def _pillars(car: Car, i: int, heat: float) -> None:
    (back, up), (further, higher) = car.outline[i : i + 2]
    metal = car.part(car.body(0.82, 0.5 * heat), depth=back)
    for turn in (-1, 1):
        edge = [
            car.at(turn, up, back),
            car.at(turn * 0.9, up, back),
            car.at(turn * 0.9, higher, further),
            car.at(turn, higher, further),
        ]
        car.canvas.polygon(metal, edge)
    rim = [
        car.at(-1, higher - 0.06, further),
        car.at(1, higher - 0.06, further),
        car.at(1, higher, further),
        car.at(-1, higher, further),
    ]
    car.canvas.polygon(metal, rim)


def _near_end(car: Car) -> None:
    """Paint tyres, bumper and the plate of the end that looks at us."""
    outline = car.outline
    low, high = outline[0][1], outline[1][1]
    rubber = car.part(Surface(CAR, TYRE.color, heat=12.0 if car.running else 1.0, solar=2.0))
    for turn in (-1, 1):
        car.face(rubber, turn * 0.95, turn * 0.72, 0.0, low + 0.05)
    warm = (8.0 if car.front else 4.0) if car.running else 0.8
    shadow = car.part(Surface(CAR, (0.05, 0.05, 0.05), heat=warm, solar=1.0))
    car.face(shadow, -0.72, 0.72, 0.18, low + 0.05)
    car.face(car.part(car.body(1.0, 0.7 * warm)), -1.0, 1.0, low - 0.08, high)
    car.face(car.part(car.body(0.80, 0.7 * warm)), -0.98, 0.98, low - 0.08, low + 0.12)
    car.face(car.part(PLATE), -0.27, 0.27, low + 0.14, low + 0.26)


def _headlights(car: Car) -> None:
    outline = car.outline
    low, high = outline[0][1], outline[1][1]
    grille = car.part(Surface(CAR, (0.08, 0.08, 0.09), heat=13.0 if car.running else 0.8, solar=2.0))
    car.face(grille, -0.48, 0.48, high - 0.14, high - 0.02)
    car.face(grille, -0.55, 0.55, low - 0.02, low + 0.10)
    lens = car.part(lit(LENS, (1.0, 0.95, 0.86), 26.0 * car.lamps, heat=9.0 if car.running else 0.0))
    rim = car.part(TRIM)
    for turn in (-1, 1):
        car.disc(rim, turn * 0.76, high - 0.09, 0.19, 0.62)
        car.disc(lens, turn * 0.76, high - 0.09, 0.15, 0.60)


def _taillights(car: Car) -> None:
    outline = car.outline
    low, high = outline[0][1], outline[1][1]
    power = 4.0 * car.lamps
    lens = car.part(lit(RED_LENS, RED_LIGHT, power, heat=3.0 if car.running else 0.0))
    for turn in (-1, 1):
        car.face(lens, turn * 0.97, turn * 0.66, high - 0.22, high - 0.04)
    if car.running:
        pipe = car.part(Surface(CAR, (0.2, 0.2, 0.2), heat=30.0, solar=0.0))
        car.disc(pipe, 0.55, low - 0.06, 0.055)
        plume = car.part(Surface(CAR, (0.06, 0.06, 0.06), heat=12.0, solar=0.0))
        car.face(plume, -0.3, 0.3, 0.2, low - 0.1)
