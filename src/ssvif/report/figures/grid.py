"""Pictures in rows and columns, with titles, enlargements, boxes and a legend, sized for two columns of a paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from matplotlib import patheffects, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ssvif.report.figures.insets import ENLARGED, Window, corner_places
from ssvif.report.figures.style import (
    FAINT,
    GRID,
    INK,
    PAGE_IN,
    PRINT,
    SIZE_PT,
    SMALLEST_PT,
    TWO_COLUMNS_IN,
    add_axes,
    blank_figure,
    draw_legend,
    fit_text,
    legend_columns,
    save_figure,
    text_width_in,
    write_text,
)
from ssvif.report.overlays import NamedBox

MOST_COLUMNS = 7  # more pictures of a strip go on in the next line
GAP_IN = 0.04  # between pictures
LINE_IN, TITLE_IN, NAME_IN = 0.115, 0.112, 0.11  # of a line of a caption, of a title, of a strip's name
WIDEST_IN = 2.2
FRAMES = ("#ffb000", "#56b4e9")  # of the first and the second window: apart for everybody, on dark and on bright ground
OUTLINE = [patheffects.withStroke(linewidth=1.7, foreground="black", alpha=0.65)]


@dataclass(frozen=True)
class Panel:
    """A picture of a figure.

    Attributes:
        title: above it, of its column.
        picture: (H,W) or (H,W,3) uint8; None leaves an empty frame.
        caption: below it.
        boxes: to draw, the most important first.
        colors: a box's name to its color.
    """

    title: str
    picture: NDArray[np.uint8] | None
    caption: str = ""
    boxes: Sequence[NamedBox] = ()
    colors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Strip:
    """The pictures of one pair, or of one run.

    Attributes:
        name: written beside them.
        panels: from left to right, all of one size.
        windows: to magnify in each of them.
    """

    name: str
    panels: Sequence[Panel]
    windows: Sequence[Window] = ()

    @property
    def aspect(self) -> float:
        """Height over width of its first picture."""
        shapes = [panel.picture.shape for panel in self.panels if panel.picture is not None]
        return shapes[0][0] / shapes[0][1] if shapes else 0.75


@dataclass(frozen=True)
class _Line:
    """What stands beside each other: a strip, or a part of one that is too long.

    Attributes:
        strip: what it is a part of.
        panels: its pictures.
        titled: whether titles stand above it.
        lines: how many lines its strip takes; 0 if it is not the strip's first one.
    """

    strip: Strip
    panels: Sequence[Panel]
    titled: bool
    lines: int


@dataclass(frozen=True)
class _Sheet:
    """Sizes in inches: of pictures, of the room for titles, captions and the strips' names."""

    width_in: float
    titles_in: float
    captions_in: float
    name_lines: int
    names_in: float

    def height_in(self, line: _Line) -> float:
        """Return what a line takes with its texts and the gap below it."""
        captioned = any(panel.caption for panel in line.panels)
        texts_in = self.titles_in * line.titled + self.captions_in * captioned
        return texts_in + self.width_in * line.strip.aspect + GAP_IN


def draw_grid(
    strips: Sequence[Strip],
    folder: Path,
    name: str,
    *,
    legend: Mapping[str, str] | None = None,
    name_lines: int = 1,
) -> list[Path]:
    """Draw strips of pictures below each other and write them as PNG and PDF.

    Titles stand above the first strip, or above every line where a strip takes several.

    Args:
        strips: at least one, each with as many panels.
        folder: where to write.
        name: the files' name without suffix.
        legend: names to colors, written below.
        name_lines: how many lines a strip's name may take.

    Returns:
        the two files.
    """
    lines = _to_lines(strips)
    longest = max(len(line.panels) for line in lines)
    legend_in = LINE_IN * (_legend_lines(legend) + 1.2) if legend else 0.0
    sheet = _plan(lines, longest, legend_in, name_lines)
    heights_in = [sheet.height_in(line) for line in lines]
    with rc_context(PRINT):
        figure = blank_figure(sheet.names_in + longest * (sheet.width_in + GAP_IN), sum(heights_in) + legend_in)
        for number, line in enumerate(lines):
            _draw_line(figure, line, sum(heights_in[:number]), sheet)
        if legend:
            draw_legend(figure, legend, sum(heights_in) + 0.4 * LINE_IN)
        return save_figure(figure, folder, name)


def _to_lines(strips: Sequence[Strip]) -> list[_Line]:
    lines = []
    for number, strip in enumerate(strips):
        count = math.ceil(len(strip.panels) / MOST_COLUMNS)
        step = math.ceil(len(strip.panels) / count)  # 8 pictures as 4 and 4, not as 7 and 1
        for start in range(0, len(strip.panels), step):
            titled = number == 0 or count > 1
            lines.append(_Line(strip, strip.panels[start : start + step], titled, 0 if start else count))
    return lines


def _plan(lines: Sequence[_Line], longest: int, legend_in: float, name_lines: int) -> _Sheet:
    """Make pictures as wide as the page allows, and as high; titles take two lines only where one does not do."""
    names_in = NAME_IN * name_lines + GAP_IN
    width_in = min(WIDEST_IN, (TWO_COLUMNS_IN - names_in - GAP_IN * longest) / longest)
    for titles in (1, 2):
        empty = _Sheet(0.0, titles * TITLE_IN + 0.03, LINE_IN, name_lines, names_in)
        rest_in = PAGE_IN - legend_in - sum(empty.height_in(line) for line in lines)
        sheet = replace(empty, width_in=min(width_in, rest_in / sum(line.strip.aspect for line in lines)))
        if all(_fits(panel.title, sheet.width_in) for line in lines if line.titled for panel in line.panels):
            break
    return sheet


def _fits(text: str, width_in: float) -> bool:
    return text_width_in(text, SIZE_PT) <= width_in


def _legend_lines(legend: Mapping[str, str]) -> int:
    return math.ceil(len(legend) / legend_columns(list(legend), TWO_COLUMNS_IN))


def _draw_line(figure: Figure, line: _Line, top_in: float, sheet: _Sheet) -> None:
    top_in += sheet.titles_in * line.titled
    height_in = sheet.width_in * line.strip.aspect
    if line.lines:
        high_in = line.lines * sheet.height_in(line) - GAP_IN - sheet.titles_in * line.titled
        name, size = fit_text(line.strip.name, high_in, SIZE_PT - 0.5, lines=sheet.name_lines)
        write_text(
            figure, 0.45 * sheet.names_in, top_in + high_in / 2, name,
            rotation=90, ha="center", va="center", fontsize=size, color=FAINT,
        )  # fmt: skip
    for number, panel in enumerate(line.panels):
        left_in = sheet.names_in + number * (sheet.width_in + GAP_IN)
        middle_in = left_in + sheet.width_in / 2
        if line.titled:
            title, size = fit_text(panel.title, sheet.width_in)
            write_text(figure, middle_in, top_in - 0.035, title, ha="center", va="baseline", fontsize=size)
        axes = add_axes(figure, left_in, top_in, sheet.width_in, height_in)
        _draw_panel(axes, panel, line.strip.windows, sheet.width_in)
        caption, size = fit_text(panel.caption, sheet.width_in, SIZE_PT - 0.5, lines=1)
        write_text(figure, middle_in, top_in + height_in + 0.012, caption, ha="center", fontsize=size)


def _draw_panel(axes: Axes, panel: Panel, windows: Sequence[Window], width_in: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(panel.picture is None)
        spine.set(color=GRID, linewidth=0.6)
    if panel.picture is None:
        axes.text(0.5, 0.5, "none", ha="center", va="center", color=FAINT, transform=axes.transAxes)
        return
    height, width = panel.picture.shape[:2]
    _show(axes, panel.picture, (0, 0, width, height))
    _draw_insets(axes, panel.picture, windows)
    axes.set(xlim=(0, width), ylim=(height, 0))
    _draw_boxes(axes, panel, width_in)


def _show(axes: Axes, picture: NDArray[np.uint8], place: tuple[float, float, float, float], order: float = 1) -> None:
    """Draw a picture at left, top, right, bottom, in the pixels of the axes."""
    left, top, right, bottom = place
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=(left, right, bottom, top), aspect="auto", zorder=order)


def _draw_insets(axes: Axes, picture: NDArray[np.uint8], windows: Sequence[Window]) -> None:
    height, width = picture.shape[:2]
    tall, wide = ENLARGED * height, ENLARGED * width
    for window, corner, color in zip(windows, corner_places(windows, height, width), FRAMES, strict=False):
        left, top = corner
        _show(axes, window.crop(picture), (left, top, left + wide, top + tall), order=3)
        _frame(axes, (window.left, window.top), window.right - window.left, window.bottom - window.top, color, 0.8)
        _frame(axes, corner, wide, tall, color, 1.2)


def _frame(axes: Axes, corner: tuple[float, float], wide: float, tall: float, color: str, line_pt: float) -> None:
    axes.add_patch(
        Rectangle(corner, wide, tall, fill=False, edgecolor=color, linewidth=line_pt, zorder=4, joinstyle="miter")
    )


def _draw_boxes(axes: Axes, panel: Panel, width_in: float) -> None:
    if panel.picture is None:
        return
    height, width = panel.picture.shape[:2]
    px_per_in = width / width_in
    names: list[NamedBox] = []
    for number, box in enumerate(panel.boxes):
        color = panel.colors.get(box.name, "white")
        patch = Rectangle(
            (box.left, box.top), box.right - box.left, box.bottom - box.top,
            fill=False, edgecolor=color, linewidth=0.8, zorder=4, path_effects=OUTLINE,
        )  # fmt: skip
        axes.add_patch(patch)
        wide = (text_width_in(box.name, SMALLEST_PT) + 0.03) * px_per_in
        others = [each for place, each in enumerate(panel.boxes) if place != number]
        place = _free_place(box, (wide, 0.08 * px_per_in), [*names, *others], (width, height))
        if place:  # otherwise the box's color alone says what is in it
            names.append(place)
            _draw_name(axes, place, color, px_per_in)


def _draw_name(axes: Axes, place: NamedBox, color: str, px_per_in: float) -> None:
    wide, tall = place.right - place.left, place.bottom - place.top
    axes.add_patch(Rectangle((place.left, place.top), wide, tall, color=color, linewidth=0, zorder=5))
    axes.text(
        place.left + 0.015 * px_per_in, place.top + 0.5 * tall, place.name,
        fontsize=SMALLEST_PT, color=INK, va="center_baseline", zorder=6,
    )  # fmt: skip


def _free_place(
    box: NamedBox, size: tuple[float, float], taken: Sequence[NamedBox], picture: tuple[float, float]
) -> NamedBox | None:
    """Return where a box's name stands: above, below or within it, in the picture and on no other; None for nowhere.

    Args:
        box: to be named.
        size: width and height of the name.
        taken: names and boxes that it must not hide.
        picture: its width and height.
    """
    wide, tall = size
    for left in (box.left, box.right - wide):
        for top in (box.top - tall, box.bottom, box.top):
            inner = min(max(left, 0.0), max(picture[0] - wide, 0.0))
            place = NamedBox(box.name, inner, top, inner + wide, top + tall)
            inside = top >= 0 and place.bottom <= picture[1]
            if inside and not any(_touch(place, other) for other in taken):
                return place
    return None


def _touch(one: NamedBox, other: NamedBox) -> bool:
    beside = one.right <= other.left or other.right <= one.left
    return not (beside or one.bottom <= other.top or other.bottom <= one.top)
