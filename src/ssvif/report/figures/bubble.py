"""What a run costs and what it gets for it: multiply-accumulates against a score, the area its parameters."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ssvif.ops.statistics import mean_of
from ssvif.report.figures.album import Album
from ssvif.report.figures.style import (
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
from ssvif.report.figures.values import heading, read_score, read_values
from ssvif.report.measured import read_efficiency
from ssvif.report.runs import RunLabel
from ssvif.report.sheet import listed, measure_of

WIDE_IN, HIGH_IN, LEFT_IN, TOP_IN, BOTTOM_IN = 2.8, 2.35, 0.6, 0.12, 0.42
KEY_MPARAM = (0.1, 1.0)  # of the bubbles that explain the area, in millions of parameters
AREA_PT2 = 260.0  # of a bubble of a million parameters, unless the largest of all would go beyond
LARGEST_PT2 = 600.0
NAME_IN = 1.05  # a name is broken beyond
ANGLES = (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240)  # round a bubble, the usual ones first
SIZE_PX = 256  # height and width of the pair that is counted, as in the paper's Table IV
log = logging.getLogger("ssvif")


@dataclass(frozen=True)
class Network:
    """A run's fusion network: the name that `ssvif complexity` counts it by, and the images' channels."""

    model: str
    channels: int


@dataclass(frozen=True)
class Cost:
    """A network's parameters, in millions, and multiply-accumulates for a pair, in thousand millions."""

    mparam: float
    gmac: float


@dataclass(frozen=True)
class Bubble:
    """A run in the diagram.

    Attributes:
        title: the run's.
        cost: of its network.
        score: as shown.
        place: among the runs, for its color.
        shrink: what the areas of all bubbles are multiplied by, so that large networks leave room.
    """

    title: str
    cost: Cost
    score: float
    place: int
    shrink: float = 1.0

    @property
    def area_pt2(self) -> float:
        """Its area in square points, proportional to the parameters."""
        return self.shrink * AREA_PT2 * self.cost.mparam

    @property
    def radius_in(self) -> float:
        """Its radius in inches."""
        return math.sqrt(self.area_pt2 / math.pi) / 72


def read_costs(path: Path) -> dict[Network, Cost]:
    """Read a file of `ssvif complexity`: each network's costs as Table IV shows them, for a pair of `SIZE_PX`.

    Raises:
        UserError: the file cannot be read as one of ours.
    """
    found = {}
    for name, samples in read_efficiency(path, SIZE_PX).items():
        model, _, channels = name.rpartition(" ")
        mparam, gmac = (samples[key, ""].values[""] for key in ("parameters_mparam", "macs_gmac"))
        if mparam and gmac and channels.isdecimal():
            found[Network(model, int(channels))] = Cost(mparam, gmac)
    return found


def draw_bubbles(album: Album, folder: Path, networks: Mapping[str, Network], efficiency: Path) -> list[Path]:
    """Draw bubble_{dataset}: a panel per score (mIoU, VIF), a bubble per run whose network was counted.

    Args:
        album: the dataset's.
        folder: where to write.
        networks: a run's name to its network; runs without one, such as an average, are named below.
        efficiency: CSV of `ssvif complexity`.

    Returns:
        the files; none where nothing was counted or scored.
    """
    if not efficiency.is_file():
        log.info("%s: there is no %s, so the bubble diagram is left out", album.name, efficiency)
        return []
    costs = read_costs(efficiency)
    counted = [run for run in album.runs if networks.get(run.name) in costs]
    largest = max((costs[networks[run.name]].mparam for run in counted), default=1.0)
    shrink = min(1.0, LARGEST_PT2 / (AREA_PT2 * largest))
    panels = {
        metric: [
            Bubble(run.title, costs[networks[run.name]], scores[run.name], place, shrink)
            for place, run in enumerate(album.runs)
            if run in counted and run.name in scores
        ]
        for metric, scores in _scores(album).items()
    }
    panels = {metric: bubbles for metric, bubbles in panels.items() if bubbles}
    if not panels:
        log.info(
            "%s: no run with a network counted at %d px has a score, so the bubble diagram is left out",
            album.name,
            SIZE_PX,
        )
        return []
    with rc_context(PRINT):
        return _draw(panels, _left_out(album.runs, counted), folder, f"bubble_{album.name}")


def _scores(album: Album) -> dict[str, dict[str, float]]:
    """Return metric to run to score."""
    values = read_values(album.results, album.runs)
    means = {run: mean_of(list(found["vif"].values())) for run, found in values.items() if found.get("vif")}
    ious = {run.name: read_score(album.results / run.name, "segmentation", "miou") for run in album.runs}
    scale = measure_of("miou").scale
    return {"miou": {run: scale * score for run, score in ious.items() if score is not None}, "vif": means}


def _left_out(runs: Sequence[RunLabel], counted: Sequence[RunLabel]) -> str:
    titles = [run.title for run in runs if run not in counted]
    return f"without a counted network: {listed(titles)}" if titles else ""


def _draw(panels: Mapping[str, Sequence[Bubble]], left_out: str, folder: Path, name: str) -> list[Path]:
    width_in = min(len(panels) * (LEFT_IN + WIDE_IN + 0.18), TWO_COLUMNS_IN)
    note, note_pt = fit_text(left_out, width_in - 0.1, SIZE_PT - 0.5)
    note_in = 0.12 * (note.count("\n") + 1) if note else 0.0
    figure = blank_figure(width_in, TOP_IN + HIGH_IN + BOTTOM_IN + note_in)
    for number, (metric, bubbles) in enumerate(panels.items()):
        axes = add_axes(figure, LEFT_IN + number * (LEFT_IN + WIDE_IN + 0.18), TOP_IN, WIDE_IN, HIGH_IN)
        _draw_panel(axes, metric, bubbles)
        axes.set_xlabel(f"multiply-accumulates for a pair of {SIZE_PX}×{SIZE_PX} (10⁹)")
    if note:
        write_text(figure, 0.08, TOP_IN + HIGH_IN + BOTTOM_IN - 0.02, note, fontsize=note_pt, color=FAINT)
    return save_figure(figure, folder, name)


def _draw_panel(axes: Axes, metric: str, bubbles: Sequence[Bubble]) -> None:
    unit = measure_of(metric).unit
    axes.set_ylabel(f"{heading(metric)}{f' ({unit})' if unit else ''}")
    axes.set_xscale("log")
    largest_in = max(bubble.radius_in for bubble in bubbles)
    axes.set_xlim(*_limits([math.log10(bubble.cost.gmac) for bubble in bubbles], largest_in, WIDE_IN, log=True))
    axes.set_ylim(*_limits([bubble.score for bubble in bubbles], largest_in, HIGH_IN - 0.4))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + (high - low) * 0.4 / (HIGH_IN - 0.4))  # room for the key
    for bubble in sorted(bubbles, key=lambda each: -each.cost.mparam):  # small ones lie on large ones
        axes.scatter(
            bubble.cost.gmac, bubble.score, s=bubble.area_pt2,
            color=color_of(bubble.place), alpha=0.55, linewidths=0.8, edgecolors=color_of(bubble.place), zorder=3,
        )  # fmt: skip
    _name_bubbles(axes, bubbles)
    _draw_key(axes, bubbles[0].shrink)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(linewidth=0.5)
    axes.set_axisbelow(True)


def _limits(values: Sequence[float], radius_in: float, length_in: float, *, log: bool = False) -> tuple[float, float]:
    """Return limits with room for names and bubbles round all values."""
    low, high = min(values), max(values)
    least = 0.5 if log else max(abs(high) * 0.05, 1e-6)
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    room = (high - low) * min(0.45, (radius_in + 0.3) / length_in)
    limits = (low - room, high + room)
    return (10 ** limits[0], 10 ** limits[1]) if log else limits


def _draw_key(axes: Axes, shrink: float) -> None:
    """Draw, along the upper edge, what area stands for how many parameters."""
    place = 0.06
    axes.text(place - 0.04, 0.935, "parameters", transform=axes.transAxes, va="center", color=FAINT)
    place += text_width_in("parameters", SIZE_PT) / WIDE_IN + 0.03
    for mparam in KEY_MPARAM if shrink > 0.1 else (10 * KEY_MPARAM[1], 100 * KEY_MPARAM[1]):
        area_pt2 = shrink * AREA_PT2 * mparam
        axes.scatter(
            place, 0.935, s=area_pt2, transform=axes.transAxes,
            facecolors="none", edgecolors=FAINT, linewidths=0.8, clip_on=False,
        )  # fmt: skip
        radius = math.sqrt(area_pt2 / math.pi) / 72 / WIDE_IN
        axes.text(place + radius + 0.02, 0.935, f"{mparam:g} M", transform=axes.transAxes, va="center", color=FAINT)
        place += radius + 0.2


@dataclass(frozen=True)
class _Area:
    """A rectangle in inches from the panel's lower left corner."""

    left: float
    low: float
    right: float
    high: float

    def shared_with(self, other: _Area) -> float:
        """Return the area, in square inches, that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.high, other.high) - max(self.low, other.low)
        return max(wide, 0.0) * max(high, 0.0)


def _name_bubbles(axes: Axes, bubbles: Sequence[Bubble]) -> None:
    """Write each run's name beside its bubble, where it hides the least of other names and bubbles."""
    centers = {bubble: _center(axes, bubble) for bubble in bubbles}
    taken = [
        _Area(x - bubble.radius_in, y - bubble.radius_in, x + bubble.radius_in, y + bubble.radius_in)
        for bubble, (x, y) in centers.items()
    ]
    for bubble, (x, y) in sorted(centers.items(), key=lambda item: (item[1][1], item[1][0])):
        text, size = fit_text(bubble.title, NAME_IN, SIZE_PT - 0.5)
        lines = text.split("\n")
        wide, high = max(text_width_in(line, size) for line in lines), 0.105 * len(lines)
        places = _places(x, y, bubble.radius_in, wide, high)
        area = min(places, key=lambda place: _badness(place, taken))
        taken.append(area)
        middle = ((area.left + area.right) / 2, (area.low + area.high) / 2)
        beside = places.index(area) < len(ANGLES)
        axes.annotate(
            text, (bubble.cost.gmac, bubble.score), (middle[0] / WIDE_IN, middle[1] / HIGH_IN),
            textcoords="axes fraction", ha="center", va="center", fontsize=size, color=INK, linespacing=1.0, zorder=5,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.5, "shrinkA": 0} if not beside else None,
        )  # fmt: skip


def _center(axes: Axes, bubble: Bubble) -> tuple[float, float]:
    x, y = axes.transAxes.inverted().transform(axes.transData.transform((bubble.cost.gmac, bubble.score)))
    return float(x) * WIDE_IN, float(y) * HIGH_IN


def _places(x: float, y: float, radius: float, wide: float, high: float) -> list[_Area]:
    """Return the places for a name round a bubble, the usual ones first, further and further away."""
    found = []
    for step in range(8):
        away = radius + 0.04 + 0.1 * step
        for angle in ANGLES:
            cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            center_x, center_y = x + cosine * (away + wide / 2), y + sine * (away + high / 2)
            found.append(_Area(center_x - wide / 2, center_y - high / 2, center_x + wide / 2, center_y + high / 2))
    return found


def _badness(area: _Area, taken: Sequence[_Area]) -> float:
    """Return what a name there hides of others, or loses outside the panel, in square inches."""
    hidden = sum(area.shared_with(other) for other in taken)
    whole = (area.right - area.left) * (area.high - area.low)
    outside = whole - area.shared_with(_Area(0.02, 0.02, WIDE_IN - 0.02, HIGH_IN - 0.3))
    return round(hidden + outside, 6)
