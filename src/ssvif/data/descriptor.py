"""Dataset descriptors: where a dataset keeps its files and what its classes mean. Data, not code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from ssvif.io.validation import NotNegative
from ssvif.schema import SPLITS

BOX_SUFFIXES = (".txt", ".xml")
SplitName = Annotated[str, Field(pattern=f"^({'|'.join(SPLITS)})$")]
SplitOrAll = Annotated[str, Field(pattern=f"^({'|'.join(SPLITS)}|all)$")]
Channel = Annotated[int, Field(ge=0, le=255)]


def _check_pattern(pattern: str) -> str:
    path = PurePosixPath(pattern)
    if not pattern:
        return pattern
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("leaves the dataset's root")
    if path.name.count("{name}") != 1:
        raise ValueError("needs one {name} in its last part")
    rest = pattern.replace("{split}", "").replace("{name}", "", 1)
    if "{" in rest or "}" in rest:
        raise ValueError("may hold {split} and one {name} only")
    return pattern


def _check_boxes(pattern: str) -> str:
    if pattern and not pattern.endswith(BOX_SUFFIXES):
        raise ValueError(f"must end in {' or '.join(BOX_SUFFIXES)}")
    return pattern


Pattern = Annotated[str, AfterValidator(_check_pattern)]


@dataclass(frozen=True, config={"extra": "forbid"})
class ClassInfo:
    """One class of the label maps: its value there, its name in tables and legends, its RGB color in drawings."""

    id: Annotated[int, Field(ge=0, le=254)]
    name: Annotated[str, Field(pattern=r"\S")]
    color: tuple[Channel, Channel, Channel]


@dataclass(frozen=True, config={"extra": "forbid"})
class Layout:
    """File patterns below a dataset's root, in POSIX form, with `{split}` and `{name}`; "" for no such files.

    Those of images have no suffix: any image suffix is taken. That of box files ends in `.txt` (YOLO) or `.xml` (VOC).

    Raises:
        pydantic.ValidationError: a pattern that is absolute, leaves the root or lacks `{name}` in its file name.
    """

    visible: Annotated[Pattern, Field(min_length=1)]
    infrared: Annotated[Pattern, Field(min_length=1)]
    label: Pattern = ""
    boxes: Annotated[Pattern, AfterValidator(_check_boxes)] = ""


@dataclass(frozen=True, config={"extra": "forbid"})
class Descriptor:
    """All that is known of a dataset before its files are read.

    Raises:
        pydantic.ValidationError: values that contradict each other; the message says which.
    """

    name: Annotated[str, Field(pattern="^[^/]+$")]  # used in paths
    title: str  # used in tables and figures
    folder: str  # the dataset's root, relative to the setting `data_root`
    layouts: Annotated[tuple[Layout, ...], Field(min_length=1)]  # the first one that fits the files found is taken
    official_splits: dict[SplitName, str] = Field(default_factory=dict)  # our split → what `{split}` stands for
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)  # of train, validation and test, without official splits
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)  # of an official train split without a validation split
    classes: tuple[ClassInfo, ...] = ()  # of the label maps, ids 0, 1, 2, ... without a gap
    background_id: int | None = None  # the class that "without background" leaves out; None for no such class
    ignore_index: int = Field(default=255, ge=0, le=255)  # label value that is in no class and in no score
    detection_classes: tuple[str, ...] = ()  # in the order of the box files' class indices
    # number of pairs per official split, or under "all"; other counts are only logged
    expected: dict[SplitOrAll, NotNegative] = Field(default_factory=dict)
    source: str = ""  # where the dataset comes from

    @model_validator(mode="after")
    def _check_splits(self) -> Self:
        if min(self.ratios) < 0 or min(self.ratios[:2]) == 0 or not abs(sum(self.ratios) - 1) < 1e-6:
            raise ValueError(f"ratios must sum to 1, train and validation above 0, got {list(self.ratios)}")
        for pattern in (pattern for layout in self.layouts for pattern in asdict(layout).values() if pattern):
            if ("{split}" in pattern) != bool(self.official_splits):
                raise ValueError(f"pattern {pattern!r} must hold {{split}} exactly if official_splits is given")
        return self

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        ids = sorted(info.id for info in self.classes)
        if ids != list(range(len(ids))):
            raise ValueError(f"class ids must be 0, 1, 2, ... without a gap, each once, got {ids}")
        if self.ignore_index in ids:
            raise ValueError(f"ignore_index must be no class's id, got {self.ignore_index}")
        if self.background_id not in (None, *ids):
            raise ValueError(f"background_id must be a class's id or null, got {self.background_id}")
        _check_once("classes", [info.name for info in self.classes])
        _check_once("detection_classes", self.detection_classes)
        for layout in self.layouts:
            if layout.label and not self.classes:
                raise ValueError(f"the label pattern {layout.label!r} needs classes")
            if layout.boxes and not self.detection_classes:
                raise ValueError(f"the boxes pattern {layout.boxes!r} needs detection_classes")
        return self


def _check_once(what: str, names: Sequence[str]) -> None:
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError(f"{what} must have each name once, got {list(names)}")


def descriptor_to_json(descriptor: Descriptor) -> str:
    """Return a descriptor as one line of JSON with sorted keys; equal descriptors give equal text."""
    return json.dumps(asdict(descriptor), sort_keys=True, ensure_ascii=False)


def descriptor_from_json(text: str) -> Descriptor:
    """Rebuild a descriptor from the text of `descriptor_to_json`, or raise what is wrong with it as a ValueError."""
    return TypeAdapter(Descriptor).validate_json(text)
