"""The two cameras: a painted canvas becomes a visible and an infrared picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from roadscenes.canvas import CARD, FAR_M, GROUND, NEAR_M, SKY, WALL, Canvas, Category, Floats, Pattern
from roadscenes.plan import LAMP_GLOW, LAMP_M, LANE_M, WHITE_GLOW, Color, Condition, Street

TILE = 512  # side of the noise image that every texture is read from; a power of two, so that it wraps with `&`
BAND_PIXELS = 40_000  # supersampled pixels worked on at once: few enough to stay in the processor's cache
BRIGHTEST = 24.0  # linear light above this changes nothing but the glare
GRAIN_C = 7.0  # °C of emissivity detail per unit of visible grain
SHADOW_C = 1.6  # °C that ground in full solar heat loses in a cast shadow
MIRRORED_C = 8.0  # °C a perfect mirror looks colder than the air, for the sky that it shows
INFRARED_HAZE_PER_M = 1 / 900


@dataclass(frozen=True)
class Band:
    """What both cameras read in some rows of the picture; (h,w) is on the supersampled grid."""

    scale: int  # supersampled pixels per pixel and direction
    rows: slice  # of the picture
    table: dict[str, Floats]  # columns of the parts, each (N,) or (N,3)
    parts: NDArray[np.intp]  # (h,w) index into the columns
    kind: Floats  # (h,w) SKY, GROUND, WALL or CARD
    right: Floats  # (h,w) metres to the right of the camera
    up: Floats  # (h,w) metres above the road
    ahead: Floats  # (h,w) metres ahead, FAR_M in the sky
    grain: Floats  # (h,w) texture, about zero mean, already scaled by the strength of the surface
    sun: Floats  # (h,w) share of the sun that no cast shadow takes
    contact: Floats  # (h,w) share of the sky's light that reaches the ground beside what stands there

    def of(self, column: NDArray[np.floating]) -> Floats:
        """Return a value per part, (N,), spread over the pixels, (h,w)."""
        return np.asarray(column, dtype=np.float32).take(self.parts)

    def shrink(self, fine: Floats) -> Floats:
        """Return means over the pixels of the picture: (h,w) to (h/scale, w/scale)."""
        high, wide = fine.shape
        total: Floats = np.zeros((high // self.scale, wide // self.scale), np.float32)
        for i in range(self.scale**2):
            total += fine[i // self.scale :: self.scale, i % self.scale :: self.scale]
        total /= self.scale**2
        return total


@lru_cache(maxsize=2)
def noise_tile(fine: bool = False) -> Floats:
    """Return a seamless noise image (TILE,TILE), mean 0, standard deviation 1: cloud-like, or speckled."""
    rng = np.random.default_rng(20240229 + fine)
    total = np.zeros((TILE, TILE))
    for octave, sigma in enumerate((0.7, 2.0, 5.0) if fine else (TILE / 8 / 2**octave for octave in range(8))):
        layer = ndimage.gaussian_filter(rng.standard_normal((TILE, TILE)), sigma, mode="wrap")
        total += layer / layer.std() * (1.0 if fine else 0.62**octave)
    return np.asarray((total - total.mean()) / total.std(), np.float32)


def read_bands(canvas: Canvas, rng: np.random.Generator) -> Iterator[Band]:
    """Yield the fields of a finished canvas, top to bottom."""
    camera, scale, columns = canvas.camera, canvas.scale, canvas.table()
    parts, start = np.asarray(canvas.map, dtype=np.intp), rng.integers(TILE, size=2).tolist()
    sun = 1 - np.asarray(canvas.shadow.filter(ImageFilter.BoxBlur(0.5 * scale)), np.float32) / 255
    contact = 1 - np.asarray(canvas.contact.filter(ImageFilter.BoxBlur(camera.width / 160)), np.float32) * 0.8 / 255
    across = ((np.arange(camera.width) + 0.5 - camera.center) / camera.focal).astype(np.float32)
    step = max(BAND_PIXELS // camera.width // scale, 1)
    for top in range(0, camera.height // scale, step):
        rows = slice(top, min(top + step, camera.height // scale))
        fine = slice(rows.start * scale, rows.stop * scale)
        index, down = parts[fine], np.arange(fine.start, fine.stop)[:, None] + 0.5
        below = ((down - camera.horizon) / camera.focal).astype(np.float32)
        kind = columns["kind"].take(index)
        ahead = _distance(np.float32(camera.eye), kind, columns["at"].take(index), below, across)
        right, up = ahead * across, np.float32(camera.eye) - ahead * below
        relief = _relief(columns["pattern"].take(index), kind, right, up, ahead, start)
        yield Band(
            *(scale, rows, columns, index, kind, right, up, ahead, relief * columns["grain"].take(index)),
            *(np.maximum(field[fine], kind != GROUND) for field in (sun, contact)),
        )


def _distance(eye: np.float32, kind: Floats, at: Floats, below: Floats, across: Floats) -> Floats:
    """Meet the ray of each pixel with the plane of its part: (h,w) metres ahead."""
    with np.errstate(divide="ignore", invalid="ignore"):
        wall = at / across
    ahead = np.where(kind == CARD, at, np.where((kind == WALL) & (wall > 0), wall, np.float32(FAR_M)))
    ahead = np.where(kind == GROUND, eye / np.maximum(below, np.float32(1e-4)), ahead)
    return np.clip(ahead, np.float32(NEAR_M), np.float32(FAR_M))


def _relief(pattern: Floats, kind: Floats, right: Floats, up: Floats, ahead: Floats, start: list[int]) -> Floats:
    """Return the texture (h,w) in units of a surface's grain: noise, and dark joints between slabs and bricks."""
    along, other = np.where(kind == WALL, ahead, right), np.where(kind == GROUND, ahead, up)
    columns = (along * np.float32(24)).astype(np.int32) + start[0]
    rows = (other * np.float32(24)).astype(np.int32) + start[1]
    wrap = TILE - 1
    fine = noise_tile(fine=True).take((rows & wrap) * TILE + (columns & wrap))
    coarse = noise_tile().take(((rows >> 2) & wrap) * TILE + ((columns >> 2) & wrap))
    for wanted, long_m, short_m, depth in ((Pattern.SLABS, 0.9, 0.9, 3.5), (Pattern.BRICKS, 0.5, 0.16, 2.0)):
        at = np.nonzero(pattern == wanted)
        course = other[at] / np.float32(short_m)
        shifted = along[at] / np.float32(long_m) + 0.5 * (course.astype(np.int32) & 1)
        fine[at] -= depth * ((course % 1 < 0.12) | (shifted % 1 < 0.06))
    leaves = np.nonzero(pattern == Pattern.LEAVES)
    fine[leaves] += np.sin(along[leaves] * 9) * np.sin(other[leaves] * 11) * np.float32(0.4)
    coarse *= np.where(pattern == Pattern.ASPHALT, np.float32(0.4), np.float32(0.8))
    return fine / (1 + ahead * np.float32(1 / 14)) + coarse


def photograph(
    canvas: Canvas, street: Street, rngs: Sequence[np.random.Generator]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Take both pictures of a painted canvas: visible (H,W,3) sRGB and infrared (H,W), hot is white.

    The random generators are those of the textures, the sky, the visible and the infrared camera.
    """
    light, degrees = _sky(canvas, rngs[1])
    for band in read_bands(canvas, rngs[0]):
        sky = band.shrink((band.kind == SKY).astype(np.float32))
        light[:, band.rows] = light[:, band.rows] * sky + expose(band, street, canvas.condition)
        degrees[band.rows] = degrees[band.rows] * sky + measure_degrees(band, canvas.condition)
    return _develop(light, canvas.condition, rngs[2]), _read_out(degrees, canvas.condition, rngs[3])


def expose(band: Band, street: Street, condition: Condition) -> Floats:
    """Return the linear light of a band without its sky, (3,h,w) of the picture."""
    table, scene = band.table, band.kind != SKY
    lane = (band.right - np.float32(street.middle)) * np.float32(4 * math.pi / LANE_M)
    wheel_tracks = band.of(0.07 * (table["pattern"] == Pattern.ASPHALT)) * np.cos(lane)
    clear = np.exp(-band.ahead * np.float32(condition.haze_per_m)) * scene
    relief = np.maximum(1 + band.grain + wheel_tracks, np.float32(0.05)) * clear
    veil = (scene - clear) * np.float32(0.45 if condition.name == "dusk" else 0.92)
    mirror = band.of(table["gloss"]) * np.clip(0.4 + np.float32(0.12) * band.up, 0, 1) * clear
    lights = [(field * relief, color) for field, color in _lights(band, street, condition)]
    planes = []
    for i in range(3):
        light = sum(field * np.float32(color[i]) for field, color in lights)
        plane = band.of(table["color"][:, i] ** np.float32(2.2)) * light + band.of(table["glow"][:, i]) * clear
        plane += mirror * np.float32(0.6 * condition.sky_low[i] + 0.4 * condition.sky_top[i])
        plane += veil * np.float32(condition.sky_low[i])
        planes.append(band.shrink(np.minimum(plane, np.float32(BRIGHTEST))))
    return np.stack(planes)


def _lights(band: Band, street: Street, condition: Condition) -> list[tuple[Floats, Color]]:
    """Return the lights that are on: their strength at each pixel, (h,w), and their colour."""
    table, ground = band.table, band.kind == GROUND
    # the sky gives less light near the foot of walls and beside what stands on the ground
    foot = np.clip(np.float32(0.72) + np.float32(0.14) * band.up, 0.72, 1)
    sky = band.of(0.72 + 0.28 * table["normal"][:, 1]) * np.where(ground, band.contact, foot)
    lights = [(sky, condition.ambient)]
    if condition.sunny:
        toward = np.maximum(table["normal"] @ np.array(condition.sun, np.float32), 0) * table["sunlit"]
        lights.append((band.of(toward) * band.sun, condition.sun_color))
    if condition.lamps:
        lights.append((_lamp_light(band, street) * np.float32(condition.lamps), LAMP_GLOW))
    if condition.lamps and condition.name != "fog":  # our own low beam: a cone cut off at knee height, and reflectors
        angle, distance = band.right / band.ahead, band.ahead * np.float32(1 / 11)
        beam = np.exp(np.float32(-11) * angle * angle) * np.clip(np.float32(1.15) - np.float32(0.75) * band.up, 0, 1)
        lit = np.float32(1.9) * beam * band.contact + 2 * band.of(table["shine"])
        lights.append((lit * np.float32(condition.lamps) / (1 + distance * distance), WHITE_GLOW))
    return lights


def _lamp_light(band: Band, street: Street) -> Floats:
    """Return the light of the two rows of street lamps, which repeat every `lamp_gap` metres, (h,w)."""
    gap, drop = np.float32(street.lamp_gap), np.maximum(np.float32(LAMP_M) - band.up, np.float32(0.8))
    total: Floats = np.zeros_like(drop)
    for sign in (-1, 1):
        ahead = (band.ahead - np.float32(street.first_lamp[sign]) + gap / 2) % gap - gap / 2
        across = band.right - np.float32(street.edge[sign] - sign * 1.2)
        squared = drop * drop + across * across + ahead * ahead
        total += (drop * drop) / (squared * squared)
    # a lamp shines down: upright things, people above all, turn their unlit side to the camera
    category, share = band.table["category"], np.where(band.table["kind"] == GROUND, 2.6, 0.8)
    share = np.where(category == Category.PERSON, 0.30, np.where(category == Category.VEGETATION, 0.5, 1.0) * share)
    below = np.clip(np.float32((LAMP_M + 0.8) / 2) - band.up * np.float32(0.5), 0, 1)
    total *= band.of(share * (0.5 * LAMP_M**2)) * band.contact * below
    return total


def _sky(canvas: Canvas, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the sky behind every pixel of the picture: linear light (3,H,W), apparent temperature (H,W) in °C."""
    camera, scale, condition = canvas.camera, canvas.scale, canvas.condition
    high, wide = camera.height // scale, camera.width // scale
    rows, columns = (np.arange(high)[:, None] + 0.5) * scale, (np.arange(wide)[None] + 0.5) * scale
    rise, across = np.maximum((camera.horizon - rows) / camera.focal, 0.004), (columns - camera.center) / camera.focal
    # clouds are noise on a plane above the street, so that they shrink towards the horizon
    start, away = rng.uniform(0, TILE, 2), 34.0 / (rise + 0.16)
    spots = np.broadcast_arrays(away * 1.5 + start[0], away * across * 1.1 + start[1])
    noise = ndimage.map_coordinates(noise_tile(), spots, order=1, mode="grid-wrap")
    cover = np.clip((noise - 0.9 + 2.0 * condition.cover) * 0.75, 0, 0.95) * np.clip(rise * 14, 0, 1)
    extra = np.zeros((3, 1, 1))
    if condition.name == "dusk":
        sun = condition.sun[0] / condition.sun[2]
        glow = np.exp(-((across - sun) ** 2 + (rise - 0.08) ** 2) / 0.09)
        extra = np.array([1.1, 0.55, 0.16])[:, None, None] * glow
    elif condition.name == "night":
        chance, strength = rng.random((2, high, wide))
        extra = np.where(chance > 0.998, 0.25 * strength**2, 0)[None]  # stars
    low, top, cloud = (np.array(c)[:, None, None] for c in (condition.sky_low, condition.sky_top, condition.cloud))
    fade = np.exp(-rise * 4.5)
    light = (low * fade + top * (1 - fade) + extra) * (1 - cover) + cloud * (1 - 0.3 * cover**2) * cover
    # the sky is cold, less so at the horizon and in clouds
    degrees = condition.air - condition.sky_cold * (1.02 - 0.7 * np.exp(-rise * 4) - 0.2 * cover)
    return light.astype(np.float32), degrees.astype(np.float32)


def _develop(light: Floats, condition: Condition, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn linear light (3,H,W) into the picture (H,W,3): glare, vignetting, tone curve, noise."""
    high, wide = light.shape[1:]
    # lamps spread a veil and streaks in the lens and, in fog, in the air; smooth, so worked out about 80 pixels wide
    step = max(wide // 80, 1)
    small = np.pad(np.maximum(light - np.float32(1.0), 0), ((0, 0), (0, -high % step), (0, -wide % step)))
    small = small.reshape(3, -(-high // step), step, -(-wide // step), step).mean(axis=(2, 4))
    veil = 0.04 * ndimage.gaussian_filter1d(small, 3.0, axis=2)
    for strength, sigma in ((0.16, 0.6), (0.10, 1.6), (0.30, 7.5) if condition.name == "fog" else (0.10, 4.5)):
        veil += strength * ndimage.gaussian_filter(small, (0, sigma, sigma), truncate=3)
    size = (small.shape[2] * step, small.shape[1] * step)
    full = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in veil]
    row, column = np.ogrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j]
    gain = ((1 - 0.065 * (row**2 + column**2)) * condition.exposure).astype(np.float32)
    steps = 255 * (1 - np.exp(-(light + np.maximum(np.stack(full)[:, :high, :wide], 0)) * gain)) ** np.float32(1 / 2.2)
    steps += rng.standard_normal(light.shape, dtype=np.float32) * np.float32(condition.noise)
    return np.ascontiguousarray(np.clip(np.rint(steps), 0, 255).astype(np.uint8).transpose(1, 2, 0))


def measure_degrees(band: Band, condition: Condition) -> Floats:
    """Return the apparent temperature of a band, °C, times its share that is not sky, (h,w) of the picture."""
    table = band.table
    gained = table["solar"] * condition.solar * (0.4 + 0.6 * table["sunlit"])
    above = band.of(table["heat"] + gained - MIRRORED_C * table["gloss"]) + np.float32(GRAIN_C) * band.grain
    above -= np.float32(SHADOW_C * condition.solar) * (1 - band.sun)
    above += np.float32(1.2) * (1 - band.contact)
    reach = np.exp(-band.ahead * np.float32(INFRARED_HAZE_PER_M))
    return band.shrink((above * reach + np.float32(condition.air)) * (band.kind != SKY))


def _read_out(degrees: Floats, condition: Condition, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn temperatures (H,W), °C, into the picture (H,W): optical blur, sensor noise, one range per condition."""
    high, wide = degrees.shape
    blurred = ndimage.gaussian_filter(degrees, 0.42 + 0.26 * wide / 160)
    steps = 10 + 240 * np.clip((blurred - condition.coldest) / (condition.hottest - condition.coldest), 0, 1)
    for strength, shape in ((1.5, (high, wide)), (0.7, (1, wide)), (0.4, (high, 1))):  # pixels, columns, rows
        steps += strength * rng.standard_normal(shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(steps), 0, 255), np.uint8)
