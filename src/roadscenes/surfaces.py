"""What things are made of: class, colour, warmth and texture, the properties the two cameras see."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Color = tuple[float, float, float]

BACKGROUND, ROAD, SIDEWALK, BUILDING, VEGETATION, SKY, PERSON, CAR, LAMP, SIGN = range(10)
DETECTED = (PERSON, CAR)  # in the order of the descriptor's detection classes

PLAIN, ASPHALT, SLABS, BRICKS, LEAVES = range(5)


@dataclass(frozen=True)
class Surface:
    """One material.

    Args:
        category: class id of the label map.
        color: sRGB in [0, 1].
        heat: own warmth, °C above the air.
        solar: °C gained in full sun.
        grain: relative strength of the texture; the infrared camera sees a part of it.
        pattern: PLAIN, ASPHALT, SLABS, BRICKS or LEAVES.
        glow: linear light it gives off (1 = a white sheet in the sun).
        shine: share of its light a retroreflector sends back to our own headlights.
        gloss: share of the sky it mirrors, in both bands.
    """

    category: int
    color: Color
    heat: float = 0.0
    solar: float = 2.0
    grain: float = 0.05
    pattern: int = PLAIN
    glow: Color = (0.0, 0.0, 0.0)
    shine: float = 0.0
    gloss: float = 0.0


def recolored(surface: Surface, color: Color) -> Surface:
    """Return the surface in another sRGB colour."""
    return replace(surface, color=color)


def lit(surface: Surface, glow: Color, strength: float, heat: float | None = None) -> Surface:
    """Return the surface giving off `strength` times the linear colour `glow`, warmer by `heat` °C."""
    red, green, blue = (strength * part for part in glow)
    warmth = surface.heat + (heat or 0.0)
    return replace(surface, glow=(red, green, blue), heat=warmth)


def varied(color: Color, rng: np.random.Generator, spread: float = 0.06) -> Color:
    """Return a colour near `color`: one shift of brightness, small ones per channel."""
    shift = rng.normal(0.0, spread) + rng.normal(0.0, spread / 3, 3)
    red, green, blue = (min(max(part + float(step), 0.0), 1.0) for part, step in zip(color, shift, strict=True))
    return red, green, blue


def shaded(color: Color, factor: float) -> Color:
    """Return an sRGB colour made darker (`factor` < 1) or lighter (> 1)."""
    red, green, blue = (min(max(part * factor, 0.0), 1.0) for part in color)
    return red, green, blue


WARM_LIGHT: Color = (1.0, 0.66, 0.30)
LAMP_LIGHT: Color = (1.0, 0.76, 0.44)
COOL_LIGHT: Color = (0.80, 0.92, 1.0)
RED_LIGHT: Color = (1.0, 0.05, 0.03)

TARMAC = Surface(ROAD, (0.34, 0.34, 0.36), heat=2.0, solar=4.0, grain=0.11, pattern=ASPHALT)
PAINT = Surface(ROAD, (0.88, 0.88, 0.85), heat=2.0, solar=4.0, grain=0.11, pattern=ASPHALT, shine=0.35)
PAVING = Surface(SIDEWALK, (0.60, 0.58, 0.55), heat=1.2, solar=4.0, grain=0.08, pattern=SLABS)
KERB = Surface(SIDEWALK, (0.72, 0.71, 0.69), heat=0.8, solar=3.0, grain=0.05)
LAWN = Surface(VEGETATION, (0.36, 0.47, 0.20), heat=-1.5, solar=1.5, grain=0.24, pattern=LEAVES)
FOLIAGE = Surface(VEGETATION, (0.27, 0.42, 0.17), heat=-0.6, solar=1.6, grain=0.34, pattern=LEAVES)
BARK = Surface(VEGETATION, (0.34, 0.26, 0.19), heat=0.4, solar=2.5, grain=0.20)
WALL_PAINT = Surface(BUILDING, (0.75, 0.68, 0.58), heat=2.2, solar=3.5, grain=0.06)
GLASS = Surface(BUILDING, (0.13, 0.16, 0.20), heat=7.5, solar=2.5, grain=0.02, gloss=0.28)
METAL = Surface(LAMP, (0.36, 0.38, 0.40), heat=-0.6, solar=3.5, grain=0.02)
