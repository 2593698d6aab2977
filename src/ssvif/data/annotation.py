"""What reading annotations changes and counts, and label maps as class ids."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.data.descriptor import Descriptor, color_number
from ssvif.io.errors import LISTED, UserError, shorten
from ssvif.io.files import read_label
from ssvif.io.images import open_image

LONGEST = 60  # letters of a name in messages: a line that is no box is a name
LOSSY_SUFFIXES = (".jpg", ".jpeg")
NOTES = {
    "unknown name": "classes of boxes that the descriptor does not have",
    "ignored name": "boxes left out, as the descriptor's detection_ignored asks",
    "ignored value": "label maps with values that the descriptor's ignored_values leaves out",
    "lossy": "label maps in JPEG, which changes ids at the edges of objects: save them as PNG",
    "no area": "boxes without area, left out",
    "under a pixel": "boxes of less than a pixel at the top left: does the file hold fractions instead of pixels?",
    "turned": "boxes with swapped corners, turned",
    "clipped": "boxes that reach past their image, cut at its edge",
    "polygon": "polygons and rotated boxes, read as the upright boxes around them",
    "two readings": "lines that may be polygons, read as boxes with a confidence and a track id or with keypoints",
    "other shape": "VOC files for an image of another shape: do the boxes fit? A swapped size is read as the image's",
    "resized": "VOC files for an image of the same shape and another size, scaled",
    "palette": "label maps whose palette gives ids the colors of other classes: color_labels: true reads by color",
    "confidence": "boxes or polygons with a confidence, which is not used",
    "further number": "boxes or polygons with a further number that is no confidence in [0,1], which is not used",
    "track": "boxes or polygons with a confidence and a track id, which are not used",
    "keypoints": "boxes with keypoints, which are not used",
    "latin-1": "box files that are not UTF-8 and declare nothing else, read as Latin-1",
}
# those to look at; the others are as intended
DOUBTFUL = ("lossy", "no area", "under a pixel", "turned", "two readings", "other shape", "palette")


class Notes:
    """What reading annotations converted or left out: kind of `NOTES` → how many of each name, and the first place."""

    def __init__(self) -> None:
        self._names: dict[str, Counter[str]] = defaultdict(Counter)
        self._first: dict[str, str] = {}

    def add(self, kind: str, where: Path | str, name: str = "") -> None:
        """Count one of a kind at a place; `name` is what exactly."""
        self._names[kind][name] += 1
        self._first.setdefault(kind, str(where))

    def update(self, other: Notes) -> None:
        """Add the counts of others."""
        for kind, names in other._names.items():
            self._names[kind].update(names)
            self._first.setdefault(kind, other._first[kind])

    def details(self) -> dict[str, str]:
        """Return how many there are of each kind, with names, and the first place."""
        found = {}
        for kind in [kind for kind in NOTES if kind in self._first]:
            named = [f"{name[:LONGEST]!r} {count}" for name, count in self._names[kind].most_common() if name]
            listed = f" ({shorten(named, LISTED)})" if named else ""
            found[kind] = f"{self._names[kind].total()}{listed}, first {self._first[kind]}"
        return found

    def lines(self) -> list[str]:
        """Return one line for each kind."""
        return [f"annotations: {NOTES[kind]}: {detail}" for kind, detail in self.details().items()]


def read_classes(path: Path, descriptor: Descriptor, notes: Notes | None = None) -> NDArray[np.uint8]:
    """Read a label map (H,W) uint8 of a dataset's class ids and its `ignore_index`, whatever stands for them there.

    Raises:
        UserError: it cannot be read, or holds a value that stands for nothing in the descriptor.
    """
    notes = Notes() if notes is None else notes
    stored, table = read_label(path, colors=descriptor.color_labels), descriptor.label_table()
    lossy = path.suffix.lower() in LOSSY_SUFFIXES
    values, counts = np.unique(stored, return_counts=True)
    present: list[int] = values.tolist()
    unknown = {value: int(count) for value, count in zip(present, counts, strict=True) if value not in table}
    if unknown:
        raise _unknown_values(path, descriptor, unknown, lossy)
    if lossy:
        notes.add("lossy", path)
    for value in descriptor.ignored_values:
        if color_number(value) in present:
            notes.add("ignored value", path, str(value))
    ids = np.array([table[value] for value in present], np.uint8)
    classes = ids[np.searchsorted(values, stored)]
    if not descriptor.color_labels and len(values) > 1 and _palette_differs(path, descriptor, stored, classes):
        notes.add("palette", path)
    return classes


def read_class_ids(
    path: Path, descriptor: Descriptor, height: int, width: int, notes: Notes | None = None
) -> NDArray[np.uint8]:
    """Read a label map (H,W) uint8.

    Raises:
        UserError: it cannot be read, is not of this size, or holds values that the descriptor does not have.
    """
    label = read_classes(path, descriptor, notes)
    if label.shape != (height, width):
        raise UserError(
            f"{path} does not have the size of its visible image",
            expected=f"{width}×{height} px",
            got=f"{label.shape[1]}×{label.shape[0]} px",
            remedy="fix the label map, or remove it",
        )
    return label


def _palette_differs(path: Path, descriptor: Descriptor, stored: NDArray[Any], classes: NDArray[np.uint8]) -> bool:
    """Whether an image's palette has classes' colors alone, and other ones than its indices (H,W) stand for.

    Programs that make PNGs smaller sort palettes anew.
    """
    with open_image(path) as opened:
        if opened.mode != "P":
            return False
    by_color = {color_number(info.color): info.id for info in descriptor.classes}
    known = classes != descriptor.ignore_index
    colors, at = np.unique(read_label(path, colors=True)[known], return_inverse=True)
    if len(colors) < len(np.unique(stored[known])) or not by_color.keys() >= {*colors.tolist()}:
        return False
    return bool((np.array([by_color[color] for color in colors.tolist()])[at] != classes[known]).any())


def _unknown_values(path: Path, descriptor: Descriptor, unknown: dict[int, int], lossy: bool) -> UserError:
    what, shown = "label ids", {str(value): count for value, count in unknown.items()}
    if descriptor.color_labels:
        what, shown = "colors", {str([*value.to_bytes(3)]): count for value, count in unknown.items()}
    known = [f"{_shown(descriptor.stored_values(info))} {info.name}" for info in descriptor.classes]
    if not descriptor.color_labels:
        known.append(f"{descriptor.ignore_index} for no class")
    remedy = "fix the label map, or name these in the descriptor: in `values` of a class, or in ignored_values"
    with open_image(path) as opened:
        if opened.mode == "P" and not descriptor.color_labels:
            remedy += "; or write color_labels: true if the colors of its palette stand for the classes"
    if lossy:
        remedy = "save the label map as PNG: JPEG changes ids and colors at the edges of objects"
    elif not descriptor.color_labels and unknown.keys() == {255} and len(descriptor.classes) == 2:
        remedy = f"if 255 is {descriptor.classes[1].name}, write `values: [255]` at this class in the descriptor"
    return UserError(
        f"{path} holds {what} that {descriptor.name}'s descriptor does not have: {shorten([*shown])}",
        expected=f"one of {shorten(known, LISTED)}",
        got=shorten([f"{value} in {count} px" for value, count in shown.items()]),
        remedy=remedy,
    )


def _shown(values: tuple[Any, ...]) -> str:
    return "/".join(str([*value] if isinstance(value, tuple) else value) for value in values)
