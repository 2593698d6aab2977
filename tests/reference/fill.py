"""Which pixels hold a fill value, plainly: one value after the other."""

import math

HIGH_FILLS = {9999, 32767, 65535, 99999}


def percentile(ordered, percent):
    """Linear interpolation between the two nearest ranks."""
    place = percent / 100 * (len(ordered) - 1)
    below, part = int(place), place - int(place)
    return ordered[below] if not part else ordered[below] * (1 - part) + ordered[below + 1] * part


def is_missing(values, floats):
    """For each value whether it belongs to a heap at an end, far from the others."""
    left = sorted(values)
    low, high = -math.inf, math.inf
    for end in ("least", "greatest"):
        extreme = left[0] if end == "least" else left[-1]
        others = [value for value in left if value != extreme]
        if (len(left) - len(others)) / len(left) < 0.01 or not others:
            continue
        spread = percentile(others, 95) - percentile(others, 5)
        inner = percentile(others, 5) if end == "least" else percentile(others, 95) if floats else others[-1]
        if end == "least" and inner - extreme > spread > 0:
            low, left = min(inner - spread, inner - (inner - extreme) / 4), others
        used = extreme in HIGH_FILLS or extreme >= 1e6
        if end == "greatest" and used and extreme - inner > spread > 0:
            high = max(inner + spread, inner + (extreme - inner) / 4)
    return [value < low or value > high for value in values]
