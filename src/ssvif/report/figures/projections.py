"""Did the tasks' gradients conflict? Their projection coefficients over training (the paper's Fig. 7, Eq. 8)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ssvif.report.figures.album import Album
from ssvif.report.figures.style import (
    BOLD,
    FAINT,
    INK,
    PRINT,
    SIZE_PT,
    TWO_COLUMNS_IN,
    add_axes,
    blank_figure,
    color_of,
    fit_text,
    save_figure,
    write_text,
)
from ssvif.report.runs import read_rows, to_number

QUANTITIES = {
    "projection_consistency": "projection of consistency\non fusion",
    "projection_fusion": "projection of fusion\non consistency",
}
PANELS = 4  # beside each other
HIGH_IN, LEFT_IN, GAP_IN, TITLE_IN, TICKS_IN, NOTE_IN = 1.15, 0.68, 0.42, 0.3, 0.32, 0.11
SMOOTHED = 1 / 12  # of the measured steps: the width (one standard deviation) over which the line is averaged
MOST_PLACES = 300  # of the line
SHOWN = (1, 99)  # percent of the points that the axis spans at least
NOTE = "points: measured steps (triangles: beyond the axis) · line: smoothed · above zero the tasks do not conflict"
log = logging.getLogger("ssvif")


@dataclass(frozen=True)
class Steps:
    """A run's measured steps.

    Attributes:
        epochs: (N,) when each was taken, in epochs of training.
        values: a key of `QUANTITIES` to its (N,) coefficients, without unit.
    """

    epochs: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]


def read_steps(path: Path) -> Steps | None:
    """Read gradients.csv; None where there is none, or one without finite rows.

    Raises:
        UserError: the file cannot be read as one of ours.
    """
    names = ("epoch", "step", *QUANTITIES)
    rows = read_rows(path, names) if path.is_file() else []
    table = np.array([[to_number(row[name], path) for name in names] for row in rows]).reshape(-1, len(names))
    table = table[np.isfinite(table).all(axis=1)]
    if not len(table):
        return None
    # a step's number begins again in each epoch; the largest one is the epoch's length as far as it is known
    epochs = table[:, 0] - 1 + (table[:, 1] - 1) / table[:, 1].max()
    order = np.argsort(epochs, kind="stable")
    values = {name: table[order, column] for column, name in enumerate(QUANTITIES, start=2)}
    return Steps(epochs[order], values)


def smooth(places: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return some of the places and the values averaged there with Gaussian weights over `SMOOTHED` of the range.

    Args:
        places: (N,), sorted, at least one.
        values: (N,).

    Returns:
        (M,) places, `MOST_PLACES` at most, and (M,) averages.
    """
    width = max(float(places[-1] - places[0]) * SMOOTHED, 1e-12)
    chosen = np.linspace(0, len(places) - 1, min(len(places), MOST_PLACES)).round().astype(int)
    weights = np.exp(-0.5 * ((places[chosen, None] - places) / width) ** 2)
    return places[chosen], (weights @ values) / weights.sum(axis=1)


def draw_projections(album: Album, folder: Path) -> list[Path]:
    """Draw projections_{dataset}: both coefficients at every measured step, a column of panels per run.

    Returns:
        the files; none where no run measured its gradients.
    """
    found = {run.title: read_steps(album.results / run.name / "gradients.csv") for run in album.runs}
    places = {run.title: place for place, run in enumerate(album.runs)}
    measured = {title: steps for title, steps in found.items() if steps}
    if not measured:
        log.info("%s: no run has measured its gradients, so the projections are left out", album.name)
        return []
    bands = math.ceil(len(measured) / PANELS)
    columns = math.ceil(len(measured) / bands)
    band_in = TITLE_IN + len(QUANTITIES) * HIGH_IN + 0.12 + TICKS_IN
    wide_in = min(2.8, (TWO_COLUMNS_IN - LEFT_IN - 0.08 - GAP_IN * (columns - 1)) / columns)
    width_in = max(LEFT_IN + 0.08 + columns * (wide_in + GAP_IN) - GAP_IN, 0.55 * TWO_COLUMNS_IN)
    note, note_pt = fit_text(NOTE, width_in - 0.12, SIZE_PT - 0.5)
    with rc_context(PRINT):
        figure = blank_figure(width_in, bands * band_in + 0.08 + NOTE_IN * (1 + note.count("\n")))
        for number, (title, steps) in enumerate(measured.items()):
            band, column = divmod(number, columns)
            left_in, top_in = LEFT_IN + column * (wide_in + GAP_IN), band * band_in + TITLE_IN
            fitted, size = fit_text(title, wide_in / BOLD, SIZE_PT + 0.5)
            style = {"fontsize": size, "fontweight": "bold", "va": "bottom", "linespacing": 1.0}
            write_text(figure, left_in, top_in - 0.05, fitted, **style)
            for row, (name, label) in enumerate(QUANTITIES.items()):
                axes = add_axes(figure, left_in, top_in + row * (HIGH_IN + 0.12), wide_in, HIGH_IN)
                _draw_panel(axes, steps.epochs, steps.values[name], color_of(places[title]))
                axes.tick_params(labelbottom=row == len(QUANTITIES) - 1)
                if column == 0:
                    axes.set_ylabel(label, fontsize=SIZE_PT - 0.5, labelpad=2)
            axes.set_xlabel("epoch", labelpad=1)
        write_text(figure, 0.08, bands * band_in + 0.04, note, fontsize=note_pt, color=FAINT)
        return save_figure(figure, folder, f"projections_{album.name}")


def _draw_panel(axes: Axes, epochs: NDArray[np.float64], values: NDArray[np.float64], color: str) -> None:
    smoothed, line = smooth(epochs, values)
    low, high = np.percentile(values, SHOWN)
    low, high = min(low, line.min(), 0.0), max(high, line.max(), 0.0)
    room = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - room, high + 3 * room)
    inside = (values >= low) & (values <= high)
    style: Any = {"color": color, "alpha": 0.4, "markeredgewidth": 0, "linestyle": "", "rasterized": len(values) > 2000}
    axes.plot(epochs[inside], values[inside], marker="o", markersize=2, **style)
    for marker, beyond, edge in (("^", values > high, high), ("v", values < low, low)):
        axes.plot(epochs[beyond], np.full(beyond.sum(), edge), marker=marker, markersize=3, **style)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
    axes.plot(smoothed, line, color=color, linewidth=1.6)
    share = f"{(values > 0).mean():.0%} above zero"
    axes.text(0.99, 0.99, share, transform=axes.transAxes, ha="right", va="top", fontsize=SIZE_PT - 0.5, color=INK)
    axes.grid(axis="y", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter("{x:g}")  # no common factor in a corner, where it is overlooked
    axes.tick_params(labelsize=SIZE_PT - 0.5, pad=2)
