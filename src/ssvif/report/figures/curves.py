"""Loss, weight and stage curves: small multiples, one color a run, as SVG for the page and as PNG and PDF to print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ssvif.io.files import write_aside
from ssvif.report.figures.style import (
    ALARM,
    GRID,
    INK,
    STYLE,
    TWO_COLUMNS_IN,
    color_of,
    fit_text,
    save_figure,
)
from ssvif.report.runs import History, RunLabel, read_history

PANEL_IN = 3.1  # width of a panel on the page, for which all sizes below are made
SCALED: Any = {  # what shrinks with the panels in print; matplotlib's defaults, in points, but for the first three
    **{key: STYLE[key] for key in ("font.size", "axes.linewidth", "lines.linewidth")},
    **{
        f"{axis}tick.major.{key}": value
        for axis in "xy"
        for key, value in (("size", 3.5), ("pad", 3.5), ("width", 0.8))
    },
    "axes.labelpad": 4.0,
    "axes.titlepad": 6.0,
}
# the figure is transparent: the page's light or dark ground shows through, and ink follows it
ADAPT = f"""<style>
svg {{ color-scheme: light dark; }}
text {{ font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif !important; }}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #e4e7ec !important; }}
  [style*="stroke: {INK}"] {{ stroke: #b9bfca !important; }}
  [style*="stroke: {GRID}"] {{ stroke: #363c48 !important; }}
}}
</style>
"""
LINES = "solid: training · dashed: validation · dotted: start of the second stage"


@dataclass(frozen=True)
class Training:
    """A run that was trained: its title, its history, and its place among all runs, which gives it its color."""

    title: str
    history: History
    place: int


@dataclass(frozen=True)
class Panel:
    """One small diagram: its title, the column drawn solid, the one drawn dashed, and the axis."""

    title: str
    solid: str
    dashed: str = ""
    log: bool = False
    start_at_zero: bool = False


PANELS = (
    Panel("Fusion loss", "train_fusion", "validation_fusion"),
    Panel("Consistency loss", "train_consistency", "validation_consistency"),
    Panel("Total loss", "train_loss", "validation_loss"),
    Panel("α, weight of consistency", "alpha", log=True),
    Panel("Weights (dashed: of fusion)", "weight_consistency", "weight_fusion", start_at_zero=True),
    Panel("Projection on fusion's gradient", "projection_consistency"),
    Panel("Cosine of the two gradients", "cosine"),
    Panel("Live classes", "live_classes", start_at_zero=True),
    Panel("Entropy of class usage (nats)", "class_entropy", start_at_zero=True),
    Panel("Agreement of branches (mIoU)", "agreement", start_at_zero=True),
)


def read_trainings(results: Path, runs: Sequence[RunLabel]) -> list[Training]:
    """Return those of the runs below results/{dataset} that were trained here.

    Raises:
        UserError: a history.csv cannot be read as one of ours.
    """
    found = [(run.title, read_history(results / run.name / "history.csv"), place) for place, run in enumerate(runs)]
    return [Training(title, history, place) for title, history, place in found if history]


def tell_apart(trainings: Sequence[Training]) -> list[list[Training]]:
    """Return the trainings in groups, one a figure, within which no two have the same color."""
    groups: list[list[Training]] = []
    for training in trainings:
        taken = {color_of(each.place) for each in groups[-1]} if groups else set()
        if not groups or color_of(training.place) in taken:
            groups.append([])
        groups[-1].append(training)
    return groups


def draw_curves(trainings: Sequence[Training], path: Path) -> None:
    """Draw losses, weights and class diagnostics of one or more trainings, for comparison, for a page.

    Solid is training and dashed validation; a dotted vertical line is the switch to the second stage;
    a red cross on "Live classes" is an epoch with a collapsed pseudo label. Equal histories give equal
    bytes.

    Args:
        trainings: to compare; a group of `tell_apart`.
        path: the SVG to write.

    Raises:
        ValueError: no training at all.
    """
    with rc_context(STYLE):
        _write(_draw(trainings, columns=4, scale=1.0), path)


def print_curves(trainings: Sequence[Training], folder: Path, dataset: str) -> list[Path]:
    """Draw the same curves two columns of a paper wide: curves_{dataset}, and curves2_{dataset} if one is not enough.

    Args:
        trainings: to compare, as many as there are.
        folder: where to write.
        dataset: its short name.

    Returns:
        the files, PNG and PDF.
    """
    columns, paths = 3, []
    scale = TWO_COLUMNS_IN / (columns * PANEL_IN)
    for number, group in enumerate(tell_apart(trainings), start=1):
        with rc_context(STYLE | {key: value * scale for key, value in SCALED.items()}):
            figure = _draw(group, columns, scale)
            figure.set_facecolor("white")
            # a number after the dataset would be taken for a part of its name: there may be a cam and a cam_2
            paths += save_figure(figure, folder, f"curves{'' if number == 1 else number}_{dataset}")
    return paths


def _draw(trainings: Sequence[Training], columns: int, scale: float) -> Figure:
    if not trainings:
        raise ValueError("there is no training to draw")
    panels = [panel for panel in PANELS if any(_has(training.history, panel) for training in trainings)]
    panels = panels or list(PANELS[:1])
    last = max(epoch for training in trainings for epoch in training.history.columns["epoch"])
    columns = min(columns, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = _empty_figure(columns, lines, trainings, scale)
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(lines, columns, number)
        _draw_panel(axes, panel, trainings, scale)
        axes.set_xlim(-0.02 * last - 0.5, last + 0.5)
    return figure


def _empty_figure(columns: int, lines: int, trainings: Sequence[Training], scale: float) -> Figure:
    """Return a figure with room for the panels and the legend of runs above them (sizes in inches).

    The room is reckoned here: matplotlib's own layout engine takes longer than all the drawing.
    """
    legend_lines = math.ceil(len(trainings) / columns)
    width, height = PANEL_IN * columns, 2.25 * lines + 0.28 * legend_lines + 0.37
    figure = Figure(figsize=(width * scale, height * scale), facecolor="none")
    figure.subplots_adjust(
        left=0.58 / width,
        right=1 - 0.15 / width,
        bottom=0.72 / height,
        top=1 - (0.28 * legend_lines + 0.45) / height,
        wspace=0.28,
        hspace=0.58,
    )
    keys = [Line2D([], [], color=color_of(training.place), linewidth=3 * scale) for training in trainings]
    fitted = [fit_text(training.title, (PANEL_IN - 0.6) * scale, 10 * scale, lines=1) for training in trainings]
    figure.legend(
        keys,
        [title for title, _ in fitted],
        loc="upper left",
        bbox_to_anchor=(0.3 / width, 1 - 0.02 / height),
        ncols=columns,
        frameon=False,
        fontsize=min(size for _, size in fitted),
    )
    figure.text(0.58 / width, 0.12 / height, LINES, fontsize=8.5 * scale)
    return figure


def _has(history: History, panel: Panel) -> bool:
    return bool(history.series(panel.solid)[0])


def _draw_panel(axes: Axes, panel: Panel, trainings: Sequence[Training], scale: float) -> None:
    for training in trainings:
        history, color = training.history, color_of(training.place)
        epochs, values = history.series(panel.solid)
        # a curve of one epoch is a point, which only a marker shows
        axes.plot(epochs, values, color=color, marker="o" if len(epochs) == 1 else "", markersize=4 * scale)
        axes.plot(*history.series(panel.dashed), color=color, linestyle=(0, (3, 2)), linewidth=1.1 * scale)
        if history.switch is not None and _has(history, panel):
            axes.axvline(history.switch - 0.5, color=color, linestyle=":", linewidth=scale, alpha=0.8)
        if panel.solid == "live_classes":
            _mark_collapse(axes, history)
    axes.set_title(panel.title, loc="left", fontsize=9.5 * scale, fontweight="bold")
    axes.set_xlabel("epoch")
    axes.grid(axis="y", linewidth=0.7 * scale)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    elif panel.start_at_zero:
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def _mark_collapse(axes: Axes, history: History) -> None:
    epochs, values = history.series("live_classes")
    collapsed = set(history.collapsed)
    marked = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if int(epoch) in collapsed]
    axes.plot([epoch for epoch, _ in marked], [value for _, value in marked], "x", color=ALARM, clip_on=False)


def _write(figure: Figure, path: Path) -> None:
    stream = StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    head, start, rest = stream.getvalue().partition(" <defs>")
    with write_aside(path) as aside:
        aside.write_text(head + ADAPT + start + rest, encoding="utf-8")
