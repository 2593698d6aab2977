"""Buildings along the street and the skyline behind: walls, windows, doors, shops, roofs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from roadscenes.canvas import CARD, WALL, Canvas, Plane, Point
from roadscenes.street import HOUSES, Street, cast_box, ground_quad
from roadscenes.surfaces import (
    BRICKS,
    BUILDING,
    COOL_LIGHT,
    GLASS,
    WALL_PAINT,
    WARM_LIGHT,
    Color,
    Surface,
    lit,
    recolored,
    shaded,
    varied,
)

WALLS: tuple[Color, ...] = (
    *((0.80, 0.72, 0.58), (0.72, 0.60, 0.48), (0.62, 0.36, 0.28), (0.68, 0.68, 0.66)),
    *((0.84, 0.80, 0.72), (0.56, 0.60, 0.64), (0.78, 0.58, 0.46), (0.50, 0.32, 0.26), (0.74, 0.74, 0.58)),
)
ROOFS: tuple[Color, ...] = ((0.52, 0.24, 0.18), (0.34, 0.30, 0.30), (0.42, 0.22, 0.18), (0.28, 0.30, 0.34))
AWNINGS: tuple[Color, ...] = ((0.70, 0.14, 0.14), (0.12, 0.34, 0.22), (0.14, 0.22, 0.48), (0.80, 0.62, 0.16))
DOOR = Surface(BUILDING, (0.32, 0.20, 0.13), heat=1.4, solar=3.0)
ROOF = Surface(BUILDING, (0.5, 0.25, 0.18), heat=0.6, solar=6.0, grain=0.14, pattern=BRICKS)
SHUTTER = Surface(BUILDING, (0.8, 0.79, 0.75), heat=2.6, solar=3.0)
BLIND = Surface(BUILDING, (0.66, 0.64, 0.58), heat=3.4, solar=2.0)
FLOOR_M = 3.1


@dataclass(frozen=True)
class Site:
    """A plot: facade at `front` (metres to the right), from `near` to `far` ahead."""

    front: float
    near: float
    far: float
    floors: int
    house: bool
    exposed: bool = True  # it stands free of the building before it or above it: its end wall is seen

    @property
    def sign(self) -> int:
        """Return +1 on the right of the street, -1 on the left."""
        return 1 if self.front > 0 else -1

    @property
    def height(self) -> float:
        """Return the metres to the eaves."""
        return self.floors * FLOOR_M + 0.9

    @property
    def depth(self) -> float:
        """Return the metres from the facade to the back."""
        return 9.0 if self.house else 14.0


@dataclass(frozen=True)
class Wall:
    """One wall: along the street (kind WALL, `at` = side) or across it (CARD, `at` = ahead)."""

    kind: int
    at: float
    start: float
    stop: float
    site: Site

    @property
    def plane(self) -> Plane:
        """Return the plane its parts lie in."""
        return Plane(self.kind, self.at)

    def corner(self, along: float, up: float) -> Point:
        """Return the place at `along` metres on the wall."""
        return (self.at, up, along) if self.kind == WALL else (along, up, self.at)

    def panel(self, start: float, stop: float, low: float, high: float) -> list[Point]:
        """Return a rectangle on the wall."""
        return [self.corner(*spot) for spot in ((start, low), (stop, low), (stop, high), (start, high))]

    def panels(self, spans: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rectangles (N,4,3) from rows (start, stop, low, high)."""
        along, up = spans[:, [0, 1, 1, 0]], spans[:, [2, 2, 3, 3]]
        at = np.full_like(along, self.at)
        return np.stack([at, up, along] if self.kind == WALL else [along, up, at], axis=-1)


def plan_sites(street: Street, sign: int, rng: np.random.Generator) -> list[Site]:
    """Choose the buildings of one side, near to far."""
    house = street.kind(sign) == HOUSES
    sites: list[Site] = []
    near = float(rng.uniform(-8, 3))
    gap, before = 1.0, 0
    while near < 140:
        length = float(rng.uniform(8, 12) if house else rng.uniform(10, 22))
        back = float(rng.uniform(2.5, 6)) if house else 0.0
        floors = int(rng.integers(1, 3) if house else rng.integers(2, 7))
        exposed = gap > 0 or floors > before
        sites.append(Site(street.front(sign) + sign * back, near, near + length, floors, house, exposed))
        before = floors
        gap = float(rng.uniform(4, 11) if house else rng.uniform(4, 9) * (rng.random() < 0.25))
        near += length + gap
    return sites


def draw_building(canvas: Canvas, street: Street, site: Site, rng: np.random.Generator) -> None:
    """Paint one building: the wall that looks at us, the facade along the street, the roof."""
    color = varied(WALLS[int(rng.integers(len(WALLS)))], rng, 0.03)
    brick = color[0] > color[1] * 1.4
    surface = Surface(
        BUILDING, color, heat=WALL_PAINT.heat, solar=WALL_PAINT.solar, grain=0.09 if brick else 0.05,
        pattern=BRICKS if brick else 0,
    )  # fmt: skip
    back = site.front + site.sign * site.depth
    facade = Wall(WALL, site.front, site.near, site.far, site)
    end = Wall(CARD, site.near, min(site.front, back), max(site.front, back), site)
    _cast(canvas, street, site)
    if site.house:
        _pitched_roof(canvas, site, surface, rng)
    for wall in (end, facade) if site.exposed else (facade,):
        _wall(canvas, wall, surface)
        _windows(canvas, street, wall, surface, rng)
    _ground_floor(canvas, street, facade, rng)
    if not site.house:
        _cornice(canvas, site, surface)


def _cast(canvas: Canvas, street: Street, site: Site) -> None:
    near, back = max(site.near, -6.0), site.front + site.sign * site.depth
    corners = [(site.front, near), (back, near), (back, site.far), (site.front, site.far)]
    cast_box(canvas, street.condition, corners, site.height + (1.5 if site.house else 0))
    canvas.occlude(ground_quad(site.front - site.sign * 0.5, site.front, max(site.near, 1.0), site.far))


def _wall(canvas: Canvas, wall: Wall, surface: Surface) -> None:
    canvas.polygon(canvas.part(surface, wall.plane), wall.panel(wall.start, wall.stop, 0.0, wall.site.height))
    plinth = canvas.part(recolored(surface, shaded(surface.color, 0.72)), wall.plane)
    canvas.polygon(plinth, wall.panel(wall.start, wall.stop, 0.0, 0.55))


def _openings(wall: Wall, first_floor: int, width: float, bay: float) -> NDArray[np.float64]:
    """Return the windows' (start, stop, low, high), one row each."""
    length = wall.stop - wall.start
    count = max(int((length - 1.0) / bay), 1)
    middles = wall.start + length * (np.arange(count) + 0.5) / count
    lows = 0.9 + FLOOR_M * np.arange(first_floor, wall.site.floors) + 0.35
    middle, low = (axis.ravel() for axis in np.meshgrid(middles, lows))
    return np.stack([middle - width / 2, middle + width / 2, low, low + 1.6], axis=1)


def _windows(canvas: Canvas, street: Street, wall: Wall, surface: Surface, rng: np.random.Generator) -> None:
    nearest = max(wall.start if wall.kind == WALL else wall.at, 3.0)
    if wall.kind == CARD and wall.at < 3:
        return
    first = 0 if wall.site.house or wall.kind == CARD else 1
    spans = _openings(wall, first, float(rng.uniform(1.0, 1.5)), float(rng.uniform(2.3, 3.2)))
    small = canvas.camera.size_px(1.2, nearest) < 5 * canvas.scale
    if canvas.camera.size_px(1.2, nearest) < 2.2 * canvas.scale or not len(spans):
        return
    frame = canvas.part(recolored(surface, shaded(surface.color, 1.25)), wall.plane)
    if not small:
        canvas.quads(frame, wall.panels(spans + np.array([-0.14, 0.14, -0.18, 0.12])))
    fate = rng.random(len(spans))
    lit_share = street.condition.windows
    for chosen, glass in _panes(street, fate, lit_share):
        canvas.quads(canvas.part(glass, wall.plane), wall.panels(spans[chosen]))
    if small:
        return
    drawn = rng.random(len(spans)) < 0.3
    blind = spans[drawn & (fate >= lit_share)]
    blind[:, 2] += rng.uniform(0.3, 1.2, len(blind))
    canvas.quads(canvas.part(BLIND, wall.plane), wall.panels(blind))
    if canvas.camera.size_px(0.07, nearest) > 0.5:
        middle = spans[:, :2].mean(axis=1)
        bars = np.stack([middle - 0.035, middle + 0.035, spans[:, 2], spans[:, 3]], axis=1)
        canvas.quads(frame, wall.panels(bars))


def _panes(street: Street, fate: NDArray[np.float64], lit_share: float) -> list[tuple[NDArray[np.bool_], Surface]]:
    power = 1.6 * street.condition.lamps
    warm = lit(GLASS, WARM_LIGHT, power, heat=1.5)
    dim = lit(GLASS, (1.0, 0.55, 0.24), 0.45 * power, heat=1.0)
    cool = lit(GLASS, COOL_LIGHT, 0.7 * power, heat=1.2)
    shares = (0.5, 0.8, 1.0)
    edges = [0.0, *(share * lit_share for share in shares)]
    chosen = [(fate >= low) & (fate < high) for low, high in pairwise(edges)]
    return [(fate >= lit_share, GLASS), *zip(chosen, (warm, dim, cool), strict=True)]


def _ground_floor(canvas: Canvas, street: Street, wall: Wall, rng: np.random.Generator) -> None:
    door_at = float(rng.uniform(wall.start + 0.5, wall.stop - 1.8))
    if not wall.site.house:
        _shops(canvas, street, wall, rng)
    frame = canvas.part(SHUTTER, wall.plane)
    door = canvas.part(recolored(DOOR, varied(DOOR.color, rng, 0.08)), wall.plane)
    canvas.polygon(frame, wall.panel(door_at - 0.15, door_at + 1.25, 0.0, 2.55))
    canvas.polygon(door, wall.panel(door_at, door_at + 1.1, 0.0, 2.4))


def _shops(canvas: Canvas, street: Street, wall: Wall, rng: np.random.Generator) -> None:
    open_late = rng.random() < 0.35
    power = street.condition.lamps
    glass = lit(GLASS, WARM_LIGHT, 1.2 * power, heat=1.5) if open_late else GLASS
    pane, frame = canvas.part(glass, wall.plane), canvas.part(SHUTTER, wall.plane)
    start = wall.start + 0.6
    while start + 3.4 < wall.stop and canvas.camera.size_px(1.0, max(start, 3.0)) > 2 * canvas.scale:
        color = AWNINGS[int(rng.integers(len(AWNINGS)))]
        canvas.polygon(frame, wall.panel(start - 0.1, start + 3.0, 0.45, 2.75))
        canvas.polygon(pane, wall.panel(start, start + 1.4, 0.55, 2.6))
        canvas.polygon(pane, wall.panel(start + 1.5, start + 2.9, 0.55, 2.6))
        board = Surface(BUILDING, color, heat=2.0, solar=3.0)
        glow = lit(board, color, 1.4 * power if open_late else 0.0)
        canvas.polygon(canvas.part(glow, wall.plane), wall.panel(start - 0.2, start + 3.1, 2.75, 3.3))
        if rng.random() < 0.5:
            _awning(canvas, wall, start, color)
        start += 3.9


def _awning(canvas: Canvas, wall: Wall, start: float, color: Color) -> None:
    plane = Plane(WALL, wall.at - wall.site.sign * 0.6)
    out = wall.at - wall.site.sign * 1.1
    for i in range(6):
        tint = color if i % 2 else (0.88, 0.86, 0.80)
        cloth = canvas.part(Surface(BUILDING, tint, heat=0.5, solar=4.0), plane, normal=(0.0, 0.9, -0.4))
        near, far = start + i * 0.5, start + i * 0.5 + 0.5
        canvas.polygon(cloth, [(wall.at, 2.8, near), (wall.at, 2.8, far), (out, 2.3, far), (out, 2.3, near)])


def _cornice(canvas: Canvas, site: Site, surface: Surface) -> None:
    rim = canvas.part(recolored(surface, shaded(surface.color, 1.15)), Plane(WALL, site.front))
    wall = Wall(WALL, site.front, site.near, site.far, site)
    canvas.polygon(rim, wall.panel(site.near, site.far, site.height - 0.35, site.height + 0.25))
    canvas.polygon(rim, wall.panel(site.near, site.far, 3.65, 3.85))


def _pitched_roof(canvas: Canvas, site: Site, surface: Surface, rng: np.random.Generator) -> None:
    tiles = recolored(ROOF, varied(ROOFS[int(rng.integers(len(ROOFS)))], rng, 0.03))
    eaves, ridge = site.front - site.sign * 0.5, site.front + site.sign * site.depth / 2
    back = site.front + site.sign * (site.depth + 0.4)
    low, high = site.height, site.height + float(rng.uniform(2.2, 3.4))
    near, far = site.near - 0.4, site.far + 0.4
    plane = Plane(CARD, max((site.near + site.far) / 2, 2.0))
    if site.near > 1:
        gable = canvas.part(surface, Plane(CARD, site.near))
        canvas.polygon(gable, [(site.front, low, site.near), (back, low, site.near), (ridge, high, site.near)])
    if rng.random() < 0.7:
        stack = canvas.part(recolored(ROOF, (0.45, 0.28, 0.22)), plane)
        middle = (site.near + site.far) / 2
        pot = [(ridge - 0.4, high - 1, middle), (ridge + 0.4, high - 1, middle)]
        canvas.polygon(stack, [*pot, (ridge + 0.4, high + 1.1, middle), (ridge - 0.4, high + 1.1, middle)])
    slope = canvas.part(tiles, plane, normal=(-0.55 * site.sign, 0.83, 0.0))
    canvas.polygon(slope, [(eaves, low - 0.2, near), (eaves, low - 0.2, far), (ridge, high, far), (ridge, high, near)])


def draw_skyline(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paint the far end of the street: silhouettes of a town."""
    plane = Plane(CARD, 230.0)
    for _ in range(int(rng.integers(9, 16))):
        side, wide, high = rng.uniform((-170, 8, 8), (170, 26, 34)).tolist()
        color = varied((0.55, 0.53, 0.54), rng, 0.05)
        block = canvas.part(Surface(BUILDING, color, heat=1.5, solar=4.0, grain=0.03), plane)
        wall = Wall(CARD, plane.at, side, side + wide, Site(1.0, plane.at, plane.at + 9, int(high / FLOOR_M), False))
        canvas.polygon(block, wall.panel(side, side + wide, 0.0, high))
        spans = _openings(wall, 0, 2.0, 4.5)
        for chosen, glass in _panes(street, rng.random(len(spans)), 0.6 * street.condition.windows)[1:]:
            canvas.quads(canvas.part(glass, plane), wall.panels(spans[chosen]))
