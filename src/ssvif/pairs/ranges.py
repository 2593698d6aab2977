"""Which stored values become 0 and 1: 8 and 16 bits, and floats such as temperatures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.io.errors import UserError
from ssvif.schema import RANGES

PERCENTILES = (1.0, 99.0)
SAMPLED_SIDE = 1024  # an image's percentiles come from a grid of at most about so many rows and columns
SEQUENCE_SIDE = 512  # the same of each image of a sequence
SEQUENCE_VALUES = 1 << 22  # most values of all its images together
ROWS = 512  # converted to levels at a time, which bounds the memory of large images
FILL_SIDE = 384  # of each image, where fill values are looked for
HEAP_SHARE = 0.01  # of the values: fewer do not change the percentiles
INNER = (5.0, 95.0)  # percentiles of the other values; further out are those that resampling mixed with a fill value
# what programs write where nothing was measured, and no camera's largest value; so is all that no unit reaches
HIGH_FILLS, BEYOND_UNITS = (9999.0, 32767.0, 65535.0, 99999.0), 1e6
# between images of two units: so many steps, and so many times the values of the lower ones; fewer than this share of
# the images do not change the percentiles
UNIT_GAP, UNIT_FACTOR, UNIT_SHARE = 100, 2, 0.02
THINNING = 3  # odd: taken row by row, a power of two would keep the same few columns of most images


@dataclass(frozen=True)
class Range:
    """Stored values that become 0 and 1; those beyond are cut off."""

    low: float
    high: float  # equal to `low` for an image of one value, which becomes 0
    deep_only: bool = field(default=False, repr=False)  # as a rule for many images, leave those of 8 bits as they are

    def __str__(self) -> str:
        return f"{self.low:.7g}:{self.high:.7g}"


Rule = Range | str  # one of RANGES, or the same range for every image


def parse_rule(option: str, text: str) -> Rule:
    """Return the rule of a text: one of `schema.RANGES`, or LOW:HIGH.

    Raises:
        UserError: the text is neither, or HIGH is not above LOW; the error names the option.
    """
    if text in RANGES:
        return text
    low, _, high = text.partition(":")
    try:
        found = Range(float(low), float(high))
    except ValueError:
        found = Range(0.0, 0.0)
    if not (found.high > found.low and math.isfinite(found.high - found.low)):
        raise UserError(
            f"{option} {text!r} is not a valid range",
            expected=" | ".join(RANGES) + " | LOW:HIGH in the units of the files, for instance 280:320",
        )
    return found


def range_of(array: NDArray[Any], rule: Rule) -> Range:
    """Return the range of one image (H,W) or (H,W,3), uint8, uint16 or float32.

    "full" is all that the type holds, 0 to 1 for floats; "percentile" from the 1st to the 99th percentile of the
    measured values (see `measured`), also of a "sequence" that is not resolved yet; "auto" is "full" for 8 bits and
    "percentile" for more.
    """
    leaves_8_bits = rule == "auto" or (isinstance(rule, Range) and rule.deep_only)
    if rule == "full" or (leaves_8_bits and array.dtype == np.uint8):
        return Range(0.0, float(np.iinfo(array.dtype).max) if array.dtype.kind == "u" else 1.0)
    return rule if isinstance(rule, Range) else _percentiles(sample(array, SAMPLED_SIDE))


def sequence_range(arrays: Iterable[NDArray[Any]]) -> Range:
    """Return one range for all images, from the 1st to the 99th percentile of their values together.

    The images come one by one, (H,W) or (H,W,3), uint8, uint16 or float32. Of each the pixels of a grid are taken;
    of these so small a share, the same of every image, that at most four million values are held. The order of the
    images does not matter.
    """
    kept: list[NDArray[Any]] = []
    step, total = 1, 0
    for array in arrays:
        kept.append(sample(array, SEQUENCE_SIDE)[::step].copy())  # a view would keep the whole sample in memory
        total += kept[-1].size
        if total > SEQUENCE_VALUES:
            step *= THINNING
            kept = [each[::THINNING].copy() for each in kept]
            total = sum(each.size for each in kept)
    return _percentiles(np.concatenate([each.astype(np.float32) for each in kept]) if kept else np.zeros(1))


def two_units(ranges: Mapping[str, Range]) -> tuple[list[str], list[str]] | None:
    """Return the images of low and of high values if their ranges lie apart as those of two units do, else None.

    All values of the ones lie below all of the others, with a gap that is wider than what either of them cover, as
    degrees Celsius and kelvins do. Images of one value are in neither list.
    """
    names = sorted((name for name, each in ranges.items() if each.low < each.high), key=lambda name: ranges[name].low)
    if len(names) < 2:
        return None
    lows = np.array([ranges[name].low for name in names])
    tops = np.maximum.accumulate([ranges[name].high for name in names])
    at = int((lows[1:] - tops[:-1]).argmax()) + 1
    gap, spans = lows[at] - tops[at - 1], (tops[at - 1] - lows[0], tops[-1] - lows[at])
    clear = gap > max(*spans, UNIT_GAP) and lows[at] > UNIT_FACTOR * tops[at - 1]
    return (names[:at], names[at:]) if clear and min(at, len(names) - at) >= UNIT_SHARE * len(names) else None


def to_unit(array: NDArray[Any], limits: Range) -> NDArray[np.float32]:
    """Return stored values as float32 in [0,1]; what is no number becomes 0."""
    low = np.float32(limits.low)
    span = np.float32(limits.high) - low
    if span <= 0:
        return np.zeros(array.shape, np.float32)
    values = array.astype(np.float32)
    if low:
        values -= low
    values /= span
    if array.dtype != np.uint8 or limits != Range(0.0, 255.0):
        np.nan_to_num(values, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
        values.clip(0, 1, out=values)
    return values


def to_8_bits(array: NDArray[Any], limits: Range) -> NDArray[np.uint8]:
    """Return stored values as uint8, rounded half up; 8 bits of full range stay what they are."""
    if array.dtype == np.uint8 and limits == Range(0.0, 255.0):
        return array
    return to_levels(to_unit(array, limits))


def to_levels(floats: NDArray[np.float32], dtype: type[np.unsignedinteger[Any]] = np.uint8) -> NDArray[Any]:
    """Convert floats, an array of any shape, to uint8 or uint16: clipped to [0,1], times its most, rounded half up."""
    image = np.empty(floats.shape, dtype)
    for start in range(0, len(floats), ROWS):
        levels = floats[start : start + ROWS].clip(0, 1)
        levels *= np.iinfo(dtype).max
        levels += 0.5
        image[start : start + ROWS] = levels  # truncates, which is rounding down here
    return image


def sample(array: NDArray[Any], side: int) -> NDArray[Any]:
    """Return the finite values of (H,W) or (H,W,3) on a grid of at most about side×side pixels, flat."""
    rows, columns = (max(1, -(-size // side)) for size in array.shape[:2])
    taken = array[::rows, ::columns].ravel()
    return taken[np.isfinite(taken)] if array.dtype.kind == "f" else taken


def measured(values: NDArray[Any]) -> tuple[float, float]:
    """Return the bounds of what was measured among finite values (N): -inf and inf where there is no fill value.

    A fill value is the least or greatest one, of 1 % of the values or more, further from the others than these are
    spread (their 5th to 95th percentile). Values in between are mixtures made by resampling, unless they are nearer to
    the others than the spread or a quarter of the distance. Since hot objects saturate, the greatest one must also be a
    usual fill value, and in integers have nothing in between. 8 bits have none.
    """
    low, high = -math.inf, math.inf
    for at_top in (False, True) if values.size and values.dtype != np.uint8 else ():
        extreme = float(values.max() if at_top else values.min())
        if np.count_nonzero(values == extreme) < HEAP_SHARE * values.size:
            continue
        others = values[values != extreme]
        if not others.size:
            continue
        inner_low, inner_high = map(float, np.percentile(others, INNER))
        spread, nearest = inner_high - inner_low, inner_high if at_top else inner_low
        if at_top and others.dtype.kind == "u":
            nearest = float(others.max())
        distance = abs(nearest - extreme)
        if not distance > spread > 0:
            continue
        if not at_top:
            low, values = nearest - max(spread, distance / 4), others
        elif extreme in HIGH_FILLS or extreme >= BEYOND_UNITS:
            high = nearest + max(spread, distance / 4)
    return low, high


def mark_missing(image: NDArray[Any], nodata: float | None = None, *, heaps: bool = True) -> NDArray[Any]:
    """Return an image (H,W) or (H,W,3) as float32 with NaN where nothing was measured, itself if all was measured.

    Missing are the file's `nodata`, infinite values and, with `heaps`, what is not `measured`. Images of 8 bits are
    left as they are: there black borders and white skies are usual.
    """
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind == "f" and np.isinf(image).any():
        image = np.where(np.isinf(image), np.float32(np.nan), image)
    values = sample(image, FILL_SIDE) if heaps else image[:0].ravel()
    low, high = measured(values if nodata is None else values[values != nodata])
    if nodata is None and (low, high) == (-math.inf, math.inf):
        return image
    missing = (image < low) | (image > high) | (image == nodata)
    if image.ndim == 3:
        missing = missing.all(axis=2, keepdims=True)
    return np.where(missing, np.float32(np.nan), image).astype(np.float32) if missing.any() else image


def fill_value(image: NDArray[Any]) -> str:
    """Return which value marks missing pixels of an image (H,W) or (H,W,3), and their share, in words; "" if none does.

    It is an extreme value that is not `measured`, not one that the file names.
    """
    values = sample(image, FILL_SIDE)
    low, high = measured(values)
    shares = {float(values.min()): values < low, float(values.max()): values > high} if values.size else {}
    return " and ".join(
        f"{value:.6g} in {share.mean():.1%} of the pixels" for value, share in shares.items() if share.any()
    )


def _percentiles(values: NDArray[Any]) -> Range:
    low, high = measured(values)
    if (low, high) != (-math.inf, math.inf):
        values = values[(values >= low) & (values <= high)]
    if not values.size:
        return Range(0.0, 0.0)
    found = np.percentile(values, PERCENTILES)
    if found[0] == found[1]:  # a small object before a background of one value
        found = values.min(), values.max()
    return Range(float(found[0]), float(found[1]))
