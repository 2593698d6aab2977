"""Pictures in rows and columns, with titles, enlargements, boxes and a legend, sized for two columns of a paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import patheffects, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from ssvif.report.figures.insets import Window, place_enlargements
from ssvif.report.figures.style import (
    FAINT,
    GRID,
    INK,
    PAGE_IN,
    SIZE_PT,
    STYLE,
    TWO_COLUMNS_IN,
    add_legend,
    fit_text,
    save_figure,
)
from ssvif.report.overlays import NamedBox

MOST_COLUMNS = 7  # more pictures of a strip go on in the next line
GAP_IN, TITLE_IN, NAME_IN, WIDEST_IN = 0.04, 0.115, 0.16, 2.2  # between pictures; a line of text; a picture at most
FRAMES = ("#ffb000", "#56b4e9")  # of the first and the second window: apart for everybody, on dark and light ground
OUTLINE = [patheffects.withStroke(linewidth=1.7, foreground="black", alpha=0.65)]


@dataclass(frozen=True)
class Panel:
    """A picture of a figure.

    Attributes:
        title: above it.
        picture: (H,W) or (H,W,3) uint8; None leaves an empty frame.
        boxes: to draw.
        colors: a box's class to its color; the legend tells them.
    """

    title: str
    picture: NDArray[np.uint8] | None
    boxes: Sequence[NamedBox] = ()
    colors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Strip:
    """The pictures of one pair, or of one run.

    Attributes:
        name: written beside them.
        panels: from left to right, all of one size.
        windows: to magnify in each of them, two at most.
    """

    name: str
    panels: Sequence[Panel]
    windows: Sequence[Window] = ()

    @property
    def aspect(self) -> float:
        """Height over width of its first picture."""
        shapes = [panel.picture.shape for panel in self.panels if panel.picture is not None]
        return shapes[0][0] / shapes[0][1] if shapes else 0.75

    @property
    def lines(self) -> list[Sequence[Panel]]:
        """Its panels in lines of about equal length: 8 pictures as 4 and 4, not as 7 and 1."""
        step = math.ceil(len(self.panels) / math.ceil(len(self.panels) / MOST_COLUMNS))
        return [self.panels[start : start + step] for start in range(0, len(self.panels), step)]


@rc_context(STYLE)
def draw_grid(
    strips: Sequence[Strip], folder: Path, name: str, *, legend: Mapping[str, str] | None = None
) -> list[Path]:
    """Draw strips of pictures below each other and write them as PNG and PDF.

    Titles stand above the first strip, or above every line where a strip takes several.

    Args:
        strips: at least one, each with as many panels.
        folder: where to write.
        name: the files' name without suffix.
        legend: names to colors, written below.

    Returns:
        the two files.
    """
    lines = [(strip, panels) for strip in strips for panels in strip.lines]
    titled = len(lines) if len(lines) > len(strips) else 1
    columns = len(lines[0][1])
    width_in = min(WIDEST_IN, (TWO_COLUMNS_IN - NAME_IN) / columns - GAP_IN)
    titles_in = TITLE_IN * max(fit_text(panel.title, width_in)[0].count("\n") + 1 for panel in strips[0].panels)
    space_in = GAP_IN + titles_in * (titled > 1)
    texts_in = space_in * (len(lines) - 1) + titles_in + (3 * TITLE_IN if legend else 0)
    aspects = [strip.aspect for strip, _ in lines]
    width_in = min(width_in, (PAGE_IN - texts_in) / sum(aspects))
    # the figure holds the pictures alone: texts lie outside, and saving includes them
    height_in = width_in * sum(aspects) + space_in * (len(lines) - 1)
    figure = Figure((columns * (width_in + GAP_IN) - GAP_IN, height_in))
    spaces = {"wspace": GAP_IN / width_in, "hspace": space_in * len(lines) / (width_in * sum(aspects))}
    edges = {"left": 0, "bottom": 0, "right": 1, "top": 1}
    grid = figure.subplots(len(lines), columns, squeeze=False, height_ratios=aspects, gridspec_kw=spaces | edges)
    for number, ((strip, panels), row) in enumerate(zip(lines, grid, strict=True)):
        text, size = fit_text(strip.name, width_in * strip.aspect, SIZE_PT - 0.5, lines=1)
        row[0].set_ylabel(text, fontsize=size, color=FAINT, labelpad=2)
        for axes, panel in zip(row, panels, strict=False):
            _draw_panel(axes, panel, strip.windows, width_in, titled=number < titled)
        for axes in row[len(panels) :]:
            axes.remove()
    if legend:
        patches = {name: Patch(facecolor=color, edgecolor=INK, linewidth=0.4) for name, color in legend.items()}
        add_legend(figure, patches, loc="upper center", bbox_to_anchor=(0.5, -0.06 / height_in))
    return save_figure(figure, folder, name)


def _draw_panel(axes: Axes, panel: Panel, windows: Sequence[Window], width_in: float, *, titled: bool) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=panel.picture is None, color=GRID)
    if titled:
        text, size = fit_text(panel.title, width_in)
        axes.set_title(text, loc="center", fontsize=size, fontweight="normal", pad=2.5, linespacing=1.0)
    if panel.picture is None:
        axes.text(0.5, 0.5, "none", ha="center", va="center", color=FAINT, transform=axes.transAxes)
        return
    height, width = panel.picture.shape[:2]
    _show(axes, panel.picture, Window(0, 0, width, height), order=1)
    enlargements = place_enlargements(windows, height, width)
    for window, enlarged, color in zip(windows, enlargements, FRAMES, strict=False):
        _show(axes, window.crop(panel.picture), enlarged, order=3)
        for frame, line_pt in ((window, 0.8), (enlarged, 1.2)):
            _frame(axes, frame, edgecolor=color, linewidth=line_pt, joinstyle="miter")
    for box in panel.boxes:
        color = panel.colors.get(box.name, "white")
        _frame(axes, box, edgecolor=color, linewidth=0.8, path_effects=OUTLINE)
    axes.set(xlim=(0, width), ylim=(height, 0))


def _show(axes: Axes, picture: NDArray[np.uint8], place: Window, order: float) -> None:
    extent = (place.left, place.right, place.bottom, place.top)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", zorder=order)


def _frame(axes: Axes, place: Window | NamedBox, **style: Any) -> None:
    size = (place.right - place.left, place.bottom - place.top)
    axes.add_patch(Rectangle((place.left, place.top), *size, fill=False, zorder=4, **style))
