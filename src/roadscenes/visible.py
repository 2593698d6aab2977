"""The visible camera: surface colour times light, haze, sky, glare, tone curve, noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from roadscenes.canvas import GROUND, SKY, Camera
from roadscenes.fields import TILE, Band, Floats, noise_tile
from roadscenes.posts import LAMP_M
from roadscenes.street import LANE_M, Street
from roadscenes.surfaces import ASPHALT, LAMP_LIGHT, PERSON, VEGETATION, Color

BRIGHTEST = 24.0  # linear light above this changes nothing but the glare
HEADLIGHT: Color = (1.0, 0.95, 0.85)


def expose(band: Band, street: Street) -> Floats:
    """Return the linear light of a band of the picture without its sky, (3,h,w)."""
    condition, table = street.condition, band.table
    relief = np.maximum(1 + band.grain + _wear(band, street), np.float32(0.05))
    scene = band.kind != SKY
    clear = np.exp(-band.ahead * np.float32(condition.haze_per_m)) * scene
    veil = (scene - clear) * np.float32(0.45 if condition.name == "dusk" else 0.92)
    mirror = band.of(table["gloss"]) * np.clip(0.4 + np.float32(0.12) * band.up, 0, 1) * clear
    lights = [(field * (relief * clear), color) for field, color in _lights(band, street)]
    planes = []
    for i in range(3):
        albedo = band.of(np.ascontiguousarray(table["color"][:, i]) ** np.float32(2.2))
        light = sum(field * np.float32(color[i]) for field, color in lights)
        plane = albedo * light + band.of(np.ascontiguousarray(table["glow"][:, i])) * clear
        plane += mirror * np.float32(0.6 * condition.sky_low[i] + 0.4 * condition.sky_top[i])
        plane += veil * np.float32(condition.sky_low[i])
        planes.append(band.shrink(np.minimum(plane, np.float32(BRIGHTEST))))
    return np.stack(planes)


def _wear(band: Band, street: Street) -> Floats:
    """Darken the wheel tracks of the road."""
    on_road = band.of((band.table["pattern"] == ASPHALT).astype(np.float32) * np.float32(0.07))
    lane = np.cos((band.side - np.float32(street.middle)) * np.float32(4 * math.pi / LANE_M))
    return np.asarray(on_road * lane, dtype=np.float32)


def _lights(band: Band, street: Street) -> list[tuple[Floats, Color]]:
    """Return the lights that are on: how strong at each pixel, and their colour."""
    condition = street.condition
    lights = [(_ambient(band), condition.ambient)]
    if max(condition.sun_color) > 0:
        toward = np.maximum(band.table["normal"] @ np.array(condition.sun, np.float32), 0) * band.table["sunlit"]
        lights.append((band.of(toward) * band.sun, condition.sun_color))
    if condition.lamps:
        lights.append((_lamp_light(band, street), LAMP_LIGHT))
    if condition.lamps and condition.name != "fog":
        lights.append((_own_headlights(band, street), HEADLIGHT))
    return lights


def _ambient(band: Band) -> Floats:
    """Return the sky's light: less near the foot of walls and beside what stands on the ground."""
    upward = band.of(np.float32(0.72) + np.float32(0.28) * band.table["normal"][:, 1])
    foot = np.clip(np.float32(0.72) + np.float32(0.14) * band.up, 0.72, 1)
    return upward * np.where(band.kind == GROUND, band.contact, foot)


def _lamp_light(band: Band, street: Street) -> Floats:
    """Return the light of the two rows of street lamps, which repeat every `lamp_gap` metres."""
    gap = np.float32(street.lamp_gap)
    drop = np.maximum(np.float32(LAMP_M) - band.up, np.float32(0.8))
    total = np.zeros_like(drop)
    for sign in (-1, 1):
        ahead = (band.ahead - np.float32(street.first_lamp(sign)) + gap / 2) % gap - gap / 2
        across = band.side - np.float32(street.lamp_side(sign) - sign * 1.7)
        squared = drop * drop + across * across + ahead * ahead
        total += (drop * drop) / (squared * squared)
    # a lamp shines down: upright things, people above all, turn their unlit side to us
    share = np.where(band.table["kind"] == GROUND, 2.6, 0.8)
    share = np.where(band.table["category"] == VEGETATION, 0.5 * share, share)
    share = np.where(band.table["category"] == PERSON, 0.30, share)
    power = share.astype(np.float32) * np.float32(0.5 * LAMP_M**2 * street.condition.lamps)
    below = np.clip(np.float32((LAMP_M + 0.8) / 2) - band.up * np.float32(0.5), 0, 1)
    return np.asarray(total * band.of(power) * band.contact * below, dtype=np.float32)


def _own_headlights(band: Band, street: Street) -> Floats:
    """Return the light of our low beam: a cone on the road, cut off at knee height, and what mirrors it."""
    angle = band.side / band.ahead
    distance = band.ahead * np.float32(1 / 11)
    beam = np.exp(-(angle * angle) * np.float32(11)) * np.clip(np.float32(1.15) - np.float32(0.75) * band.up, 0, 1)
    fall = 1 / (1 + distance * distance)
    lit = np.float32(1.9) * beam * band.contact + 2 * band.of(band.table["shine"])
    return np.asarray(lit * fall * np.float32(street.condition.lamps), dtype=np.float32)


def sky_light(camera: Camera, scale: int, street: Street, rng: np.random.Generator) -> Floats:
    """Return the sky's linear light behind every pixel of the picture, (3,H,W)."""
    condition = street.condition
    high, wide = camera.height // scale, camera.width // scale
    rows = (np.arange(high, dtype=np.float32) + 0.5) * scale
    columns = (np.arange(wide, dtype=np.float32) + 0.5) * scale
    rise = np.clip((camera.horizon - rows) / camera.focal, 0.004, None)[:, None]
    across = ((columns - camera.center) / camera.focal)[None, :]
    mix = 1 - np.exp(-rise * 4.5)
    cover = _clouds(rise, across, condition.cover, rng)
    shade = (1 - 0.3 * cover**2) * cover
    extra: list[Floats | float] = [0.0, 0.0, 0.0]
    if condition.name == "dusk":
        sun_across = condition.sun[0] / condition.sun[2]
        glow = np.exp(-((across - sun_across) ** 2 + (rise - 0.08) ** 2) / 0.09)
        extra = [1.1 * glow, 0.55 * glow, 0.16 * glow]
    if condition.name == "night":
        extra = [_stars(high, wide, rng)] * 3
    planes = [
        (condition.sky_low[i] * (1 - mix) + condition.sky_top[i] * mix + extra[i]) * (1 - cover)
        + condition.cloud[i] * shade
        for i in range(3)
    ]
    return np.stack(planes).astype(np.float32)


def _clouds(rise: Floats, across: Floats, cover: float, rng: np.random.Generator) -> Floats:
    """Read the noise image on a plane above the street, so that clouds shrink towards the horizon."""
    start = rng.uniform(0, TILE, 2)
    away = 34.0 / (rise + 0.16)
    rows = np.broadcast_to(away * 1.5 + start[0], (rise.shape[0], across.shape[1]))
    columns = away * across * 1.1 + start[1]
    noise = ndimage.map_coordinates(noise_tile(), [rows, columns], order=1, mode="grid-wrap")
    dense = np.clip((noise - 0.9 + 2.0 * cover) * 0.75, 0, 0.95)
    return np.asarray(dense * np.clip(rise * 14, 0, 1), dtype=np.float32)


def _stars(high: int, wide: int, rng: np.random.Generator) -> Floats:
    chance, bright = rng.random((2, high, wide), dtype=np.float32)
    return np.where(chance > 0.998, np.float32(0.25) * bright * bright, np.float32(0))


def develop(light: Floats, street: Street, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn linear light (3,H,W) into the picture (H,W,3) uint8: glare, vignetting, tone curve, noise."""
    high, wide = light.shape[1:]
    row, column = np.ogrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j]
    gain = ((1 - 0.065 * (row**2 + column**2)) * street.condition.exposure).astype(np.float32)
    tone = 1 - np.exp(-_with_glare(light, street) * gain)
    steps = np.float32(255) * tone ** np.float32(1 / 2.2)
    steps += rng.standard_normal(light.shape, dtype=np.float32) * np.float32(street.condition.noise)
    picture = np.clip(np.rint(steps), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(picture.transpose(1, 2, 0))


def _with_glare(light: Floats, street: Street) -> Floats:
    """Add the veil and the streaks that bright lights spread in the lens and, in fog, in the air."""
    bright = np.maximum(light - np.float32(1.0), 0)
    if not bright.any():
        return light
    high, wide = light.shape[1:]
    step = max(wide // 80, 1)  # the veil is smooth: work it out on a picture about 80 pixels wide
    fog = street.condition.name == "fog"
    veiled = np.empty_like(light)
    for i in range(3):
        small = _pooled(bright[i], step)
        veil = 0.16 * ndimage.gaussian_filter(small, 0.6)
        veil += 0.10 * ndimage.gaussian_filter(small, 1.6)
        veil += (0.30 if fog else 0.10) * ndimage.gaussian_filter(small, 7.5 if fog else 4.5, truncate=3)
        veil += 0.04 * ndimage.gaussian_filter1d(small, 3.0, axis=1)
        size = (veil.shape[1] * step, veil.shape[0] * step)
        full = Image.fromarray(veil).resize(size, Image.Resampling.BICUBIC)
        veiled[i] = light[i] + np.maximum(np.asarray(full)[:high, :wide], 0)
    return veiled


def _pooled(plane: Floats, step: int) -> Floats:
    high, wide = plane.shape
    padded = np.pad(plane, ((0, -high % step), (0, -wide % step)))
    rows, columns = padded.shape[0] // step, padded.shape[1] // step
    return np.asarray(padded.reshape(rows, step, columns, step).mean(axis=(1, 3)), dtype=np.float32)
