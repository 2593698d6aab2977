"""Cost and score of each run: multiply-accumulates against a score; a bubble's area is the number of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from ssvif.io.errors import UserError
from ssvif.ops.statistics import mean_of
from ssvif.report.figures.style import SIZE_PT, STYLE, add_legend, fit_text
from ssvif.report.pictures import Album
from ssvif.report.runs import COLORS, RunLabel, color_of
from ssvif.report.scores import SIZE_PX, read_efficiency, read_samples
from ssvif.report.sheet import Heading, listed, measure_of, position
from ssvif.schema import FUSION_METRICS, RUN_FILES, SEGMENTATION

AREA_PT2, LARGEST_PT2 = 260.0, 600.0  # of a bubble of a million parameters, unless the largest would go beyond
LEAST_SPAN = 0.02  # of the scores' middle, which the vertical axis shows
MARKERS = "osD^"  # the next one where colors begin again


def count_runs(album: Album, networks: Mapping[str, str], efficiency: Path) -> dict[RunLabel, tuple[float, float]]:
    """Return 10⁶ parameters and 10⁹ multiply-accumulates at `SIZE_PX` of the runs whose networks were counted.

    `networks` has "model channels" by a run's name. Without the file no run was counted.

    Raises:
        UserError: the CSV of `ssvif complexity` cannot be read as one of ours.
    """
    costs, counted = read_efficiency(efficiency), {}
    for run in album.runs:
        if found := costs.get(networks.get(run.name, "")):
            mparam, gmac = (found[name, ""].values[""] for name in ("parameters_mparam", "macs_gmac"))
            if mparam and gmac:
                counted[run] = (mparam, gmac)
    return counted


@rc_context(STYLE)
def draw_bubbles(album: Album, counted: Mapping[RunLabel, tuple[float, float]], metric: str) -> list[Figure]:
    """Draw a panel for mIoU and one for a fusion metric, a bubble per run that was counted, see `count_runs`.

    There is no figure where fewer than two runs were both counted and scored. Other runs, such as an average, are named
    below.

    Raises:
        UserError: runs have fusion metrics with values, but not this one.
    """
    fusion = _read_scores(album, FUSION_METRICS)
    if fusion and metric not in fusion:
        known = sorted(fusion, key=lambda name: (position(name), name))
        raise UserError(f"No run on {album.name} has the metric {metric!r}", expected=" | ".join(known))
    scores = {"miou": _read_scores(album, SEGMENTATION).get("miou", {}), metric: fusion.get(metric, {})}
    shown = {run: costs for run, costs in counted.items() if any(run.name in each for each in scores.values())}
    if len(shown) < 2:
        return []
    panels = [name for name in scores if any(run.name in scores[name] for run in shown)]
    figure = Figure((3.5 * len(panels), 3.2), layout="constrained")
    shrink = min(1.0, LARGEST_PT2 / (AREA_PT2 * max(mparam for mparam, _ in shown.values())))
    entries = {}
    for axes, name in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for run, (mparam, gmac) in sorted(shown.items(), key=lambda each: -each[1][0]):  # small ones on large ones
            place = album.runs.index(run)
            marker, color = MARKERS[place // len(COLORS) % len(MARKERS)], color_of(place)
            style: Any = {"marker": marker, "alpha": 0.6, "color": color}
            if run.name in scores[name]:
                area_pt2 = max(shrink * AREA_PT2 * mparam, 4.0)
                axes.scatter(gmac, scores[name][run.name], s=area_pt2, edgecolors=color, zorder=3, **style)
            entries[f"{run.title} ({mparam:.3g} M)"] = Line2D([], [], linestyle="", markersize=5, **style)
        _dress(axes, name, [gmac for _, gmac in shown.values()])
    title = "area, and in brackets: parameters"
    if without := [run.title for run in album.runs if run not in shown]:
        note = f"without a counted network or a score: {listed(without)}"
        title += f"\n{fit_text(note, 3.4 * len(panels), SIZE_PT, lines=2)[0]}"
    add_legend(figure, entries, loc="outside lower center", title=title)
    return [figure]


def _read_scores(album: Album, source: str) -> dict[str, dict[str, float]]:
    """Return metric to each run's mean of its finite values, in the unit shown in tables; none without any."""
    scores: dict[str, dict[str, float]] = {}
    for run in album.runs:
        path = album.results / run.name / RUN_FILES[source]
        samples = read_samples(path, source) if path.is_file() else {}
        for (metric, class_name), sample in samples.items():
            values = [value for value in sample.known.values() if math.isfinite(value)]
            if values and not class_name:
                scores.setdefault(metric, {})[run.name] = measure_of(metric).scale * mean_of(values)
    return scores


def _dress(axes: Axes, metric: str, costs_gmac: Sequence[float]) -> None:
    low, high = min(costs_gmac), max(costs_gmac)
    room = max(2.0, (high / low) ** 0.18)  # from half to double, and further for bubbles that lie decades apart
    axes.margins(0.18)
    bottom, top = axes.get_ylim()
    spare = LEAST_SPAN * abs(bottom + top) / 2 - (top - bottom)
    if spare > 0:  # or rounding would look like a difference
        axes.set_ylim(bottom - spare / 2, top + spare / 2)
    axes.set(xscale="log", xlim=(low / room, high * room), ylabel=Heading(metric).shown)
    axes.set_xlabel(f"multiply-accumulates for a pair of {SIZE_PX}×{SIZE_PX} (10⁹)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high * room**2 <= 100 * low else (1,)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid()
