"""One range for all images of a sequence, and what speaks against it: several depths or units."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.io.errors import UserError, shorten
from ssvif.io.images import RawImage
from ssvif.pairs.pair import Rules, to_gray
from ssvif.pairs.ranges import Range, Rule, mark_missing, range_of, sequence_range, two_units
from ssvif.schema import SIDES

log = logging.getLogger("ssvif")

Images = Callable[[str], Iterable[tuple[str, RawImage]]]  # side → its images with their names, for a pass before fusing


def find_ranges(rules: Rules, images: Images, *, auto: bool = False, film: bool = False) -> dict[str, Range]:
    """Return one range for all images of each side whose rule is "sequence", found in a pass over them.

    With `auto`, a side whose rule is "auto" gets a range too, for its images of more than 8 bits.
    The frames of a `film` are of one unit.

    Raises:
        UserError: images that shall have one range hold values of different depths or units.
    """
    found = {}
    for side in SIDES:
        rule = rules.range_of(side)
        if rule == "sequence" or (auto and rule == "auto"):
            found[side] = _one_range(side, images(side), deep_only=rule == "auto", film=film)
    return found


def _one_range(side: str, images: Iterable[tuple[str, RawImage]], *, deep_only: bool, film: bool) -> Range:
    ranges: dict[str, Range] = {}
    depths: list[tuple[str, str]] = []
    skipped: list[str] = []

    def arrays() -> Iterator[NDArray[Any]]:
        for name, image in images:
            depth = image.pixels.dtype
            if deep_only and depth == np.uint8:
                skipped.append(name)
            else:
                depths.append((name, depth_name(depth)))
                known = mark_missing(image.pixels, image.nodata, heaps=False)
                pixels = to_gray(known) if side == "infrared" else known
                ranges[name] = range_of(pixels, "percentile")
                yield pixels

    found = sequence_range(arrays())
    check_depths(side, "sequence", depths)
    if skipped and depths:
        log.warning("%s images of 8 bits stay as they are, the others get one range: %s", side, shorten(skipped))
    if not film:
        _check_units(side, ranges)
    return replace(found, deep_only=deep_only)


def _check_units(side: str, ranges: Mapping[str, Range]) -> None:
    """Check that images, given name → range, are not of two units.

    Raises:
        UserError: they are; the error names the fewer ones and both ranges.
    """
    if not (groups := two_units(ranges)):
        return
    odd, usual = sorted(groups, key=len)
    limits = [
        Range(min(ranges[name].low for name in group), max(ranges[name].high for name in group))
        for group in (usual, odd)
    ]
    raise UserError(
        f"The {side} images seem to be of two units, which cannot share one range",
        expected="values of one unit in all images, for instance degrees Celsius or kelvins",
        got=f"{len(usual)} of {limits[0]}, {len(odd)} of {limits[1]} ({shorten(odd)})",
        remedy=f"convert or remove the odd ones, or pass --{side}-range percentile, which takes each image by itself, "
        f"or --{side}-range=LOW:HIGH",
    )


def depth_name(depth: np.dtype[Any]) -> str:
    """Return what the depth of an image is called: "8-bit", "16-bit" or "float"."""
    return "float" if depth.kind == "f" else f"{depth.itemsize * 8}-bit"


def check_depths(side: str, rule: Rule, images: Iterable[tuple[str, str]]) -> None:
    """Check that images, given the name and `depth_name` of each, suit a rule that gives all of one side one range.

    The range of a "sequence" is for one depth, a fixed one beyond 8 bits not for images of 8 bits. For other rules
    `images` is not iterated over.

    Raises:
        UserError: they do not; the error names those of the rarer depths.
    """
    deep = isinstance(rule, Range) and not rule.deep_only and not 0 <= rule.low < rule.high <= 255
    depths: defaultdict[str, list[str]] = defaultdict(list)
    for name, depth in images if deep or rule == "sequence" else ():
        depths[depth].append(name)
    if len(depths) < 2 or (deep and "8-bit" not in depths):
        return
    *odd, usual = sorted(depths, key=lambda depth: len(depths[depth]))
    raise UserError(
        f"The {side} images are of several depths, which cannot share one range",
        expected="images of one depth",
        got=f"{len(depths[usual])} {usual}, "
        + ", ".join(f"{len(depths[each])} {each}" for each in odd)
        + "".join(f" ({shorten(depths[each])})" for each in odd),
        remedy="convert or remove the odd ones, or pass "
        f"--{side}-range {'auto' if side == 'infrared' else 'full'}, which takes each depth by itself",
    )


def with_sequence(rules: Rules, images: Images, *, film: bool = False) -> Rules:
    """Return rules whose "sequence" is replaced by one range for all images, found in a pass over them.

    The frames of a `film` are of one unit.

    Raises:
        UserError: images that shall have one range hold values of different depths or units.
    """
    for side, found in find_ranges(rules, images, film=film).items():
        log.info("%s: %.7g becomes black and %.7g white in all images", side, found.low, found.high)
        rules = rules.with_range(side, found)
    return rules
