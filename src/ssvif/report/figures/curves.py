"""Loss, weight and stage curves: small multiples, one color a run, as SVG for the page and as PNG and PDF to print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ssvif.io.files import write_aside
from ssvif.report.figures.style import ALARM, GRID, INK, STYLE, TWO_COLUMNS_IN, add_legend
from ssvif.report.pictures import Album
from ssvif.report.runs import color_of
from ssvif.report.training import Training, read_trainings, tell_apart

PAGE_STYLE = STYLE | {"font.size": 9, "axes.linewidth": 0.8, "lines.linewidth": 1.5, "savefig.bbox": None}
PAGE_COLUMNS, PRINT_COLUMNS = 4, 3
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
    Panel("Pixels on which branches agree", "pixel_agreement", start_at_zero=True),
    Panel("Information on position (nats)", "position_information", start_at_zero=True),
    Panel("NMI with color (dashed: labels)", "nmi_color", "nmi_label", start_at_zero=True),
)


@rc_context(PAGE_STYLE)
def draw_curves(trainings: Sequence[Training], path: Path) -> None:
    """Write losses, weights and class diagnostics of trainings, a group of `tell_apart`, as an SVG for a page.

    Solid is training and dashed validation; a dotted vertical line is the switch to the second stage;
    a red cross on "Live classes" is an epoch with a collapsed pseudo label. Equal histories give equal
    bytes.
    """
    stream = StringIO()
    figure = _draw(trainings, PAGE_COLUMNS, panel_in=3.1)
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    head, start, rest = stream.getvalue().partition(" <defs>")
    with write_aside(path) as aside:
        aside.write_text(head + ADAPT + start + rest, encoding="utf-8")


@rc_context(STYLE)
def print_curves(album: Album) -> list[Figure]:
    """Draw the same curves two columns of a paper wide, in as many figures as there must be."""
    groups = tell_apart(read_trainings(album.results, album.runs))
    return [_draw(group, PRINT_COLUMNS, panel_in=TWO_COLUMNS_IN / PRINT_COLUMNS) for group in groups]


def _draw(trainings: Sequence[Training], columns: int, panel_in: float) -> Figure:
    panels = [panel for panel in PANELS if any(training.history.series(panel.solid)[0] for training in trainings)]
    panels = panels or list(PANELS[:1])
    columns = min(columns, len(panels))
    lines = math.ceil(len(panels) / columns)
    width, size_pt = panel_in * columns, rcParams["font.size"]
    em = size_pt / 72
    figure = Figure((width, 1))
    colors = {training.title: Line2D([], [], color=color_of(training.place), linewidth=3) for training in trainings}
    legend_lines = add_legend(figure, colors, size_pt, loc="upper left", bbox_to_anchor=(2.4 * em / width, 1))
    top = (2.3 * legend_lines + 3) * em
    height = 0.73 * panel_in * lines + top
    figure.set_size_inches(width, height)
    # placed here: matplotlib's own layout engine takes longer than all the drawing
    left, right, bottom = 4.6 * em / width, 1 - 1.2 * em / width, 5.8 * em / height
    figure.subplots_adjust(left, bottom, right, 1 - top / height, wspace=0.28, hspace=0.58)
    for number, panel in enumerate(panels, start=1):
        _draw_panel(figure.add_subplot(lines, columns, number), panel, trainings)
    figure.text(left, em / height, LINES)
    return figure


def _draw_panel(axes: Axes, panel: Panel, trainings: Sequence[Training]) -> None:
    for training in trainings:
        history, color = training.history, color_of(training.place)
        epochs, values = history.series(panel.solid)
        # a curve of one epoch is a point, which only a marker shows
        axes.plot(epochs, values, color=color, marker="o" if len(epochs) == 1 else "")
        axes.plot(*history.series(panel.dashed), color=color, linestyle=(0, (3, 2)), linewidth=1)
        if history.switch is not None and values:
            axes.axvline(history.switch - 0.5, color=color, linestyle=":", linewidth=1, alpha=0.8)
        if panel.solid == "live_classes":
            marked = [point for point in zip(epochs, values, strict=True) if point[0] in history.collapsed]
            axes.plot(*zip(*marked, strict=True) if marked else ([], []), "x", color=ALARM, clip_on=False)
    axes.set_title(panel.title)
    axes.set_xlabel("epoch")
    axes.grid(axis="y")
    axes.set_facecolor("none")
    last = max(training.history.columns["epoch"][-1] for training in trainings)
    axes.set_xlim(-0.02 * last - 0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    elif panel.start_at_zero:
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
