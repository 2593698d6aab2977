"""The description of a table, from which every format is written: columns, rows, cells, ranks and notes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ssvif.schema import MEASURES, Measure

DASH = "–"
MINUS = "−"
UNITS_NOT_PRINTED = ("bit", "gray level", "CIELAB")  # papers leave them out of the heads of tables
WITH_LABELS = " †"  # follows the name of a method that was trained with labels


def measure_of(metric: str) -> Measure:
    """Return how a metric is shown; an unknown one keeps its name and has no better direction."""
    return MEASURES.get(metric) or Measure(metric, metric.replace("_", r"\_"), arrow="")


def position(metric: str) -> int:
    """Return a metric's place among the columns; unknown ones come last."""
    order = list(MEASURES)
    return order.index(metric) if metric in order else len(order)


class Heading(NamedTuple):
    """A column: a metric's short name and, where the column is about one class, the class."""

    metric: str
    class_name: str = ""

    @property
    def measure(self) -> Measure:
        """How the metric is shown."""
        return measure_of(self.metric)

    @property
    def arrow(self) -> str:
        """The better direction: "↑", "↓" or ""."""
        return self.measure.arrow

    @property
    def text(self) -> str:
        """The class, or the metric's name."""
        return self.class_name or self.measure.heading

    @property
    def unit(self) -> str:
        """The unit as printed in the head; that of a class stands in the caption."""
        unit = "" if self.class_name or self.measure.unit in UNITS_NOT_PRINTED else self.measure.unit
        return f" ({unit})" if unit else ""

    @property
    def shown(self) -> str:
        """The head as plain text, with unit and direction."""
        return f"{self.text}{self.unit} {self.arrow}".strip()


@dataclass(frozen=True)
class Cell:
    """A mean over images or seeds, and beside it the number that the paper prints."""

    value: float | None = None  # with full digits; NaN where one of the values is not a number
    low: float | None = None  # lower end of the 95 % interval
    high: float | None = None  # upper end of it
    over: str = ""  # what the interval is over: "images", "seeds", or "" without one
    images: int = 0  # test images of each run that have a value; 0 where the file of scores does not give them
    seeds: int = 0  # runs that have a value
    initial_weights: tuple[str, ...] = ()  # of the networks that were trained on the fused images
    note: str = ""
    published: str = ""  # as the paper prints it
    decimals: int = 3  # of the printed value
    rank: int = 0  # of the printed value in its column: 1 best, 2 second, 0 neither
    published_rank: int = 0  # the same of the published number among the published ones

    @property
    def text(self) -> str:
        """The value as printed; `DASH` for none."""
        return print_number(self.value, f".{self.decimals}f")

    @property
    def interval(self) -> str:
        """Half the width of the interval, "±0.08", the longer side where it is skewed; or ""."""
        if self.value is None or self.low is None or self.high is None:
            return ""
        return "±" + print_number(max(self.high - self.value, self.value - self.low), f".{self.decimals}f")

    @property
    def difference(self) -> str:
        """Measured minus published, with a sign and only the digits that both are printed with; or ""."""
        if self.value is None or not math.isfinite(self.value) or not self.published:
            return ""
        digits = min(self.decimals, len(self.published.partition(".")[2]))
        difference = f"{self.value - float(self.published):+.{digits}f}"
        return difference.lstrip("+-") if float(difference) == 0 else difference.replace("-", MINUS)


@dataclass(frozen=True)
class Row:
    """A method or setting."""

    label: str
    cells: tuple[Cell, ...]  # one a heading
    runs: tuple[str, ...] = ()  # those that were measured, several for several seeds; () where none was run here
    group: str = ""  # headline over the rows that share it
    note: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing was measured."""
        return all(cell.value is None for cell in self.cells)

    @property
    def blank(self) -> bool:
        """Whether it was not run here and the paper has no number for it either."""
        return not self.runs and not any(cell.published for cell in self.cells)


@dataclass(frozen=True)
class Table:
    """The results on one dataset."""

    name: str  # unique among the tables
    title: str  # a few words
    caption: str  # one or two sentences
    dataset: str  # its short name, or ""
    headings: tuple[Heading, ...]  # the columns after the first one
    rows: tuple[Row, ...]  # in order; those of one group stand together
    notes: tuple[str, ...] = ()  # sentences to print below
    label: str = "run"  # head of the first column

    @property
    def cells(self) -> list[Cell]:
        """The cells of all rows, row by row."""
        return [cell for row in self.rows for cell in row.cells]

    @property
    def weights(self) -> list[str]:
        """The initial weights of all networks that were trained on fused images, sorted."""
        return sorted({weights for cell in self.cells for weights in cell.initial_weights})

    @property
    def compares(self) -> bool:
        """Whether any cell has a number of the paper."""
        return any(cell.published for cell in self.cells)


@dataclass(frozen=True)
class Sheet:
    """What is printed under one caption: one table, or one for each of several datasets."""

    name: str  # of its files, without suffix
    number: str  # of the paper's table, "III"; "" for another one
    title: str  # a few words
    caption: str  # one or two sentences
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()  # sentences about all tables

    @property
    def headline(self) -> str:
        """Number and caption in one line."""
        return f"Table {self.number}. {self.caption}" if self.number else self.caption


def print_number(value: float | None, form: str) -> str:
    """Return a number by a format specification, with a typographic minus; `DASH` for None."""
    if value is None:
        return DASH
    return "NaN" if math.isnan(value) else format(value, form).replace("-", MINUS)


def rank(texts: Sequence[str], arrow: str) -> list[int]:
    """Return each text's rank: 1 best, 2 second, 0 neither.

    What is printed is ranked, so that two that look equal are marked alike; `DASH`, "NaN" and "" do not count. Of two
    numbers only the better one is marked: a second of two is the worse one. Without an arrow nothing is ranked.
    """
    values = [math.nan if text in (DASH, "") else float(text.replace(MINUS, "-")) for text in texts]
    numbers = [value for value in values if not math.isnan(value)]
    ordered = sorted(set(numbers), reverse=arrow == "↑")
    if not arrow or len(ordered) < 2:
        return [0] * len(texts)
    places = {value: place for place, value in enumerate(ordered[: 2 if len(numbers) > 2 else 1], start=1)}
    return [places.get(value, 0) for value in values]


def listed(labels: Sequence[str]) -> str:
    """Join labels for a sentence, by semicolons where one of them holds a comma itself."""
    return ("; " if any("," in label for label in labels) else ", ").join(labels)
