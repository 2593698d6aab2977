"""The infrared camera: temperature and emissivity, air, sky, optical blur, sensor noise and pattern."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from roadscenes.canvas import SKY, Camera
from roadscenes.fields import TILE, Band, Floats, noise_tile
from roadscenes.street import Street

GRAIN_C = 7.0  # °C of emissivity detail per unit of visible grain
SHADOW_C = 1.6  # °C a patch of ground loses in a cast shadow
HAZE_PER_M = 1 / 900
MIRRORED_C = 8.0  # °C a perfect mirror looks colder than the air, for the sky it shows


def warmth(band: Band, street: Street) -> Floats:
    """Return the apparent temperature of a band of the picture, °C, times its share that is not sky, (h,w)."""
    condition, table = street.condition, band.table
    gained = table["solar"] * np.float32(condition.solar) * (0.4 + 0.6 * table["sunlit"])
    own = table["heat"] + gained - np.float32(MIRRORED_C) * table["gloss"]
    above = band.of(own.astype(np.float32)) + np.float32(GRAIN_C) * band.grain
    above -= np.float32(SHADOW_C * condition.solar) * (1 - band.sun)
    above += np.float32(1.2) * (1 - band.contact)
    reach = np.exp(-band.ahead * np.float32(HAZE_PER_M))
    return band.shrink((above * reach + np.float32(condition.air)) * (band.kind != SKY))


def sky_warmth(camera: Camera, scale: int, street: Street, rng: np.random.Generator) -> Floats:
    """Return the sky's apparent temperature, °C, (H,W): cold, warmer at the horizon and in clouds."""
    condition = street.condition
    high, wide = camera.height // scale, camera.width // scale
    rows = (np.arange(high, dtype=np.float32) + 0.5) * scale
    rise = np.clip((camera.horizon - rows) / camera.focal, 0, None)
    clear = condition.air - condition.sky_cold * (0.3 + 0.7 * (1 - np.exp(-rise * 4)))
    start = int(rng.integers(TILE))
    down, across = np.arange(high) * 240 // wide % TILE, (np.arange(wide) * 120 // wide + start) % TILE
    cloud = ndimage.gaussian_filter(noise_tile()[np.ix_(down, across)], wide / 120)
    return np.asarray(clear[:, None] + 0.1 * condition.sky_cold * cloud, dtype=np.float32)


def read_out(degrees: Floats, street: Street, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn temperatures (H,W), °C, into the picture (H,W) uint8: hot is white, one range per condition."""
    high, wide = degrees.shape
    condition = street.condition
    blurred = ndimage.gaussian_filter(degrees, 0.42 + 0.26 * wide / 160)
    share = np.clip((blurred - condition.coldest) / (condition.hottest - condition.coldest), 0, 1)
    steps = 10 + 240 * share
    steps += 1.5 * rng.standard_normal((high, wide), dtype=np.float32)
    steps += 0.7 * rng.standard_normal((1, wide), dtype=np.float32)
    steps += 0.4 * rng.standard_normal((high, 1), dtype=np.float32)
    return np.asarray(np.clip(np.rint(steps), 0, 255), dtype=np.uint8)
