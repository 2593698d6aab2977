"""How images of different names become pairs: by the nearest number or time, or by a list."""

from __future__ import annotations

import heapq
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from os.path import realpath
from pathlib import Path
from statistics import median

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import read_lines_of_csv
from ssvif.io.images import open_image
from ssvif.pairs.paths import nfc
from ssvif.schema import SIDES, PairBy

TOLERANCES = {"number": 0.0, "time": 1.0}  # where none is given; of times in seconds
LONGEST_NAME = 240  # bytes; file systems take 255, the suffix included
EPOCH = datetime(1970, 1, 1)
TIE = 1e-5  # more than that slack, and less than any difference that matters
SLACK = 1e-6  # of times near 1.7e9 s, which are floats
EXIF, TAKEN, TAKEN_FRACTION = 0x8769, 36867, 37521  # tags: EXIF's own, DateTimeOriginal, SubSecTimeOriginal
NUMBER = re.compile(r"\d+(?:\.\d+)?")
# 20230518_142233, 20230518142233123, 2023-05-18T14-22-33.123, 2023:05:18 14:22:33; a counter of other than 3 or 6
# digits may follow
CALENDAR = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_.:]?)(\d\d)\2(\d\d)[-_.T ]?(\d\d)([-_.:]?)(\d\d)\6(\d\d)"
    r"(?:[.,](\d{1,9})|[-_]?(\d{3}|\d{6}))?(?!\d)"
)
# seconds since 1970, before 2033 so that 2023051814 is none: 1684419753, 1684419753.123; or ms, µs, ns without a point
SECONDS = re.compile(r"(?<!\d)(1\d{9})(?:[.](\d{1,9})|_?(\d{3}|\d{6}|\d{9}))?(?!\d)")


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """How the images of the two sides are paired.

    Raises:
        UserError: values that contradict each other.
    """

    by: PairBy = "name"  # equal names, or the nearest number or time in the names
    tolerance: float | None = None  # largest difference of numbers, or of times in seconds; None: of `TOLERANCES`
    offset: float = 0.0  # added to the infrared numbers or times; of two videos how much later the infrared one starts
    listed: Path | None = None  # a CSV of pairs, see `read_list`
    both_in_one: str = ""  # of `schema.BOTH_IN_ONE`, if each file holds both sides

    def __post_init__(self) -> None:
        if sum((self.by != "name", bool(self.listed), bool(self.both_in_one))) > 1:
            raise UserError("Only one of --pair-by, --pair-list and --both-in-one says how images are paired")
        if not math.isfinite(self.offset):
            raise UserError(f"--offset {self.offset:g} is no time", expected="seconds, for instance 0.4 or -0.4")
        if self.tolerance is not None and (self.by == "name" or not 0 <= self.tolerance < math.inf):
            raise UserError(
                f"--tolerance {self.tolerance:g} has no meaning here",
                expected="with --pair-by number or --pair-by time, a difference of 0 or more (of times in seconds)",
            )

    @property
    def most(self) -> float:
        """The largest difference of two numbers, or of two times in seconds, that are paired."""
        return TOLERANCES[self.by] if self.tolerance is None else self.tolerance

    def sources(self, visible: object, infrared: object) -> dict[str, str]:
        """Return side → path or pattern of what was given; an empty one counts as not given.

        Raises:
            UserError: a side is missing, or one is given that the pairing leaves no place for.
        """
        given = {side: str(each) for side, each in zip(SIDES, (visible, infrared), strict=True) if each}
        expected, count = "visible and infrared images", 2
        if self.both_in_one:
            expected, count = "with --both-in-one, a visible source alone, whose files hold both sides", 1
        elif self.listed:
            expected, count = "with --pair-list, no other source", 0
        if tuple(given) != SIDES[:count]:
            raise UserError(
                "The sources do not fit",
                expected=expected,
                got=" and ".join(given.values()) or "none",
                remedy="" if self.both_in_one or self.listed else "if each file holds both sides, pass --both-in-one",
            )
        if count == 2 and len(set(map(realpath, given.values()))) == 1:
            raise same_for_both(given[SIDES[0]])
        return given


def same_for_both(source: str, got: str = "") -> UserError:
    """Return the error for a file, folder or pattern that is given as visible and as infrared."""
    return UserError(
        f"{source} is given for both sides",
        expected="a file, folder or pattern of each side",
        got=got,
        remedy="give the other camera's images, or this source alone with --both-in-one if its files hold both sides",
    )


def read_list(path: Path) -> dict[str, dict[str, Path]]:
    """Read a CSV of pairs: the columns visible and infrared, paths relative to the file, and perhaps name.

    Without a name, that of the visible file is taken, without suffix.

    Returns:
        Name → side → file, in the order of the file.

    Raises:
        UserError: the file is missing, lacks a column or holds no pair; or a pair's file is missing, an infrared image
            occurs twice, or a name twice.
    """
    pairs: dict[str, dict[str, Path]] = {}
    lines: dict[Path, int] = {}
    for number, row in read_lines_of_csv(path):
        cells = {(key or "").strip().casefold(): (text or "").strip() for key, text in row.items() if key}
        if not set(SIDES) <= cells.keys():
            expected = "a first line visible,infrared or visible,infrared,name"
            raise UserError(f"{path} is not a list of pairs", expected=expected, got=",".join(filter(None, row)))
        if not any(cells.values()):  # spreadsheets keep rows that were emptied
            continue
        files = {side: path.parent / cells[side] for side in SIDES}
        name = nfc(cells.get("name") or files["visible"].stem)
        faults = [f"{file} does not exist" for file in files.values() if not file.is_file()]
        if files["infrared"] in lines:
            faults.append(f"{files['infrared']} is in line {lines[files['infrared']]} already")
        if len(os.fsencode(name)) > LONGEST_NAME:
            faults.append(f"the name {name[:30]!r}… is longer than {LONGEST_NAME} bytes")
        if name in pairs or set("/\0") & set(name) or name in (".", ".."):
            faults.append(f"the name {name!r} is taken or no plain name; the column name can give others")
        if faults:
            raise UserError(
                f"{path}, line {number}: {faults[0]}", remedy="fix the line; paths are relative to the file"
            )
        pairs[name], lines[files["infrared"]] = files, number
    if not pairs:
        raise UserError(f"{path} lists no pair", expected="a line for each pair, below visible,infrared")
    return pairs


def keys_of(by: str, side: str, files: Mapping[str, Path]) -> dict[str, float]:
    """Return the number or the time, in seconds, of each image that has one, given name → file.

    Raises:
        UserError: no image has a time, or several numbers change from name to name.
    """
    return _numbers(side, list(files)) if by == "number" else _times(side, files)


def _numbers(side: str, names: list[str]) -> dict[str, float]:
    """Return the one number of each name that is not the same in all of them."""
    found = [[float(text) for text in NUMBER.findall(name)] for name in names]
    columns = list(zip(*found, strict=True)) if len(set(map(len, found))) == 1 else []
    changing = [column for column in columns if len(set(column)) > 1] or columns
    if len(changing) != 1:
        raise UserError(
            f"The {side} names do not say which number to pair by",
            expected="names in which one number changes",
            got=shorten(names, most=3),
            remedy="pass a quoted pattern whose only * is the number, and {*} for other parts that change, such as "
            "'cam/DJI_{*}_*_T.JPG'",
        )
    return dict(zip(names, changing[0], strict=True))


def _times(side: str, files: Mapping[str, Path]) -> dict[str, float]:
    found = {name: _time_in(name) for name in files}
    found |= {name: _time_taken(files[name]) for name, time_s in found.items() if time_s is None}
    if times := {name: time_s for name, time_s in found.items() if time_s is not None}:
        return times
    raise UserError(
        f"The {side} images have no time",
        expected="one such as 20230518_142233, 2023-05-18T14-22-33.123 or seconds since 1970 in each name, or "
        "DateTimeOriginal in the file's EXIF",
        got=shorten(list(files), most=3),
        remedy="rename them, or list the pairs in a CSV file and pass it with --pair-list",
    )


def _time_in(text: str) -> float | None:
    """Return the time that a text holds, in seconds since 1970 without regard to time zones; None for none or two."""
    times = set()
    for match in CALENDAR.finditer(text):
        year, _, month, day, hour, _, minute, second, *fraction = match.groups()
        with suppress(ValueError):  # month 13
            date = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
            times.add((date - EPOCH).total_seconds() + float(f"0.{''.join(filter(None, fraction))}0"))
    for match in SECONDS.finditer(text) if not times else ():
        times.add(float(f"{match[1]}.{match[2] or match[3] or 0}"))
    return times.pop() if len(times) == 1 else None


def _time_taken(path: Path) -> float | None:
    """Return when EXIF says that a picture was taken; None if it does not."""
    with suppress(UserError), open_image(path) as opened:
        exif = opened.getexif().get_ifd(EXIF)
        return _time_in(f"{str(exif.get(TAKEN, '')).strip()}.{str(exif.get(TAKEN_FRACTION, 0)).strip()}")
    return None


def nearest_or_refuse(
    visible: Mapping[str, float], infrared: Mapping[str, float], pairing: Pairing
) -> dict[str, tuple[str, float]]:
    """Pair as `nearest`, within the pairing's tolerance.

    Where images have partners that are equally near on both sides, all take the side that pairs more.

    Raises:
        UserError: both sides pair as many images; the remedy is the offset of each.
    """
    pairs = nearest(visible, infrared, pairing.most)
    ways = []
    for nudge in (TIE, -TIE):  # a tie goes to the lower, then to the higher one
        moved = nearest(visible, {name: key + nudge for name, key in infrared.items()}, pairing.most + TIE)
        ways.append({name: (other, abs(infrared[other] - visible[name])) for name, (other, _) in moved.items()})
    lower, higher = ways
    unclear = [name for name in lower if name in higher and lower[name] != higher[name]]
    if not unclear:
        return pairs
    if len(lower) != len(higher):
        return max(ways, key=len)
    name = unclear[0]
    others = [way[name][0] for way in ways]
    offsets = [f"--offset {pairing.offset + visible[name] - infrared[other]:.10g} for {other}" for other in others]
    raise UserError(
        f"{len(unclear)} visible images have two infrared images that are equally near by {pairing.by}",
        got=f"{name}: {' and '.join(others)}",
        remedy=f"say which of both belongs to it, by {' or '.join(offsets)}",
    )


def nearest(visible: Mapping[str, float], infrared: Mapping[str, float], most: float) -> dict[str, tuple[str, float]]:
    """Pair keys that are nearest to each other, the closest first, each used once, at most `most` apart.

    Returns:
        Visible name → infrared name and the distance.
    """
    marks = sorted((key, side, name) for side, keys in enumerate((visible, infrared)) for name, key in keys.items())
    before, after = list(range(-1, len(marks))), list(range(1, len(marks) + 1))
    taken, pairs = set[int](), dict[str, tuple[str, float]]()

    def apart(left: int, right: int) -> Iterator[tuple[float, int, int]]:
        # of all that is left, the closest of two sides are neighbors
        if left >= 0 and right < len(marks) and marks[left][1] != marks[right][1]:
            yield marks[right][0] - marks[left][0], left, right

    heap = [each for left in range(len(marks)) for each in apart(left, left + 1)]
    heapq.heapify(heap)
    while heap:
        distance, left, right = heapq.heappop(heap)
        if distance > most + SLACK:
            break
        if not {left, right} & taken:
            taken |= {left, right}
            (_, _, name), (_, _, other) = sorted((marks[left], marks[right]), key=lambda mark: mark[1])
            pairs[name] = other, distance
            outer = before[left], after[right]
            if outer[0] >= 0:
                after[outer[0]] = outer[1]
            if outer[1] < len(marks):
                before[outer[1]] = outer[0]
            for each in apart(*outer):
                heapq.heappush(heap, each)
    return pairs


def constant_offset(keys: Mapping[str, Mapping[str, float]], pairing: Pairing) -> str:
    """Return which offset to pass, if as many images of both sides differ by about the same throughout; else ""."""
    visible, infrared = (sorted(keys[side].values()) for side in SIDES)
    apart = [left - right for left, right in zip(visible, infrared, strict=False)]
    if len(visible) != len(infrared) or not apart or max(apart) - min(apart) > TOLERANCES[pairing.by] + SLACK:
        return ""
    offset = pairing.offset + median(apart)
    return f"; if the {pairing.by}s of one camera are ahead throughout, pass --offset {offset:.10g}"
