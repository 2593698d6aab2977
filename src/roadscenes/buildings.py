"""Buildings along the street and the skyline behind: walls, windows, doors, shops, roofs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from roadscenes.canvas import CARD, WALL, Canvas, Category, Frame, Pattern, Surface, Thing, palette
from roadscenes.plan import HOUSES, PARK, Color, Street, pick
from roadscenes.roadside import draw_bush, draw_tree

WALLS = palette("ccb894 b8997a 9e5c47 adada8 d6ccb8 8f99a3 c79475 805242 bdbd94")
ROOFS = palette("853d2e 574d4d 6b382e 474d57")
AWNINGS = palette("b32424 1f5738 24387a cc9e29")
STRIPE, CHIMNEY = palette("e0dbcc 734738")
PLASTER = Surface(Category.BUILDING, (0.55, 0.53, 0.54), heat=2.2, solar=3.5)
GLASS = Surface(Category.BUILDING, (0.13, 0.16, 0.20), heat=7.5, solar=2.5, grain=0.02, gloss=0.28)
DOOR = Surface(Category.BUILDING, (0.32, 0.20, 0.13), heat=1.4, solar=3.0)
TILES = Surface(Category.BUILDING, (0.5, 0.25, 0.18), heat=0.6, solar=6.0, grain=0.14, pattern=Pattern.BRICKS)
SHUTTER = Surface(Category.BUILDING, (0.8, 0.79, 0.75), heat=2.6, solar=3.0)
BLIND = Surface(Category.BUILDING, (0.66, 0.64, 0.58), heat=3.4, solar=2.0)
CLOTH = Surface(Category.BUILDING, (0.5, 0.5, 0.5), heat=0.5, solar=4.0)
SHOP_GLOW: Color = (1.0, 0.66, 0.30)
ROOM_GLOWS: tuple[Color, ...] = (*(SHOP_GLOW,) * 5, *((0.45, 0.25, 0.11),) * 3, *((0.56, 0.64, 0.70),) * 2)
FLOOR_M = 3.1
DEPTH_M = {True: 9.0, False: 14.0}  # of a house, of a city building


@dataclass(frozen=True)
class Site:
    """A plot; metres to the right of the camera or ahead of it."""

    sign: int  # +1 on the right of the street, -1 on the left
    front: float  # where the facade stands, to the right
    near: float
    far: float
    floors: int
    house: bool
    exposed: bool  # whether the wall that looks at us is free of the building before it or above it


def draw_building(canvas: Canvas, site: Site, rng: np.random.Generator) -> None:
    """Paint one building: the roof, the wall that looks at us, the facade along the street."""
    plaster = PLASTER._replace(color=pick(WALLS, rng)).varied(rng, 0.03)
    if plaster.color[0] > 1.4 * plaster.color[1]:
        plaster = plaster._replace(grain=0.09, pattern=Pattern.BRICKS)
    near, back, eaves = max(site.near, -6.0), site.front + site.sign * DEPTH_M[site.house], 0.9 + FLOOR_M * site.floors
    high, (left, right) = eaves + (1.5 if site.house else 0.0), sorted((site.front, back))
    corners = ((back, near), (site.front, near), (site.front, site.far), (back, site.far))
    for (x, z), (x2, z2) in pairwise(corners):
        canvas.polygon(None, [(x, 0.0, z), (x2, 0.0, z2), (x2, high, z2), (x, high, z)], casts=True)
    canvas.occlude(site.front - site.sign * 0.5, site.front, max(site.near, 1.0), site.far)
    facade, end = Frame(canvas, WALL, site.front), Frame(canvas, CARD, site.near)
    if site.house:
        _pitched_roof(end, site, eaves, plaster, rng)
    for wall, start, stop in ((end, left, right), (facade, site.near, site.far))[0 if site.exposed else 1 :]:
        wall.box(plaster, start, stop, 0.0, eaves)
        wall.box(plaster.shaded(0.72), start, stop, 0.0, 0.55)
        floors = range(0 if site.house or wall is end else 1, site.floors if wall is facade or near > 3 else 0)
        _windows(wall, start, stop, floors, plaster.shaded(1.25), rng)
    if not site.house:
        _shops(facade, site, rng)
        for low, top in ((eaves - 0.35, eaves + 0.25), (3.65, 3.85)):
            facade.box(plaster.shaded(1.15), site.near, site.far, low, top)
    door = float(rng.uniform(site.near + 0.5, site.far - 1.8))
    facade.box(SHUTTER, door - 0.15, door + 1.25, 0.0, 2.55)
    facade.box(DOOR.varied(rng, 0.08), door, door + 1.1, 0.0, 2.4)


def _windows(wall: Frame, start: float, stop: float, floors: range, frame: Surface, rng: np.random.Generator) -> None:
    """Paint the windows of a wall, in less detail the further away they are; of the furthest only the lit ones."""
    canvas, condition = wall.canvas, wall.canvas.condition
    pixels = canvas.camera.size_px(1.2, max(start if wall.kind == WALL else wall.at, 3.0)) / canvas.scale
    half, length = float(rng.uniform(0.5, 0.75)), stop - start
    count, part = max(int((length - 1.0) / float(rng.uniform(2.3, 3.2))), 1), wall.part(frame)
    for i in range(count):
        x = start + length * (i + 0.5) / count
        for low in (1.25 + FLOOR_M * floor for floor in floors):
            fate, drawn = rng.random(2).tolist()
            lit = fate < condition.windows
            pane = GLASS.lit(pick(ROOM_GLOWS, rng), 1.6 * condition.lamps, heat=1.2) if lit else GLASS
            if pixels >= 5:
                wall.box(part, x - half - 0.14, x + half + 0.14, low - 0.18, low + 1.72)
            if pixels >= 2.2 or lit:
                wall.box(pane, x - half, x + half, low, low + 1.6)
            if pixels >= 5 and drawn < 0.3 and not lit:
                wall.box(BLIND, x - half, x + half, low + 0.3 + 3 * drawn, low + 1.6)
            if pixels >= 9:
                wall.box(part, x - 0.035, x + 0.035, low, low + 1.6)


def _shops(facade: Frame, site: Site, rng: np.random.Generator) -> None:
    canvas, power = facade.canvas, facade.canvas.condition.lamps if rng.random() < 0.35 else 0.0
    glass = GLASS.lit(SHOP_GLOW, 1.2 * power, heat=1.5 * (power > 0))
    start = site.near + 0.6
    while start + 3.4 < site.far and canvas.camera.size_px(1.0, max(start, 3.0)) > 2 * canvas.scale:
        color = pick(AWNINGS, rng)
        facade.box(SHUTTER, start - 0.1, start + 3.0, 0.45, 2.75)
        facade.box(glass, start, start + 1.4, 0.55, 2.6)
        facade.box(glass, start + 1.5, start + 2.9, 0.55, 2.6)
        facade.box(CLOTH._replace(color=color).lit(color, 1.4 * power), start - 0.2, start + 3.1, 2.75, 3.3)
        if rng.random() < 0.5:
            rim = site.front - site.sign * 1.1
            for i in range(6):
                near, far = start + i * 0.5, start + i * 0.5 + 0.5
                edges = [(rim, 2.3, near), (site.front, 2.8, near), (site.front, 2.8, far), (rim, 2.3, far)]
                facade.solid(CLOTH._replace(color=color if i % 2 else STRIPE), edges[:: site.sign])
        start += 3.9


def _pitched_roof(end: Frame, site: Site, low: float, plaster: Surface, rng: np.random.Generator) -> None:
    back, high = site.front + site.sign * (DEPTH_M[True] + 0.4), low + float(rng.uniform(2.2, 3.4))
    eaves, ridge = site.front - site.sign * 0.5, (site.front + back) / 2
    near, far, middle = site.near - 0.4, site.far + 0.4, max((site.near + site.far) / 2, 2.0)
    if site.near > 1:
        end.polygon(plaster, [(site.front, low), (back, low), (ridge, high)])
    if rng.random() < 0.7:
        replace(end, at=middle).box(TILES._replace(color=CHIMNEY), ridge - 0.4, ridge + 0.4, high - 1, high + 1.1)
    edges = [(eaves, low - 0.2, near), (ridge, high, near), (ridge, high, far), (eaves, low - 0.2, far)]
    end.solid(TILES._replace(color=pick(ROOFS, rng)).varied(rng, 0.03), edges[:: site.sign])


def draw_skyline(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the far end of the street: silhouettes of a town."""
    frame = Frame(canvas, CARD, 230.0)
    for _ in range(int(rng.integers(9, 16))):
        left, wide, high = rng.uniform((-170, 8, 8), (170, 26, 34)).tolist()
        block = PLASTER.varied(rng, 0.05)
        frame.box(block, left, left + wide, 0.0, high)
        _windows(frame, left, left + wide, range(int(high / FLOOR_M)), block, rng)


def plan_buildings(canvas: Canvas, street: Street, rng: np.random.Generator) -> Iterator[Thing]:
    """Plan the buildings of both sides, near to far, and the gardens of houses."""
    for sign in (sign for sign in (-1, 1) if street.kind[sign] != PARK):
        house = street.kind[sign] == HOUSES
        near, gap, before = float(rng.uniform(-8, 3)), 1.0, 0
        while near < 140:
            far = near + float(rng.uniform(8, 12) if house else rng.uniform(10, 22))
            front = street.front[sign] + (sign * float(rng.uniform(2.5, 6)) if house else 0.0)
            floors = int(rng.integers(1, 3) if house else rng.integers(2, 7))
            site = Site(sign, front, near, far, floors, house, exposed=gap > 0 or floors > before)
            yield near, partial(draw_building, canvas, site)
            for _ in range(int(rng.integers(2, 5)) if house else 0):
                right, ahead = rng.uniform((0.8, near), (1.8, far + 5)).tolist()
                yield ahead, partial(draw_bush, canvas, street.front[sign] + sign * right, ahead)
            if house and rng.random() < 0.6:
                right = street.front[sign] + sign * float(rng.uniform(2.5, 6))
                yield far + 3.0, partial(draw_tree, canvas, right, far + 3.0)
            gap = float(rng.uniform(4, 11) if house else rng.uniform(4, 9) * (rng.random() < 0.25))
            near, before = far + gap, floors
