"""Names and labels of the runs to show, and readers of the CSV files in a run's folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import read_csv

# Okabe and Ito's colors, which color-blind readers can tell apart, without the too light yellow
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8a8d93")
REMEDY = "give a file that ssvif wrote; if it wrote this one, delete it and run that step again"


@dataclass(frozen=True)
class RunLabel:
    """A run to show."""

    name: str  # of its folder in results/{dataset}/
    label: str = ""  # in tables and pictures; "" for the name itself

    @property
    def title(self) -> str:
        """The label, or the name where there is none."""
        return self.label or self.name


def color_of(place: int) -> str:
    """Return the color of the run at a place; after `len(COLORS)` runs they begin again."""
    return COLORS[place % len(COLORS)]


def parse_runs(texts: Iterable[str]) -> dict[str, list[RunLabel]]:
    """Read runs written as `dataset/run` or `dataset/run=Label`: dataset to its runs, in the order given.

    Raises:
        UserError: a text of another form, or a run given twice.
    """
    runs: dict[str, list[RunLabel]] = {}
    for text in texts:
        path, _, label = text.partition("=")
        dataset, _, name = path.strip().strip("/").partition("/")
        if not dataset or not name or "/" in name:
            raise UserError(f"{text!r} does not name a run", expected="dataset/run or dataset/run=Label")
        known = runs.setdefault(dataset, [])
        if any(run.name == name for run in known):
            raise UserError(f"The run {dataset}/{name} is given twice", remedy="name each run once")
        known.append(RunLabel(name, label.strip()))
    return runs


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV that must have at least `columns`; a file with a header only gives no rows.

    Raises:
        UserError: the file is missing, lacks a column, or a row is cut short.
    """
    rows = read_csv(path)
    for line, row in enumerate(rows, start=2):
        missing = [column for column in columns if row.get(column) is None]
        if missing or None in row:  # the csv module files cells beyond the header under None
            raise UserError(
                f"{path} cannot be read, line {line}",
                expected=f"a cell for each of the columns {', '.join(columns)}",
                got=f"nothing for {shorten(missing)}" if missing else "more cells than columns",
                remedy=REMEDY,
            )
    return rows


def to_number(text: str, path: Path, *, finite: bool = False) -> float:
    """Return the number in a cell of the file `path`, NaN and infinity included unless it must be `finite`.

    Raises:
        UserError: the cell is empty or holds something else.
    """
    try:
        number = float(text)
        if finite and not math.isfinite(number):
            raise ValueError
        return number
    except ValueError as error:
        what = f"{path} holds a value that is not a number"
        raise UserError(what, expected="a number", got=repr(text), remedy=REMEDY) from error


def to_number_or_none(text: str, path: Path) -> float | None:
    """Return a cell's number, or None for an empty cell; see `to_number`."""
    return to_number(text, path) if text.strip() else None
