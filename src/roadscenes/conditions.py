"""Day, dusk, night and fog: what shines, how warm it is, how far one sees."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from roadscenes.canvas import Point
from roadscenes.surfaces import Color


@dataclass(frozen=True)
class Condition:
    """The light and the weather of a scene.

    Args:
        name: day, dusk, night or fog.
        letter: last letter of the file names.
        ambient: linear light from the whole sky.
        sun_color: linear light of the sun.
        sun: unit vector towards the sun (right, up, ahead).
        sky_top: linear colour at the zenith.
        sky_low: linear colour at the horizon.
        cloud: linear colour of the clouds.
        cover: share of the sky under clouds.
        haze_per_m: extinction in the visible band.
        lamps: strength of street lamps, headlights and the like, 0 = off.
        windows: share of lit windows.
        exposure: gain before the tone curve.
        noise: standard deviation of the visible camera's noise, 8-bit steps.
        air: °C.
        solar: share of the day's solar heat that is in the surfaces.
        sky_cold: °C of the zenith below the air.
        coldest: °C shown as black.
        hottest: °C shown as white.
    """

    name: str
    letter: str
    ambient: Color
    sun_color: Color
    sun: Point
    sky_top: Color
    sky_low: Color
    cloud: Color
    cover: float
    haze_per_m: float
    lamps: float
    windows: float
    exposure: float
    noise: float
    air: float
    solar: float
    sky_cold: float
    coldest: float
    hottest: float


DAY = Condition(
    *("day", "D"),
    ambient=(0.42, 0.50, 0.62),
    sun_color=(1.25, 1.12, 0.92),
    sun=(0.5, 0.6, -0.6),
    sky_top=(0.09, 0.25, 0.66),
    sky_low=(0.62, 0.80, 1.0),
    cloud=(1.3, 1.3, 1.3),
    cover=0.5,
    haze_per_m=1 / 700,
    lamps=0.0,
    windows=0.0,
    exposure=1.35,
    noise=1.2,
    air=18.0,
    solar=1.0,
    sky_cold=19.0,
    coldest=0.5,
    hottest=34.0,
)
DUSK = replace(
    DAY,
    name="dusk",
    letter="U",
    ambient=(0.15, 0.135, 0.20),
    sun_color=(0.34, 0.16, 0.06),
    sun=(0.3, 0.12, 0.9),
    sky_top=(0.055, 0.075, 0.22),
    sky_low=(1.0, 0.42, 0.14),
    cloud=(0.60, 0.22, 0.20),
    haze_per_m=1 / 350,
    lamps=0.30,
    windows=0.35,
    exposure=1.6,
    noise=2.0,
    air=14.0,
    solar=0.6,
    coldest=-4.0,
)
NIGHT = replace(
    DAY,
    name="night",
    letter="N",
    ambient=(0.009, 0.011, 0.019),
    sun_color=(0.0, 0.0, 0.0),
    sun=(0.0, 1.0, 0.0),
    sky_top=(0.0035, 0.005, 0.013),
    sky_low=(0.020, 0.018, 0.026),
    cloud=(0.020, 0.017, 0.022),
    haze_per_m=1 / 500,
    lamps=0.34,
    windows=0.34,
    exposure=1.55,
    noise=3.0,
    air=9.0,
    solar=0.35,
    sky_cold=17.0,
    coldest=-5.0,
    hottest=31.5,
)
FOG = replace(
    DAY,
    name="fog",
    letter="F",
    ambient=(0.46, 0.48, 0.51),
    sun_color=(0.0, 0.0, 0.0),
    sun=(0.0, 1.0, 0.0),
    sky_top=(0.50, 0.53, 0.57),
    sky_low=(0.55, 0.57, 0.60),
    cloud=(0.56, 0.58, 0.61),
    haze_per_m=1 / 26,
    lamps=0.25,
    windows=0.25,
    exposure=1.5,
    noise=1.5,
    air=7.0,
    solar=0.2,
    sky_cold=7.0,
    coldest=-6.0,
    hottest=33.0,
)
CONDITIONS = {condition.name: condition for condition in (DAY, DUSK, NIGHT, FOG)}


def todays(name: str, rng: np.random.Generator) -> Condition:
    """Return a condition with this scene's sun, clouds, visibility and air.

    Raises:
        ValueError: there is no condition of that name.
    """
    if name not in CONDITIONS:
        raise ValueError(f"condition: expected one of {', '.join(CONDITIONS)}, got {name!r}")
    base = CONDITIONS[name]
    turn, height, cover, shift = rng.uniform(-1, 1, 4).tolist()
    if name == "dusk":
        azimuth, elevation = 0.5 * turn, math.radians(7 + 2 * height)
    else:  # from behind or beside us, so that we do not look into the sun
        azimuth, elevation = math.pi + 2.0 * turn, math.radians(40 + 14 * height)
    sun = (
        math.sin(azimuth) * math.cos(elevation),
        math.sin(elevation),
        math.cos(azimuth) * math.cos(elevation),
    )
    return replace(
        base,
        sun=sun if max(base.sun_color) > 0 else base.sun,
        cover=0.5 + 0.3 * cover,
        haze_per_m=base.haze_per_m * (1 + 0.3 * shift),
        air=base.air + 2 * shift,
        coldest=base.coldest + 2 * shift,
    )
