"""Tell what the numbers of YOLO text are: a box or an outline, and what a tracker or a pose network wrote behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence

NOTABLE = 0.001  # how far a box may reach outside its image without a word, as a fraction of it
MANY_KEYPOINTS = 4  # from which flags of 0 and 1 alone are no outline along the edges of the image
Columns = tuple[list[float], str]  # the numbers of a box (4) or an outline (x y x y ...), kind of `NOTES` of the rest


def read_columns(lines: Sequence[Sequence[str]]) -> list[Columns]:
    """Tell what the lines of a file hold, given the words after each class; no numbers where a word is none.

    A box may be followed by a confidence, a track id, both, or keypoints (x y visibility), an outline by a confidence
    and a track id. Where these cannot be told from an outline, which has two numbers for each point, it is one. Six
    numbers that end in 0 or 1 are three points, or a box with the track id of many a file: a box, of the kind "two
    readings", if all lines of the file are so.
    """
    rows = [to_floats(words) for words in lines]
    tracked = any(_has_track(row) and row[-1] not in (0, 1) for row in rows)
    whole = all(words and words[-1].isdecimal() for words in lines)
    doubtful = whole and all(len(row) == 6 and _has_track(row) for row in rows)
    return [_split_off(row, tracked, doubtful) for row in rows]


def to_floats(words: Sequence[str]) -> list[float]:
    """Return words as numbers, none if one is not finite."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _split_off(row: list[float], tracked: bool, doubtful: bool) -> Columns:
    if keypoints := _keypoints(row):
        return row[:4], keypoints
    if len(row) % 2:
        return row[:-1], "confidence" if 0 <= row[-1] <= 1 else "further number"
    if tracked and _has_track(row):
        return row[:-2], "track"
    return (row[:4], "two readings") if doubtful else (row, "")


def _has_track(row: list[float]) -> bool:
    """Whether a row may end in a confidence and a track id."""
    *rest, confidence, track = row if len(row) >= 6 and len(row) % 2 == 0 else [0.0] * 6
    return 0 < confidence <= 1 and track % 1 == 0 and _fits(rest)


def _fits(numbers: Sequence[float]) -> bool:
    """Whether four numbers are a box with an area in the image, or more are points in it."""
    if len(numbers) > 4:
        return all(0 <= each <= 1 for each in numbers)
    x, y, width, height = numbers
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return min(width, height) > 0 and all(-NOTABLE <= each <= 1 + NOTABLE for each in corners)


def _keypoints(row: list[float]) -> str:
    """Return "keypoints" for a box with such, "two readings" if an outline is possible, "" for none.

    Visibility is 0, 1 or 2, no coordinate is 2, and no outline has the point 0 0 twice.
    """
    if len(row) < 6 or not _fits(row[:4]):
        return ""
    x, y, width, height = row[:4]
    points = row[4:]
    if len(points) % 2 == 0 and [*zip(points[::2], points[1::2], strict=True)].count((0, 0)) > 1:
        return "keypoints"
    flags = points[2::3]
    if len(points) % 3 or not {*flags} <= {0, 1, 2}:
        return ""
    seen = [(left, top) for left, top, flag in zip(points[::3], points[1::3], flags, strict=True) if flag]
    inside = all(abs(left - x) <= width / 2 and abs(top - y) <= height / 2 for left, top in seen) and bool(seen)
    # a 2 at the end alone may be a track id
    if 2 in flags[:-1] or (inside and (2 in flags or len(flags) >= MANY_KEYPOINTS)):
        return "keypoints"
    return "two readings" if len(flags) > 2 else ""
