"""Luma, entropy and mutual information from their definitions, one pixel at a time."""

import math
from collections import Counter


def luma_loop(image):
    """Return rows of whole-number lumas of an (H,W) or (H,W,3) array."""
    rows = []
    for line in image.tolist():
        rows.append([each if isinstance(each, int) else _luma_of(*each) for each in line])
    return rows


def _luma_of(red, green, blue):
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def _flatten(rows):
    return [value for line in rows for value in line]


def entropy_loop(values):
    """Return the entropy in bits of a list of hashable values."""
    total = len(values)
    return -math.fsum(count / total * math.log2(count / total) for count in Counter(values).values())


def en_loop(visible, infrared, fused):
    """Return EN."""
    return entropy_loop(_flatten(luma_loop(fused)))


def mi_loop(visible, infrared, fused):
    """Return MI, the sum over both sources."""
    levels = _flatten(luma_loop(fused))
    total = 0.0
    for source in (visible, infrared):
        other = _flatten(luma_loop(source))
        total += entropy_loop(other) + entropy_loop(levels) - entropy_loop(list(zip(other, levels, strict=True)))
    return total
