"""Ground, vegetation, and what stands on the sidewalk: lamps, traffic lights, signs, bins and bollards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from roadscenes.canvas import CARD, GROUND, WALL, Canvas, Category, Frame, Pattern, Spot, Surface, Thing, palette
from roadscenes.plan import CITY, HOUSES, LAMP_GLOW, LAMP_M, LANE_M, PARK, Color, Street, pick

NEAR_END, FAR_END = 0.5, 380.0  # of what runs along the street, metres ahead
TARMAC = Surface(Category.ROAD, (0.34, 0.34, 0.36), heat=2.0, solar=4.0, grain=0.11, pattern=Pattern.ASPHALT)
ROAD_PAINT = TARMAC._replace(color=(0.88, 0.88, 0.85), shine=0.35)
PAVING = Surface(Category.SIDEWALK, (0.60, 0.58, 0.55), heat=1.2, solar=4.0, grain=0.08, pattern=Pattern.SLABS)
KERB = Surface(Category.SIDEWALK, (0.72, 0.71, 0.69), heat=0.8, solar=3.0)
LAWN = Surface(Category.VEGETATION, (0.36, 0.47, 0.20), heat=-1.5, solar=1.5, grain=0.24, pattern=Pattern.LEAVES)
IRON = Surface(Category.ROAD, (0.24, 0.23, 0.23), heat=2.6, solar=5.5, grain=0.10)
SOIL = Surface(Category.BACKGROUND, (0.45, 0.40, 0.33), heat=0.0, solar=3.5, grain=0.15)


def draw_ground(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paint everything that lies flat."""
    ground, road, (left, right) = Frame(canvas, GROUND), TARMAC.varied(rng, 0.025), street.edge.values()
    ground.box(road, left, right, NEAR_END, FAR_END)
    for _ in range(int(rng.integers(1, 5))):
        x, y, wide, long = rng.uniform((left, 4, 0.8, 1.5), (right - 2, 24, 2.2, 6.0)).tolist()
        ground.box(road.shaded(float(rng.uniform(0.8, 1.12))), x, min(x + wide, right), y, y + long)
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform((left + 1, 5), (right - 1, 18)).tolist()
        ground.ellipse(IRON, x, y, 0.33, 0.33)
    _markings(ground, street, rng)
    for sign, edge in street.edge.items():
        verge, front = SOIL if street.kind[sign] == CITY else LAWN, street.front[sign]
        ground.box(verge.varied(rng, 0.03), front, sign * 900.0, NEAR_END, FAR_END)
        ground.box(PAVING.varied(rng, 0.03), edge, front, NEAR_END, FAR_END)
        ground.box(KERB, edge, edge + sign * 0.3, NEAR_END, FAR_END)
        Frame(canvas, WALL, edge).box(KERB.shaded(0.7), NEAR_END, FAR_END, 0.0, 0.13)
        canvas.occlude(edge - sign * 0.15, edge, 1.0, 60.0)


def _markings(ground: Frame, street: Street, rng: np.random.Generator) -> None:
    part = ground.part(ROAD_PAINT.shaded(float(rng.uniform(0.86, 1.0))))
    middle, crossing = street.middle, street.crossing
    if rng.random() < 0.25:
        ground.box(part, middle - 0.09, middle + 0.09, NEAR_END, crossing - 2 if crossing else 200)
    else:
        start = float(rng.uniform(0, 6))
        for near in (start + 7.0 * i for i in range(22)):
            if not crossing or near > crossing + 4.5 or near < crossing - 6.5:
                ground.box(part, middle - 0.08, middle + 0.08, near, near + 3.4)
    for line in (middle - LANE_M + 0.1, middle + LANE_M - 0.1):
        ground.box(part, line - 0.06, line + 0.06, NEAR_END, 200)
    if crossing:
        for stripe in np.arange(street.edge[-1] + 0.4, street.edge[1] - 0.5).tolist():
            ground.box(part, stripe, stripe + 0.5, crossing, crossing + 3.2)
        ground.box(part, middle + 0.1, LANE_M / 2, crossing - 1.6, crossing - 1.2)


GREENS = palette("4d702e 3d6633 61752e 756b29")
TONES = (0.60, 0.74, 0.87, 1.0, 1.13)
FOLIAGE = Surface(Category.VEGETATION, (0.27, 0.42, 0.17), heat=-0.6, solar=1.6, grain=0.34, pattern=Pattern.LEAVES)
BARK = Surface(Category.VEGETATION, (0.34, 0.26, 0.19), heat=0.4, solar=2.5, grain=0.20)


def _leaves(frame: Frame, green: Color) -> list[int]:
    """Register one part per tone, dark to bright; bright leaves look up, dark ones down."""
    leaf = FOLIAGE._replace(color=green)
    return [frame.part(leaf.shaded(tone), (0.0, 0.15 * i + 0.1, -0.55)) for i, tone in enumerate(TONES)]


def _dab(frame: Frame, leaves: list[int], tones: NDArray[np.float64], blobs: NDArray[np.float64]) -> None:
    """Paint blobs (N,4) of these tones (N), in their order, round the origin of the frame."""
    index = np.clip(np.rint(tones), 0, len(leaves) - 1).astype(int).tolist()
    frame.canvas.blobs([leaves[i] for i in index], frame.place(0.0, 0.0), blobs)


def _crown(frame: Frame, leaves: list[int], reach: Spot, most: int, rng: np.random.Generator) -> None:
    """Paint a crown round the origin: its dark inside, boughs, then dabs of leaves; bright ones up and last."""
    wide, high = reach
    pixels = frame.canvas.camera.size_px(2 * wide, frame.at) / frame.canvas.scale
    count = int(min(max(8 + 1.8 * pixels, 10), most))  # as many as look leafy at its size in the picture
    frame.ellipse(leaves[0], 0.0, 0.0, wide * 0.86, high * 0.86)
    angle, away = rng.uniform(0, math.tau, count), np.sqrt(rng.uniform(0.05, 1.0, count))
    dab = np.arange(count) >= 12 + count // 8
    size = rng.uniform(0.7, 1.3, count) * np.where(dab, max(0.75 / math.sqrt(count), 0.028), 0.20)
    away *= np.where(dab, 1.02, 0.92)
    right, above = np.cos(angle) * away * wide, np.sin(angle) * away * high
    tone = 2 + 1.7 * above / high - 0.5 * right / wide + rng.normal(0, 1, count) * np.where(dab, 0.75, 0.5)
    order = np.lexsort((tone, dab))
    blobs = np.stack([right, above, size * wide * 1.3, size * min(wide, high) * 1.1], axis=1)
    _dab(frame, leaves, tone[order], blobs[order])


def draw_tree(canvas: Canvas, right: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a tree."""
    frame, height = canvas.stand(right, ahead, 0.4), float(rng.uniform(4.5, 8.5))
    frame = replace(frame, sunlit=max(frame.sunlit, 0.7))
    leaves = _leaves(frame, FOLIAGE._replace(color=pick(GREENS, rng)).varied(rng, 0.03).color)
    if rng.random() < 0.2:
        _conifer(frame, leaves, height, rng)
        return
    wide, high = height * float(rng.uniform(0.24, 0.33)), height * float(rng.uniform(0.27, 0.33))
    middle, neck, bark = height - high, height * 0.02, frame.part(BARK.varied(rng, 0.03))
    frame.bar(bark, 0.0, middle, height * 0.035, neck)
    for tip in (-0.5 * wide, 0.5 * wide):
        fork = middle - 0.9 * high
        frame.polygon(bark, [(-neck, fork), (neck, fork + 0.15), (tip + 0.06, middle), (tip - 0.06, middle)])
    _crown(replace(frame, y=middle), leaves, (wide, high), 420, rng)


def _conifer(frame: Frame, leaves: list[int], height: float, rng: np.random.Generator) -> None:
    frame.bar(BARK, 0.0, 1.2, 0.14, 0.10)
    for i in range(7):
        low, half = 0.6 + (height - 0.6) * i / 7.6, height * 0.2 * (1 - i / 7.6)
        top = (0.0, low + height * 0.24)
        jagged = [(half * (j / 4 - 1), low + (0.14 if j % 2 else 0.0)) for j in range(9)]
        frame.polygon(leaves[rng.integers(1, 4)], [*jagged, top])
        frame.polygon(leaves[rng.integers(2, 5)], [(-half * 0.55, low + 0.2), (half * 0.1, low + 0.2), top])


def draw_bush(canvas: Canvas, right: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a bush."""
    wide, high = rng.uniform((0.5, 0.45), (1.2, 0.8)).tolist()
    frame = replace(canvas.stand(right, ahead, wide), y=high * 0.85)
    leaves = _leaves(frame, FOLIAGE._replace(color=pick(GREENS, rng)).varied(rng, 0.04).color)
    _crown(frame, leaves, (wide, high), 80, rng)


def draw_woods(canvas: Canvas, front: float, rng: np.random.Generator) -> None:
    """Paint the wooded horizon of one side, beyond `front` metres to the right: three rows of crowns."""
    for ahead, base in ((200.0, 12.0), (120.0, 8.5), (75.0, 6.0)):
        frame, count = Frame(canvas, CARD, ahead, sunlit=0.8), 110
        leaves = _leaves(frame, FOLIAGE._replace(color=(0.27, 0.38, 0.20)).varied(rng, 0.02).color)
        right = front + math.copysign(4, front) + math.copysign(ahead * 0.7, front) * rng.random(count)
        swell = 0.75 + 0.25 * np.sin(right * 9 / ahead + rng.uniform(0, math.tau))
        above = base * swell * rng.random(count)
        tone = 4.2 * above / base + rng.normal(0, 0.7, count) - 0.5
        size, order = base * rng.uniform(0.16, 0.34, count), np.argsort(tone)
        _dab(frame, leaves, tone[order], np.stack([right, above, size * 1.3, size], axis=1)[order])


METAL = Surface(Category.LAMP, (0.36, 0.38, 0.40), heat=-0.6, solar=3.5, grain=0.02)
BULB = Surface(Category.LAMP, (0.88, 0.87, 0.82), heat=0.0, solar=2.0, grain=0.0)
CASE = Surface(Category.LAMP, (0.07, 0.08, 0.08), heat=3.0, solar=4.0)
SIGNALS: tuple[Color, ...] = ((1.0, 0.06, 0.04), (1.0, 0.62, 0.05), (0.05, 1.0, 0.45))
POLE = METAL._replace(category=Category.SIGN, color=(0.55, 0.56, 0.57))
SHEET = Surface(Category.SIGN, (0.94, 0.94, 0.92), heat=-0.8, solar=2.0, grain=0.0, shine=1.0)
BIN = Surface(Category.BACKGROUND, (0.22, 0.30, 0.26), heat=0.4, solar=4.0)
STONE = Surface(Category.BACKGROUND, (0.58, 0.56, 0.53), heat=0.8, solar=4.0)
WHITE, RED, BLACK, BLUE, YELLOW, GREEN = palette("f0f0eb c7141a 0f0f12 14429e f0bd1a 0d663d")

# What is on a sign's sheet in painting order, metres from its middle: (shape, colour, sizes) with the sizes
# (left, right, low, high) of a box, (radius, corners, x, y) of a regular polygon.
SignPart = tuple[str, Color, tuple[float, ...]]
SIGNS: dict[str, tuple[SignPart, ...]] = {
    "warning": (
        *(("ring", RED, (0.56, 3, 0, 0)), ("ring", WHITE, (0.36, 3, 0, 0))),
        *(("box", BLACK, (-0.045, 0.045, low, high)) for low, high in ((-0.06, 0.18), (-0.145, -0.075))),
    ),
    "limit": (
        *(("ring", RED, (0.40, 24, 0, 0)), ("ring", WHITE, (0.29, 24, 0, 0))),
        *(("box", BLACK, (-0.185, -0.025, y - 0.025, y + 0.025)) for y in (-0.14, 0.0, 0.14)),  # a 3
        ("box", BLACK, (-0.075, -0.025, -0.165, 0.165)),
        *(("box", BLACK, (0.025, 0.185, -0.165, 0.165)), ("box", WHITE, (0.075, 0.135, -0.115, 0.115))),  # a 0
    ),
    "no entry": (("ring", RED, (0.42, 24, 0, 0)), ("box", WHITE, (-0.29, 0.29, -0.075, 0.075))),
    "stop": (
        *(("ring", WHITE, (0.46, 8, 0, 0)), ("ring", RED, (0.42, 8, 0, 0))),
        *(("box", WHITE, (x - 0.05, x + 0.05, -0.10, 0.10)) for x in (-0.225, -0.075, 0.075, 0.225)),
        *(("box", RED, (x - 0.02, x + 0.02, -0.06, 0.04)) for x in (-0.225, -0.075, 0.075, 0.225)),
    ),
    "ahead only": (
        *(("ring", WHITE, (0.42, 24, 0, 0)), ("ring", BLUE, (0.39, 24, 0, 0)), ("ring", WHITE, (0.24, 3, 0, 0.08))),
        ("box", WHITE, (-0.08, 0.08, -0.24, 0.0)),
    ),
    "parking": (
        *(("box", WHITE, (-0.36, 0.36, -0.42, 0.42)), ("box", BLUE, (-0.33, 0.33, -0.39, 0.39))),
        *(("box", WHITE, (-0.16, -0.06, -0.26, 0.26)), ("box", WHITE, (-0.11, 0.17, -0.04, 0.26))),
        ("box", BLUE, (-0.04, 0.10, 0.05, 0.17)),
    ),
    "priority": (("ring", WHITE, (0.50, 4, 0, 0)), ("ring", YELLOW, (0.37, 4, 0, 0))),
    "directions": (
        *(("box", WHITE, (-0.85, 0.85, -0.48, 0.48)), ("box", GREEN, (-0.81, 0.81, -0.44, 0.44))),
        *(("ring", WHITE, (0.20, 3, -0.55, 0.07)), ("box", WHITE, (-0.62, -0.48, -0.20, 0.0))),
        *(("box", WHITE, (-0.20, x, y - 0.055, y + 0.055)) for x, y in ((0.64, 0.2), (0.48, -0.02), (0.60, -0.24))),
    ),
}


def draw_lamp(canvas: Canvas, right: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a street lamp with its arm over the road, lit whenever the condition's lamps are."""
    pole, power = canvas.stand(right, ahead, 0.18), canvas.condition.lamps
    arm = replace(pole, x=0.0, y=LAMP_M, casts=False)
    tip, metal = right - math.copysign(1.7, right), METAL.varied(rng, 0.02)
    pole.bar(metal, 0.0, LAMP_M, 0.075, 0.05)
    pole.bar(metal, 0.0, 0.9, 0.12, 0.10)
    pole.box(metal.shaded(1.35), 0.0, 0.025, 0.9, LAMP_M)
    arm.polygon(metal, [(right, -0.3), (right, -0.18), (tip, 0.14), (tip, 0.04)])
    arm.bar(metal, 0.05, 0.22, 0.41, 0.3, tip)
    arm.ellipse(BULB.lit(LAMP_GLOW, 22 * power, heat=14.0 if power else 0.0), tip, 0.02, 0.36, 0.11)


def draw_traffic_light(canvas: Canvas, right: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a traffic light; it counts as a lamp."""
    frame = canvas.stand(right, ahead, 0.15)
    frame.bar(METAL, 0.0, 3.4, 0.06, 0.06)
    frame.box(CASE, -0.2, 0.2, 2.35, 3.45)
    shown = int(rng.integers(3))
    for i, color in enumerate(SIGNALS):
        lens, power = Surface(Category.LAMP, color, heat=3.0, solar=1.0).shaded(0.30), int(i == shown)
        lens = lens.lit(color, power * (1.2 + 5.0 * canvas.condition.lamps), heat=4.0 * power)
        frame.ellipse(lens, 0.0, 3.25 - 0.35 * i, 0.13, 0.13)


def draw_sign(canvas: Canvas, right: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a traffic sign of some kind on its pole."""
    frame, up = canvas.stand(right, ahead, 0.12), float(rng.uniform(2.2, 2.6))
    frame.bar(POLE, 0.0, up + 0.3, 0.04, 0.04)
    draw_sheet(replace(frame, y=up), pick(list(SIGNS), rng))


def draw_sheet(frame: Frame, kind: str) -> None:
    """Paint the sheet of a sign round the origin of a frame."""
    for shape, color, sizes in SIGNS[kind]:
        part = frame.part(SHEET._replace(color=color))
        if shape == "box":
            frame.box(part, *sizes)
        else:
            radius, corners, x, y = sizes
            turn = math.pi / 8 if corners == 8 else 0.0  # an octagon stands on a side
            frame.ellipse(part, x, y, radius, radius, int(corners), turn)


def draw_furniture(canvas: Canvas, right: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a bin or a row of bollards; they belong to no class."""
    if rng.random() < 0.5:
        frame = canvas.stand(right, ahead, 0.3)
        frame.bar(BIN, 0.05, 0.95, 0.22, 0.28)
        frame.bar(BIN.shaded(0.6), 0.90, 1.05, 0.30, 0.22)
        return
    for i in (2, 1, 0):
        canvas.stand(right, ahead + 1.6 * i, 0.15).bar(STONE, 0.0, 0.8, 0.10, 0.08)


def plan_roadside(canvas: Canvas, street: Street, rng: np.random.Generator) -> Iterator[Thing]:
    """Plan lamps, trees, signs, traffic lights, bins and bollards."""
    for sign in (-1, 1):
        edge, front, kind = street.edge[sign], street.front[sign], street.kind[sign]
        for ahead in (street.first_lamp[sign] + street.lamp_gap * i for i in range(5)):
            yield ahead, partial(draw_lamp, canvas, edge + sign * 0.5, ahead)
        gap, start = rng.uniform((9, 6), (14, 14)).tolist()
        if rng.random() < (0.25 if kind == HOUSES else 0.5):  # an avenue
            for ahead in (start + gap * i for i in range(6)):
                yield ahead, partial(draw_tree, canvas, front - sign * 0.9, ahead)
        if kind == PARK:
            for right, ahead in rng.uniform((1, 6), (22, 70), (int(rng.integers(7, 13)), 2)).tolist():
                yield ahead, partial(draw_tree, canvas, front + sign * right, ahead)
        if street.crossing:
            ahead = street.crossing + (-0.8 if sign > 0 else 4.2)
            yield ahead, partial(draw_traffic_light, canvas, edge + sign * 0.5, ahead)
    for draw, least, most, near, far in ((draw_sign, 1, 4, 7.5, 32.0), (draw_furniture, 0, 3, 5.0, 20.0)):
        for _ in range(int(rng.integers(least, most))):
            sign = 1 if rng.random() < 0.6 else -1
            right = street.edge[sign] + sign * float(rng.uniform(0.5, 0.9))
            ahead = canvas.camera.draw_distance(right, near, far, rng)
            yield ahead, partial(draw, canvas, right, ahead)
