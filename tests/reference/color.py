"""CIELAB and CIEDE2000 from their definitions, one pixel at a time."""

import math

import numpy as np

MATRIX = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)


def lab_of(red, green, blue):
    """Return L*, a*, b* of an 8-bit sRGB color."""
    linear = []
    for level in (red, green, blue):
        value = level / 255
        linear.append(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
    shares = []
    for row, white in zip(MATRIX, WHITE, strict=True):
        share = sum(weight * light for weight, light in zip(row, linear, strict=True)) / white
        shares.append(math.cbrt(share) if share > (6 / 29) ** 3 else share * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = shares
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def delta_e2000_of(first, second):
    """Return CIEDE2000 of two CIELAB colors, in degrees as Sharma et al. 2005 write it."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    chroma = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    stretch = 1 + 0.5 * (1 - math.sqrt(chroma**7 / (chroma**7 + 25**7)))
    c1, c2 = math.hypot(stretch * a1, b1), math.hypot(stretch * a2, b2)
    h1 = math.degrees(math.atan2(b1, stretch * a1)) % 360 if c1 else 0.0
    h2 = math.degrees(math.atan2(b2, stretch * a2)) % 360 if c2 else 0.0
    turn, mean = _hues(h1, h2, c1 * c2)
    chroma, lightness = (c1 + c2) / 2, (l1 + l2) / 2 - 50
    factor = (
        1
        - 0.17 * math.cos(math.radians(mean - 30))
        + 0.24 * math.cos(math.radians(2 * mean))
        + 0.32 * math.cos(math.radians(3 * mean + 6))
        - 0.20 * math.cos(math.radians(4 * mean - 63))
    )
    by_lightness = (l2 - l1) / (1 + 0.015 * lightness**2 / math.sqrt(20 + lightness**2))
    by_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    by_hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * factor)
    angle = 30 * math.exp(-(((mean - 275) / 25) ** 2))
    rotation = -math.sin(math.radians(2 * angle)) * 2 * math.sqrt(chroma**7 / (chroma**7 + 25**7))
    return math.sqrt(by_lightness**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue)


def _hues(h1, h2, product):
    if not product:
        return 0.0, h1 + h2
    turn, mean = h2 - h1, (h1 + h2) / 2
    if abs(turn) > 180:
        turn += 360 if turn < 0 else -360
        mean += 180 if h1 + h2 < 360 else -180
    return turn, mean


def delta_e_loop(visible, fused, difference):
    """Return the mean difference of two (H,W) or (H,W,3) uint8 arrays."""
    colors = [
        np.broadcast_to(each[..., None] if each.ndim == 2 else each, (*each.shape[:2], 3)) for each in (fused, visible)
    ]
    pixels = zip(*(each.reshape(-1, 3).tolist() for each in colors), strict=True)
    values = [difference(lab_of(*first), lab_of(*second)) for first, second in pixels]
    return math.fsum(values) / len(values)
