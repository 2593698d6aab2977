"""Dataset descriptors: where a dataset keeps its files and what its classes mean. Data, not code."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ssvif.schema import SPLITS

BOX_SUFFIXES = (".txt", ".xml")


@dataclass(frozen=True)
class ClassInfo:
    """One class of the label maps.

    Attributes:
        id: its value in the label maps, 0 to 254.
        name: how tables and legends call it.
        color: red, green, blue, each 0 to 255, for drawing.

    Raises:
        ValueError: a value out of range, or no name.
    """

    id: int
    name: str
    color: tuple[int, int, int]

    def __post_init__(self) -> None:
        """Check the values."""
        _require(0 <= self.id <= 254, f"class id {self.id} is outside 0 to 254")
        _require(bool(self.name.strip()), f"class {self.id} has no name")
        channels = len(self.color) == 3 and all(0 <= value <= 255 for value in self.color)
        _require(channels, f"color {list(self.color)} of class {self.id} is not three values of 0 to 255")


@dataclass(frozen=True)
class Layout:
    """File patterns below a dataset's root, in POSIX form, with `{split}` and `{name}`.

    Attributes:
        visible: pattern of the visible images, without suffix: any image suffix is taken.
        infrared: pattern of the infrared images, likewise.
        label: pattern of the label maps, likewise; empty where there are none.
        boxes: pattern of the box files, ending in `.txt` (YOLO) or `.xml` (VOC); empty for none.

    Raises:
        ValueError: a pattern that is absolute, leaves the root or lacks `{name}` in its file name.
    """

    visible: str
    infrared: str
    label: str = ""
    boxes: str = ""

    def __post_init__(self) -> None:
        """Check the patterns."""
        _require(bool(self.visible and self.infrared), "a layout needs a visible and an infrared pattern")
        for pattern in self.patterns():
            _check_pattern(pattern)
        if self.boxes:
            good = self.boxes.endswith(BOX_SUFFIXES)
            _require(good, f"boxes pattern {self.boxes!r} must end in {' or '.join(BOX_SUFFIXES)}")

    def patterns(self) -> list[str]:
        """Return the patterns that are not empty."""
        return [pattern for pattern in (self.visible, self.infrared, self.label, self.boxes) if pattern]


def _check_pattern(pattern: str) -> None:
    path = PurePosixPath(pattern)
    _require(not path.is_absolute() and ".." not in path.parts, f"pattern {pattern!r} leaves the dataset's root")
    _require(path.name.count("{name}") == 1, f"pattern {pattern!r} needs one {{name}} in its last part")
    rest = pattern.replace("{split}", "").replace("{name}", "", 1)
    _require("{" not in rest and "}" not in rest, f"pattern {pattern!r} may hold {{split}} and one {{name}} only")


@dataclass(frozen=True)
class Descriptor:
    """All that is known of a dataset before its files are read.

    Attributes:
        name: short name, used in paths.
        title: name in tables and figures.
        folder: the dataset's root, relative to the setting `data_root`.
        layouts: file patterns; the first one that fits the files found is taken.
        official_splits: our split ("train", "validation", "test") to the name that `{split}` stands
            for; empty when the dataset has no official split.
        ratios: shares of train, validation and test where there is no official split.
        validation_fraction: share of an official train split that becomes validation.
        classes: of the label maps, ids 0, 1, 2, ... without a gap.
        background_id: the class that "without background" leaves out; None for no such class.
        ignore_index: label value that is in no class and in no score.
        detection_classes: names in the order of the box files' class indices.
        expected: number of pairs per official split, or under "all"; other counts are only logged.
        source: where the dataset comes from.

    Raises:
        ValueError: values that contradict each other; the message says which.
    """

    name: str
    title: str
    folder: str
    layouts: tuple[Layout, ...]
    official_splits: dict[str, str] = field(default_factory=dict)
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)
    validation_fraction: float = 0.1
    classes: tuple[ClassInfo, ...] = ()
    background_id: int | None = None
    ignore_index: int = 255
    detection_classes: tuple[str, ...] = ()
    expected: dict[str, int] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        """Check what the parts say about each other."""
        _require(bool(self.name) and "/" not in self.name, f"name {self.name!r} is not a plain name")
        _require(bool(self.layouts), f"{self.name}: no layout is given")
        self._check_splits()
        self._check_classes()

    def _check_splits(self) -> None:
        _check_names(f"{self.name}: official_splits", self.official_splits, SPLITS)
        _check_names(f"{self.name}: expected", self.expected, (*SPLITS, "all"))
        in_range = len(self.ratios) == 3 and min(self.ratios) >= 0 and min(self.ratios[:2]) > 0
        good = in_range and abs(sum(self.ratios) - 1) < 1e-6
        _require(good, f"{self.name}: ratios {list(self.ratios)} must sum to 1, train and validation above 0")
        good = 0 < self.validation_fraction < 1
        _require(good, f"{self.name}: validation_fraction {self.validation_fraction} is not between 0 and 1")
        for pattern in (pattern for layout in self.layouts for pattern in layout.patterns()):
            good = ("{split}" in pattern) == bool(self.official_splits)
            _require(
                good,
                f"{self.name}: pattern {pattern!r} must hold {{split}} exactly if official_splits is given",
            )

    def _check_classes(self) -> None:
        ids = [info.id for info in self.classes]
        _require(len(set(ids)) == len(ids), f"{self.name}: classes have an id twice: {sorted(ids)}")
        _require(sorted(ids) == list(range(len(ids))), f"{self.name}: class ids {sorted(ids)} must be 0, 1, 2, ...")
        good = 0 <= self.ignore_index <= 255 and self.ignore_index not in ids
        _require(good, f"{self.name}: ignore_index {self.ignore_index} must be 0 to 255 and no class's id")
        good = self.background_id is None or self.background_id in ids
        _require(good, f"{self.name}: background_id {self.background_id} is no class's id")
        for what, names in (
            ("classes", [info.name for info in self.classes]),
            ("detection_classes", self.detection_classes),
        ):
            folded = [name.casefold() for name in names]
            _require(len(set(folded)) == len(folded), f"{self.name}: {what} have a name twice: {list(names)}")
        for layout in self.layouts:
            _require(bool(self.classes) or not layout.label, f"{self.name}: a label pattern needs classes")
            good = bool(self.detection_classes) or not layout.boxes
            _require(good, f"{self.name}: a boxes pattern needs detection_classes")


def _check_names(what: str, names: Iterable[str], choices: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in choices]
    _require(not unknown, f"{what} has {unknown}; the choices are {list(choices)}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def descriptor_to_json(descriptor: Descriptor) -> str:
    """Return a descriptor as one line of JSON with sorted keys; equal descriptors give equal text."""
    return json.dumps(asdict(descriptor), sort_keys=True, ensure_ascii=False)


def descriptor_from_json(text: str) -> Descriptor:
    """Rebuild a descriptor from `descriptor_to_json`'s text.

    Raises:
        ValueError: the text is not JSON, or its values contradict each other.
        TypeError: a key is unknown or missing.
    """
    values: dict[str, Any] = json.loads(text)
    layouts = tuple(Layout(**layout) for layout in values.pop("layouts"))
    classes = tuple(ClassInfo(info["id"], info["name"], tuple(info["color"])) for info in values.pop("classes"))
    values["ratios"] = tuple(values["ratios"])
    values["detection_classes"] = tuple(values["detection_classes"])
    return Descriptor(layouts=layouts, classes=classes, **values)
