"""People: head, torso, limbs, in several poses and clothes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from roadscenes.canvas import CARD, Canvas, Plane
from roadscenes.street import Street, cast_card
from roadscenes.surfaces import PERSON, Color, Surface, shaded, varied

CLOTHES: tuple[Color, ...] = (
    *((0.16, 0.18, 0.24), (0.30, 0.12, 0.13), (0.62, 0.16, 0.14), (0.18, 0.30, 0.48), (0.75, 0.72, 0.66)),
    *((0.24, 0.32, 0.22), (0.80, 0.62, 0.20), (0.42, 0.40, 0.40), (0.12, 0.12, 0.13), (0.55, 0.34, 0.50)),
)
TROUSERS: tuple[Color, ...] = ((0.13, 0.15, 0.22), (0.22, 0.26, 0.36), (0.12, 0.12, 0.12), (0.40, 0.34, 0.26))
SKINS: tuple[Color, ...] = ((0.86, 0.66, 0.54), (0.76, 0.55, 0.42), (0.55, 0.37, 0.27), (0.38, 0.25, 0.19))
HAIRS: tuple[Color, ...] = ((0.10, 0.08, 0.07), (0.28, 0.18, 0.11), (0.55, 0.42, 0.24), (0.50, 0.49, 0.48))
SKIN_C = 34.0
Joint = tuple[float, float]  # metres right of and above the feet


@dataclass(frozen=True)
class Figure:
    """A person being painted; positions are shares of the height, the feet at (0, 0)."""

    canvas: Canvas
    plane: Plane
    side: float
    ahead: float
    height: float
    instance: int
    sunlit: float
    air: float

    def cloth(self, color: Color, warmth: float) -> int:
        """Register a part that shows `warmth` of the step from the air's to the skin's temperature."""
        heat = (SKIN_C - self.air) * warmth
        surface = Surface(PERSON, color, heat=heat, solar=0.5, grain=0.03)
        return self.canvas.part(surface, self.plane, self.instance, sunlit=self.sunlit)

    def place(self, joint: Joint) -> tuple[float, float, float]:
        """Return a joint's place in the street."""
        return (self.side + joint[0] * self.height, joint[1] * self.height, self.ahead)

    def shape(self, part: int, joints: list[Joint]) -> None:
        """Paint a polygon."""
        self.canvas.polygon(part, [self.place(joint) for joint in joints])

    def round(self, part: int, joint: Joint, wide: float, high: float) -> None:
        """Paint an ellipse."""
        self.canvas.ellipse(part, self.place(joint), wide * self.height, high * self.height)

    def limb(self, part: int, joints: list[Joint], widths: list[float]) -> None:
        """Paint a bent limb: tapered pieces with round joints."""
        for (first, second), (wide, thin) in zip(pairwise(joints), pairwise(widths), strict=True):
            right, up = second[0] - first[0], second[1] - first[1]
            length = math.hypot(right, up) or 1.0
            across = (up / length, -right / length)
            edge = [(first, wide), (second, thin), (second, -thin), (first, -wide)]
            self.shape(part, [(at[0] + across[0] * half, at[1] + across[1] * half) for at, half in edge])
            self.round(part, second, thin, thin)


def draw_person(canvas: Canvas, street: Street, side: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint one person standing or walking at (side, ahead)."""
    figure = Figure(
        canvas=canvas,
        plane=Plane(CARD, ahead),
        side=side,
        ahead=ahead,
        height=float(rng.uniform(1.58, 1.88)),
        instance=canvas.instance(PERSON),
        sunlit=canvas.in_sun(side, ahead),
        air=street.condition.air,
    )
    top = varied(CLOTHES[int(rng.integers(len(CLOTHES)))], rng, 0.03)
    pose = _walking if rng.random() < 0.6 else _standing
    pose(figure, top, rng)
    _shadow(canvas, street, figure)


def _shadow(canvas: Canvas, street: Street, figure: Figure) -> None:
    side, ahead, tall = figure.side, figure.ahead, figure.height
    for low, high, wide in ((0.0, 0.5, 0.30), (0.45, 0.82, 0.46), (0.82, 1.0, 0.22)):
        cast_card(canvas, street.condition, (side, low * tall, ahead), wide, high * tall)
    canvas.occlude([(side - 0.3, 0, ahead - 0.15), (side + 0.3, 0, ahead - 0.15), (side + 0.3, 0, ahead + 0.2)])


def _walking(figure: Figure, top: Color, rng: np.random.Generator) -> None:
    """Side view, legs apart, arms swinging."""
    facing = 1 if rng.random() < 0.5 else -1
    stride, lean = facing * float(rng.uniform(0.07, 0.15)), facing * 0.012
    trousers = TROUSERS[int(rng.integers(len(TROUSERS)))]
    leg, far_leg = figure.cloth(trousers, 0.70), figure.cloth(shaded(trousers, 0.75), 0.66)
    torso, far_arm = figure.cloth(top, 0.76), figure.cloth(shaded(top, 0.75), 0.72)
    skin, shoe = (
        figure.cloth(SKINS[int(rng.integers(len(SKINS)))], 0.98),
        figure.cloth((0.1, 0.09, 0.09), 0.5),
    )
    hip, shoulder = (0.0, 0.49), (lean, 0.80)
    figure.limb(far_arm, [shoulder, (lean + stride * 0.6, 0.64), (lean + stride * 1.1, 0.53)], [0.032, 0.027, 0.02])
    back, front = (-stride * 1.25, 0.035), (stride * 1.1, 0.03)
    figure.limb(far_leg, [hip, (-stride * 0.35, 0.27), back], [0.058, 0.045, 0.028])
    figure.limb(leg, [hip, (stride * 0.75, 0.27), front], [0.06, 0.046, 0.028])
    for foot in (back, front):
        figure.shape(
            shoe,
            [
                (foot[0] - 0.03 * facing, 0.05),
                (foot[0] + 0.09 * facing, 0.0),
                (foot[0] - 0.035 * facing, 0.0),
            ],
        )
    if rng.random() < 0.3:
        bag = figure.cloth(varied((0.3, 0.25, 0.2), rng), 0.35)
        figure.round(bag, (lean - 0.085 * facing, 0.70), 0.055, 0.095)
    hem = 0.30 if rng.random() < 0.25 else 0.45
    figure.shape(
        torso,
        [
            (-0.068, hem),
            (0.068, hem),
            (lean + 0.07, 0.62),
            (lean + 0.062, 0.80),
            (lean, 0.835),
            (lean - 0.062, 0.80),
            (lean - 0.066, 0.62),
        ],
    )
    elbow, hand = (lean - stride * 0.5, 0.63), (lean - stride * 0.65 + 0.03 * facing, 0.52)
    figure.limb(far_arm, [shoulder, elbow, hand], [0.036, 0.030, 0.022])
    figure.round(skin, hand, 0.022, 0.024)
    _head(figure, skin, (lean * 2, 0.925), facing, rng)


def _standing(figure: Figure, top: Color, rng: np.random.Generator) -> None:
    """Front or back view, weight on both legs, arms hanging or one raised to the ear."""
    spread = float(rng.uniform(0.03, 0.06))
    trousers = TROUSERS[int(rng.integers(len(TROUSERS)))]
    leg, torso = figure.cloth(trousers, 0.70), figure.cloth(top, 0.78)
    sleeve = figure.cloth(shaded(top, 0.85), 0.74)
    skin, shoe = (
        figure.cloth(SKINS[int(rng.integers(len(SKINS)))], 0.98),
        figure.cloth((0.1, 0.09, 0.09), 0.5),
    )
    skirt = rng.random() < 0.25
    limbs = skin if skirt else leg
    for turn in (-1, 1):
        foot = (turn * (0.035 + spread), 0.03)
        figure.limb(limbs, [(turn * 0.045, 0.48), (turn * (0.04 + spread / 2), 0.27), foot], [0.05, 0.042, 0.028])
        figure.round(shoe, (foot[0] + turn * 0.01, 0.018), 0.04, 0.02)
    calls = rng.random() < 0.3
    for turn in (-1, 1):
        raised = calls and turn > 0
        hand = (0.07, 0.90) if raised else (turn * 0.15, 0.47)
        figure.limb(sleeve, [(turn * 0.105, 0.80), (turn * 0.15, 0.64), hand], [0.034, 0.029, 0.022])
        figure.round(skin, hand, 0.022, 0.025)
    if skirt:
        figure.shape(leg, [(-0.08, 0.52), (0.08, 0.52), (0.12, 0.30), (-0.12, 0.30)])
    figure.shape(
        torso,
        [
            (-0.085, 0.46),
            (0.085, 0.46),
            (0.09, 0.62),
            (0.118, 0.79),
            (0.06, 0.835),
            (-0.06, 0.835),
            (-0.118, 0.79),
            (-0.09, 0.62),
        ],
    )
    _head(figure, skin, (0.0, 0.925), 0 if rng.random() < 0.5 else 2, rng)


def _head(figure: Figure, skin: int, center: Joint, facing: int, rng: np.random.Generator) -> None:
    """Paint neck, face and hair; `facing` is -1 or 1 in profile, 0 towards us, 2 away from us."""
    right, up = center
    hair = figure.cloth(HAIRS[int(rng.integers(len(HAIRS)))], 0.86)
    figure.shape(skin, [(right - 0.028, 0.82), (right + 0.028, 0.82), (right + 0.026, up), (right - 0.026, up)])
    back = right - 0.014 * facing if facing in (-1, 1) else right
    figure.round(hair, (back, up + 0.012), 0.056, 0.066)
    if facing != 2:
        figure.round(skin, (right + (0.012 * facing), up - 0.012), 0.044, 0.054)
