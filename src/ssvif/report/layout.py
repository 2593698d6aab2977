"""What a table is, ready to print: headings, rows, cells; and how a metric's values are shown and ranked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

DASH = "–"
MINUS = "−"
WITH_LABELS = " †"  # follows the name of a method that was trained with labels


@dataclass(frozen=True)
class Measure:
    """How a metric is shown.

    Attributes:
        heading: its name in CSV readers' and people's eyes, the convention included.
        latex: the same in LaTeX.
        arrow: "↑" when higher is better, "↓" when lower is, "" when there is no better.
        decimals: digits after the point.
        unit: of the shown values; "%" where the stored values are fractions.
    """

    heading: str
    latex: str
    arrow: str = "↑"
    decimals: int = 3
    unit: str = ""

    @property
    def scale(self) -> int:
        """What a stored value is multiplied by to be shown."""
        return 100 if self.unit == "%" else 1


# in the order of the tables' columns; as in the paper's, classes stand before their mean
MEASURES = {
    "en": Measure("EN", "EN"),
    "mi": Measure("MI", "MI"),
    "vif": Measure("VIF", "VIF"),
    "qabf": Measure("Qabf", "$Q^{AB/F}$"),
    "ssim": Measure("SSIM (L=1)", "SSIM ($L{=}1$)"),
    "ssim255": Measure("SSIM (L=255)", "SSIM ($L{=}255$)"),
    "ms_ssim": Measure("MS-SSIM (L=1)", "MS-SSIM ($L{=}1$)"),
    "ms_ssim255": Measure("MS-SSIM (L=255)", "MS-SSIM ($L{=}255$)"),
    "delta_e76": Measure("ΔE76", r"$\Delta E_{76}$", "↓", 2),
    "delta_e2000": Measure("ΔE2000", r"$\Delta E_{2000}$", "↓", 2),
    "iou": Measure("IoU", "IoU", decimals=2, unit="%"),
    "miou": Measure("mIoU", "mIoU", decimals=2, unit="%"),
    "miou_without_background": Measure("mIoU w/o background", "mIoU w/o bg.", decimals=2, unit="%"),
    "ap50": Measure("AP@0.5", "AP@0.5", decimals=2, unit="%"),
    "map50": Measure("mAP@0.5", "mAP@0.5", decimals=2, unit="%"),
    "parameters_mparam": Measure("parameters", "parameters", "↓", 2, "M"),
    "macs_gmac": Measure("MACs", "MACs", "↓", 2, "G"),
    "peak_memory_mb": Measure("memory", "memory", "↓", 1, "MB"),
}


@dataclass(frozen=True)
class Heading:
    """A column's head.

    Attributes:
        text: the metric's or the class's name.
        latex: its LaTeX form; "" where that is the text, escaped.
        arrow: the better direction, "↑", "↓" or "".
        unit: of the column's values, or "".
        metric: the metric's short name.
        class_name: of a column that is about one class, or "".
    """

    text: str
    latex: str
    arrow: str
    unit: str = ""
    metric: str = ""
    class_name: str = ""

    @property
    def shown(self) -> str:
        """The head as plain text, with unit and direction."""
        return f"{self.text}{f' ({self.unit})' if self.unit else ''} {self.arrow}".strip()


@dataclass(frozen=True)
class Cell:
    """One value of a row, and beside it the paper's.

    Attributes:
        text: what was measured, as printed; `DASH` for nothing, "NaN".
        rank: of it, among those that were measured: 1 best, 2 second, 0 neither.
        value: the same with full digits, in the column's unit; None for nothing.
        interval: half the width of the 95 % interval, "±0.08", the longer side where it is skewed; or "".
        published: the number the paper prints, or "".
        published_rank: of it, among the paper's.
        difference: measured less published, with the digits that both have, "−0.05"; or "".
        low: lower end of the interval, in the column's unit.
        high: its upper end.
        over: what the interval is over: "images", "seeds" or "".
        images: number of test images behind the value; 0 where a file of scores does not say.
        seeds: number of trainings behind the value.
        note: what is to be said about this value.
    """

    text: str = DASH
    rank: int = 0
    value: float | None = None
    interval: str = ""
    published: str = ""
    published_rank: int = 0
    difference: str = ""
    low: float | None = None
    high: float | None = None
    over: str = ""
    images: int = 0
    seeds: int = 0
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A method's cells, in the order of the headings.

    Attributes:
        label: the method's or the setting's name.
        cells: one a heading.
        runs: the runs that were measured, several for several seeds; () where none was run here.
        group: headline over the rows that share it, or "".
        note: what is to be said about this row.
    """

    label: str
    cells: tuple[Cell, ...]
    runs: tuple[str, ...] = ()
    group: str = ""
    note: str = ""

    @property
    def blank(self) -> bool:
        """Whether it was not run here and the paper has no number for it either."""
        return not self.runs and not any(cell.published for cell in self.cells)


@dataclass(frozen=True)
class Table:
    """The results on one dataset, ready to print.

    Attributes:
        name: unique among the tables.
        title: a few words.
        caption: one or two sentences.
        dataset: its short name; "" where there is none.
        headings: of the columns after the first one.
        rows: in order; those of one group stand together.
        notes: sentences to print below.
        label: head of the first column.
    """

    name: str
    title: str
    caption: str
    dataset: str
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    label: str = "run"

    @property
    def compares(self) -> bool:
        """Whether any cell has a number of the paper."""
        return any(cell.published for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class Sheet:
    """What is printed under one caption: a table, or one for each of several datasets.

    Attributes:
        name: its files' name without suffix.
        number: of the paper's table, "III"; "" for one of ours.
        title: a few words.
        caption: one or two sentences.
        tables: one a dataset.
        notes: sentences about all of them.
    """

    name: str
    number: str
    title: str
    caption: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """Number and caption in one line."""
        return f"Table {self.number}. {self.caption}" if self.number else self.caption


def measure_of(metric: str) -> Measure:
    """Return how a metric is shown; an unknown one keeps its name and has no better direction."""
    return MEASURES.get(metric) or Measure(metric, metric.replace("_", r"\_"), arrow="")


def heading_of(metric: str, class_name: str = "") -> Heading:
    """Return the head of a column.

    Args:
        metric: its short name.
        class_name: of a column about one class; it is the head then, and the unit stands in the caption.
    """
    measure = measure_of(metric)
    if class_name:
        return Heading(class_name, "", measure.arrow, metric=metric, class_name=class_name)
    return Heading(measure.heading, measure.latex, measure.arrow, measure.unit, metric)


def position(metric: str) -> int:
    """Return a metric's place among the columns; unknown ones come last."""
    order = list(MEASURES)
    return order.index(metric) if metric in order else len(order)


def show(value: float | None, metric: str, decimals: int | None = None) -> str:
    """Return a value in its shown unit as text; `DASH` for None.

    Args:
        value: already in the metric's shown unit.
        metric: its short name.
        decimals: at most so many digits after the point; the metric's own for None.
    """
    if value is None:
        return DASH
    digits = measure_of(metric).decimals
    text = f"{value:.{digits if decimals is None else min(digits, decimals)}f}"
    return "NaN" if math.isnan(value) else text.replace("-", MINUS)


def show_published(text: str, metric: str) -> str:
    """Return a stored number of the paper as the paper prints it, in percent where the metric is; "" stays."""
    scaled = measure_of(metric).scale != 1
    return str(Decimal(text).scaleb(2)) if text and scaled else text


def show_difference(text: str, value: float | None, published: str) -> str:
    """Return measured less published, with a sign and only the digits that both are printed with.

    Args:
        text: the measured value as printed.
        value: with full digits; None or NaN gives "".
        published: the number as printed, or "".
    """
    if value is None or not math.isfinite(value) or not published:
        return ""
    digits = min(len(each.partition(".")[2]) for each in (text, published))
    difference = f"{value - float(published):+.{digits}f}"
    return difference.lstrip("+-") if float(difference) == 0 else difference.replace("-", MINUS)


def rank(texts: Sequence[str], arrow: str) -> list[int]:
    """Return each text's rank: 1 best, 2 second, 0 neither.

    It is what is printed that is ranked, so that two that look equal are marked alike. Of two numbers only the
    better one is marked: a second of two is the worse one.

    Args:
        texts: printed values; `DASH`, what is no number and "" do not count.
        arrow: "↑" if higher is better, "↓" if lower is; "" ranks nothing.
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
