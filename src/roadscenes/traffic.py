"""Objects that get boxes: cars as extruded side profiles, people as tables of poses in random clothes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from roadscenes.canvas import Canvas, Category, Frame, Spot, Surface, Thing, palette
from roadscenes.plan import LANE_M, PARKING_M, WHITE_GLOW, Point, Street, pick

PAINTS = palette("cccfd1 9ea0a6 212124 991a1a 1f336b e0ded6 4d4f54 33574d c78f2e 6b4d38")
# temperatures are those of a running car; a parked one has only the share PARKED of them
PARKED = 0.08
BODY = Surface(Category.CAR, (0.5, 0.5, 0.5), solar=3.5, grain=0.0, gloss=0.07)
GLASS = Surface(Category.CAR, (0.07, 0.09, 0.11), heat=0.5, solar=1.0, grain=0.0, gloss=0.30)
TYRE = Surface(Category.CAR, (0.07, 0.07, 0.07), heat=13.0, solar=2.5)
RIM = Surface(Category.CAR, (0.62, 0.63, 0.65), heat=9.0)
TRIM = Surface(Category.CAR, (0.10, 0.10, 0.11), heat=1.0, solar=3.0, grain=0.0)
GRILLE = Surface(Category.CAR, (0.08, 0.08, 0.09), heat=13.0)
SHADE = Surface(Category.CAR, (0.05, 0.05, 0.05), heat=6.0, solar=1.0)
PIPE = Surface(Category.CAR, (0.2, 0.2, 0.2), heat=30.0, solar=0.0)
PLUME = Surface(Category.CAR, (0.06, 0.06, 0.06), heat=12.0, solar=0.0)
PLATE = Surface(Category.CAR, (0.92, 0.92, 0.86), heat=1.0, grain=0.0, shine=0.5)
HEAD_LENS = Surface(Category.CAR, (0.90, 0.92, 0.95), heat=10.0, grain=0.0, gloss=0.1)
TAIL_LENS = Surface(Category.CAR, (0.62, 0.06, 0.06), heat=3.5, grain=0.0, shine=0.3)

# the upper outline from the front bumper backwards: metres back, metres up; the windscreen starts at point 3, the
# rear window ends at point 6 of 0 to 8
WIDTH = {"sedan": 1.80, "hatchback": 1.76, "wagon": 1.90, "van": 1.95}
BACK = {
    "sedan": (0.0, 0.02, 0.25, 1.25, 1.95, 3.15, 3.85, 4.45, 4.5),
    "hatchback": (0.0, 0.02, 0.22, 0.95, 1.65, 3.3, 3.85, 3.95, 4.0),
    "wagon": (0.0, 0.02, 0.2, 1.1, 1.75, 3.95, 4.35, 4.5, 4.55),
    "van": (0.0, 0.02, 0.15, 0.7, 1.35, 4.85, 5.0, 5.05, 5.1),
}
UP = {
    "sedan": (0.35, 0.66, 0.76, 0.93, 1.42, 1.44, 0.98, 0.94, 0.35),
    "hatchback": (0.35, 0.68, 0.80, 0.98, 1.50, 1.52, 1.02, 0.92, 0.35),
    "wagon": (0.42, 0.84, 0.96, 1.10, 1.68, 1.70, 1.12, 1.0, 0.42),
    "van": (0.40, 0.85, 1.0, 1.18, 2.02, 2.05, 1.15, 1.05, 0.40),
}
FREQUENT = ("sedan", "sedan", "hatchback", "hatchback", "wagon", "wagon", "van")


@dataclass(frozen=True)
class Car:
    """A car being painted; x is in half widths to the right of its middle."""

    frame: Frame  # its near end
    outline: list[Spot]  # (metres behind the near end, metres up), near to far
    cabin: tuple[int, int]  # the cabin's first and last point in `outline`
    body: Surface
    front: bool  # whether its face looks at us
    warmth: float  # 1 of a running car, PARKED of a parked one

    def metal(self, shade: float, heat: float) -> Surface:
        """Return the painted sheet metal."""
        return self.body.shaded(shade)._replace(heat=heat * self.warmth)

    def of(self, surface: Surface) -> Surface:
        """Return a surface as warm as it is on this car."""
        return surface._replace(heat=surface.heat * self.warmth)

    def at(self, x: float, up: float, back: float) -> Point:
        """Return a place in the street; the cabin leans inwards above the lower edge of the windows."""
        lean = 1 - 0.24 * max(up - self.outline[self.cabin[0]][1], 0.0)
        right, up, ahead = self.frame.place(x * lean, up)
        return (right, up, ahead + back)

    def flank(self, surface: Surface, spots: Sequence[Spot]) -> None:
        """Paint a polygon of (metres back, metres up), counterclockwise, on the side towards the street's middle."""
        turn = -1 if self.frame.x > 0 else 1
        self.frame.solid(surface, [self.at(turn, up, back) for back, up in spots[::turn]])

    def strip(self, surface: Surface, i: int, left: float = -1, right: float = 1, foot: float = 0.0) -> None:
        """Paint the top between two points of the outline, from the share `foot` of the way on."""
        (near, low), (far, high) = self.outline[i], self.outline[i + 1]
        near, low = near + foot * (far - near), low + foot * (high - low)
        corners = ((left, low, near), (right, low, near), (right, high, far), (left, high, far))
        self.frame.solid(surface, [self.at(*corner) for corner in corners])


def draw_car(
    canvas: Canvas, right: float, ahead: float, rng: np.random.Generator, *, front: bool, running: bool
) -> None:
    """Paint one car whose near end is `ahead`, its middle `right`; lights are on when it runs in the dark."""
    model = pick(FREQUENT, rng)
    outline, half, long = list(zip(BACK[model], UP[model], strict=True)), WIDTH[model] / 2, BACK[model][-1]
    if not front:
        outline = [(long - back, up) for back, up in reversed(outline)]
    frame = replace(canvas.stand(right, ahead, 1.05 * half, Category.CAR, deep=long), unit=(half, 1.0))
    body = BODY._replace(color=pick(PAINTS, rng)).varied(rng, 0.03)
    car = Car(frame, outline, (3, 6) if front else (2, 5), body, front, 1.0 if running else PARKED)
    _flank(car)
    _top(car)
    _near_end(car, canvas.condition.lamps if running else 0.0)


def _flank(car: Car) -> None:
    outline, (first, last) = car.outline, car.cabin
    long, cabin = outline[-1][0], outline[first : last + 1]
    for shape in ([*outline[: first + 1], *outline[last:]], cabin):
        car.flank(car.metal(0.9, 1.4), shape[::-1])
    belt, roof = max(cabin[0][1], cabin[-1][1]) + 0.04, cabin[1][1] - 0.09
    near, far = cabin[0][0] + 0.22, cabin[-1][0] - 0.22
    near_top, far_top, pillar = cabin[1][0] + 0.06, cabin[-2][0] - 0.06, (near + far) / 2
    car.flank(GLASS, [(near, belt), (pillar - 0.05, belt), (pillar - 0.05, roof), (near_top, roof)])
    car.flank(GLASS, [(pillar + 0.05, belt), (far, belt), (far_top, roof), (pillar + 0.05, roof)])
    car.flank(car.metal(0.62, 1.4), [(0.1, 0.3), (long - 0.1, 0.3), (long - 0.1, 0.42), (0.1, 0.42)])
    turns = [math.tau * i / 16 for i in range(16)]
    for back in (0.85, long - 0.85):
        for surface, radius in ((TYRE, 0.34), (RIM, 0.19)):
            circle = [(back + radius * math.cos(turn), 0.34 + radius * math.sin(turn)) for turn in turns]
            car.flank(car.of(surface), circle)


def _top(car: Car) -> None:
    """Paint bonnet, windscreen, roof and boot, far to near."""
    first, last = car.cabin
    for i in range(len(car.outline) - 2, 0, -1):
        heat = 9.0 if car.front == (i < first) else 3.0  # the engine is in front
        if i not in (first, last - 1):
            car.strip(car.metal(1.08, heat), i)
            continue
        car.strip(GLASS, i)
        for left, right, foot in ((-1, -0.9, 0.0), (0.9, 1, 0.0), (-1, 1, 0.88)):
            car.strip(car.metal(0.82, 0.5 * heat), i, left, right, foot)


def _near_end(car: Car, lamps: float) -> None:
    """Paint tyres, bumper, number plate and lights of the end that looks at us."""
    frame, heat = car.frame, 5.6 if car.front else 2.8
    low, high = car.outline[0][1], car.outline[1][1]
    for side in (-1, 1):
        frame.box(car.of(TYRE), side * 0.95, side * 0.72, 0.0, low + 0.05)
    frame.box(car.of(SHADE), -0.72, 0.72, 0.18, low + 0.05)
    frame.box(car.metal(1.0, heat), -1.0, 1.0, low - 0.08, high)
    frame.box(car.metal(0.80, heat), -0.98, 0.98, low - 0.08, low + 0.12)
    frame.box(PLATE, -0.27, 0.27, low + 0.14, low + 0.26)
    if car.front:
        frame.box(car.of(GRILLE), -0.48, 0.48, high - 0.14, high - 0.02)
        frame.box(car.of(GRILLE), -0.55, 0.55, low - 0.02, low + 0.10)
    for x in (-0.76, 0.76):
        if car.front:
            frame.ellipse(TRIM, x, high - 0.09, 0.21, 0.118)
            frame.ellipse(car.of(HEAD_LENS).lit(WHITE_GLOW, 26.0 * lamps), x, high - 0.09, 0.165, 0.09)
        else:
            lens = car.of(TAIL_LENS).lit((1.0, 0.05, 0.03), 4.0 * lamps)
            frame.box(lens, 1.07 * x - 0.155, 1.07 * x + 0.155, high - 0.22, high - 0.04)
    if car.warmth == 1.0 and not car.front:
        frame.ellipse(PIPE, 0.55, low - 0.06, 0.061, 0.055)
        frame.box(PLUME, -0.3, 0.3, 0.2, low - 0.1)


SKIN_C = 34.0
# what a garment may look like, and the share of the step from the temperature of the air to that of skin it shows
GARMENTS = {
    "top": (palette("292e3d 4d1f21 9e2921 2e4d7a bfb8a8 3d5238 cc9e33 6b6666 1f1f21 8c5780"), 0.76),
    "leg": (palette("212638 38425c 1f1f1f 665742"), 0.70),
    "skin": (palette("dba88a c28c6b 8c5e45 614030"), 0.98),
    "hair": (palette("1a1412 472e1c 8c6b3d 807d7a"), 0.86),
    "shoe": (palette("1a1717"), 0.5),
    "bag": (palette("4d4033 2e2620"), 0.35),
}

# Body parts (garment, joints, half widths) in painting order, in shares of the body height, the feet at (0, 0): one
# joint is an ellipse, joints with widths are a limb, joints without are a polygon. A joint is (x, swing, y),
# swing times the stride or the spread of the legs being added to x. Walking is a side view towards +x.
Joint = tuple[float, float, float]
BodyPart = tuple[str, tuple[Joint, ...], tuple[float, ...]]
LEG = (0.05, 0.042, 0.028)
WALKING: tuple[BodyPart, ...] = (
    ("far sleeve", ((0.012, 0, 0.80), (0.012, 0.6, 0.64), (0.012, 1.1, 0.53)), (0.032, 0.027, 0.02)),
    ("far leg", ((0, 0, 0.49), (0, -0.35, 0.27), (0, -1.25, 0.035)), (0.058, 0.045, 0.028)),
    ("leg", ((0, 0, 0.49), (0, 0.75, 0.27), (0, 1.1, 0.03)), (0.06, 0.046, 0.028)),
    ("shoe", ((-0.03, -1.25, 0.05), (0.09, -1.25, 0), (-0.035, -1.25, 0)), ()),
    ("shoe", ((-0.03, 1.1, 0.05), (0.09, 1.1, 0), (-0.035, 1.1, 0)), ()),
    ("bag", ((-0.073, 0, 0.70),), (0.055, 0.095)),
    ("skirt", ((-0.07, 0, 0.50), (0.075, 0, 0.50), (0.10, 0, 0.30), (-0.095, 0, 0.30)), ()),
    ("coat", ((-0.068, 0, 0.30), (0.068, 0, 0.30), (0.082, 0, 0.62), (-0.054, 0, 0.62)), ()),
    ("top", ((-0.068, 0, 0.45), (0.068, 0, 0.45), (0.082, 0, 0.62), (0.074, 0, 0.80)), ()),
    ("top", ((0.074, 0, 0.80), (0.012, 0, 0.835), (-0.05, 0, 0.80), (-0.054, 0, 0.62), (-0.068, 0, 0.45)), ()),
    ("far sleeve", ((0.012, 0, 0.80), (0.012, -0.5, 0.63), (0.042, -0.65, 0.52)), (0.036, 0.030, 0.022)),
    ("skin", ((0.042, -0.65, 0.52),), (0.022, 0.024)),
    ("skin", ((-0.004, 0, 0.82), (0.052, 0, 0.82), (0.05, 0, 0.925), (-0.002, 0, 0.925)), ()),
    ("hair", ((0.01, 0, 0.937),), (0.056, 0.066)),
    ("skin", ((0.036, 0, 0.913),), (0.044, 0.054)),
)
STANDING: tuple[BodyPart, ...] = (
    *(("leg", ((s * 0.045, 0, 0.48), (s * 0.04, s / 2, 0.27), (s * 0.035, s, 0.03)), LEG) for s in (-1, 1)),
    *(("shoe", ((s * 0.045, s, 0.018),), (0.04, 0.02)) for s in (-1, 1)),
    ("sleeve", ((-0.105, 0, 0.80), (-0.15, 0, 0.64), (-0.15, 0, 0.47)), (0.034, 0.029, 0.022)),
    ("skin", ((-0.15, 0, 0.47),), (0.022, 0.025)),
    ("hanging", ((0.105, 0, 0.80), (0.15, 0, 0.64), (0.15, 0, 0.47)), (0.034, 0.029, 0.022)),
    ("hanging hand", ((0.15, 0, 0.47),), (0.022, 0.025)),
    ("raised", ((0.105, 0, 0.80), (0.15, 0, 0.64), (0.07, 0, 0.90)), (0.034, 0.029, 0.022)),
    ("raised hand", ((0.07, 0, 0.90),), (0.022, 0.025)),
    ("skirt", ((-0.08, 0, 0.52), (0.08, 0, 0.52), (0.12, 0, 0.30), (-0.12, 0, 0.30)), ()),
    ("top", ((-0.085, 0, 0.46), (0.085, 0, 0.46), (0.09, 0, 0.62), (-0.09, 0, 0.62)), ()),
    ("top", ((-0.09, 0, 0.62), (0.09, 0, 0.62), (0.118, 0, 0.79), (-0.118, 0, 0.79)), ()),
    ("top", ((-0.118, 0, 0.79), (0.118, 0, 0.79), (0.06, 0, 0.835), (-0.06, 0, 0.835)), ()),
    ("skin", ((-0.028, 0, 0.82), (0.028, 0, 0.82), (0.026, 0, 0.925), (-0.026, 0, 0.925)), ()),
    ("hair", ((0, 0, 0.937),), (0.056, 0.066)),
    ("face", ((0, 0, 0.913),), (0.044, 0.054)),
)


def draw_person(canvas: Canvas, right: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint one person standing or walking there."""
    height, mirror = float(rng.uniform(1.58, 1.88)), -1 if rng.random() < 0.5 else 1
    walks = rng.random() < 0.6
    swing = float(rng.uniform(0.07, 0.15) if walks else rng.uniform(0.03, 0.06))
    clothes = _clothes(canvas.condition.air, rng)
    frame = replace(canvas.stand(right, ahead, 0.3, Category.PERSON), unit=(mirror * height, height))
    for garment, joints, widths in WALKING if walks else STANDING:
        if garment not in clothes:
            continue
        spots = [(x + share * swing, y) for x, share, y in joints]
        if len(spots) == 1:
            frame.ellipse(clothes[garment], *spots[0], widths[0], widths[1])
        elif widths:
            frame.limb(clothes[garment], spots, widths)
        else:
            frame.polygon(clothes[garment], spots)


def _clothes(air: float, rng: np.random.Generator) -> dict[str, Surface]:
    """Choose what a person wears; a garment that is left out is not painted."""
    clothes = {}
    for garment, (colors, warmth) in GARMENTS.items():
        cloth = Surface(Category.PERSON, pick(colors, rng), heat=(SKIN_C - air) * warmth, solar=0.5, grain=0.03)
        clothes[garment] = cloth.varied(rng, 0.03)
    top, leg, skin = clothes["top"], clothes["leg"], clothes["skin"]
    sleeve = top.shaded(0.85)
    clothes |= {"sleeve": sleeve, "far sleeve": top.shaded(0.75), "far leg": leg.shaded(0.75)}
    bag, face, coat, skirt, calls = rng.random(5) < (0.3, 0.5, 0.25, 0.25, 0.3)
    clothes |= {"raised": sleeve, "raised hand": skin} if calls else {"hanging": sleeve, "hanging hand": skin}
    clothes |= {"skirt": leg, "leg": skin, "far leg": skin} if skirt else {}
    chosen = {"face": face, "coat": coat, "bag": bag}
    clothes |= {"face": skin, "coat": top}
    return {garment: cloth for garment, cloth in clothes.items() if chosen.get(garment, True)}


def plan_traffic(canvas: Canvas, street: Street, rng: np.random.Generator) -> Iterator[Thing]:
    """Plan cars, moving and parked, and people on the sidewalks and the crossing."""
    for lane, front, nearest in ((0.0, False, 9.0), (street.middle - LANE_M / 2, True, 8.0)):
        ahead = nearest + float(rng.exponential(7.0))
        while ahead < 75:
            right = lane + float(rng.uniform(-0.25, 0.25))
            yield ahead, partial(draw_car, canvas, right, ahead, front=front, running=True)
            ahead += 8.0 + float(rng.exponential(14.0))
    for sign in (sign for sign in (-1, 1) if street.parking[sign]):
        ahead, right = float(rng.uniform(4.0, 9.0)), street.edge[sign] - sign * PARKING_M / 2
        while ahead < 60:
            if rng.random() < 0.75:
                yield ahead, partial(draw_car, canvas, right, ahead, front=sign < 0, running=False)
            ahead += float(rng.uniform(5.6, 6.6))
    spots = []
    for _ in range(int(rng.integers(3, 8))):
        sign = 1 if rng.random() < 0.5 else -1
        right = street.edge[sign] + sign * float(rng.uniform(0.5, street.walk - 0.4))
        ahead = canvas.camera.draw_distance(right, 5.5, 32, rng)
        spots += [(right, ahead), (right + sign * 0.55, ahead + 0.3)][: 1 + (rng.random() < 0.3)]
    if street.crossing and rng.random() < 0.8:
        near, far = (street.edge[-1], street.crossing + 0.5), (street.edge[1], street.crossing + 2.8)
        spots += rng.uniform(near, far, (int(rng.integers(1, 3)), 2)).tolist()
    for right, ahead in spots:
        yield ahead, partial(draw_person, canvas, right, ahead)
