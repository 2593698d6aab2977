"""What stands on the sidewalk: street lamps, traffic lights, signs, bins and bollards."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from roadscenes.canvas import CARD, Canvas, Plane, Point
from roadscenes.street import Street, cast_card
from roadscenes.surfaces import BACKGROUND, LAMP, LAMP_LIGHT, METAL, SIGN, Color, Surface, lit, shaded

LAMP_M = 6.2
RED: Color = (0.78, 0.08, 0.10)
WHITE: Color = (0.94, 0.94, 0.92)
BLACK: Color = (0.06, 0.06, 0.07)
BLUE: Color = (0.08, 0.26, 0.62)
YELLOW: Color = (0.94, 0.74, 0.10)
GREEN: Color = (0.05, 0.40, 0.24)
SHEET = Surface(SIGN, WHITE, heat=-0.8, solar=2.0, grain=0.0, shine=1.0)
POLE = replace(METAL, category=SIGN, color=(0.55, 0.56, 0.57))
GREY_BOX = Surface(BACKGROUND, (0.22, 0.30, 0.26), heat=0.4, solar=4.0)
STONE = Surface(BACKGROUND, (0.58, 0.56, 0.53), heat=0.8, solar=4.0)
Spot = tuple[float, float]


def draw_lamp(canvas: Canvas, street: Street, sign: int, ahead: float) -> None:
    """Paint a street lamp with its arm over the road; alight whenever the condition's lamps are."""
    side, plane = street.lamp_side(sign), Plane(CARD, ahead)
    pole = canvas.part(METAL, plane)
    rim = canvas.part(replace(METAL, color=shaded(METAL.color, 1.35)), plane)
    tip = side - sign * 1.7
    canvas.polygon(pole, _bar(side, 0.0, LAMP_M, 0.075, 0.05, ahead))
    canvas.polygon(pole, _bar(side, 0.0, 0.9, 0.12, 0.10, ahead))
    canvas.polygon(
        rim,
        [(side, 0.9, ahead), (side + 0.03, 0.9, ahead), (side + 0.02, LAMP_M, ahead), (side, LAMP_M, ahead)],
    )
    canvas.polygon(
        pole,
        [
            (side, LAMP_M - 0.3, ahead),
            (side, LAMP_M - 0.18, ahead),
            (tip, LAMP_M + 0.14, ahead),
            (tip, LAMP_M + 0.04, ahead),
        ],
    )
    canvas.polygon(
        pole,
        [
            (tip + 0.4, LAMP_M + 0.05, ahead),
            (tip + 0.3, LAMP_M + 0.22, ahead),
            (tip - 0.3, LAMP_M + 0.22, ahead),
            (tip - 0.42, LAMP_M + 0.05, ahead),
        ],
    )
    power = street.condition.lamps
    bulb = Surface(LAMP, (0.88, 0.87, 0.82), heat=0.0, solar=2.0, grain=0.0)
    head = canvas.part(lit(bulb, LAMP_LIGHT, 22 * power, heat=14.0 if power else 0.0), plane)
    canvas.ellipse(head, (tip, LAMP_M + 0.02, ahead), 0.36, 0.11)
    cast_card(canvas, street.condition, (side, 0.0, ahead), 0.14, LAMP_M)
    _stand(canvas, side, ahead, 0.18)


def _bar(side: float, low: float, high: float, wide: float, thin: float, ahead: float) -> list[Point]:
    return [
        (side - wide, low, ahead),
        (side + wide, low, ahead),
        (side + thin, high, ahead),
        (side - thin, high, ahead),
    ]


def _stand(canvas: Canvas, side: float, ahead: float, half: float) -> None:
    canvas.occlude(
        [
            (side - half, 0, ahead - half),
            (side + half, 0, ahead - half),
            (side + half, 0, ahead + half),
            (side - half, 0, ahead + half),
        ]
    )


def draw_traffic_light(canvas: Canvas, street: Street, sign: int, ahead: float, rng: np.random.Generator) -> None:
    """Paint a traffic light; it counts as a lamp."""
    side, plane = street.lamp_side(sign), Plane(CARD, ahead)
    canvas.polygon(canvas.part(METAL, plane), _bar(side, 0.0, 3.4, 0.06, 0.06, ahead))
    case = canvas.part(Surface(LAMP, (0.07, 0.08, 0.08), heat=3.0, solar=4.0), plane)
    canvas.polygon(case, _bar(side, 2.35, 3.45, 0.2, 0.2, ahead))
    shown = int(rng.integers(3))
    for i, color in enumerate(((1.0, 0.06, 0.04), (1.0, 0.62, 0.05), (0.05, 1.0, 0.45))):
        eye = Surface(LAMP, shaded(color, 0.30), heat=3.0, solar=1.0)
        power = 1.2 + 5.0 * street.condition.lamps
        lens = canvas.part(lit(eye, color, power, heat=4.0) if i == shown else eye, plane)
        canvas.ellipse(lens, (side, 3.25 - 0.35 * i, ahead), 0.13, 0.13)
    _stand(canvas, side, ahead, 0.15)


@dataclass(frozen=True)
class Board:
    """A sign's sheet being painted; spots are in metres from its middle, all of one temperature."""

    canvas: Canvas
    plane: Plane
    side: float
    up: float
    sunlit: float

    def ink(self, color: Color) -> int:
        """Register a part of the sheet in a colour."""
        return self.canvas.part(replace(SHEET, color=color), self.plane, sunlit=self.sunlit)

    def shape(self, color: Color, spots: list[Spot]) -> None:
        """Paint a polygon."""
        points = [(self.side + right, self.up + up, self.plane.at) for right, up in spots]
        self.canvas.polygon(self.ink(color), points)

    def ring(self, color: Color, radius: float, corners: int = 24, turn: float = 0.0) -> None:
        """Paint a regular polygon, by default as good as a disc."""
        angles = [turn + math.tau * i / corners for i in range(corners)]
        self.shape(color, [(radius * math.sin(angle), radius * math.cos(angle)) for angle in angles])

    def box(self, color: Color, wide: float, high: float, right: float = 0.0, up: float = 0.0) -> None:
        """Paint an upright rectangle round (right, up)."""
        self.shape(
            color,
            [
                (right - wide, up - high),
                (right + wide, up - high),
                (right + wide, up + high),
                (right - wide, up + high),
            ],
        )

    def arrow(self, color: Color, size: float, right: float = 0.0) -> None:
        """Paint an arrow that points up."""
        self.shape(color, [(right - size, 0.1 * size), (right, 1.1 * size), (right + size, 0.1 * size)])
        self.box(color, 0.32 * size, 0.55 * size, right, -0.4 * size)


def _warning(board: Board) -> None:
    board.ring(RED, 0.56, 3)
    board.ring(WHITE, 0.36, 3)
    board.box(BLACK, 0.045, 0.12, up=0.06)
    board.box(BLACK, 0.045, 0.035, up=-0.11)


def _limit(board: Board) -> None:
    board.ring(RED, 0.40)
    board.ring(WHITE, 0.29)
    for right, sides in ((-0.105, (1,)), (0.105, (-1, 1))):  # a 3 and a 0
        for up in (-0.14, 0.14) if len(sides) == 2 else (-0.14, 0.0, 0.14):
            board.box(BLACK, 0.08, 0.025, right, up)
        for turn in sides:
            board.box(BLACK, 0.025, 0.165, right + turn * 0.055)


def _no_entry(board: Board) -> None:
    board.ring(RED, 0.42)
    board.box(WHITE, 0.29, 0.075)


def _stop(board: Board) -> None:
    board.ring(WHITE, 0.46, 8, math.pi / 8)
    board.ring(RED, 0.42, 8, math.pi / 8)
    for i in range(4):
        board.box(WHITE, 0.05, 0.10, -0.225 + 0.15 * i)
        board.box(RED, 0.02, 0.05, -0.225 + 0.15 * i, 0.0 if i % 2 else -0.03)


def _ahead_only(board: Board) -> None:
    board.ring(WHITE, 0.42)
    board.ring(BLUE, 0.39)
    board.arrow(WHITE, 0.24)


def _parking(board: Board) -> None:
    board.box(WHITE, 0.36, 0.42)
    board.box(BLUE, 0.33, 0.39)
    board.box(WHITE, 0.05, 0.26, -0.11)
    board.box(WHITE, 0.14, 0.15, 0.03, 0.11)
    board.box(BLUE, 0.07, 0.06, 0.03, 0.11)


def _priority(board: Board) -> None:
    board.ring(WHITE, 0.50, 4)
    board.ring(YELLOW, 0.37, 4)


def _directions(board: Board) -> None:
    board.box(WHITE, 0.85, 0.48)
    board.box(GREEN, 0.81, 0.44)
    board.arrow(WHITE, 0.20, -0.55)
    for up, wide in ((0.2, 0.42), (-0.02, 0.34), (-0.24, 0.40)):
        board.box(WHITE, wide, 0.055, 0.22 - (0.42 - wide), up)


SIGNS: tuple[Callable[[Board], None], ...] = (
    *(_warning, _limit, _no_entry, _stop),
    *(_ahead_only, _parking, _priority, _directions),
)


def draw_sign(canvas: Canvas, street: Street, side: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a traffic sign of some kind on its pole."""
    plane, up = Plane(CARD, ahead), float(rng.uniform(2.2, 2.6))
    canvas.polygon(canvas.part(POLE, plane), _bar(side, 0.0, up + 0.3, 0.04, 0.04, ahead))
    cast_card(canvas, street.condition, (side, 0.0, ahead), 0.08, up)
    cast_card(canvas, street.condition, (side, up - 0.4, ahead), 0.7, up + 0.4)
    _stand(canvas, side, ahead, 0.12)
    SIGNS[int(rng.integers(len(SIGNS)))](Board(canvas, plane, side, up, canvas.in_sun(side, ahead)))


def draw_furniture(canvas: Canvas, side: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a bin or a row of bollards; they belong to no class."""
    if rng.random() < 0.5:
        bin_part = canvas.part(GREY_BOX, Plane(CARD, ahead))
        lid = canvas.part(replace(GREY_BOX, color=shaded(GREY_BOX.color, 0.6)), Plane(CARD, ahead))
        canvas.polygon(bin_part, _bar(side, 0.05, 0.95, 0.22, 0.28, ahead))
        canvas.polygon(lid, _bar(side, 0.90, 1.05, 0.30, 0.22, ahead))
        _stand(canvas, side, ahead, 0.3)
        return
    for i in (2, 1, 0):
        away = ahead + 1.6 * i
        canvas.polygon(canvas.part(STONE, Plane(CARD, away)), _bar(side, 0.0, 0.8, 0.10, 0.08, away))
        _stand(canvas, side, away, 0.15)
