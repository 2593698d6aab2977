"""SF, AG, Qabf and the modified Nabf from their definitions, one pixel at a time."""

import math

from reference.levels import luma_loop

KERNEL = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))


def sf_loop(visible, infrared, fused):
    """Return SF."""
    rows = luma_loop(fused)
    height, width = len(rows), len(rows[0])
    row_sum = sum((rows[i][j] - rows[i][j - 1]) ** 2 for i in range(height) for j in range(1, width))
    column_sum = sum((rows[i][j] - rows[i - 1][j]) ** 2 for i in range(1, height) for j in range(width))
    return math.sqrt(row_sum / (height * width) + column_sum / (height * width))


def ag_loop(visible, infrared, fused):
    """Return AG."""
    rows = luma_loop(fused)
    height, width = len(rows), len(rows[0])
    gradients = []
    for i in range(height - 1):
        for j in range(width - 1):
            across, down = rows[i][j + 1] - rows[i][j], rows[i + 1][j] - rows[i][j]
            gradients.append(math.sqrt((across**2 + down**2) / 2))
    return math.fsum(gradients) / ((height - 1) * (width - 1))


def sobel_loop(rows, value_at):
    """Yield the Sobel responses (x, y) of every pixel; `value_at(rows, i, j)` continues the image beyond its border."""
    spots = [(k, n) for k in range(3) for n in range(3)]
    for i in range(len(rows)):
        for j in range(len(rows[0])):
            around = {(k, n): value_at(rows, i + k - 1, j + n - 1) for k, n in spots}
            yield sum(KERNEL[k][n] * around[k, n] for k, n in spots), sum(KERNEL[n][k] * around[k, n] for k, n in spots)


def zero_outside(rows, i, j):
    """Return a value of an image that is zero beyond its border."""
    return rows[i][j] if 0 <= i < len(rows) and 0 <= j < len(rows[0]) else 0


def qabf_edges(image):
    """Return strength and direction of every pixel."""
    responses = sobel_loop(luma_loop(image), zero_outside)
    return [(math.sqrt(x * x + y * y), math.atan(y / x) if x else math.pi / 2) for x, y in responses]


def qabf_loop(visible, infrared, fused):
    """Return Qabf."""
    of_fused = qabf_edges(fused)
    kept, weight = [], []
    for source in (visible, infrared):
        for (g, alpha), (g_f, alpha_f) in zip(qabf_edges(source), of_fused, strict=True):
            strength = 1.0 if g == g_f else min(g, g_f) / max(g, g_f)
            direction = 1 - abs(alpha - alpha_f) / (math.pi / 2)
            quality = 0.9994 / (1 + math.exp(-15 * (strength - 0.5)))
            quality *= 0.9879 / (1 + math.exp(-22 * (direction - 0.8)))
            kept.append(quality * g)
            weight.append(g)
    return math.fsum(kept) / math.fsum(weight) if math.fsum(weight) else math.nan


def mirrored(rows, i, j):
    """Return a value of an image that is continued by reflection, the border pixel not repeated."""
    height, width = len(rows), len(rows[0])
    return rows[min(abs(i), 2 * (height - 1) - i)][min(abs(j), 2 * (width - 1) - j)]


def nabf_edges(image):
    """Return strength and direction of every pixel."""
    responses = sobel_loop(luma_loop(image), mirrored)
    return [(math.sqrt(x * x + y * y) / 8, direction_of(x, y)) for x, y in responses]


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
    edges = [nabf_edges(each) for each in (visible, infrared, fused)]
    artefacts, weight = [], []
    for *sources, of_fused in zip(*edges, strict=True):
        added = all(of_fused[0] > each[0] for each in sources)
        for each in sources:
            weight.append(each[0] ** 1.5 if each[0] >= 2 else 0.001)
            artefacts.append((1 - preserved(each, of_fused)) * weight[-1] if added else 0.0)
    return math.fsum(artefacts) / math.fsum(weight)
