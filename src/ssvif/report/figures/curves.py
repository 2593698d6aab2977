"""Loss, weight and stage curves: small multiples, one color a run, as SVG for the page and as PNG and PDF to print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from ssvif.report.figures.style import (
    ALARM,
    COLORS,
    GRID,
    INK,
    STYLE,
    TWO_COLUMNS_IN,
    color_of,
    fit_text,
    save_figure,
)
from ssvif.report.runs import History

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


def draw_curves(histories: Mapping[str, History], path: Path) -> None:
    """Draw losses, weights and class diagnostics of one or more trainings, for comparison, for a page.

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
    with rc_context(STYLE):
        _write(_draw(histories, columns=4, scale=1.0), path)


def print_curves(histories: Mapping[str, History], folder: Path, name: str) -> list[Path]:
    """Draw the same curves two columns of a paper wide, as many runs in a figure as there are colors.

    Args:
        histories: a run's title to its history; see `draw_curves`.
        folder: where to write.
        name: the files' name without suffix; from the second figure on a number follows.

    Returns:
        the files, PNG and PDF.
    """
    columns, titles, paths = 3, list(histories), []
    scale = TWO_COLUMNS_IN / (columns * PANEL_IN)
    for number, start in enumerate(range(0, len(titles), len(COLORS)), start=1):
        chosen = {title: histories[title] for title in titles[start : start + len(COLORS)]}
        with rc_context(STYLE | {key: value * scale for key, value in SCALED.items()}):
            figure = _draw(chosen, columns, scale)
            figure.set_facecolor("white")
            paths += save_figure(figure, folder, name if number == 1 else f"{name}_{number}")
    return paths


def _draw(histories: Mapping[str, History], columns: int, scale: float) -> Figure:
    if not histories:
        raise ValueError("there is no history to draw")
    panels = [panel for panel in PANELS if any(_has(history, panel) for history in histories.values())]
    panels = panels or list(PANELS[:1])
    last = max(epoch for history in histories.values() for epoch in history.columns["epoch"])
    columns = min(columns, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = _empty_figure(columns, lines, list(histories), scale)
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(lines, columns, number)
        _draw_panel(axes, panel, histories, scale)
        axes.set_xlim(-0.02 * last - 0.5, last + 0.5)
    return figure


def _empty_figure(columns: int, lines: int, titles: Sequence[str], scale: float) -> Figure:
    """Return a figure with room for the panels and the legend of runs above them (sizes in inches).

    The room is reckoned here: matplotlib's own layout engine takes longer than all the drawing.
    """
    legend_lines = math.ceil(len(titles) / columns)
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
    keys = [Line2D([], [], color=color_of(place), linewidth=3 * scale) for place in range(len(titles))]
    fitted = [fit_text(title, (PANEL_IN - 0.6) * scale, 10 * scale, lines=1) for title in titles]
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


def _draw_panel(axes: Axes, panel: Panel, histories: Mapping[str, History], scale: float) -> None:
    for place, history in enumerate(histories.values()):
        color = color_of(place)
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
