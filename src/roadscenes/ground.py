"""The ground: lawn and paving, sidewalks with kerbs, the road and what is painted on it."""

from __future__ import annotations

import math

import numpy as np

from roadscenes.canvas import WALL, Canvas, Plane
from roadscenes.street import CITY, GROUND_PLANE, LANE_M, Street, ground_quad
from roadscenes.surfaces import (
    BACKGROUND,
    KERB,
    LAWN,
    PAINT,
    PAVING,
    ROAD,
    TARMAC,
    Color,
    Surface,
    recolored,
    shaded,
    varied,
)

FAR_END = 380.0
KERB_M = 0.13
IRON = Surface(ROAD, (0.24, 0.23, 0.23), heat=2.6, solar=5.5, grain=0.10)
SOIL = Surface(BACKGROUND, (0.45, 0.40, 0.33), heat=0.0, solar=3.5, grain=0.15)


def draw_ground(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paint everything that lies flat."""
    for sign in (-1, 1):
        _verge(canvas, street, sign, rng)
    road = recolored(TARMAC, varied(TARMAC.color, rng, 0.025))
    canvas.polygon(canvas.part(road, GROUND_PLANE), ground_quad(street.left, street.right, 0.5, FAR_END))
    _repairs(canvas, street, road.color, rng)
    _markings(canvas, street, rng)
    for sign in (-1, 1):
        _sidewalk(canvas, street, sign, rng)


def _verge(canvas: Canvas, street: Street, sign: int, rng: np.random.Generator) -> None:
    ground = SOIL if street.kind(sign) == CITY else LAWN
    part = canvas.part(recolored(ground, varied(ground.color, rng, 0.03)), GROUND_PLANE)
    canvas.polygon(part, ground_quad(street.front(sign), sign * 900.0, 0.5, FAR_END))


def _sidewalk(canvas: Canvas, street: Street, sign: int, rng: np.random.Generator) -> None:
    edge, front = street.edge(sign), street.front(sign)
    paving = canvas.part(recolored(PAVING, varied(PAVING.color, rng, 0.03)), GROUND_PLANE)
    stone = canvas.part(KERB, GROUND_PLANE)
    face = canvas.part(recolored(KERB, shaded(KERB.color, 0.7)), Plane(WALL, edge))
    canvas.polygon(paving, ground_quad(edge, front, 0.5, FAR_END))
    canvas.polygon(stone, ground_quad(edge, edge + sign * 0.3, 0.5, FAR_END))
    gutter = [
        (edge - sign * 0.02, 0.0, 0.5),
        (edge, KERB_M, 0.5),
        (edge, KERB_M, FAR_END),
        (edge, 0.0, FAR_END),
    ]
    canvas.polygon(face, gutter)
    canvas.occlude(ground_quad(edge - sign * 0.15, edge, 1.0, 60.0))


def _repairs(canvas: Canvas, street: Street, color: Color, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 5))):
        patch = canvas.part(recolored(TARMAC, shaded(color, float(rng.uniform(0.8, 1.12)))), GROUND_PLANE)
        side, ahead = float(rng.uniform(street.left, street.right - 2)), float(rng.uniform(4, 24))
        wide, long = rng.uniform((0.8, 1.5), (2.2, 6.0)).tolist()
        canvas.polygon(patch, ground_quad(side, min(side + wide, street.right), ahead, ahead + long))
    lid = canvas.part(IRON, GROUND_PLANE)
    for _ in range(int(rng.integers(0, 3))):
        side, ahead = float(rng.uniform(street.left + 1, street.right - 1)), float(rng.uniform(5, 18))
        turn = [math.tau * i / 14 for i in range(14)]
        canvas.polygon(lid, [(side + 0.33 * math.cos(angle), 0, ahead + 0.33 * math.sin(angle)) for angle in turn])


def _markings(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    worn = shaded(PAINT.color, float(rng.uniform(0.86, 1.0)))
    paint = canvas.part(recolored(PAINT, worn), GROUND_PLANE)
    free = street.crossing
    solid = rng.random() < 0.25
    start = float(rng.uniform(0, 6))
    for i in range(22):
        near = start + i * 7.0
        if not solid and not (free and near - 1 < free + 3.5 and near + 3.5 > free - 3):
            canvas.polygon(paint, ground_quad(street.middle - 0.08, street.middle + 0.08, near, near + 3.4))
    if solid:
        canvas.polygon(paint, ground_quad(street.middle - 0.09, street.middle + 0.09, 0.5, free - 2 if free else 200))
    for sign in (-1, 1):
        line = street.middle + sign * (LANE_M - 0.1)
        canvas.polygon(paint, ground_quad(line - 0.06, line + 0.06, 0.5, 200))
    if free:
        _crossing(canvas, street, paint)


def _crossing(canvas: Canvas, street: Street, paint: int) -> None:
    near = street.crossing
    side = street.left + 0.4
    while side + 0.5 < street.right:
        canvas.polygon(paint, ground_quad(side, side + 0.5, near, near + 3.2))
        side += 1.0
    canvas.polygon(paint, ground_quad(street.middle + 0.1, LANE_M / 2, near - 1.6, near - 1.2))
