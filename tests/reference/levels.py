"""Luma, EN, MI, SD, CC, SCD and PSNR from their definitions, one pixel at a time."""

import math
from collections import Counter
from statistics import fmean, pstdev


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


def correlation_loop(first, second):
    """Return Pearson's coefficient of two lists, 0 when one is constant."""
    mean_first, mean_second = fmean(first), fmean(second)
    if min(first) == max(first) or min(second) == max(second):
        return 0.0
    shared = math.fsum((x - mean_first) * (y - mean_second) for x, y in zip(first, second, strict=True))
    spread = math.fsum((x - mean_first) ** 2 for x in first) * math.fsum((y - mean_second) ** 2 for y in second)
    return shared / math.sqrt(spread)


def sd_loop(visible, infrared, fused):
    """Return SD."""
    return pstdev(*flat_lumas(fused))


def cc_loop(visible, infrared, fused):
    """Return CC."""
    visible, infrared, fused = flat_lumas(visible, infrared, fused)
    return (correlation_loop(visible, fused) + correlation_loop(infrared, fused)) / 2


def scd_loop(visible, infrared, fused):
    """Return SCD."""
    visible, infrared, fused = flat_lumas(visible, infrared, fused)
    beyond_infrared = [f - i for f, i in zip(fused, infrared, strict=True)]
    beyond_visible = [f - v for f, v in zip(fused, visible, strict=True)]
    return correlation_loop(beyond_infrared, visible) + correlation_loop(beyond_visible, infrared)


def psnr_loop(visible, infrared, fused):
    """Return PSNR."""
    visible, infrared, fused = flat_lumas(visible, infrared, fused)
    errors = [fmean([(f - s) ** 2 for f, s in zip(fused, source, strict=True)]) for source in (visible, infrared)]
    error = sum(errors) / 2
    return 10 * math.log10(255**2 / error) if error else math.inf
