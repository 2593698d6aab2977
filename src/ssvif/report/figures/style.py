"""What all figures share: sizes on paper, colors, fonts, text that fits, files without a date."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path

from ssvif.io.files import write_aside

TWO_COLUMNS_IN, PAGE_IN = 7.16, 9.2  # of an IEEE page: the width, and the height that leaves room for a caption
DPI = 300
SIZE_PT, SMALLEST_PT = 7.0, 5.0
BOLD = 1.15  # how much wider bold letters are
INK, FAINT, GRID, ALARM = "#23272f", "#6b7280", "#dcdfe5", "#c1121f"
# Okabe and Ito's colors, which color-blind readers can tell apart, without the too light yellow
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8a8d93")
STYLE: Any = {
    "svg.hashsalt": "ssvif",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # letters as letters: journals refuse the default
    "image.composite_image": False,  # pictures that lie over each other stay apart
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "text.parse_math": False,  # a run's title may hold a dollar
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.5,
}
PRINT: Any = STYLE | {
    "font.size": SIZE_PT,
    "axes.labelsize": SIZE_PT,
    "axes.titlesize": SIZE_PT + 0.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
}
# neither dates nor versions: equal figures are to give equal bytes
FORMATS: Any = {
    # a third of the default level's time, for a tenth more bytes
    ".png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
    ".pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}
BREAKS = re.compile(r"(?<=[\s_\-/,+])")  # a name may be broken after these


def color_of(place: int) -> str:
    """Return the color of the run at a place; after `len(COLORS)` runs they begin again."""
    return COLORS[place % len(COLORS)]


def blank_figure(width_in: float, height_in: float) -> Figure:
    """Return a white figure of a size in inches."""
    return Figure(figsize=(width_in, height_in), facecolor="white")


def add_axes(figure: Figure, left_in: float, top_in: float, width_in: float, height_in: float) -> Axes:
    """Return new axes whose place is given in inches, from the figure's upper left corner."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left_in / width, 1 - (top_in + height_in) / height, width_in / width, height_in / height))


def write_text(figure: Figure, left_in: float, top_in: float, text: str, **style: Any) -> None:
    """Write text at a place in inches from the figure's upper left corner; its upper left corner is there."""
    width, height = figure.get_size_inches()
    figure.text(left_in / width, 1 - top_in / height, text, **{"ha": "left", "va": "top"} | style)


def text_width_in(text: str, size_pt: float) -> float:
    """Return the width of one line in inches."""
    font = FontProperties(family=STYLE["font.family"], size=size_pt)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def fit_text(text: str, width_in: float, size_pt: float = SIZE_PT, lines: int = 2) -> tuple[str, float]:
    """Break a text into lines no wider than `width_in`; where they are too many, print it smaller, at last cut it.

    Args:
        text: a line.
        width_in: room in inches.
        size_pt: the size to begin with, in points; never below `SMALLEST_PT`, unless it begins there.
        lines: how many there may be, at least 1.

    Returns:
        the text with line breaks, and its size in points.
    """
    size, text = size_pt, " ".join(text.split())
    while len(broken := _break(text, width_in, size)) > lines:
        if size <= SMALLEST_PT:
            rest = "".join(broken[lines - 1 :])
            while rest and text_width_in(f"{rest}…", size) > width_in:
                rest = rest[:-1]
            broken = [*broken[: lines - 1], f"{rest.rstrip()}…"]
            break
        size = max(size - 0.5, SMALLEST_PT)
    return "\n".join(line.strip() for line in broken), size


def _break(text: str, width_in: float, size_pt: float) -> list[str]:
    lines = [""]
    for word in BREAKS.split(text):
        if text_width_in((lines[-1] + word).rstrip(), size_pt) <= width_in:
            lines[-1] += word
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:  # a word of its own width, or one wider than the room, which is broken anywhere
            if lines[-1] and text_width_in((lines[-1] + letter).rstrip(), size_pt) > width_in:
                lines.append("")
            lines[-1] += letter
    return lines


def legend_columns(names: Sequence[str], width_in: float, size_pt: float = SIZE_PT) -> int:
    """Return how many of a legend's entries, at least one, stand beside each other in `width_in` inches."""
    widest = max((text_width_in(name, size_pt) for name in names), default=0)
    most = max(1, min(len(names), int(width_in / (widest + 0.35))))
    return math.ceil(len(names) / math.ceil(len(names) / most))  # 9 names as 5 and 4, not as 8 and 1


def draw_legend(figure: Figure, legend: Mapping[str, str], top_in: float) -> None:
    """Draw names with their colors as patches, centred, the legend's top at `top_in` inches from the figure's."""
    width, height = figure.get_size_inches()
    patches = [Patch(facecolor=color, edgecolor=INK, linewidth=0.4) for color in legend.values()]
    figure.legend(
        patches,
        list(legend),
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - top_in / height),
        ncols=legend_columns(list(legend), width),
        frameon=False,
        fontsize=SIZE_PT,
        borderpad=0,
        handlelength=1.2,
        handleheight=0.9,
        columnspacing=1.2,
    )


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and as PDF of `DPI` dots per inch; equal figures give equal bytes.

    Args:
        figure: to be written.
        folder: where to.
        name: the files' name without suffix.

    Returns:
        the two files.
    """
    paths = [folder / f"{name}{suffix}" for suffix in FORMATS]
    for path in paths:
        with write_aside(path) as aside:
            figure.savefig(aside, format=path.suffix[1:], dpi=DPI, **FORMATS[path.suffix])
    return paths
