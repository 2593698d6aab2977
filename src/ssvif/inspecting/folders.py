"""Which subfolder holds which side, by their names."""

from __future__ import annotations

import re
from pathlib import Path

from ssvif.data.descriptor import Descriptor, Layout
from ssvif.io.errors import UserError, shorten
from ssvif.pairs.match import find_by_template

VISIBLE = ("vi", "vis", "visible", "rgb", "color", "colour", "visual", "optical", "eo", "v")
INFRARED = ("ir", "inf", "infrared", "thermal", "lwir", "mwir", "swir", "nir", "fir", "tir", "t")
SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def recognise_folder(folder: Path) -> tuple[Descriptor, Path]:
    """Return a descriptor of a folder with subfolders such as vi and ir, or visible and infrared, and its root.

    Subfolders named like splits (train, val, test ...), each with two such folders, are recognized too, and so are two
    such folders each with the splits, as LLVIP has them.

    Raises:
        UserError: there is no folder, or its subfolders do not say which side is which.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder", remedy="check the path")
    names = _subfolders(folder)
    sides, splits, place = _sides_of(names), {}, "{side}"
    if sides and not any(find_by_template(folder, f"{side}/{{name}}").files for side in sides):
        splits = _splits_of([name for side in sides for name in _subfolders(folder / side)])
        place = "{side}/{split}" if splits else place
    if not sides:
        splits, place = _splits_of(names), "{split}/{side}"
        found = {_sides_of(_subfolders(folder / name)) for name in splits.values()}
        sides = found.pop() if len(found) == 1 else None
    if not sides:
        raise UserError(
            f"{folder} does not say which of its folders is which side",
            expected="one subfolder named like vi, vis, visible or rgb, and one like ir, infrared or thermal",
            got=shorten(names) if names else "no subfolder",
            remedy="name both: --visible FOLDER --infrared FOLDER, or describe the files with --dataset FILE",
        )
    visible, infrared = (f"{place.replace('{side}', side)}/{{name}}" for side in sides)
    try:
        layouts = (Layout(visible, infrared),)
        return Descriptor("folder", folder.name or "pairs", ".", layouts, official_splits=splits), folder
    except ValueError as error:
        raise UserError(f"{folder}: {error}", remedy="rename the folder") from error


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _splits_of(names: list[str]) -> dict[str, str]:
    return {ours: name for ours, theirs in SPLIT_NAMES.items() for name in names if name.casefold() in theirs}


def _sides_of(names: list[str]) -> tuple[str, str] | None:
    visible, infrared = _named_like(names, VISIBLE), _named_like(names, INFRARED)
    return (visible[0], infrared[0]) if len(visible) == len(infrared) == 1 else None


def _named_like(names: list[str], wanted: tuple[str, ...]) -> list[str]:
    """Return the names that are one of `wanted`, else those with one as a part, else those that hold a longer one."""
    exact = [name for name in names if name.casefold() in wanted]
    parts = [
        name for name in names if set(re.split("[^a-z]+", name.casefold())) & {each for each in wanted if each[1:]}
    ]
    words = [word for word in wanted if len(word) > 4]
    return exact or parts or [name for name in names if any(word in name.casefold() for word in words)]
