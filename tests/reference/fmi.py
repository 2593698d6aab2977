"""Windowed feature mutual information of raw pixels from its definition, one window at a time."""

import math

from reference.levels import correlation_loop, luma_loop

PLACES = range(1, 10)


def distribution(pixels):
    """Return nine masses of nine whole numbers."""
    low, high = min(pixels), max(pixels)
    stretched = [(value - low) / (high - low) if high > low else 1.0 for value in pixels]
    return [value / sum(stretched) for value in stretched]


def cumulative(masses):
    """Return F(0) = 0, F(1), …, F(9)."""
    return [math.fsum(masses[:end]) for end in range(10)]


def deviation(masses):
    """Return the standard deviation of a place."""
    mean = math.fsum(i * masses[i - 1] for i in PLACES)
    return math.sqrt(math.fsum((i - mean) ** 2 * masses[i - 1] for i in PLACES))


def entropy(masses):
    """Return the entropy in bits, of the masses' sizes where some are negative."""
    return -math.fsum(mass * math.log2(abs(mass)) for mass in masses if mass)


def joint_masses(fused, source, correlation):
    """Return the 81 masses of the mixture of the Fréchet bound and independence."""
    of_fused, of_source = cumulative(fused), cumulative(source)
    # the Fréchet bound of the cumulative distributions, the least or the greatest
    bound = (lambda first, second: max(first + second - 1, 0.0)) if correlation < 0 else min
    table = [[bound(first, second) for second in of_source] for first in of_fused]
    share, spread = 0.0, deviation(fused) * deviation(source)
    if correlation and spread:
        covariance = math.fsum(table[i][j] - of_fused[i] * of_source[j] for i in PLACES for j in PLACES)
        share = correlation * spread / covariance
    masses = []
    for i in PLACES:
        for j in PLACES:
            coupled = table[i][j] - table[i - 1][j] - table[i][j - 1] + table[i - 1][j - 1]
            masses.append(share * coupled + (1 - share) * fused[i - 1] * source[j - 1])
    return masses


def window_loop(source, fused):
    """Return the normalized information of nine source pixels and nine fused ones."""
    if source == fused:
        return 1.0
    of_source, of_fused = distribution(source), distribution(fused)
    entropies = entropy(of_source) + entropy(of_fused)
    information = entropies - entropy(joint_masses(of_fused, of_source, correlation_loop(source, fused)))
    return 2 * information / entropies if information and entropies else 0.0


def fmi_loop(visible, infrared, fused):
    """Return FMI of pixels."""
    visible, infrared, fused = (luma_loop(each) for each in (visible, infrared, fused))
    values = []
    for i in range(len(fused) - 2):
        for j in range(len(fused[0]) - 2):
            windows = [[rows[i + k][j + n] for n in range(3) for k in range(3)] for rows in (visible, infrared, fused)]
            values.append((window_loop(windows[0], windows[2]) + window_loop(windows[1], windows[2])) / 2)
    return math.fsum(values) / len(values)
