"""Pixel-domain VIF from its definition."""

import math

import numpy as np

from reference.levels import luma_loop
from reference.windows import gaussian_2d, moments_loop, weighted_mean_loop


def terms_loop(source, fused):
    """Return numerator and denominator summed over all scales."""
    kept, offered = [], []
    for scale, size in enumerate((17, 9, 5, 3)):
        window = gaussian_2d(size, size / 5)
        if scale:
            source = weighted_mean_loop(source, window)[::2, ::2]
            fused = weighted_mean_loop(fused, window)[::2, ::2]
        _, _, var_s, var_f, covariance = moments_loop(source, fused, window)
        for each in zip(var_s.flat, var_f.flat, covariance.flat, strict=True):
            gain, noise, variance = gain_and_noise(*(float(value) for value in each))
            kept.append(math.log(1 + gain**2 * variance / (noise + 2)))
            offered.append(math.log(1 + variance / 2))
    return math.fsum(kept), math.fsum(offered)


def gain_and_noise(var_s, var_f, covariance, epsilon=1e-10):
    """Return gain, noise variance and source variance of one window, in the definition's order."""
    gain = covariance / (var_s + epsilon)
    noise = var_f - gain * covariance
    if var_s < epsilon:
        gain, noise, var_s = 0.0, var_f, 0.0
    if var_f < epsilon:
        gain, noise = 0.0, 0.0
    if gain < 0:
        gain, noise = 0.0, var_f
    return gain, max(noise, epsilon), var_s


def vif_loop(visible, infrared, fused):
    """Return VIF summed over both sources."""
    visible, infrared, fused = (np.array(luma_loop(each), float) for each in (visible, infrared, fused))
    total = 0.0
    for source in (visible, infrared):
        kept, offered = terms_loop(source, fused)
        total += kept / offered if offered else 1.0
    return total
