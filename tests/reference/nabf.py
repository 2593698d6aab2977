"""The modified Nabf from its definition, one pixel at a time."""

import math

from reference.levels import luma_loop
from reference.qabf import KERNEL


def mirrored(index, size):
    """Return the index that a place outside 0..size−1 is continued by, the border pixel not repeated."""
    return -index if index < 0 else 2 * (size - 1) - index if index >= size else index


def edges_loop(rows):
    """Return strength and direction of every pixel."""
    height, width = len(rows), len(rows[0])
    edges = []
    for i in range(height):
        for j in range(width):
            across = down = 0.0
            for k in range(3):
                for n in range(3):
                    value = rows[mirrored(i + k - 1, height)][mirrored(j + n - 1, width)]
                    across += KERNEL[k][n] / 8 * value
                    down += KERNEL[n][k] / 8 * value
            edges.append((math.sqrt(across**2 + down**2), direction_of(across, down)))
    return edges


def direction_of(across, down):
    """Return the arctangent of a quotient, of an infinite one too, 0 where there is no edge."""
    if down:
        return math.atan(across / down)
    return math.copysign(math.pi / 2, across) if across else 0.0


def preserved(source, fused):
    """Return Q of a pixel's edges."""
    (g, alpha), (g_f, alpha_f) = source, fused
    ratio = min(g, g_f) / max(g, g_f) if g and g_f else 0.0
    alignment = abs(abs(alpha - alpha_f) - math.pi / 2) * 2 / math.pi
    strength = 0.9999 / (1 + math.exp(-19 * (ratio - 0.5)))
    return math.sqrt(strength * 0.9995 / (1 + math.exp(-22 * (alignment - 0.5))))


def nabf_loop(visible, infrared, fused):
    """Return Nabf."""
    edges = [edges_loop(luma_loop(each)) for each in (visible, infrared, fused)]
    artefacts, weight = [], []
    for pixel in zip(*edges, strict=True):
        *sources, of_fused = pixel
        added = all(of_fused[0] > each[0] for each in sources)
        for each in sources:
            weight.append(each[0] ** 1.5 if each[0] >= 2 else 0.001)
            artefacts.append((1 - preserved(each, of_fused)) * weight[-1] if added else 0.0)
    return math.fsum(artefacts) / math.fsum(weight)
