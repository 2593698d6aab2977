"""Pictures in rows and columns, with titles, enlargements, boxes and a legend, sized for two columns of a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    columns_of,
    fit_text,
)
from ssvif.report.pictures import NamedBox

MOST_COLUMNS = 7  # more pictures of a strip go on in the next line
GAP_IN, TITLE_IN, NAME_IN, WIDEST_IN = 0.04, 0.115, 0.16, 2.2  # between pictures; a line of text; a picture at most
FRAMES = ("#ffb000", "#56b4e9")  # of the first and the second window: distinct to all readers, on dark and light ground
OUTLINE = [patheffects.withStroke(linewidth=1.7, foreground="black", alpha=0.65)]


@dataclass(frozen=True)
class Strip:
    """The pictures of one pair."""

    name: str  # written beside them
    pictures: Sequence[NDArray[np.uint8] | None]  # (H,W) or (H,W,3) of one size; None leaves an empty frame
    windows: Sequence[Window] = ()  # to magnify in each of them, two at most
    boxes: Mapping[int, Sequence[NamedBox]] = field(default_factory=dict)  # to draw, by their picture's place

    @property
    def aspect(self) -> float:
        """Height over width of its first picture."""
        shapes = [picture.shape for picture in self.pictures if picture is not None]
        return shapes[0][0] / shapes[0][1] if shapes else 0.75


@rc_context(STYLE)
def draw_grid(titles: Sequence[str], strips: Sequence[Strip], legend: Mapping[str, str] | None = None) -> Figure:
    """Draw one or more strips of pictures below each other.

    There is a title for each picture of a strip: above the first one, or above every line where a strip takes several.
    The legend, names to colors, is written below; a box has the color of its class.
    """
    legend = legend or {}
    columns = columns_of(len(titles), MOST_COLUMNS)
    lines = [(strip, start) for strip in strips for start in range(0, len(titles), columns)]
    titled = len(lines) if columns < len(titles) else 1
    width_in = min(WIDEST_IN, (TWO_COLUMNS_IN - NAME_IN) / columns - GAP_IN)
    titles_in = TITLE_IN * max(fit_text(title, width_in)[0].count("\n") + 1 for title in titles)
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
    for number, ((strip, start), row) in enumerate(zip(lines, grid, strict=True)):
        text, size = fit_text(strip.name, width_in * strip.aspect, SIZE_PT - 0.5, lines=1)
        row[0].set_ylabel(text, fontsize=size, color=FAINT, labelpad=2)
        shown = titles[start : start + columns]
        for place, (axes, title) in enumerate(zip(row, shown, strict=False), start):
            if number < titled:
                text, size = fit_text(title, width_in)
                axes.set_title(text, loc="center", fontsize=size, fontweight="normal", pad=2.5, linespacing=1.0)
            _draw_picture(axes, strip, place, legend)
        for axes in row[len(shown) :]:
            axes.remove()
    if legend:
        patches = {name: Patch(facecolor=color, edgecolor=INK, linewidth=0.4) for name, color in legend.items()}
        add_legend(figure, patches, loc="upper center", bbox_to_anchor=(0.5, -0.06 / height_in))
    return figure


def _draw_picture(axes: Axes, strip: Strip, place: int, colors: Mapping[str, str]) -> None:
    picture = strip.pictures[place]
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=picture is None, color=GRID)
    if picture is None:
        axes.text(0.5, 0.5, "none", ha="center", va="center", color=FAINT, transform=axes.transAxes)
        return
    height, width = picture.shape[:2]
    _show(axes, picture, Window(0, 0, width, height), order=1)
    enlargements = place_enlargements(strip.windows, height, width)
    for window, enlarged, color in zip(strip.windows, enlargements, FRAMES, strict=False):
        _show(axes, window.crop(picture), enlarged, order=3)
        _frame(axes, window, edgecolor=color, linewidth=0.8, joinstyle="miter")
        _frame(axes, enlarged, edgecolor=color, linewidth=1.2, joinstyle="miter")
    for box in strip.boxes.get(place, ()):
        _frame(axes, box, edgecolor=colors.get(box.name, "white"), linewidth=0.8, path_effects=OUTLINE)
    axes.set(xlim=(0, width), ylim=(height, 0))


def _show(axes: Axes, picture: NDArray[np.uint8], place: Window, order: float) -> None:
    extent = (place.left, place.right, place.bottom, place.top)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", zorder=order)


def _frame(axes: Axes, place: Window | NamedBox, **style: Any) -> None:
    size = (place.right - place.left, place.bottom - place.top)
    axes.add_patch(Rectangle((place.left, place.top), *size, fill=False, zorder=4, **style))
