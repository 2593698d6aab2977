"""Where each method does worst and best: its images at both ends of a metric, with the values."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssvif.io.errors import UserError
from ssvif.report.figures.album import Album
from ssvif.report.figures.grid import Panel, Strip, draw_grid
from ssvif.report.figures.values import metrics_in, read_values, show_value
from ssvif.report.runs import RunLabel
from ssvif.report.sheet import measure_of

MOST = 3  # images at an end
RANKS = ("", "2nd ", "3rd ")
ENDS, UNDIRECTED = ("worst", "best"), ("lowest", "highest")
log = logging.getLogger("ssvif")


def draw_extremes(album: Album, folder: Path, metric: str = "vif") -> list[Path]:
    """Draw extremes_{dataset}: each run's worst and best test images by a metric, from worst to best.

    Equal values are in the order of the pairs' names. A metric without a better direction has its lowest first.

    Args:
        album: the dataset's.
        folder: where to write.
        metric: a name in fusion_metrics.csv.

    Returns:
        the files; none where no run has the metric and images.

    Raises:
        UserError: runs were scored, but by other metrics alone.
    """
    values = read_values(album.results, album.runs)
    known = metrics_in(values)
    if known and metric not in known:
        raise UserError(f"No run on {album.name} has the metric {metric!r}", expected=" | ".join(known))
    ordered = {run.name: _order(album, values[run.name].get(metric, {}), metric) for run in album.runs}
    each = min(MOST, max(map(len, ordered.values()), default=0) // 2)
    strips = [_strip(album, run, ordered[run.name], metric, each) for run in album.runs]
    strips = [strip for strip in strips if any(panel.picture is not None for panel in strip.panels)]
    if not strips:
        log.info("%s: no run has images with %s, so the extremes are left out", album.name, metric)
        return []
    return draw_grid(strips, folder, f"extremes_{album.name}", name_lines=2)


def _order(album: Album, values: Mapping[str, float], metric: str) -> list[tuple[str, float]]:
    """Return (pair, value) of the test pairs, the worst first."""
    tests = {row["pair_id"] for row in album.rows}
    sign = -1 if measure_of(metric).arrow == "↓" else 1
    return sorted(
        ((name, value) for name, value in values.items() if name in tests), key=lambda one: (sign * one[1], one[0])
    )


def _strip(album: Album, run: RunLabel, ordered: Sequence[tuple[str, float]], metric: str, each: int) -> Strip:
    rows = {row["pair_id"]: row for row in album.rows}
    first, last = ENDS if measure_of(metric).arrow else UNDIRECTED
    measure = measure_of(metric).heading
    places = [(f"{RANKS[rank]}{first} {measure}", rank) for rank in range(each)]
    places += [(f"{RANKS[rank]}{last} {measure}", len(ordered) - 1 - rank) for rank in reversed(range(each))]
    panels = []
    for title, place in places:
        if len(ordered) < 2 * each:  # fewer images than other runs
            panels.append(Panel(_upper(title), None))
            continue
        name, value = ordered[place]
        panels.append(
            Panel(_upper(title), album.fused(run, rows[name]), caption=f"{name}: {show_value(metric, value)}")
        )
    return Strip(run.title, panels)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
