"""Luma, entropy and mutual information from their definitions, one pixel at a time."""

import math
from collections import Counter


def luma_loop(image):
    """Return rows of whole-number lumas of an (H,W) or (H,W,3) array."""
    return [[each if isinstance(each, int) else _luma_of(*each) for each in line] for line in image.tolist()]


def _luma_of(red, green, blue):
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def flat_lumas(*images):
    """Return one list of lumas per image."""
    return [[value for line in luma_loop(each) for value in line] for each in images]


def entropy_loop(values):
    """Return the entropy in bits of a list of hashable values."""
    total = len(values)
    return -math.fsum(count / total * math.log2(count / total) for count in Counter(values).values())


def en_loop(visible, infrared, fused):
    """Return EN."""
    return entropy_loop(*flat_lumas(fused))


def mi_loop(visible, infrared, fused):
    """Return MI, the sum over both sources."""
    *sources, levels = flat_lumas(visible, infrared, fused)
    joint = [entropy_loop(list(zip(source, levels, strict=True))) for source in sources]
    return math.fsum(map(entropy_loop, sources)) + 2 * entropy_loop(levels) - math.fsum(joint)
