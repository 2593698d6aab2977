"""The curves of `scaling.py` as a figure and as a table of how they grow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from scaling_cases import Case

Point = dict[str, Any]  # case, curve, size, commit, and of seconds and mib what was measured
QUANTITIES = {"seconds": "time, s", "mib": "memory, MiB"}
UNITS = {"seconds": "s", "mib": "MiB"}
DPI = 150


def curve_of(points: Sequence[Point], case: str, curve: str) -> list[Point]:
    """Return the points of one curve, the smallest first."""
    own = [point for point in points if (point["case"], point["curve"]) == (case, curve)]
    return sorted(own, key=lambda point: point["size"])


def growth(points: Sequence[Point], case: Case, quantity: str) -> float | None:
    """Return k of n^k, n being the amount of data, between the last two points; None where there are not two."""
    last = [point for point in points if point.get(quantity, 0) > 0][-2:]
    if len(last) < 2:
        return None
    (few, less), (many, more) = ((point["size"] ** case.power, point[quantity]) for point in last)
    return math.log(more / less) / math.log(many / few)


def markdown(points: Sequence[Point], cases: Mapping[str, Case]) -> str:
    """Return a table of every curve's last point, and of its growth up to there."""
    lines = ["| | up to | time | grows as | memory | grows as |", "|---|---|---|---|---|---|"]
    for name, case in cases.items():
        for curve, title in case.curves.items():
            own = curve_of(points, name, curve)
            if not own:
                continue
            cells = [f"{case.title}: {title}", f"{_size_name(own[-1]['size'], case)} {case.grows}"]
            for quantity, unit in UNITS.items():
                value, exponent = own[-1].get(quantity), growth(own, case, quantity)
                cells.append("" if value is None else f"{value:.3g} {unit}" if value < 100 else f"{value:,.0f} {unit}")
                cells.append("" if exponent is None else f"n^{exponent:.2f}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(points: Sequence[Point], cases: Mapping[str, Case], path: Path) -> None:
    """Write the figure: a row a case, time on the left, memory on the right, both axes logarithmic."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from ssvif.report.figures.style import FORMATS, STYLE, TWO_COLUMNS_IN

    shown = [name for name in cases if any(point["case"] == name for point in points)]
    with rc_context(STYLE):
        figure = Figure(figsize=(TWO_COLUMNS_IN, 1.9 * len(shown)), layout="constrained")
        rows = figure.subplots(len(shown), len(QUANTITIES), squeeze=False)
        for name, row in zip(shown, rows, strict=True):
            for axes, quantity in zip(row, QUANTITIES, strict=True):
                _draw_panel(axes, points, name, cases[name], quantity)
            row[-1].legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.02, 1))
        figure.savefig(path, dpi=DPI, **FORMATS[".png"])


def _draw_panel(axes: Axes, points: Sequence[Point], name: str, case: Case, quantity: str) -> None:
    from matplotlib.ticker import NullFormatter

    from ssvif.report.figures.style import FAINT
    from ssvif.report.runs import color_of

    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = sorted({point["size"] for point in points if point["case"] == name})
    drawn = []  # (value, amount) of every point
    for place, (curve, title) in enumerate(case.curves.items()):
        own = [point for point in curve_of(points, name, curve) if point.get(quantity, 0) > 0]
        values, amounts = [point[quantity] for point in own], [point["size"] ** case.power for point in own]
        axes.plot(amounts, values, marker="o", markersize=3, color=color_of(place), label=title)
        drawn += zip(values, amounts, strict=True)
    value, amount = max(drawn)
    ends = [sizes[0] ** case.power, sizes[-1] ** case.power]
    axes.plot(ends, [value * each / amount for each in ends], "--", color=FAINT, linewidth=0.8, label="in proportion")
    # whole decades, so that slopes of different panels compare
    axes.set_ylim(10 ** math.floor(math.log10(min(drawn)[0])), 10 ** math.ceil(math.log10(value)))
    axes.set_xticks([size**case.power for size in sizes], [_size_name(size, case) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True)
    axes.set_title(case.title if quantity == "seconds" else "")
    axes.set_xlabel(case.grows)
    axes.set_ylabel(QUANTITIES[quantity])


def _size_name(size: int, case: Case) -> str:
    return f"{size}²" if case.power == 2 else f"{size:,}"
