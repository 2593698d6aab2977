"""From long rows to a table as people read it, and that table as Markdown or LaTeX."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

DASH = "–"
WITH_LABELS = " †"  # follows the name of a published method that was trained with labels


@dataclass(frozen=True)
class Measure:
    """How a metric is shown.

    Attributes:
        heading: its name in CSV readers' and people's eyes, the convention included.
        latex: the same in LaTeX.
        arrow: "↑" when higher is better, "↓" when lower is, "" when there is no better.
        decimals: digits after the point.
        percent: whether the stored fraction is shown in percent.
    """

    heading: str
    latex: str
    arrow: str = "↑"
    decimals: int = 3
    percent: bool = False


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
    "miou": Measure("mIoU", "mIoU", decimals=2, percent=True),
    "miou_without_background": Measure("mIoU w/o background", "mIoU w/o bg.", decimals=2, percent=True),
    "iou": Measure("IoU", "IoU", decimals=2, percent=True),
    "map50": Measure("mAP@0.5", "mAP@0.5", decimals=2, percent=True),
    "ap50": Measure("AP@0.5", "AP@0.5", decimals=2, percent=True),
}
ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "": ""}
ESCAPES = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "†": r"$^\dagger$",
    "Δ": r"$\Delta$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",
    "×": r"$\times$",
}


@dataclass(frozen=True)
class Heading:
    """A column's head: the metric's or the class's name, its LaTeX form, and the better direction."""

    text: str
    latex: str
    arrow: str


@dataclass(frozen=True)
class Cell:
    """A printed value and its rank in the column: 1 best, 2 second, 0 neither."""

    text: str
    rank: int = 0


@dataclass(frozen=True)
class Row:
    """A run's or a published method's cells, in the order of the headings."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table ready to print.

    Attributes:
        name: its files' name without suffix.
        caption: one or two sentences.
        headings: of the columns after the first one.
        rows: our runs.
        published: the paper's methods; ranks are given among our runs only.
        notes: sentences to print below the table.
    """

    name: str
    caption: str
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    published: tuple[Row, ...]
    notes: tuple[str, ...]


def lay_out(name: str, caption: str, rows: Sequence[Mapping[str, str]], notes: Iterable[str] = ()) -> Table:
    """Arrange long rows as a table: a line per run or published method, a column per metric and class.

    Args:
        name: the files' name without suffix.
        caption: of the table.
        rows: with `source` ("run" or "paper"), `run`, `label`, `metric`, `class`, `mean` (text, may be
            empty).
        notes: printed below the table.
    """
    own = [row for row in rows if row["source"] == "run"]
    keys = sorted(dict.fromkeys((row["metric"], row["class"]) for row in own), key=_position)
    cells = {(row["source"], row["run"], row["metric"], row["class"]): row["mean"] for row in rows}
    labels = {(row["source"], row["run"]): row["label"] for row in rows}
    lines: dict[str, list[Row]] = {"run": [], "paper": []}
    ranks = {key: _ranks([row for row in own if (row["metric"], row["class"]) == key]) for key in keys}
    for (source, run), label in labels.items():
        texts = [(key, show(cells.get((source, run, *key), ""), key[0], source)) for key in keys]
        ranked = source == "run"
        line = tuple(Cell(text, ranks[key].get(text, 0) if ranked else 0) for key, text in texts)
        lines[source].append(Row(label, line))
    headings = tuple(_heading(*key) for key in keys)
    return Table(name, caption, headings, tuple(lines["run"]), tuple(lines["paper"]), tuple(notes))


def measure_of(metric: str) -> Measure:
    """Return how a metric is shown; an unknown one keeps its name and has no better direction."""
    return MEASURES.get(metric) or Measure(metric, escape(metric), arrow="")


def show(text: str, metric: str, source: str = "run") -> str:
    """Return a stored value as it is printed.

    Our values are rounded to the metric's decimals; the paper's keep the digits they were printed with.
    """
    if not text:
        return DASH
    measure = measure_of(metric)
    if source == "paper":
        return str(Decimal(text).scaleb(2)) if measure.percent else text
    value = float(text) * (100 if measure.percent else 1)
    return "NaN" if math.isnan(value) else f"{value:.{measure.decimals}f}"


def _position(key: tuple[str, str]) -> int:
    order = list(MEASURES)
    return order.index(key[0]) if key[0] in order else len(order)


def _heading(metric: str, class_name: str) -> Heading:
    measure = measure_of(metric)
    if class_name:
        return Heading(class_name, escape(class_name), "")
    return Heading(measure.heading, measure.latex, measure.arrow)


def _ranks(rows: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """Rank by what is printed, so that two runs that look equal are marked alike.

    With two runs only the better one is marked: a second of two is the worse one.
    """
    texts = [show(row["mean"], row["metric"]) for row in rows]
    numbers = [text for text in texts if text not in (DASH, "NaN")]
    arrow = measure_of(rows[0]["metric"]).arrow
    ordered = sorted(set(numbers), key=float, reverse=arrow == "↑")
    if not arrow or len(ordered) < 2:
        return {}
    return {text: rank for rank, text in enumerate(ordered[: 2 if len(numbers) > 2 else 1], start=1)}


def escape(text: str) -> str:
    """Return plain text for LaTeX."""
    return "".join(ESCAPES.get(sign, sign) for sign in text)


def to_markdown(table: Table) -> str:
    """Return the table in Markdown: best bold, second underlined, notes below."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    marks = ("{}", "**{}**", "<u>{}</u>")
    heads = [f"{heading.text} {heading.arrow}".strip() for heading in table.headings]
    lines = [line(["run", *heads]), "|:--|" + "--:|" * len(heads)]
    for row in table.rows:
        lines.append(line([row.label, *(marks[cell.rank].format(cell.text) for cell in row.cells)]))
    if table.published:
        lines.append(line(["*paper*", *("" for _ in heads)]))
    lines += [line([f"*{row.label}*", *(cell.text for cell in row.cells)]) for row in table.published]
    notes = [f"* {note}" for note in table.notes]
    return "\n".join([f"**{table.caption}**", "", *lines, *([""] if notes else []), *notes]) + "\n"


def to_latex(table: Table) -> str:
    """Return the table in LaTeX for booktabs and graphicx: best bold, second underlined, notes below."""
    marks = ("{}", "\\textbf{{{}}}", "\\underline{{{}}}")

    def line(label: str, cells: Sequence[Cell]) -> str:
        printed = [marks[cell.rank].format(cell.text.replace(DASH, "--")) for cell in cells]
        return "    " + " & ".join([escape(label), *printed]) + r" \\"

    heads = " & ".join(["run", *(f"{head.latex} {ARROWS[head.arrow]}".strip() for head in table.headings)])
    lines = [line(row.label, row.cells) for row in table.rows]
    if table.published:
        width = len(table.headings) + 1
        lines += ["    \\midrule", f"    \\multicolumn{{{width}}}{{l}}{{\\emph{{paper}}}} \\\\"]
    lines += [line(row.label, row.cells) for row in table.published]
    notes = [f"  \\par\\smallskip\\footnotesize {escape(note)}" for note in table.notes]
    return "\n".join(
        [
            "% \\usepackage{booktabs,graphicx}",
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{escape(table.caption)}}}",
            f"  \\label{{tab:{table.name}}}",
            "  \\resizebox{\\linewidth}{!}{%",
            f"  \\begin{{tabular}}{{l{'r' * len(table.headings)}}}",
            "    \\toprule",
            f"    {heads} \\\\",
            "    \\midrule",
            *lines,
            "    \\bottomrule",
            "  \\end{tabular}}",
            *notes,
            "\\end{table}",
            "",
        ]
    )
