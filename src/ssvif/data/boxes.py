"""Read object boxes as YOLO text or VOC XML into one form."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ssvif.io.errors import UserError

TOLERANCE = 0.1  # how far a box may reach outside its image, as a fraction of it, before it is an error
log = logging.getLogger("ssvif")


def read_boxes(path: Path, classes: Sequence[str], width_px: int, height_px: int) -> NDArray[np.float64]:
    """Read a box file: `.xml` as VOC, anything else as YOLO text.

    YOLO: one line per object, "class x_center y_center width height", the last four as fractions of the
    image. VOC: corners in pixels; class names are compared without regard to case, and the file's own
    `size` is taken where it has one instead of the image's. Boxes are clipped to the image; one without area is left
    out with a warning.

    Returns:
        (N,5) float64 rows (class index, x_center, y_center, width, height), fractions in [0,1].

    Raises:
        UserError: the file is missing, malformed, names an unknown class or a box far outside.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist", remedy="run `ssvif split` again") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text", got=str(error), remedy="write the file again") from error
    voc = path.suffix.lower() == ".xml"
    found = _parse_voc(path, text, classes, width_px, height_px) if voc else _parse_yolo(path, text, classes)
    boxes = [_clip(where, box) for where, box in found]
    return np.array([box for box in boxes if box], np.float64).reshape(-1, 5)


def _parse_yolo(path: Path, text: str, classes: Sequence[str]) -> Iterator[tuple[str, list[float]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        row = _to_floats(line.split())
        if len(row) != 5:
            raise UserError(
                f"{where} is not a box",
                expected="five numbers: class x_center y_center width height",
                got=line.strip()[:80],
                remedy="fix or remove the line",
            )
        if row[0] not in range(len(classes)):
            raise _unknown_class(where, f"{row[0]:g}", classes)
        yield where, row


def _parse_voc(
    path: Path, text: str, classes: Sequence[str], width_px: int, height_px: int
) -> Iterator[tuple[str, list[float]]]:
    indices = {name.casefold(): float(index) for index, name in enumerate(classes)}
    try:
        root = ElementTree.fromstring(text)
        width = float(root.findtext("size/width") or 0) or width_px
        height = float(root.findtext("size/height") or 0) or height_px
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path} is not a VOC annotation", got=str(error), remedy="write the file again") from error
    for number, element in enumerate(root.iterfind("object"), start=1):
        where = f"{path}, object {number}"
        name = (element.findtext("name") or "").strip()
        if name.casefold() not in indices:
            raise _unknown_class(where, repr(name), classes)
        texts = [element.findtext(f"bndbox/{key}") or "" for key in ("xmin", "ymin", "xmax", "ymax")]
        corners = _to_floats(texts)
        if len(corners) != 4:
            raise UserError(
                f"{where} has no box",
                expected="numbers in bndbox: xmin, ymin, xmax, ymax",
                got=", ".join(map(repr, texts)),
                remedy="fix or remove the object",
            )
        left, top, right, bottom = corners
        center = [(left + right) / 2 / width, (top + bottom) / 2 / height]
        yield where, [indices[name.casefold()], *center, (right - left) / width, (bottom - top) / height]


def _to_floats(words: Sequence[str]) -> list[float]:
    """Return words as numbers, none if one is not finite."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _unknown_class(where: str, got: str, classes: Sequence[str]) -> UserError:
    listed = ", ".join(f"{index} {name}" for index, name in enumerate(classes))
    return UserError(
        f"{where}: class {got} is not one of the descriptor's detection_classes",
        expected=f"one of {listed}",
        remedy="fix the file, or the descriptor's detection_classes",
    )


def _clip(where: str, row: list[float]) -> list[float] | None:
    """Clip a row to the image; None if nothing of it has an area."""
    index, x_center, y_center, width, height = row
    corners = (x_center - width / 2, y_center - height / 2, x_center + width / 2, y_center + height / 2)
    if min(corners) < -TOLERANCE or max(corners) > 1 + TOLERANCE:
        raise UserError(
            f"{where}: the box lies outside its image",
            expected="a box within the image, as fractions of its size in YOLO text",
            got="corners " + ", ".join(f"{corner:.3g}" for corner in corners),
            remedy="fix the box, or convert the file if it holds pixels",
        )
    left, top, right, bottom = (min(max(corner, 0.0), 1.0) for corner in corners)
    if right <= left or bottom <= top:
        log.warning("%s: a box without area is left out", where)
        return None
    if corners == (left, top, right, bottom):
        return row
    return [index, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def draw_boxes(boxes: NDArray[np.float64], height: int, width: int) -> NDArray[np.uint8]:
    """Draw boxes as a label map (height,width): 0 is the background, 1 + i the i-th detection class.

    A pixel, or a cell of a coarser grid, belongs to the smallest box that covers its center.

    Args:
        boxes: (N,5) float64, rows (class index, x_center, y_center, width, height) in fractions of the image.
        height: rows of the map.
        width: columns of the map.
    """
    label = np.zeros((height, width), np.uint8)
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    for index, x_center, y_center, box_width, box_height in sorted(boxes.tolist(), key=lambda box: -box[3] * box[4]):
        inside_y, inside_x = abs(rows - y_center) <= box_height / 2, abs(columns - x_center) <= box_width / 2
        label[np.ix_(inside_y, inside_x)] = 1 + int(index)
    return label
