"""What reading annotations changes and counts, and label maps as class ids."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.data.descriptor import Descriptor, color_number
from ssvif.io.errors import UserError, shorten
from ssvif.io.files import read_label

LOSSY_SUFFIXES = (".jpg", ".jpeg")
CONVERTED = {
    "latin-1": "read as Latin-1, because they are not UTF-8 and declare nothing else",
    "confidence": "the number after the box, a confidence, is not used",
    "polygon": "polygons or rotated boxes, read as the upright boxes around them",
    "clipped": "reach past their image, cut at its edge",
    "ignored name": "left out, as the descriptor's detection_ignored asks",
    "ignored value": "hold label values that the descriptor's ignored_values leaves out",
}
DOUBTFUL = {
    "turned": "corners in swapped order, turned",
    "no area": "without area, left out",
    "lossy": "JPEG changes the ids at the edges of objects: save label maps as PNG",
}


class Notes:
    """Counts of what was converted, turned or left out: in boxes, or in files ("latin-1", and what is about labels)."""

    def __init__(self) -> None:
        self._names: dict[str, Counter[str]] = defaultdict(Counter)
        self._first: dict[str, str] = {}

    def add(self, kind: str, where: Path | str, name: str = "") -> None:
        """Count one of a kind of `CONVERTED` or `DOUBTFUL`, found at a place; `name` is what exactly."""
        self._names[kind][name] += 1
        self._first.setdefault(kind, str(where))

    def details(self) -> dict[str, str]:
        """Return how many there are of each kind, with names, and the first place."""
        found = {}
        for kind, names in self._names.items():
            named = [f"{name!r} {count}" for name, count in names.most_common() if name]
            found[kind] = f"{names.total()}{f' ({shorten(named)})' if named else ''}, first {self._first[kind]}"
        return found

    def lines(self) -> list[str]:
        """Return one sentence for each kind."""
        details = self.details()
        known = CONVERTED | DOUBTFUL
        return [f"annotations: {known[kind]}: {details[kind]}" for kind in known if kind in details]


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
    return ids[np.searchsorted(values, stored)]


def _unknown_values(path: Path, descriptor: Descriptor, unknown: dict[int, int], lossy: bool) -> UserError:
    what, shown = "label ids", {str(value): count for value, count in unknown.items()}
    if descriptor.color_labels:
        what, shown = "colors", {str([*value.to_bytes(3)]): count for value, count in unknown.items()}
    known = [f"{_shown(descriptor.stored_values(info))} {info.name}" for info in descriptor.classes]
    if not descriptor.color_labels:
        known.append(f"{descriptor.ignore_index} for no class")
    remedy = "fix the label map, or name these in the descriptor: in `values` of a class, or in ignored_values"
    if lossy:
        remedy = "save the label map as PNG: JPEG changes ids and colors at the edges of objects"
    elif not descriptor.color_labels and unknown.keys() == {255} and len(descriptor.classes) == 2:
        remedy = f"if 255 is {descriptor.classes[1].name}, write `values: [255]` at this class in the descriptor"
    return UserError(
        f"{path} holds {what} that {descriptor.name}'s descriptor does not have: {shorten([*shown])}",
        expected=f"one of {shorten(known, 20)}",
        got=shorten([f"{value} in {count} px" for value, count in shown.items()]),
        remedy=remedy,
    )


def _shown(values: tuple[Any, ...]) -> str:
    return "/".join(str([*value] if isinstance(value, tuple) else value) for value in values)
