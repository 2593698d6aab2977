"""The projection coefficients of the two tasks' gradients over training (the paper's Fig. 7, Eq. 8)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ssvif.report.figures.style import FAINT, INK, SIZE_PT, STYLE, TWO_COLUMNS_IN, columns_of, fit_text
from ssvif.report.pictures import Album
from ssvif.report.runs import color_of, read_rows, to_number
from ssvif.report.training import QUANTITIES

PROJECTIONS = {name: text.replace(" on ", "\non ") for name, text in QUANTITIES.items() if name != "cosine"}
COLUMNS = 4  # of panels
SMOOTHED = 1 / 12  # of the measured steps: standard deviation of the line's Gaussian average
SHOWN = (1, 99)  # percent of the points that the axis spans at least
NOTE = "points: measured steps, triangles: beyond the axis · line: smoothed\nabove zero the tasks do not conflict"


def read_steps(path: Path) -> NDArray[np.float64]:
    """Read gradients.csv, ordered by time; without finite rows it is empty, as is a missing one.

    Each row (N,3) holds when a step was taken, in epochs of training, and the two coefficients of `PROJECTIONS`.

    Raises:
        UserError: the file cannot be read as one of ours.
    """
    names = ("epoch", "step", *PROJECTIONS)
    rows = read_rows(path, names) if path.is_file() else []
    table = np.array([[to_number(row[name], path) for name in names] for row in rows]).reshape(-1, len(names))
    table = table[np.isfinite(table).all(axis=1)]
    # a step's number begins again in each epoch; the largest one is the epoch's length as far as it is known
    epochs = table[:, 0] - 1 + (table[:, 1] - 1) / table[:, 1].max(initial=1)
    return np.column_stack([epochs, table[:, 2:]])[np.argsort(epochs, kind="stable")]


@rc_context(STYLE)
def draw_projections(album: Album) -> list[Figure]:
    """Draw both coefficients at every measured step, a column of panels per run; nothing where no run has any."""
    found = [read_steps(album.results / run.name / "gradients.csv") for run in album.runs]
    measured = [(place, steps) for place, steps in enumerate(found) if len(steps)]
    if not measured:
        return []
    columns = columns_of(len(measured), COLUMNS)
    bands = math.ceil(len(measured) / columns)
    width_in = min(2.8, TWO_COLUMNS_IN / columns)
    figure = Figure((max(columns * width_in, 3.6), 2.9 * bands + 0.3), layout="constrained")
    for number, (place, steps) in enumerate(measured):
        band, column = divmod(number, columns)
        for row, (label, values) in enumerate(zip(PROJECTIONS.values(), steps.T[1:], strict=True)):
            axes = figure.add_subplot(2 * bands, columns, (2 * band + row) * columns + column + 1)
            _draw_panel(axes, steps[:, 0], values, color_of(place))
            axes.tick_params(labelbottom=row == 1)
            if row == 0:
                axes.set_title(fit_text(album.runs[place].title, 0.75 * width_in)[0])
            if column == 0:
                axes.set_ylabel(label)
        axes.set_xlabel("epoch")
    figure.supxlabel(NOTE, x=0.01, ha="left", fontsize=SIZE_PT - 0.5, color=FAINT)
    return [figure]


def _draw_panel(axes: Axes, epochs: NDArray[np.float64], values: NDArray[np.float64], color: str) -> None:
    from scipy.ndimage import gaussian_filter1d

    line = gaussian_filter1d(values, SMOOTHED * len(values), mode="reflect")
    low, high = np.percentile(values, SHOWN)
    low, high = min(low, line.min(), 0.0), max(high, line.max(), 0.0)
    room = 0.06 * (high - low) or 1.0
    low, high = low - room, high + room
    axes.set_ylim(low - room, high + 3 * room)
    style: Any = {"color": color, "alpha": 0.4, "markeredgewidth": 0, "linestyle": "", "rasterized": len(values) > 2000}
    inside = (low <= values) & (values <= high)
    for marker, size_pt, chosen in (("o", 2, inside), ("^", 3, values > high), ("v", 3, values < low)):
        axes.plot(epochs[chosen], values[chosen].clip(low, high), marker=marker, markersize=size_pt, **style)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
    axes.plot(epochs, line, color=color, linewidth=1.6)
    share = f"{(values > 0).mean():.0%} above zero"
    axes.text(0.99, 0.99, share, transform=axes.transAxes, ha="right", va="top", fontsize=SIZE_PT - 0.5)
    axes.grid(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter("{x:g}")  # no common factor in a corner, where it is overlooked
