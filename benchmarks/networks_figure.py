"""What `networks.py` measured, as a table and as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZES = ("256x256", "640x480")
QUANTITIES = {"seconds": "time, s", "mib": "memory, MiB"}
DPI = 150
Rows = Mapping[str, Mapping[str, Any]]  # network → "256x256 macs" …, "difference", and "256x256" … by whose


def markdown(rows: Rows) -> str:
    """Return a table of all networks; original → ours, and how many times as fast ours is."""
    works = [work for work in (*SIZES, "step") if any(work in row for row in rows.values())]
    header = ["", "MACs at 256×256", *(f"{work.replace('x', '×')}: {each}" for work in works for each in ("s", "MiB"))]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for name, row in rows.items():
        cells = [name, f"{row['256x256 macs'] / 1e9:.1f} G"]
        for work in works:
            cells += [_cell(row.get(work), "seconds"), _cell(row.get(work), "mib")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(measured: Mapping[str, Mapping[str, float]] | None, quantity: str) -> str:
    if measured is None:
        return ""
    digits = 0 if quantity == "mib" else 2
    ours = measured["ours"][quantity]
    if "original" not in measured:
        return f"{ours:,.{digits}f}"
    original = measured["original"][quantity]
    ratio = f"{original / ours:.2f}×" if quantity == "seconds" else f"{ours / original:.2f}"
    return f"{original:,.{digits}f} → {ours:,.{digits}f}, **{ratio}**"


def draw(rows: Rows, path: Path) -> None:
    """Write the figure: a row a size, time on the left, memory on the right; networks by their multiply-accumulates."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from ssvif.report.figures.style import FORMATS, STYLE, TWO_COLUMNS_IN

    sizes = [size for size in SIZES if any(size in row for row in rows.values())]
    with rc_context(STYLE):
        figure = Figure(figsize=(TWO_COLUMNS_IN, 2.4 * len(sizes)), layout="constrained")
        panels = figure.subplots(len(sizes), len(QUANTITIES), squeeze=False, sharey="row")
        for size, panel in zip(sizes, panels, strict=True):
            for axes, quantity in zip(panel, QUANTITIES, strict=True):
                _draw_panel(axes, rows, size, quantity)
        panels[0][-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1))
        figure.savefig(path, dpi=DPI, **FORMATS[".png"])


def _draw_panel(axes: Axes, rows: Rows, size: str, quantity: str) -> None:
    from matplotlib.ticker import NullFormatter

    from ssvif.report.figures.style import FAINT
    from ssvif.report.runs import color_of

    names = sorted((name for name in rows if size in rows[name]), key=lambda name: rows[name][f"{size} macs"])
    ours = [rows[name][size]["ours"][quantity] for name in names]
    places = range(len(names))
    released = [i for i, name in enumerate(names) if "original" in rows[name][size]]
    theirs = [rows[names[i]][size]["original"][quantity] for i in released]
    axes.hlines(released, [ours[i] for i in released], theirs, color=FAINT, zorder=1)
    axes.scatter(theirs, released, color=color_of(1), marker="D", s=16, label="as released", zorder=2)
    axes.scatter(ours, places, color=color_of(0), s=22, label="ssvif", zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(places, [f"{name} ({rows[name][f'{size} macs'] / 1e9:.3g} G)" for name in names])
    axes.grid(visible=True, axis="x")
    axes.set_title(size.replace("x", "×") if quantity == "seconds" else "")
    axes.set_xlabel(QUANTITIES[quantity])
