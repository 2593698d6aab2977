"""Qabf from its definition, one pixel at a time."""

import math

from reference.levels import luma_loop

KERNEL = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))


def edges_loop(rows):
    """Return strength and direction of every pixel, zeros outside the image."""
    height, width = len(rows), len(rows[0])

    def value(i, j):
        return rows[i][j] if 0 <= i < height and 0 <= j < width else 0

    edges = []
    for i in range(height):
        for j in range(width):
            spots = [(k, n) for k in range(3) for n in range(3)]
            x = sum(KERNEL[k][n] * value(i + k - 1, j + n - 1) for k, n in spots)
            y = sum(KERNEL[n][k] * value(i + k - 1, j + n - 1) for k, n in spots)
            edges.append((math.sqrt(x * x + y * y), math.atan(y / x) if x else math.pi / 2))
    return edges


def qabf_loop(visible, infrared, fused):
    """Return Qabf."""
    of_fused = edges_loop(luma_loop(fused))
    kept, weight = [], []
    for source in (visible, infrared):
        for (g, alpha), (g_f, alpha_f) in zip(edges_loop(luma_loop(source)), of_fused, strict=True):
            strength = 1.0 if g == g_f else min(g, g_f) / max(g, g_f)
            direction = 1 - abs(alpha - alpha_f) / (math.pi / 2)
            quality = 0.9994 / (1 + math.exp(-15 * (strength - 0.5)))
            quality *= 0.9879 / (1 + math.exp(-22 * (direction - 0.8)))
            kept.append(quality * g)
            weight.append(g)
    return math.fsum(kept) / math.fsum(weight) if math.fsum(weight) else math.nan
