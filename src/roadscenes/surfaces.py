"""Materials: class, colour, temperature and texture, the properties that the two cameras see."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, TypeVar

import numpy as np

Color = tuple[float, float, float]
Option = TypeVar("Option")

Category = IntEnum("Category", "BACKGROUND ROAD SIDEWALK BUILDING VEGETATION SKY PERSON CAR LAMP SIGN", start=0)
DETECTED = (Category.PERSON, Category.CAR)  # in the order of the descriptor's detection classes
Pattern = IntEnum("Pattern", "PLAIN ASPHALT SLABS BRICKS LEAVES", start=0)


def pick(options: Sequence[Option], rng: np.random.Generator) -> Option:
    """Return one of the options, each with equal probability."""
    return options[int(rng.integers(len(options)))]


def palette(text: str) -> tuple[Color, ...]:
    """Return the colours written as hexadecimal RRGGBB, separated by spaces, in [0, 1]."""
    return tuple((code[0] / 255, code[1] / 255, code[2] / 255) for code in map(bytes.fromhex, text.split()))


class Surface(NamedTuple):
    """One material."""

    category: Category  # class id of the label map
    color: Color  # sRGB in [0, 1]
    heat: float = 0.0  # °C above the air
    solar: float = 2.0  # °C gained in full sun
    grain: float = 0.05  # relative strength of the texture; the infrared camera sees a part of it
    pattern: Pattern = Pattern.PLAIN
    glow: Color = (0.0, 0.0, 0.0)  # linear light it emits; 1 = a white sheet in the sun
    shine: float = 0.0  # share of its light that a retroreflector returns to our own headlights
    gloss: float = 0.0  # share of the sky that it mirrors, in both bands

    def shaded(self, factor: float) -> Surface:
        """Return the surface with its sRGB colour darker (`factor` < 1) or lighter (> 1)."""
        red, green, blue = self.color
        return self._replace(color=(min(red * factor, 1.0), min(green * factor, 1.0), min(blue * factor, 1.0)))

    def varied(self, rng: np.random.Generator, spread: float) -> Surface:
        """Return the surface in a similar colour: one random shift of brightness, smaller ones per channel."""
        shift, *steps = rng.normal(0.0, spread, 4).tolist()
        red, green, blue = (
            min(max(part + shift + step / 3, 0.0), 1.0) for part, step in zip(self.color, steps, strict=True)
        )
        return self._replace(color=(red, green, blue))

    def lit(self, glow: Color, strength: float, heat: float = 0.0) -> Surface:
        """Return the surface emitting `strength` times the linear colour `glow`, and `heat` °C warmer."""
        red, green, blue = glow
        return self._replace(glow=(red * strength, green * strength, blue * strength), heat=self.heat + heat)


WHITE_GLOW: Color = (1.0, 0.95, 0.85)
LAMP_GLOW: Color = (1.0, 0.76, 0.44)
RED_GLOW: Color = (1.0, 0.05, 0.03)
