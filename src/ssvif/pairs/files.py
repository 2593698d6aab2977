"""Read the two images of a pair: from a file each, or from one that holds both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ssvif.io.errors import UserError
from ssvif.io.images import RawImage, depth_of, read_raw
from ssvif.pairs.pair import Pair, Rules, make_pair
from ssvif.pairs.sequence import check_depths
from ssvif.schema import SIDES


def check_one_depth(rules: Rules, files: Mapping[str, Mapping[str, Path]]) -> None:
    """Check by the headers of files (name → side → file) that a range beyond 8 bits is not also meant for 8-bit images.

    Raises:
        UserError: it is.
    """

    def depths(side: str) -> Iterator[tuple[str, str]]:
        for name, paths in files.items():
            with suppress(UserError):  # reported when this image is read
                yield name, depth_of(paths[side])

    for side in SIDES:
        if (rule := rules.range_of(side)) != "sequence":  # for which all pixels are read anyway
            check_depths(side, rule, depths(side))


def read_pair(name: str, rules: Rules, visible: Path, infrared: Path) -> Pair:
    """Read the pair of two files, or of one given twice that holds both images.

    Raises:
        UserError: a file is missing or damaged, or the images do not fit each other or the rules.
    """
    if rules.both_in_one:
        return make_pair(name, *read_both(visible, rules.both_in_one), rules)
    return make_pair(name, read_raw(visible), read_raw(infrared), rules)


def read_side(path: Path, side: str, both_in_one: str = "") -> RawImage:
    """Read the "visible" or the "infrared" image of a file; for `both_in_one` see `Rules`.

    Raises:
        UserError: the file is missing or damaged, or does not hold both images.
    """
    return read_both(path, both_in_one)[SIDES.index(side)] if both_in_one else read_raw(path)


def read_both(path: Path, both_in_one: str) -> tuple[RawImage, RawImage]:
    """Read the visible and the infrared image of a file that holds both; see `schema.BOTH_IN_ONE`.

    Raises:
        UserError: the file is missing or damaged, or does not hold both images.
    """
    try:
        if both_in_one.startswith("pages"):
            first, second = (read_raw(path, page=page) for page in range(2))
            later = ("later pages",) * ("pages" in second.notes)
            first, second = replace(first, notes=()), replace(second, notes=later)
            return (second, first) if both_in_one.endswith("reversed") else (first, second)
        return split_sides(read_raw(path, all_channels=both_in_one.startswith("channels")), both_in_one)
    except UserError as error:
        raise error.replace(what=f"{path}: {error.what}" if str(path) not in error.what else error.what) from error


def split_sides(image: RawImage, both_in_one: str) -> tuple[RawImage, RawImage]:
    """Return the visible and the infrared part of an image (H,W) or (H,W,2|3|4): channels, rows or columns.

    Raises:
        UserError: it has no such parts.
    """
    pixels, form = image.pixels, both_in_one.removesuffix("-reversed")
    if form == "channels":
        count = pixels.shape[2] if pixels.ndim == 3 else 1
        fits, got = count in (2, 4), "more than four" if "channels" in image.notes else f"{count}"
        parts = np.split(pixels, [1 if form != both_in_one else count - 1], axis=2) if fits else []
        parts = [part[..., 0] if part.shape[2] == 1 else part for part in parts]
    else:
        axis = {"rows": 0, "columns": 1}.get(form, 2)
        fits, got = axis < 2 and pixels.shape[axis] % 2 == 0, "{1}×{0} px".format(*pixels.shape)
        parts = np.split(pixels, 2, axis=axis) if fits else []
    if not fits:
        raise UserError(
            f"It does not hold both images as {form}",
            expected={"channels": "two channels or four", "pages": "two images"}.get(form, f"an even number of {form}"),
            got=got,
            remedy="choose another value of --both-in-one",
        )
    visible, infrared = (replace(image, pixels=np.ascontiguousarray(part), notes=()) for part in parts)
    return (infrared, visible) if form != both_in_one else (visible, infrared)
