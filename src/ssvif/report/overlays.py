"""Class maps and boxes drawn over pictures: read and colored alike for the page and the figures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssvif.data.boxes import read_boxes
from ssvif.data.descriptor import Descriptor
from ssvif.report.runs import read_rows, to_number
from ssvif.schema import BOX_COLUMNS

IGNORED_COLOR = (0, 255, 0)  # of all colors the one farthest from every descriptor's classes, to the eye
IGNORED_TITLE = "not judged"
# colors that stand out from a gray picture, one per detection class in turn
BOX_COLORS = ("#ffd60a", "#00e5ff", "#ff5fa2", "#8cff66", "#ff9f40", "#b79cff", "#ffffff", "#ff6b6b")


@dataclass(frozen=True)
class NamedBox:
    """A box in pixels, the class in it, and the detector's confidence, 0 to 1; None for an annotated box."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float | None = None


def class_palette(descriptor: Descriptor) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return each class id's color, (256,3), and whether it is drawn, (256,): the background is not.

    An id that the dataset does not know is drawn like the ignore index.
    """
    colors, drawn = np.full((256, 3), IGNORED_COLOR, np.uint8), np.ones(256, np.bool_)
    for known in descriptor.classes:
        colors[known.id] = known.color
    if descriptor.background_id is not None:
        drawn[descriptor.background_id] = False
    return colors, drawn


def class_legend(descriptor: Descriptor, occurring: Collection[int]) -> dict[str, str]:
    """Return name to color, "#rrggbb", of the ids that occur and are drawn; the ignore index comes last."""
    shown = [info for info in descriptor.classes if info.id in occurring and info.id != descriptor.background_id]
    colors = {info.name: info.color for info in shown}
    if set(occurring) - {info.id for info in descriptor.classes}:
        colors[IGNORED_TITLE] = IGNORED_COLOR
    return {name: "#{:02x}{:02x}{:02x}".format(*color) for name, color in colors.items()}


def box_legend(descriptor: Descriptor) -> dict[str, str]:
    """Return name to color of each detection class."""
    return {name: box_color(descriptor.detection_classes, name) for name in descriptor.detection_classes}


def box_color(classes: Sequence[str], name: str) -> str:
    """Return the color of a detection class; an unknown one gets the last color."""
    return BOX_COLORS[list(classes).index(name) % len(BOX_COLORS)] if name in classes else BOX_COLORS[-1]


def read_true_boxes(path: Path, classes: Sequence[str], width_px: int, height_px: int) -> list[NamedBox]:
    """Return a picture's annotated boxes; see `ssvif.data.boxes.read_boxes`."""
    rows = read_boxes(path, classes, width_px, height_px)
    lows, highs = rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2
    corners = (np.concatenate([lows, highs], axis=1) * (width_px, height_px, width_px, height_px)).tolist()
    return [NamedBox(classes[int(index)], *each) for index, each in zip(rows[:, 0], corners, strict=True)]


def read_found_boxes(path: Path) -> dict[str, list[NamedBox]] | None:
    """Read detection/boxes.csv: pair to its boxes, most confident first; None where there is no such file.

    Raises:
        UserError: the file cannot be read as one of ours.
    """
    if not path.is_file():
        return None
    found: dict[str, list[NamedBox]] = {}
    for row in read_rows(path, BOX_COLUMNS):
        confidence, left, top, right, bottom = (to_number(row[column], path) for column in BOX_COLUMNS[2:])
        found.setdefault(row["pair_id"], []).append(NamedBox(row["class"], left, top, right, bottom, confidence))
    return {pair: sorted(boxes, key=lambda box: -(box.confidence or 0)) for pair, boxes in found.items()}
