"""Loss and weight curves as SVG: small multiples, one color a run, readable in print and in the dark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ssvif.ops.files import write_aside
from ssvif.report.runs import History

INK, GRID, ALARM = "#23272f", "#dcdfe5", "#c1121f"
# Okabe and Ito's colors, which color-blind readers can tell apart, without the too light yellow
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8a8d93")
STYLE: Any = {
    "svg.hashsalt": "ssvif",
    "svg.fonttype": "none",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.5,
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
    Panel("Projection of consistency on fusion", "projection_consistency"),
    Panel("Cosine of the two gradients", "cosine"),
    Panel("Live classes", "live_classes", start_at_zero=True),
    Panel("Entropy of class usage (nats)", "class_entropy", start_at_zero=True),
    Panel("Agreement of branches (mIoU)", "agreement", start_at_zero=True),
)


def draw_curves(histories: Mapping[str, History], path: Path) -> None:
    """Draw losses, weights and class diagnostics of one or more trainings, for comparison.

    Solid is training and dashed validation; a dotted vertical line is the switch to the second stage;
    a red cross on "Live classes" is an epoch with a collapsed pseudo label. Equal histories give equal
    bytes.

    Args:
        histories: a run's title to its history, in the order of the colors; up to `len(COLORS)` look
            different from each other.
        path: the SVG to write.

    Raises:
        ValueError: no history at all.
    """
    if not histories:
        raise ValueError("there is no history to draw")
    panels = [panel for panel in PANELS if any(_has(history, panel) for history in histories.values())]
    panels = panels or list(PANELS[:1])
    last = max(epoch for history in histories.values() for epoch in history.columns["epoch"])
    columns = min(4, len(panels))
    lines = math.ceil(len(panels) / columns)
    with rc_context(STYLE):
        figure = _empty_figure(columns, lines, list(histories))
        for number, panel in enumerate(panels, start=1):
            axes = figure.add_subplot(lines, columns, number)
            _draw_panel(axes, panel, histories)
            axes.set_xlim(-0.02 * last - 0.5, last + 0.5)
        _write(figure, path)


def _empty_figure(columns: int, lines: int, titles: list[str]) -> Figure:
    """Return a figure with room for the panels and the legend of runs above them (sizes in inches).

    The room is reckoned here: matplotlib's own layout engine takes longer than all the drawing.
    """
    legend_lines = math.ceil(len(titles) / columns)
    width, height = 3.1 * columns, 2.25 * lines + 0.28 * legend_lines + 0.3
    figure = Figure(figsize=(width, height), facecolor="none")
    figure.subplots_adjust(
        left=0.5 / width,
        right=1 - 0.15 / width,
        bottom=0.65 / height,
        top=1 - (0.28 * legend_lines + 0.45) / height,
        wspace=0.26,
        hspace=0.58,
    )
    keys = [Line2D([], [], color=_color(place), linewidth=3) for place in range(len(titles))]
    anchor = (0.3 / width, 1 - 0.02 / height)
    figure.legend(keys, titles, loc="upper left", bbox_to_anchor=anchor, ncols=columns, frameon=False, fontsize=10)
    figure.text(0.5 / width, 0.12 / height, LINES, fontsize=8.5)
    return figure


def _has(history: History, panel: Panel) -> bool:
    return bool(history.series(panel.solid)[0])


def _color(place: int) -> str:
    return COLORS[place % len(COLORS)]


def _draw_panel(axes: Axes, panel: Panel, histories: Mapping[str, History]) -> None:
    for place, history in enumerate(histories.values()):
        color = _color(place)
        epochs, values = history.series(panel.solid)
        # a curve of one epoch is a point, which only a marker shows
        axes.plot(epochs, values, color=color, marker="o" if len(epochs) == 1 else "", markersize=4)
        axes.plot(*history.series(panel.dashed), color=color, linestyle=(0, (3, 2)), linewidth=1.1)
        if history.switch is not None and _has(history, panel):
            axes.axvline(history.switch - 0.5, color=color, linestyle=":", linewidth=1, alpha=0.8)
        if panel.solid == "live_classes":
            _mark_collapse(axes, history)
    axes.set_title(panel.title, loc="left", fontsize=9.5, fontweight="bold")
    axes.set_xlabel("epoch")
    axes.grid(axis="y", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    elif panel.start_at_zero:
        axes.set_ylim(bottom=0)


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
