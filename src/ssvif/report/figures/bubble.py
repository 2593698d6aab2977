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
from ssvif.report.figures.style import COLORS, SIZE_PT, STYLE, add_legend, color_of, fit_text
from ssvif.report.pictures import Album
from ssvif.report.runs import RunLabel
from ssvif.report.scores import SIZE_PX, read_efficiency, read_samples
from ssvif.report.sheet import Heading, listed, measure_of, position
from ssvif.schema import FUSION_METRICS, RUN_FILES, SEGMENTATION

AREA_PT2, LARGEST_PT2 = 260.0, 600.0  # of a bubble of a million parameters, unless the largest would go beyond
MARKERS = "osD^"  # the next one where colors begin again


def read_costs(path: Path) -> dict[str, tuple[float, float]]:
    """Read a file of `ssvif complexity`: "model channels" to 10⁶ parameters and 10⁹ multiply-accumulates at `SIZE_PX`.

    Raises:
        UserError: the file cannot be read as one of ours.
    """
    found = {}
    for network, costs in read_efficiency(path).items():
        mparam, gmac = (costs[name, ""].values[""] for name in ("parameters_mparam", "macs_gmac"))
        if mparam and gmac:
            found[network] = (mparam, gmac)
    return found


def missing_for_bubbles(album: Album, networks: Mapping[str, str], efficiency: Path) -> str:
    """Return what is missing where `draw_bubbles` returns no figure."""
    if not efficiency.is_file():
        return f"there is no {efficiency}"
    if not _count_runs(album, networks, efficiency):
        return f"no run has a network that is counted for {SIZE_PX}×{SIZE_PX} in {efficiency}"
    return "no run with a counted network has a score"


@rc_context(STYLE)
def draw_bubbles(album: Album, networks: Mapping[str, str], efficiency: Path, metric: str = "vif") -> list[Figure]:
    """Draw a panel for mIoU and one for a fusion metric, a bubble per run whose network was counted.

    Args:
        album: the dataset's.
        networks: a run's name to its network, "model channels"; runs without one, such as an average, are named below.
        efficiency: CSV of `ssvif complexity`; it may be missing.
        metric: a name in fusion_metrics.csv.

    Returns:
        the figure; none where no run was both counted and scored.

    Raises:
        UserError: runs have fusion metrics with values, but not this one.
    """
    fusion = _read_scores(album, FUSION_METRICS)
    if fusion and metric not in fusion:
        known = sorted(fusion, key=lambda name: (position(name), name))
        raise UserError(f"No run on {album.name} has the metric {metric!r}", expected=" | ".join(known))
    scores = {"miou": _read_scores(album, SEGMENTATION).get("miou", {}), metric: fusion.get(metric, {})}
    counted = _count_runs(album, networks, efficiency)
    shown = {run: costs for run, costs in counted.items() if any(run.name in each for each in scores.values())}
    if not shown:
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


def _count_runs(album: Album, networks: Mapping[str, str], efficiency: Path) -> dict[RunLabel, tuple[float, float]]:
    costs = read_costs(efficiency)
    return {run: costs[networks[run.name]] for run in album.runs if networks.get(run.name) in costs}


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
    axes.set(xscale="log", xlim=(low / room, high * room), ylabel=Heading(metric).shown)
    axes.set_xlabel(f"multiply-accumulates for a pair of {SIZE_PX}×{SIZE_PX} (10⁹)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high * room**2 <= 100 * low else (1,)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid()
