"""Vegetation: broad-leaved trees, conifers, bushes, hedges, the wooded horizon."""

from __future__ import annotations

import math

import numpy as np

from roadscenes.canvas import CARD, Canvas, Plane, Point
from roadscenes.street import Street, cast_card
from roadscenes.surfaces import BARK, FOLIAGE, Color, recolored, shaded, varied

GREENS: tuple[Color, ...] = ((0.30, 0.44, 0.18), (0.24, 0.40, 0.20), (0.38, 0.46, 0.18), (0.46, 0.42, 0.16))
TONES = (0.60, 0.74, 0.87, 1.0, 1.13)


def _leaf_parts(canvas: Canvas, green: Color, plane: Plane, sunlit: float) -> list[int]:
    """Register one part per tone, dark to bright; bright leaves look up, dark ones down."""
    return [
        canvas.part(
            recolored(FOLIAGE, shaded(green, tone)),
            plane,
            normal=(0.0, 0.75 * i / len(TONES) + 0.1, -0.55),
            sunlit=sunlit,
        )
        for i, tone in enumerate(TONES)
    ]


def _clump(
    canvas: Canvas,
    leaves: list[int],
    center: Point,
    reach: tuple[float, float],
    count: int,
    rng: np.random.Generator,
) -> None:
    """Paint a crown: its dark inside, boughs, then dabs of leaves; bright ones up and last."""
    wide, high = reach
    canvas.ellipse(leaves[0], center, wide * 0.86, high * 0.86)
    angle, away = rng.uniform(0, math.tau, count), np.sqrt(rng.uniform(0.05, 1.0, count))
    dab = np.arange(count) >= 12 + count // 8
    size = rng.uniform(0.7, 1.3, count) * np.where(dab, max(0.75 / math.sqrt(count), 0.028), 0.20)
    away *= np.where(dab, 1.02, 0.92)
    right, above = np.cos(angle) * away * wide, np.sin(angle) * away * high
    tone = 2 + 1.7 * above / high - 0.5 * right / wide + rng.normal(0, 1, count) * np.where(dab, 0.75, 0.5)
    tone = np.clip(np.rint(tone), 0, len(leaves) - 1).astype(int)
    order = np.lexsort((tone, dab))
    rows = np.stack([right, above, size * wide * 1.3, size * min(wide, high) * 1.1], axis=1)
    canvas.blobs([leaves[tone[i]] for i in order.tolist()], center, rows[order])


def _blobs(canvas: Canvas, size_m: float, ahead: float, most: int) -> int:
    """Return how many blobs a crown needs to look leafy at its size in the picture."""
    pixels = canvas.camera.size_px(size_m, ahead) / canvas.scale
    return int(min(max(8 + 1.8 * pixels, 10), most))


def draw_tree(canvas: Canvas, street: Street, side: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a tree that stands at (side, ahead)."""
    plane, sunlit = Plane(CARD, ahead), canvas.in_sun(side, ahead)
    height = float(rng.uniform(4.5, 8.5))
    green = varied(GREENS[int(rng.integers(len(GREENS)))], rng, 0.03)
    leaves = _leaf_parts(canvas, green, plane, max(sunlit, 0.7))
    if rng.random() < 0.2:
        _conifer(canvas, leaves, (side, 0.0, ahead), height, rng)
        cast_card(canvas, street.condition, (side, 0.0, ahead), 1.6, height * 0.8)
        return
    wide, high = height * float(rng.uniform(0.24, 0.33)), height * float(rng.uniform(0.27, 0.33))
    middle = height - high
    bark = canvas.part(recolored(BARK, varied(BARK.color, rng, 0.03)), plane, sunlit=sunlit)
    foot, neck = height * 0.035, height * 0.02
    canvas.polygon(
        bark,
        [
            (side - foot, 0, ahead),
            (side + foot, 0, ahead),
            (side + neck, middle, ahead),
            (side - neck, middle, ahead),
        ],
    )
    for turn in (-1, 1):
        fork, tip = middle - high * 0.9, (side + turn * wide * 0.5, middle)
        limb = [(side - neck, fork, ahead), (side + neck, fork + 0.15, ahead), (tip[0] + 0.06, tip[1], ahead)]
        canvas.polygon(bark, [*limb, (tip[0] - 0.06, tip[1], ahead)])
    _clump(canvas, leaves, (side, middle, ahead), (wide, high), _blobs(canvas, 2 * wide, ahead, 420), rng)
    cast_card(canvas, street.condition, (side, 0.0, ahead), 2 * neck, middle)
    for part in (0.0, 0.5, 1.0):
        wider = wide * (1.9 if part == 0.5 else 1.2)
        cast_card(
            canvas,
            street.condition,
            (side, middle - high * (0.9 - 0.5 * part), ahead),
            wider,
            middle + high * part,
        )
    canvas.occlude([(side - 0.4, 0, ahead - 0.3), (side + 0.4, 0, ahead - 0.3), (side + 0.4, 0, ahead + 0.3)])


def _conifer(canvas: Canvas, leaves: list[int], foot: Point, height: float, rng: np.random.Generator) -> None:
    side, _, ahead = foot
    trunk = canvas.part(BARK, Plane(CARD, ahead))
    canvas.polygon(
        trunk,
        [
            (side - 0.14, 0, ahead),
            (side + 0.14, 0, ahead),
            (side + 0.1, 1.2, ahead),
            (side - 0.1, 1.2, ahead),
        ],
    )
    for i in range(7):
        low, half = 0.6 + (height - 0.6) * i / 7.6, height * 0.2 * (1 - i / 7.6)
        top = low + height * 0.24
        jag = [(side + half * (j / 4 - 1), low + (0.14 if j % 2 else 0.0), ahead) for j in range(9)]
        canvas.polygon(leaves[1 + int(rng.integers(0, 3))], [*jag, (side, top, ahead)])
        lit = [
            (side - half * 0.55, low + 0.2, ahead),
            (side + half * 0.1, low + 0.2, ahead),
            (side, top, ahead),
        ]
        canvas.polygon(leaves[2 + int(rng.integers(0, 3))], lit)


def draw_bush(canvas: Canvas, side: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a bush."""
    plane = Plane(CARD, ahead)
    green = varied(GREENS[int(rng.integers(len(GREENS)))], rng, 0.04)
    wide, high = rng.uniform((0.5, 0.45), (1.2, 0.8)).tolist()
    leaves = _leaf_parts(canvas, green, plane, canvas.in_sun(side, ahead))
    _clump(canvas, leaves, (side, high * 0.85, ahead), (wide, high), _blobs(canvas, 2 * wide, ahead, 80), rng)
    canvas.occlude([(side - wide, 0, ahead - 0.2), (side + wide, 0, ahead - 0.2), (side + wide, 0, ahead + 0.3)])


def draw_woods(canvas: Canvas, street: Street, sign: int, rng: np.random.Generator) -> None:
    """Paint the wooded horizon of one side: three rows of crowns."""
    for ahead, base in ((200.0, 12.0), (120.0, 8.5), (75.0, 6.0)):
        green = varied((0.27, 0.38, 0.20), rng, 0.02)
        leaves = _leaf_parts(canvas, green, Plane(CARD, ahead), 0.8)
        count = 110
        start, reach = sign * (abs(street.front(sign)) + 4), sign * ahead * 0.7
        right = start + reach * rng.random(count)
        swell = 0.75 + 0.25 * np.sin(right * 9 / ahead + rng.uniform(0, math.tau))
        above = base * swell * rng.random(count)
        tone = np.clip(4.2 * above / base + rng.normal(0, 0.7, count), 0, len(leaves) - 1).astype(int)
        size = base * rng.uniform(0.16, 0.34, count)
        order = np.argsort(tone, kind="stable")
        canvas.blobs(
            [leaves[tone[i]] for i in order.tolist()],
            (0.0, 0.0, ahead),
            np.stack([right, above, size * 1.3, size], axis=1)[order],
        )
