"""Paths and patterns as file systems spell them: Unicode in one form, existing names taken literally."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

Found = dict[Path, tuple[str, ...]]  # a path → what the wildcards of its pattern stand for in it
PLAIN_WILDCARDS = re.compile(r"(\{\*+\}|\*+|\?)")
WILDCARDS = re.compile(PLAIN_WILDCARDS.pattern[:-1] + r"|\[[^]]+\])")


def nfc(text: str) -> str:
    """Return a text in Unicode's composed form: macOS writes é as two characters, most others as one."""
    return unicodedata.normalize("NFC", text)


def any_case(text: str) -> str:
    """Return a text in one form and case, to find what differs in case alone."""
    return nfc(text).casefold()


def spelled(source: str | Path, same: Callable[[str], str] = nfc) -> Path:
    """Return a path as its folders spell it, names compared by `same`; parts that are not there stay as given."""
    path = Path(source)
    found = Path(path.anchor)
    for part in path.relative_to(found).parts:
        there = os.path.lexists(found / part) or (part.isascii() and same is nfc)
        found /= part if there else next((name for name in _names_in(found) if same(name) == same(part)), part)
    return found


def expand(pattern: Path, same: Callable[[str], str] = nfc) -> Found:
    """Return the files that a pattern fits, with what its wildcards stand for, the suffix left out.

    Wildcards are *, ? and [] within a name, and ** for any folders. `{*}` fits what * does and is not reported. A part
    that exists as it is written is no pattern: 'cam[1]/*.png' are the images of the folder cam[1]. Names are compared
    by `same`.
    """
    found: Found = {Path(pattern.anchor): ()}
    *folders, last = pattern.relative_to(pattern.anchor).parts
    for part in folders:
        found = _below(found) if part == "**" else _fitting(found, part, same)
    found = _fitting(found, last, same, by_stem=True)
    return {path: names for path, names in found.items() if not path.is_dir()}


def _below(found: Found) -> Found:
    """Return folders and all folders below them; links are not followed."""
    return {
        Path(folder): (*names, "_".join(Path(folder).relative_to(path).parts))
        for path, names in found.items()
        for folder, _, _ in os.walk(path)
    }


def _fitting(found: Found, part: str, same: Callable[[str], str], *, by_stem: bool = False) -> Found:
    """Return what a part of a pattern fits in some folders: its own name, else by wildcards, else by all but []."""
    if there := {path / part: names for path, names in found.items() if os.path.lexists(path / part)}:
        return there
    listed = {path / name: names for path, names in found.items() for name in _names_in(path)}
    for to_shape in (re.escape, _to_expression, partial(_to_expression, wildcards=PLAIN_WILDCARDS)):
        shape, stem = (re.compile(to_shape(same(text)), re.DOTALL) for text in (part, Path(part).stem))
        fits = {path: names for path, names in listed.items() if shape.fullmatch(same(path.name))}
        if fits:
            groups = (stem.fullmatch(nfc(path.stem)) if by_stem else shape.fullmatch(nfc(path.name)) for path in fits)
            return {
                path: (*names, *(match.groups() if match else ()))
                for (path, names), match in zip(fits.items(), groups, strict=True)
            }
    return {}


def _to_expression(part: str, wildcards: re.Pattern[str] = WILDCARDS) -> str:
    """Return a part of a pattern as a regular expression with a group for each wildcard but `{*}`."""
    texts = wildcards.split(part)
    texts[::2] = map(re.escape, texts[::2])
    texts[1::2] = map(_wildcard_to_group, texts[1::2])
    return "".join(texts)


def _wildcard_to_group(wildcard: str) -> str:
    if wildcard[0] != "[":
        return {"{": ".*", "*": "(.*)", "?": "(.)"}[wildcard[0]]
    inside = re.sub(r"([\\\[^&|~])", r"\\\1", wildcard[1:-1].removeprefix("!"))
    group = f"([{'^' * wildcard.startswith('[!')}{inside}])"
    try:
        re.compile(group)
    except re.error:  # such as [z-a]
        return re.escape(wildcard)
    return group


def _names_in(folder: Path) -> list[str]:
    with suppress(OSError):  # no folder, or one that may not be listed
        return sorted(path.name for path in folder.iterdir())
    return []
