"""Every image's metric values, run beside run: small multiples of strips of points with boxes over them."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
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
    text_width_in,
    write_text,
)
from ssvif.report.figures.values import Values, heading, metrics_in, read_values

PANELS = 5  # beside each other
ROW_IN, NAMES_IN, GAP_IN = 0.21, 1.2, 0.12  # of a run; for names at most; between panels
TITLE_IN, TICKS_IN, NOTE_IN = 0.2, 0.24, 0.2
GOLDEN = (math.sqrt(5) - 1) / 2
NOTE = "points: images · box: middle half, median · diamond: mean · the best mean is filled · arrows: better direction"
log = logging.getLogger("ssvif")


def draw_distributions(album: Album, folder: Path) -> list[Path]:
    """Draw distributions_{dataset}: a panel per metric, a line of points per run, one point per test image.

    Returns:
        the files; none where no run was scored.
    """
    values = read_values(album.results, album.runs)
    metrics = metrics_in(values)
    if not metrics:
        log.info("%s: no run has fusion metrics, so the distributions are left out", album.name)
        return []
    titles = [fit_text(run.title, NAMES_IN) for run in album.runs]
    names_in = max(text_width_in(line, size) for title, size in titles for line in title.split("\n")) + 0.08
    high_in = ROW_IN * len(album.runs) + 0.06
    lines = math.ceil(len(metrics) / PANELS)
    columns = math.ceil(len(metrics) / lines)
    wide_in = (TWO_COLUMNS_IN - names_in - GAP_IN * columns) / columns
    with rc_context(PRINT):
        figure = blank_figure(TWO_COLUMNS_IN, lines * (TITLE_IN + high_in + TICKS_IN) + NOTE_IN)
        for number, metric in enumerate(metrics):
            line, column = divmod(number, columns)
            top_in = line * (TITLE_IN + high_in + TICKS_IN) + TITLE_IN
            axes = add_axes(figure, names_in + column * (wide_in + GAP_IN), top_in, wide_in, high_in)
            _draw_panel(axes, metric, values, wide_in)
            if column == 0:
                for place, (title, size) in enumerate(titles):
                    middle_in = top_in + 0.03 + ROW_IN * (place + 0.5)
                    style = {"ha": "right", "va": "center", "fontsize": size, "linespacing": 0.95}
                    write_text(figure, names_in - 0.05, middle_in, title, **style)
        bottom_in = lines * (TITLE_IN + high_in + TICKS_IN) + 0.04
        write_text(figure, names_in, bottom_in, NOTE, fontsize=SIZE_PT - 0.5, color=FAINT)
        return save_figure(figure, folder, f"distributions_{album.name}")


def _draw_panel(axes: Axes, metric: str, values: Values, wide_in: float) -> None:
    found = [by_metric.get(metric, {}) for by_metric in values.values()]
    samples = [np.array([each[pair] for pair in sorted(each)]) if each else None for each in found]
    best = _best(metric, samples)
    for place, sample in enumerate(samples):
        if sample is not None:
            _draw_run(axes, place, sample, filled=place in best)
    title, size = fit_text(heading(metric), wide_in / BOLD, SIZE_PT + 0.5, lines=1)
    axes.set_title(title, loc="left", fontsize=size, fontweight="bold", pad=3)
    edge = 0.03 / ROW_IN
    axes.set(ylim=(len(samples) - 0.5 + edge, -0.5 - edge), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    axes.tick_params(labelsize=SIZE_PT - 1, pad=1.5)
    axes.grid(axis="x", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.margins(x=0.04)


def _best(metric: str, samples: Sequence[NDArray[np.float64] | None]) -> list[int]:
    """Return the places of the runs with the best mean; none for a metric without a better direction."""
    direction = heading(metric)[-1:]
    means = {place: float(sample.mean()) for place, sample in enumerate(samples) if sample is not None}
    if direction not in ("↑", "↓") or len(means) < 2:
        return []
    best = max(means.values()) if direction == "↑" else min(means.values())
    return [place for place, each in means.items() if each == best]


def _draw_run(axes: Axes, place: int, sample: NDArray[np.float64], *, filled: bool) -> None:
    color = color_of(place)
    # the golden ratio's multiples spread points evenly, without chance
    heights = place + ((np.arange(len(sample)) * GOLDEN) % 1 - 0.5) * 0.62
    opacity = min(0.75, max(0.15, 12 / len(sample)))
    axes.plot(
        sample,
        heights,
        "o",
        markersize=2.2,
        color=color,
        alpha=opacity,
        markeredgewidth=0,
        rasterized=len(sample) > 500,
    )
    low, median, high = np.percentile(sample, (25, 50, 75))
    axes.add_patch(_box(float(low), float(high), place, color))
    axes.plot([median, median], [place - 0.34, place + 0.34], color=INK, linewidth=1.0, solid_capstyle="butt")
    axes.plot(
        sample.mean(), place, marker="D", markersize=3.4, markeredgecolor=INK, markeredgewidth=0.7,
        markerfacecolor=INK if filled else "white", zorder=4,
    )  # fmt: skip


def _box(low: float, high: float, place: int, color: str) -> Rectangle:
    return Rectangle(
        (low, place - 0.34),
        high - low,
        0.68,
        facecolor=(*to_rgb(color), 0.18),
        edgecolor=color,
        linewidth=0.8,
        zorder=3,
    )
