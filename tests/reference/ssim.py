"""SSIM and MS-SSIM from their definitions."""

import numpy as np

from reference.levels import luma_loop
from reference.windows import gaussian_2d, moments_loop

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def maps_loop(source, fused, dynamic_range):
    """Return the means of contrast-structure and of SSIM over all windows."""
    c1, c2 = (0.01 * dynamic_range) ** 2, (0.03 * dynamic_range) ** 2
    mean_s, mean_f, var_s, var_f, covariance = moments_loop(source, fused, gaussian_2d(11, 1.5))
    contrast = (2 * covariance + c2) / (var_s + var_f + c2)
    luminance = (2 * mean_s * mean_f + c1) / (mean_s**2 + mean_f**2 + c1)
    return contrast.mean(), (luminance * contrast).mean()


def ssim_loop(visible, infrared, fused, dynamic_range=1):
    """Return SSIM summed over both sources."""
    visible, infrared, fused = (np.array(luma_loop(each), float) for each in (visible, infrared, fused))
    return sum(maps_loop(source, fused, dynamic_range)[1] for source in (visible, infrared))


def halve_loop(values):
    """Return 2×2 block means; an odd last row or column counts twice."""
    height, width = values.shape
    half = np.empty(((height + 1) // 2, (width + 1) // 2))
    for i in range(half.shape[0]):
        for j in range(half.shape[1]):
            below, right = min(2 * i + 1, height - 1), min(2 * j + 1, width - 1)
            block = [values[row, column] for row in (2 * i, below) for column in (2 * j, right)]
            half[i, j] = sum(block) / 4
    return half


def ms_ssim_loop(visible, infrared, fused, dynamic_range=1):
    """Return MS-SSIM summed over both sources."""
    visible, infrared, fused = (np.array(luma_loop(each), float) for each in (visible, infrared, fused))
    total = 0.0
    for source in (visible, infrared):
        first, second, product = source, fused, 1.0
        for scale, weight in enumerate(WEIGHTS):
            contrast, similarity = maps_loop(first, second, dynamic_range)
            product *= max(similarity if scale == 4 else contrast, 0.0) ** weight
            first, second = halve_loop(first), halve_loop(second)
        total += product
    return total
