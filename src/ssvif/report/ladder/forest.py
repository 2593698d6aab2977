"""The effects of a ladder as a figure: a row an arm, intervals over seeds, and the margin of interest as a band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ssvif.report.figures.style import FAINT, GRID, INK, SIZE_PT, STYLE, TWO_COLUMNS_IN, add_legend, color_of, fit_text
from ssvif.report.ladder.effects import Effect, Findings
from ssvif.report.ladder.measured import Measured
from ssvif.report.sheet import measure_of

ROW_IN, LABEL_IN = 0.34, 2.1
MARKERS = ("o", "s", "D", "^", "v", "P")
SPREAD = 0.5  # of a row's height, over which the comparisons of one arm are spread


@rc_context(STYLE)
def draw_effects(measured: Measured, found: Findings) -> Figure | None:
    """Draw each arm's difference from the reference and from each negative control; None where there is none.

    Colors tell what an arm is compared with, markers too. An effect of one seed has no interval.
    """
    rows = [(each.arm.title, (each.reference, *each.controls)) for each in found.judged]
    rows += [(each.arm.title, (each,)) for each in found.controls]
    if not rows:
        return None
    margin, key = measured.declaration.ladder.margin, measured.primary
    figure = Figure((TWO_COLUMNS_IN, ROW_IN * len(rows) + 0.9), layout="constrained")
    axes = figure.add_subplot()
    others = list(dict.fromkeys(each.against.title for _, effects in rows for each in effects))
    axes.axvspan(-margin, margin, color=GRID, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    entries: dict[str, Artist] = {}
    for place, (_, effects) in enumerate(rows):
        entries |= _draw_row(axes, place, effects, others)
    for group in (len(found.judged), len(found.judged) + len(found.negatives)):
        if 0 < group < len(rows):
            axes.axhline(group - 0.5, color=FAINT, linewidth=0.5, linestyle=":")
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)))
    axes.set_yticklabels([fit_text(title, LABEL_IN)[0] for title, _ in rows])
    measure = measure_of(key.metric)
    unit = "points" if key.scale == 100 else measure.unit
    axes.set_xlabel(f"difference in {measure.heading}{f' ({unit})' if unit else ''} {measure.arrow}")
    axes.grid(axis="x")
    title = f"band: ±{margin:g}, the margin of interest"
    add_legend(figure, entries, SIZE_PT, loc="outside lower center", title=title)
    return figure


def _draw_row(axes: Axes, place: int, effects: Sequence[Effect], others: Sequence[str]) -> dict[str, Artist]:
    entries: dict[str, Artist] = {}
    for number, effect in enumerate(effects):
        kind = others.index(effect.against.title)
        height = place + SPREAD * ((number + 0.5) / len(effects) - 0.5)
        ends = None
        if effect.low is not None and effect.high is not None:
            ends = [[effect.mean - effect.low], [effect.high - effect.mean]]
        style: Any = {"color": color_of(kind), "marker": MARKERS[kind % len(MARKERS)], "linestyle": ""}
        axes.errorbar([effect.mean], [height], xerr=ends, capsize=2, elinewidth=1.1, zorder=3, **style)
        entries[f"− {effect.against.title}"] = Line2D([], [], **style)
    return entries
