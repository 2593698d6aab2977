"""Pixel-domain VIF and its fusion variant from their definitions."""

import math

import numpy as np

from reference.levels import luma_loop
from reference.windows import gaussian_2d, moments_loop, weighted_mean_loop


def scales_loop(source, fused):
    """Yield a list of (gain, noise variance, source variance) of all windows, scale by scale."""
    for scale, size in enumerate((17, 9, 5, 3)):
        window = gaussian_2d(size, size / 5)
        if scale:
            source = weighted_mean_loop(source, window)[::2, ::2]
            fused = weighted_mean_loop(fused, window)[::2, ::2]
        _, _, var_s, var_f, covariance = moments_loop(source, fused, window)
        windows = zip(var_s.flat, var_f.flat, covariance.flat, strict=True)
        yield [gain_and_noise(*(float(value) for value in each)) for each in windows]


def terms_loop(source, fused):
    """Return numerator and denominator summed over all scales."""
    kept, offered = [], []
    for windows in scales_loop(source, fused):
        for gain, noise, variance in windows:
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


def viff_loop(visible, infrared, fused):
    """Return VIFF."""
    visible, infrared, fused = (np.array(luma_loop(each), float) for each in (visible, infrared, fused))
    noise_variance, value = 0.005 * 255 * 255, 0.0
    scales = zip(scales_loop(visible, fused), scales_loop(infrared, fused), strict=True)
    for weight, (of_visible, of_infrared) in zip((1 / 2.15, 0, 0.15 / 2.15, 1 / 2.15), scales, strict=True):
        kept, offered = [], []
        for first, second in zip(of_visible, of_infrared, strict=True):
            gain, noise, variance = first if first[0] < second[0] else second
            kept.append(math.log10(1 + gain**2 * variance / (noise + noise_variance)) + 1e-7)
            offered.append(math.log10(1 + variance / noise_variance) + 1e-7)
        value += weight * math.fsum(kept) / math.fsum(offered)
    return value
