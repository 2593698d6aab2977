"""The plan of a street: where the lanes, sidewalks and lamps run, and what kind of place it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roadscenes.canvas import GROUND, Canvas, Plane, Point
from roadscenes.conditions import Condition

CITY, HOUSES, PARK = "city", "houses", "park"
LANE_M = 3.3
PARKING_M = 2.3


@dataclass(frozen=True)
class Street:
    """A straight street seen from the right-hand lane; metres to the right of the camera.

    Args:
        condition: light and weather.
        left: left edge of the road.
        middle: the line between the two directions.
        right: right edge of the road.
        walk: width of the sidewalks.
        left_kind: CITY, HOUSES or PARK.
        right_kind: the same for the other side.
        parking: whether a parking lane lies on the (left, right) side.
        crossing: metres ahead of a zebra crossing, 0 = none.
        lamp_gap: metres between the lamps of one side.
        lamp_start: metres ahead of the right side's first lamp; the left side is half a gap further.
    """

    condition: Condition
    left: float
    middle: float
    right: float
    walk: float
    left_kind: str
    right_kind: str
    parking: tuple[bool, bool]
    crossing: float
    lamp_gap: float
    lamp_start: float

    def edge(self, sign: int) -> float:
        """Return the road's edge on the left (sign -1) or right (+1)."""
        return self.right if sign > 0 else self.left

    def front(self, sign: int) -> float:
        """Return where the sidewalk ends and buildings begin."""
        return self.edge(sign) + sign * self.walk

    def kind(self, sign: int) -> str:
        """Return what stands along a side."""
        return self.right_kind if sign > 0 else self.left_kind

    def lamp_side(self, sign: int) -> float:
        """Return where the lamp posts of a side stand."""
        return self.edge(sign) + sign * 0.5

    def first_lamp(self, sign: int) -> float:
        """Return how far ahead the first lamp of a side stands."""
        return self.lamp_start + (0.0 if sign > 0 else self.lamp_gap / 2)


def plan_street(condition: Condition, rng: np.random.Generator) -> Street:
    """Choose a street."""
    parking = (bool(rng.random() < 0.4), bool(rng.random() < 0.35))
    weights = [0.5, 0.28, 0.22]
    left_kind, right_kind = (str(kind) for kind in rng.choice([CITY, HOUSES, PARK], 2, p=weights))
    return Street(
        condition=condition,
        left=-1.5 * LANE_M - PARKING_M * parking[0],
        middle=-LANE_M / 2,
        right=LANE_M / 2 + PARKING_M * parking[1] + 0.2,
        walk=float(rng.uniform(2.6, 4.2)),
        left_kind=left_kind,
        right_kind=right_kind,
        parking=parking,
        crossing=float(rng.uniform(9, 17)) if rng.random() < 0.35 else 0.0,
        lamp_gap=float(rng.uniform(22, 30)),
        lamp_start=float(rng.uniform(7, 17)),
    )


def cast_card(canvas: Canvas, condition: Condition, foot: Point, width: float, top: float) -> None:
    """Cast the sun shadow of an upright thing that stands at `foot`, reaching `top` metres above it."""
    right, up, ahead = condition.sun
    if max(condition.sun_color) == 0:
        return
    side, bottom, away = foot
    shift = (-right / up, -ahead / up)
    half = width / 2
    corners = [
        (side + end * half + height * shift[0], 0.0, away + height * shift[1])
        for end, height in ((-1, bottom), (1, bottom), (1, top), (-1, top))
    ]
    canvas.cast(corners)


def cast_box(canvas: Canvas, condition: Condition, corners: list[tuple[float, float]], height: float) -> None:
    """Cast the sun shadow of a box with these ground corners (right, ahead)."""
    right, up, ahead = condition.sun
    if max(condition.sun_color) == 0:
        return
    tops = [(side - right / up * height, away - ahead / up * height) for side, away in corners]
    for i, corner in enumerate(corners):
        j = (i + 1) % len(corners)
        canvas.cast([(side, 0.0, away) for side, away in (corner, corners[j], tops[j], tops[i])])
    canvas.cast([(side, 0.0, away) for side, away in tops])


def ground_quad(side: float, other: float, near: float, far: float, up: float = 0.0) -> list[Point]:
    """Return a rectangle on the ground between two sides and two distances."""
    return [(side, up, near), (other, up, near), (other, up, far), (side, up, far)]


GROUND_PLANE = Plane(GROUND, 0.0)
