"""Read object boxes as YOLO text or VOC XML into one form."""

from __future__ import annotations

import codecs
import difflib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ssvif.data.annotation import LONGEST, Notes
from ssvif.data.descriptor import Descriptor, comparable
from ssvif.data.yolo import NOTABLE, Columns, read_columns, to_floats
from ssvif.io.errors import UserError, shorten

MOST_BYTES = 1 << 22  # of an image's boxes: some ten thousand as XML
TOLERANCE = 0.1  # how far a box may reach outside its image, as a fraction of it, before it is an error
SAME_SHAPE = 0.02  # how far the shape of an image of another size may differ, as rounding does
# first bytes → encoding; UTF-32 before UTF-16, whose mark its own begins with; XML needs no mark
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,80}encoding\s*=\s*["']([\w.-]{1,40})["']""")
# first words of other formats → what to do about them
FOREIGN = {
    ("XML", "<?xml", "<annotation"): "rename such files to .xml, and let the descriptor's boxes pattern end in .xml",
    ("JSON", "{", "["): "export the boxes as YOLO text or VOC XML",
}
KAIST = "% bbGt"  # first words of the text that KAIST's and Caltech's tools write
# what a shape in VOC XML is made of; a box is (left, top) and then the opposite corner, or the size
SHAPES = ("bndbox", "robndbox", "polygon", "point")
CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom"))
SIZED = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("left", "top", "width", "height"),
)
Row = list[float]  # x_center, y_center, width, height as fractions; a size is negative where corners are swapped
Found = tuple[str, str, Callable[[], list[Row]]]  # where, class as written, what reads the boxes


def read_boxes(
    path: Path, descriptor: Descriptor, width_px: int, height_px: int, notes: Notes | None = None
) -> NDArray[np.float64]:
    """Read a box file: `.xml` as VOC, anything else as YOLO text.

    KAIST: text that begins with "% bbGt", one line per object, "class left top width height" in pixels, then flags.
    YOLO: one line per object, "class x_center y_center width height", the last four as fractions of the image; a
    confidence may follow. Three points or more (x y x y ...) are a polygon. The class is an index or a name, numbers
    may be separated by blanks, tabs, commas or semicolons, and `#` begins a comment.
    VOC: corners in pixels, also as left, top and size, as points (`polygon`) or as a rotated box (`robndbox`); the
    file's own `size` is taken where it has one instead of the image's.

    Names mean what the descriptor says. Of polygons and rotated boxes the upright box around them is taken, swapped
    corners are turned, boxes are clipped to the image, and one without area is left out: `notes` counts these.

    Returns:
        (N,5) float64 rows (class index, x_center, y_center, width, height), fractions in [0,1].

    Raises:
        UserError: the file is missing, malformed, names an unknown class or a box far outside.
    """
    notes = Notes() if notes is None else notes
    text = _read_text(path, notes)
    voc = path.suffix.lower() == ".xml"
    parse = _parse_voc if voc else _parse_text
    names, boxes, unknown = descriptor.detection_names(), list[Row](), dict[str, str]()
    for where, name, read in parse(path, text, width_px, height_px, notes):
        index = _class_index(name, names, 0 if voc else len(descriptor.detection_classes))
        if index is None:
            notes.add("ignored name", where, name)
        elif index < 0:
            if not voc:
                read()  # a heading is no box of an unknown class
            unknown.setdefault(name, where)
            notes.add("unknown name", where, name)
        else:
            rows = [_clip(where, row, notes) for row in read()]
            boxes += [[float(index), *row] for row in rows if row]
    if unknown:
        raise _unknown_class(unknown, descriptor)
    return np.array(boxes, np.float64).reshape(-1, 5)


def _read_text(path: Path, notes: Notes) -> str:
    """Return a file's text by its byte order mark or XML declaration, else as UTF-8 or, where it is none, Latin-1."""
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MOST_BYTES else b"\0"
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist", remedy="run `ssvif split` again") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read", got=str(error), remedy="check its permissions") from error
    mark = next((encoding for mark, encoding in MARKS.items() if data.startswith(mark)), "")
    declared = DECLARED.match(data)
    text = None
    named = declared[1].decode().lower() if declared else "utf-8"
    for encoding in [mark] if mark else dict.fromkeys([named, "utf-8", "latin-1"]):
        try:
            # a codec that does not keep the declaration's own letters cannot be the file's
            if text is None and (mark or b"<?xml".decode(encoding) == "<?xml"):
                text = data.decode(encoding)
        except (LookupError, ValueError):
            if encoding == "utf-8":
                notes.add("latin-1", path)
    if text is None or "\0" in text:
        expected = "text in UTF-8, or in an encoding that a byte order mark or an XML declaration names"
        got = f"{size} bytes" if size > MOST_BYTES else ""
        raise UserError(f"{path} is not text", expected=expected, got=got, remedy="save it again as UTF-8")
    return text.lstrip("\ufeff")  # some tools write a mark for each time that they save


def _parse_text(path: Path, text: str, width_px: int, height_px: int, notes: Notes) -> Iterator[Found]:
    for (form, *starts), remedy in FOREIGN.items():
        if text.lstrip().startswith(tuple(starts)):
            raise UserError(f"{path} is {form}", expected="boxes as YOLO text in a .txt", remedy=remedy)
    kaist = text.startswith(KAIST)
    places, lines = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        words = _split(re.split(r"(?:^|\s)#|^%" if kaist else r"(?:^|\s)#", line)[0])
        if words:
            # a name may have several words; an index is the first of the numbers
            start = next((place for place, word in enumerate(words) if place and to_floats([word])), len(words))
            places.append((f"{path}, line {number}", line, " ".join(words[:start]).strip("\"'")))
            lines.append(words[start:])
    for (where, line, name), words, columns in zip(places, lines, read_columns(lines), strict=True):
        if kaist:
            yield where, name, partial(_kaist_box, where, line, words, width_px, height_px)
        else:
            yield where, name, partial(_yolo_box, where, line, columns, notes)


def _split(line: str) -> list[str]:
    """Return the words of a line between blanks, semicolons or commas, unless commas are decimal ones."""
    words = re.split(r"[\s;]+", line.strip(" \t;,"))
    if len(words) in (5, 6) and "." not in line and any(re.fullmatch(r"\d,\d+", word) for word in words[1:]):
        return [word.replace(",", ".") for word in words]
    return [word for word in re.split(r"[\s,;]+", line) if word]


def _yolo_box(where: str, line: str, columns: Columns, notes: Notes) -> list[Row]:
    numbers, further = columns
    if len(numbers) < 4:
        expected = (
            "class x_center y_center width height, with or without a confidence, or class and the x y of three points "
            "or more"
        )
        raise _no_box(where, line, expected)
    if further:
        notes.add(further, where)
    if len(numbers) == 4:
        return [numbers]
    notes.add("polygon", where)
    return [_around(numbers[0::2], numbers[1::2])]


def _kaist_box(where: str, line: str, words: Sequence[str], width_px: int, height_px: int) -> list[Row]:
    numbers = to_floats(words[:4])
    if len(numbers) < 4:
        raise _no_box(where, line, "class left top width height in pixels, and flags")
    left, top, width, height = numbers
    return [[(left + width / 2) / width_px, (top + height / 2) / height_px, width / width_px, height / height_px]]


def _no_box(where: str, line: str, expected: str) -> UserError:
    got, remedy = line.strip()[:80], "fix or remove the line"
    return UserError(f"{where} is not a box", expected=expected, got=got, remedy=remedy)


def _around(xs: Sequence[float], ys: Sequence[float]) -> Row:
    """Return the upright box around points, or that of two opposite corners: of negative size if they are swapped."""
    left, right = (xs[0], xs[1]) if len(xs) == 2 else (min(xs), max(xs))
    top, bottom = (ys[0], ys[1]) if len(ys) == 2 else (min(ys), max(ys))
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def _parse_voc(path: Path, text: str, width_px: int, height_px: int, notes: Notes) -> Iterator[Found]:
    try:
        root = ElementTree.fromstring(text.strip())
        sizes = [float(root.findtext(f"size/{key}") or 0) for key in ("width", "height")]
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path} is not a VOC annotation", got=str(error), remedy="write the file again") from error
    if root.tag != "annotation" and not any(root.iter("object")) and root.find("size") is None:
        expected = "<annotation> with an <object> for each box"
        raise UserError(
            f"{path} is not a VOC annotation", expected=expected, got=f"<{root.tag}>", remedy="export it as VOC or YOLO"
        )
    known = all(0 < size < math.inf for size in sizes)
    width, height = _fit_size(path, sizes, width_px, height_px, notes) if known else (width_px, height_px)
    for number, element in enumerate(root.iter("object"), start=1):
        where = f"{path}, object {number}"
        name = (element.findtext("name") or "").strip()
        yield where, name, partial(_voc_boxes, where, element, width, height, notes)


def _fit_size(path: Path, sizes: Sequence[float], width_px: int, height_px: int, notes: Notes) -> Sequence[float]:
    """Return the width and height that a file's pixels are of: its own ones, unless they are the image's swapped."""
    width, height = sizes
    if (width, height) != (width_px, height_px):
        same = abs(width * height_px / (height * width_px) - 1) <= SAME_SHAPE
        notes.add("resized" if same else "other shape", path, f"{width:g}×{height:g} for {width_px}×{height_px} px")
    return (width_px, height_px) if (height, width) == (width_px, height_px) else sizes


def _voc_boxes(where: str, element: ElementTree.Element, width: float, height: float, notes: Notes) -> list[Row]:
    shapes = next((shapes for tag in SHAPES if (shapes := element.findall(tag))), [])
    outlines = [_outline(shape) for shape in shapes]
    rows = []
    for outline in outlines or [None]:
        if not outline:
            texts = [f"{each.tag} {(each.text or '').strip()!r}" for shape in shapes for each in shape]
            raise UserError(
                f"{where} has no box",
                expected="finite numbers in bndbox (xmin, ymin, xmax, ymax), robndbox or polygon",
                got=shorten(texts, 8) or "none of them",
                remedy="fix or remove the object",
            )
        if shapes[0].tag != "bndbox" or len(outline[0]) > 2:
            notes.add("polygon", where)
        x_center, y_center, box_width, box_height = _around(*outline)
        if box_width and box_height and max(*outline[0], *outline[1]) <= 1 < min(width, height):
            notes.add("under a pixel", where)
        rows.append([x_center / width, y_center / height, box_width / width, box_height / height])
    return rows


def _outline(shape: ElementTree.Element) -> tuple[Sequence[float], Sequence[float]] | None:
    """Return the x and the y of a shape's points in pixels, two of them if it is a box; None if it has none."""
    parts = [*shape.attrib.items(), *((child.tag, child.text or "") for child in shape)]
    texts = {key.casefold(): text for key, text in parts}

    def numbers(keys: Sequence[str]) -> list[float]:
        return to_floats([texts.get(key, "") for key in keys])

    if corners := next(filter(None, map(numbers, CORNERS)), None):
        return corners[0::2], corners[1::2]
    if sized := next(filter(None, map(numbers, SIZED)), None):
        left, top, width, height = sized
        return (left, left + width), (top, top + height)
    if center := numbers(("cx", "cy", "w", "h")):  # turned by an angle in radians, as roLabelImg writes it
        x, y, width, height = center
        (angle,) = numbers(("angle",)) or [0.0]
        cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
        half_width, half_height = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
        return (x - half_width, x + half_width), (y - half_height, y + half_height)
    places = [
        [each.text or "" for each in shape.iter(axis)]
        or [text for key, text in texts.items() if re.fullmatch(rf"{axis}\d+", key)]
        for axis in ("x", "y")
    ]
    xs, ys = map(to_floats, places)
    return (xs, ys) if len(xs) == len(ys) >= (1 if shape.tag == "point" else 2) else None


def _class_index(name: str, names: dict[str, int | None], count: int) -> int | None:
    """Return the class that a name or an index below `count` means, None for one to leave out, -1 for none known."""
    number = to_floats([name])
    key = comparable(f"{number[0]:g}" if number else name)
    if key in names:
        return names[key]
    return int(number[0]) if number and number[0] in range(count) else -1


def read_class_list(path: Path) -> list[str]:
    """Return the names of a list of classes beside boxes, a line each; none if it cannot be read."""
    with suppress(UserError):
        return [line.strip()[:LONGEST] for line in _read_text(path, Notes()).splitlines() if line.strip()]
    return []


def contradicts(listed: Sequence[str], descriptor: Descriptor) -> bool:
    """Whether a name that the descriptor knows stands in a list at an index that means another class there."""
    names, count = descriptor.detection_names(), len(descriptor.detection_classes)
    meanings = [(_class_index(name, names, 0), _class_index(str(at), names, count)) for at, name in enumerate(listed)]
    return any(meant != -1 and meant != indexed for meant, indexed in meanings)


def _unknown_class(unknown: dict[str, str], descriptor: Descriptor) -> UserError:
    """Return the error of class names that the descriptor does not know, each with the place where it is first."""
    unknown = {name[:LONGEST]: where for name, where in unknown.items()}
    classes = descriptor.detection_classes
    shown = [f"{to_floats([name])[0]:g}" if to_floats([name]) else repr(name) for name in unknown]
    listed = ", ".join(f"{index} {name}" for index, name in enumerate(classes))
    known = {comparable(each): each for each in classes}
    name, where = next(iter(unknown.items()))
    near = difflib.get_close_matches(comparable(name), known, n=1)
    alias = f"{{{known[near[0]] if near else classes[0]}: [{name!r}]}}"
    return UserError(
        f"{where}: class {shown[0]} is not one of the descriptor's detection_classes",
        expected=f"one of {listed}, or a name in detection_aliases or detection_ignored",
        got=f"in this file also {shorten(shown[1:], 20)}" if shown[1:] else "",
        remedy=f"fix the file, or write in the descriptor what the name means, as in `detection_aliases: {alias}`, or "
        f"`detection_ignored: [{name!r}]` to leave such boxes out",
    )


def _clip(where: str, row: Row, notes: Notes) -> Row | None:
    """Turn and clip a row to the image; None if nothing of it has an area."""
    if min(row[2:]) < 0:
        notes.add("turned", where)
    x_center, y_center, width, height = row = [*row[:2], *map(abs, row[2:])]
    corners = (x_center - width / 2, y_center - height / 2, x_center + width / 2, y_center + height / 2)
    if not all(-TOLERANCE <= corner <= 1 + TOLERANCE for corner in corners):
        raise UserError(
            f"{where}: the box lies outside its image",
            expected="a box within the image, as fractions of its size in YOLO text",
            got="corners " + ", ".join(f"{corner:.3g}" for corner in corners),
            remedy="fix the box, or convert the file if it holds pixels",
        )
    left, top, right, bottom = (min(max(corner, 0.0), 1.0) for corner in corners)
    if right <= left or bottom <= top:
        notes.add("no area", where)
        return None
    if corners == (left, top, right, bottom):
        return row
    if min(corners) < -NOTABLE or max(corners) > 1 + NOTABLE:
        notes.add("clipped", where)
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def draw_boxes(boxes: NDArray[np.float64], height: int, width: int) -> NDArray[np.uint8]:
    """Draw boxes as a label map (height,width): 0 is the background, 1 + i the i-th detection class.

    `boxes` are (N,5) float64 rows (class index, x_center, y_center, width, height) in fractions of the image. A pixel,
    or a cell of a coarser grid, belongs to the smallest box that covers its center.
    """
    label = np.zeros((height, width), np.uint8)
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    for index, x_center, y_center, box_width, box_height in sorted(boxes.tolist(), key=lambda box: -box[3] * box[4]):
        inside_y, inside_x = abs(rows - y_center) <= box_height / 2, abs(columns - x_center) <= box_width / 2
        label[np.ix_(inside_y, inside_x)] = 1 + int(index)
    return label
