"""What all figures share: sizes on paper, colors, fonts, text that fits, legends, and files without a date."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from ssvif.io.files import write_aside

TWO_COLUMNS_IN, PAGE_IN = 7.1, 9.1  # of an IEEE page, less the margin; the height leaves room for a caption
SIZE_PT, SMALLEST_PT = 7.0, 5.0
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
    "font.size": SIZE_PT,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    **{f"{axis}tick.major.{key}": value for axis in "xy" for key, value in (("width", 0.6), ("size", 2.5), ("pad", 2))},
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.borderpad": 0,
    "legend.handlelength": 1.4,
    "figure.constrained_layout.w_pad": 0.05,
    "figure.constrained_layout.h_pad": 0.05,
    "figure.dpi": 300,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.02,
}
# neither dates nor versions: equal figures give equal bytes
FORMATS: Any = {
    # a third of the default level's time, for a tenth more bytes
    ".png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
    ".pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}
BREAKS = re.compile(r"(?<=[\s_\-/,+])")  # a name may be broken after these


def color_of(place: int) -> str:
    """Return the color of the run at a place; after `len(COLORS)` runs they begin again."""
    return COLORS[place % len(COLORS)]


def text_width_in(text: str, size_pt: float) -> float:
    """Return the width of one line in inches."""
    font = FontProperties(family=STYLE["font.family"], size=size_pt)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def fit_text(text: str, width_in: float, size_pt: float = SIZE_PT, lines: int = 2) -> tuple[str, float]:
    """Break a text into lines no wider than `width_in`; where they are too many, shrink it, at last cut it.

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


def add_legend(figure: Figure, entries: Mapping[str, Artist], size_pt: float = SIZE_PT, **place: Any) -> int:
    """Draw a legend in as many balanced columns as the figure's width allows.

    Args:
        figure: on which.
        entries: name to its sample.
        size_pt: of the names.
        **place: `loc`, `bbox_to_anchor` and `title`, as in matplotlib.

    Returns:
        how many lines of entries it has.
    """
    width_in = figure.get_size_inches()[0] - 0.1
    names = [fit_text(name, width_in - 0.5, size_pt, lines=1)[0] for name in entries]
    column_in = max((text_width_in(name, size_pt) for name in names), default=0) + 5 * size_pt / 72
    most = max(1, min(len(names), int(width_in / column_in)))
    lines = math.ceil(len(names) / most)
    columns = math.ceil(len(names) / lines)  # 9 names as 5 and 4, not as 8 and 1
    figure.legend(list(entries.values()), names, ncols=columns, fontsize=size_pt, **place)
    return lines


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and as PDF, cut to what is drawn; equal figures give equal bytes.

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
            figure.savefig(aside, format=path.suffix[1:], **FORMATS[path.suffix])
    return paths
