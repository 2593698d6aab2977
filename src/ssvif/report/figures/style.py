"""What all figures share: sizes on paper, colors, fonts, text that fits, legends, and files without a date."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

TWO_COLUMNS_IN, PAGE_IN = 7.1, 9.1  # of an IEEE page, less the margin; the height leaves room for a caption
SIZE_PT, SMALLEST_PT = 7.0, 5.0
INK, FAINT, GRID, ALARM = "#23272f", "#6b7280", "#dcdfe5", "#c1121f"
STYLE: Any = {
    "svg.hashsalt": "ssvif",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # TrueType: journals refuse the default, Type 3
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
WHOLE_WORDS = re.compile(r".*[\s_\-/,+]")  # a name may be broken after these


def text_width_in(text: str, size_pt: float) -> float:
    """Return the width of one line in inches."""
    font = FontProperties(family=STYLE["font.family"], size=size_pt)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def fit_text(text: str, width_in: float, size_pt: float = SIZE_PT, lines: int = 2) -> tuple[str, float]:
    """Break a text into at most `lines` lines of `width_in` inches; shrink it where it is too long, and cut it last.

    Returns:
        the text with line breaks, and its size in points: from `size_pt` down to `SMALLEST_PT`.
    """
    size, text = size_pt, " ".join(text.split())
    while len(broken := _break(text, width_in, size)) > lines and size > SMALLEST_PT:
        size = max(size - 0.5, SMALLEST_PT)
    if len(broken) > lines:
        rest = "".join(broken[lines - 1 :])
        while rest and text_width_in(f"{rest}…", size) > width_in:
            rest = rest[:-1]
        broken[lines - 1 :] = [f"{rest.rstrip()}…"]
    return "\n".join(line.strip() for line in broken), size


def _break(text: str, width_in: float, size_pt: float) -> list[str]:
    lines = []
    while text:
        ends = (end for end in range(len(text), 1, -1) if text_width_in(text[:end].rstrip(), size_pt) <= width_in)
        fitting = text[: next(ends, 1)]
        # a word that is wider than the room is broken anywhere
        whole = WHOLE_WORDS.match(fitting) if len(fitting) < len(text) else None
        lines.append(whole[0] if whole else fitting)
        text = text[len(lines[-1]) :]
    return lines


def columns_of(count: int, most: int) -> int:
    """Return the columns, at most `most`, that hold `count` items in full lines: 8 items as 4 and 4, not as 7 and 1."""
    return math.ceil(count / math.ceil(count / most))


def add_legend(figure: Figure, entries: Mapping[str, Artist], size_pt: float = SIZE_PT, **place: Any) -> int:
    """Draw a legend, name to sample, in as many columns as the figure's width allows; return its lines of entries.

    `place` is matplotlib's `loc`, `bbox_to_anchor` and `title`.
    """
    width_in = figure.get_size_inches()[0] - 0.1
    names = [fit_text(name, width_in - 0.5, size_pt, lines=1)[0] for name in entries]
    column_in = max((text_width_in(name, size_pt) for name in names), default=0) + 5 * size_pt / 72
    columns = columns_of(len(names), max(1, int(width_in / column_in)))
    figure.legend(list(entries.values()), names, ncols=columns, fontsize=size_pt, **place)
    return math.ceil(len(names) / columns)


@rc_context(STYLE)
def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write {name}.png and {name}.pdf, cut to what is drawn; equal figures give equal bytes."""
    paths = [folder / f"{name}{suffix}" for suffix in FORMATS]
    for path in paths:
        figure.savefig(path, **FORMATS[path.suffix])
    return paths
