"""Names and labels of the runs to show, and readers of the CSV files in a run's folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import read_csv


@dataclass(frozen=True)
class RunLabel:
    """A run to show."""

    name: str  # of its folder in results/{dataset}/
    label: str = ""  # in tables and pictures; "" for the name itself

    @property
    def title(self) -> str:
        """The label, or the name where there is none."""
        return self.label or self.name


def parse_runs(texts: Iterable[str]) -> dict[str, list[RunLabel]]:
    """Read runs written as `dataset/run` or `dataset/run=Label`, kept in the order given.

    Returns:
        dataset name to its runs.

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
                remedy="delete the file and run the step that writes it again",
            )
    return rows


def to_number(text: str, path: Path) -> float:
    """Return a cell's number, NaN included.

    Raises:
        UserError: the cell is empty or holds something else; the error names `path`.
    """
    try:
        return float(text)
    except ValueError as error:
        raise UserError(
            f"{path} holds a value that is not a number",
            expected="a number",
            got=repr(text),
            remedy="delete the file and run the step that writes it again",
        ) from error


def to_number_or_none(text: str, path: Path) -> float | None:
    """Return a cell's number, or None for an empty cell; see `to_number`."""
    return to_number(text, path) if text.strip() else None


@dataclass(frozen=True)
class History:
    """A training's history, one value an epoch."""

    stages: list[str]  # "fusion" or "joint"
    columns: dict[str, list[float]]  # the numeric columns of history.csv; NaN where a cell is empty

    @property
    def switch(self) -> float | None:
        """The first joint epoch; None when training stayed in one stage."""
        first = self.stages.index("joint") if "joint" in self.stages else 0
        return self.columns["epoch"][first] if first else None

    @property
    def collapsed(self) -> list[int]:
        """The epochs in which the pseudo label had collapsed into too few classes."""
        flags = self.columns.get("collapsed", [])
        return [int(epoch) for epoch, flag in zip(self.columns["epoch"], flags, strict=False) if flag == 1]

    def series(self, column: str) -> tuple[list[float], list[float]]:
        """Return (epochs, values) of a column's finite values; two empty lists where there are none."""
        pairs = zip(self.columns["epoch"], self.columns.get(column, []), strict=False)
        kept = [(epoch, value) for epoch, value in pairs if math.isfinite(value)]
        return [epoch for epoch, _ in kept], [value for _, value in kept]


def read_history(path: Path) -> History | None:
    """Read history.csv; None when the file is missing or has no epochs (a run that was not trained).

    Raises:
        UserError: the file lacks `epoch` or `stage`, or a value is not a number.
    """
    rows = read_rows(path, ("epoch", "stage")) if path.is_file() else []
    if not rows:
        return None
    columns = {name: [to_number(row[name] or "nan", path) for row in rows] for name in rows[0] if name != "stage"}
    columns["epoch"] = [to_number(row["epoch"], path) for row in rows]
    return History([row["stage"] for row in rows], columns)
