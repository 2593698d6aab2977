"""What a scene is like: day, dusk, night or fog, and the plan of its street."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

Color = tuple[float, float, float]
Point = tuple[float, float, float]  # metres to the right of the camera, above the road, ahead of the camera
Option = TypeVar("Option")


def pick(options: Sequence[Option], rng: np.random.Generator) -> Option:
    """Return one of the options, each with equal probability."""
    return options[int(rng.integers(len(options)))]


@dataclass(frozen=True)
class Condition:
    """The light and the weather of a scene; colours are linear light, 1 = a white sheet in the sun."""

    name: str
    letter: str  # last letter of the file names
    ambient: Color  # light from the whole sky
    sun_color: Color
    sunny: bool  # whether things cast shadows
    sky_top: Color  # at the zenith
    sky_low: Color  # at the horizon
    cloud: Color
    haze_per_m: float  # extinction in the visible band
    lamps: float  # strength of street lamps, headlights and the like, 0 = off
    windows: float  # share of lit windows
    exposure: float  # gain before the tone curve
    noise: float  # standard deviation of the visible camera's noise, 8-bit steps
    air: float  # °C
    solar: float  # share of the day's solar heat that is in the surfaces
    sky_cold: float  # °C of the zenith below the air
    coldest: float  # °C shown as black
    hottest: float  # °C shown as white
    cover: float = 0.5  # share of the sky under clouds
    sun: Point = (0.0, 1.0, 0.0)  # unit vector towards the sun (right, up, ahead)


TABLE: dict[str, tuple[Any, Any, Any, Any]] = {
    "name": ("day", "dusk", "night", "fog"),
    "letter": ("D", "U", "N", "F"),
    "ambient": ((0.42, 0.50, 0.62), (0.15, 0.135, 0.20), (0.009, 0.011, 0.019), (0.46, 0.48, 0.51)),
    "sun_color": ((1.25, 1.12, 0.92), (0.34, 0.16, 0.06), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    "sunny": (True, True, False, False),
    "sky_top": ((0.09, 0.25, 0.66), (0.055, 0.075, 0.22), (0.0035, 0.005, 0.013), (0.50, 0.53, 0.57)),
    "sky_low": ((0.62, 0.80, 1.0), (1.0, 0.42, 0.14), (0.020, 0.018, 0.026), (0.55, 0.57, 0.60)),
    "cloud": ((1.3, 1.3, 1.3), (0.60, 0.22, 0.20), (0.020, 0.017, 0.022), (0.56, 0.58, 0.61)),
    "haze_per_m": (1 / 700, 1 / 350, 1 / 500, 1 / 26),
    "lamps": (0.0, 0.30, 0.34, 0.25),
    "windows": (0.0, 0.35, 0.34, 0.25),
    "exposure": (1.35, 1.6, 1.55, 1.5),
    "noise": (1.2, 2.0, 3.0, 1.5),
    "air": (18.0, 14.0, 9.0, 7.0),
    "solar": (1.0, 0.6, 0.35, 0.2),
    "sky_cold": (19.0, 19.0, 17.0, 7.0),
    "coldest": (0.5, -4.0, -5.0, -6.0),
    "hottest": (34.0, 34.0, 31.5, 33.0),
}
CONDITIONS = {
    name: Condition(**{field: values[i] for field, values in TABLE.items()}) for i, name in enumerate(TABLE["name"])
}


def vary_condition(name: str, rng: np.random.Generator) -> Condition:
    """Return one of CONDITIONS with the sun, clouds, visibility and air of one scene."""
    base = CONDITIONS[name]
    turn, height, cover, shift = rng.uniform(-1, 1, 4).tolist()
    if name == "dusk":
        azimuth, elevation = 0.5 * turn, math.radians(7 + 2 * height)
    else:  # from behind or beside the camera, which does not look into the sun
        azimuth, elevation = math.pi + 2.0 * turn, math.radians(40 + 14 * height)
    level = math.cos(elevation)
    sun = (math.sin(azimuth) * level, math.sin(elevation), math.cos(azimuth) * level)
    return replace(
        base,
        sun=sun if base.sunny else base.sun,
        cover=0.5 + 0.3 * cover,
        haze_per_m=base.haze_per_m * (1 + 0.3 * shift),
        air=base.air + 2 * shift,
        coldest=base.coldest + 2 * shift,
    )


WHITE_GLOW, LAMP_GLOW = (1.0, 0.95, 0.85), (1.0, 0.76, 0.44)  # linear light
CITY, HOUSES, PARK = "city", "houses", "park"
LANE_M, PARKING_M, LAMP_M = 3.3, 2.3, 6.2


@dataclass(frozen=True)
class Street:
    """A straight street seen from the right-hand lane; metres to the right of the camera, or ahead of it."""

    edge: dict[int, float]  # edge of the road on the left (-1) and right (+1)
    front: dict[int, float]  # where the sidewalk of a side ends and buildings begin
    walk: float  # width of the sidewalks
    kind: dict[int, str]  # CITY, HOUSES or PARK
    parking: dict[int, bool]  # whether a side has a parking lane
    first_lamp: dict[int, float]
    lamp_gap: float  # between the lamps of one side
    crossing: float  # a zebra crossing, 0 = none
    middle: float = -LANE_M / 2  # the line between the two directions


def plan_street(rng: np.random.Generator) -> Street:
    """Choose a street."""
    parking = {-1: bool(rng.random() < 0.4), 1: bool(rng.random() < 0.35)}
    edge = {-1: -1.5 * LANE_M - PARKING_M * parking[-1], 1: LANE_M / 2 + PARKING_M * parking[1] + 0.2}
    walk, lamp_gap, first, crossing = rng.uniform((2.6, 22, 7, 9), (4.2, 30, 17, 17)).tolist()
    return Street(
        edge=edge,
        front={sign: edge[sign] + sign * walk for sign in edge},
        walk=walk,
        kind=dict(zip(edge, rng.choice([CITY, HOUSES, PARK], 2, p=[0.5, 0.28, 0.22]).tolist(), strict=True)),
        parking=parking,
        first_lamp={-1: first + lamp_gap / 2, 1: first},
        lamp_gap=lamp_gap,
        crossing=crossing if rng.random() < 0.35 else 0.0,
    )
