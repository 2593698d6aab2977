"""SF and AG from their definitions, one pixel at a time."""

import math

from reference.levels import luma_loop


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
