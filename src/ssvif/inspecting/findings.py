"""What can be wrong with pairs: the kinds of findings, their levels, and how findings are printed and written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssvif.data.annotation import DOUBTFUL, NOTES
from ssvif.io.errors import shorten
from ssvif.io.files import printable, write_csv

ERROR, WARNING, NOTE, MEASURE = "error", "warning", "note", "measure"
COLUMNS = ("split", "pair_id", "side", "file", "level", "finding", "value", "detail")
# errors keep a pair out of the list of good pairs and make the command fail; in the order in which they are shown
ERRORS = {
    "unmatched": "one side is missing",
    "same name": "two files of one side share a name",
    "unreadable": "the file is damaged or cut off",
    "size": "the sizes of the two sides do not fit",
    "depth": "more than 8 bits, which ssvif pack takes with --infrared-range or --visible-range only",
    "depths": "images of several depths, which cannot share the range that is asked for",
    "range": "floats outside [0,1], which need a range",
    "copied": "both sides hold the same pixels: is one a copy of the other?",
    "empty": "no pixel has a value: all are missing",
    "constant": "every pixel has the same value",
    "duplicate": "the same pixels as in an earlier pair",
    "label": "the label map does not fit its pair or the descriptor",
    "boxes": "the boxes do not fit their pair or the descriptor",
}
WARNINGS = {
    "swapped": "visible is gray and infrared has color: are the sides swapped?",
    "16 bits": "more than 8 bits: fuse it with one range for all; pack needs --infrared-range or --visible-range",
    "other size": "infrared has another size of the same shape: it is resized when fused; pack takes it with --resize",
    "rotated": "EXIF asks for a rotation, which not every program honors",
    "dark": "almost black",
    "saturated": "a quarter or more of the pixels is at the top of the range",
    "flat": "hardly any contrast",
    "black": "nearly all values are below the range: the picture is black",
    "white": "nearly all values are above the range: the picture is white",
    "cut off": "half of the values or more are outside the range",
    "missing": "pixels without a value (NaN, or a fill value far from the others), which become black",
    "infinite": "infinite values, which count as missing and become black",
    "radiometric": "JPEGs with 16-bit thermal data inside, which are not fused: extract them, see docs/thermal.md",
    "color map": "infrared looks color-mapped; its brightness is not temperature, use the camera's gray output",
    "near duplicate": "almost the same as in an earlier pair",
    "unlike": "the two sides share hardly any edge: do they belong together?",
    "other shift": "shifted differently from most pairs: moved, or another scene?",
    "shift": "the two sides are shifted against each other throughout: ssvif align",
    "no shift": "no shift brings the two sides together: if the cameras' fields of view differ, ssvif align finds how",
    "empty label": "the label map holds one class only, the background, or nothing",
    "classes": "what the labels and boxes hold all together",
    "mixed": "of another depth than most of this side, or of a kind that few have: one range does not fit both",
    "units": "of other values than most of this side, as kelvins beside degrees Celsius: one range does not fit both",
    "not found": "the descriptor names files that are not there",
    "no pair": "annotations of nothing",
    "class list": "classes beside the boxes are in another order than the descriptor's",
    "other files": "ignored: not the suffix of a supported image format",
}
MEASURES = ("shift_x_px", "shift_y_px", "edge_correlation", "shift_sharpness")


@dataclass(frozen=True)
class Finding:
    """A problem or measure of a file, a pair or the whole set."""

    kind: str  # a key of `ERRORS`, `WARNINGS` or `NOTES`, or one of `MEASURES`
    pair_id: str = ""  # the pair's name; empty for something about the whole set
    side: str = "pair"  # or "visible", "infrared", "label", "boxes"
    file: str = ""  # relative to the dataset's folder; empty if no file in particular is meant
    detail: str = ""  # what exactly
    split: str = "all"  # the official split, if there is one
    value: float | None = None  # of a measure

    @property
    def level(self) -> str:
        """Either "error", "warning", "note" or "measure"."""
        if self.kind in NOTES:
            return WARNING if self.kind in DOUBTFUL else NOTE
        return MEASURE if self.kind in MEASURES else ERROR if self.kind in ERRORS else WARNING


def show_findings(findings: Sequence[Finding]) -> list[str]:
    """Return lines to print: for each kind how many, what it means and the first names; errors first."""
    lines = []
    for kind, meaning in (ERRORS | WARNINGS).items():
        for side in ("visible", "infrared", "label", "boxes", "pair"):
            these = [each for each in findings if (each.kind, each.side) == (kind, side)]
            if not these:
                continue
            about = "" if side == "pair" or kind in (side, f"empty {side}") else f" ({side})"
            names = shorten(list(dict.fromkeys(each.pair_id or each.detail for each in these)), 3)
            detail = f" [{these[0].detail}]" if these[0].detail and these[0].pair_id else ""
            lines.append(f"{these[0].level:<8}{len(these):>6}  {kind}{about}: {meaning}")
            lines.append(f"{'':16}{names}{detail}")
    return lines


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings and measures as CSV, one a line, sorted by split and pair; see `COLUMNS`."""
    rows = [{**vars(each), "level": each.level, "finding": each.kind} for each in findings]
    rows.sort(key=lambda row: tuple(str(row[column]) for column in ("split", "pair_id", "level", "finding", "side")))
    for row in rows:  # a name that is not UTF-8 is a finding, which must not keep the others from being written
        row |= {column: printable(row[column]) for column in COLUMNS if isinstance(row[column], str)}
    write_csv(path, [{column: row[column] for column in COLUMNS} for row in rows], COLUMNS)
