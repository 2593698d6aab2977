"""Dataset descriptors: where a dataset keeps its files and what its classes mean. Data, not code."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from ssvif.io.validation import NotNegative
from ssvif.schema import SIDES, SPLITS

BOX_SUFFIXES = (".txt", ".xml")
SplitName = Annotated[str, Field(pattern=f"^({'|'.join(SPLITS)})$")]
SplitOrAll = Annotated[str, Field(pattern=f"^({'|'.join(SPLITS)}|all)$")]
Channel = Annotated[int, Field(ge=0, le=255)]
Color = tuple[Channel, Channel, Channel]
StoredValue = Annotated[int, Field(gt=-(2**24), lt=2**24)] | Color  # what a label map holds at a pixel
Name = Annotated[str, Field(pattern=r"\S", coerce_numbers_to_str=True)]  # in box files; a class index too
# one name alone is a list of one
Names = Annotated[tuple[Name, ...], BeforeValidator(lambda names: [names] if isinstance(names, str | int) else names)]
# keys that came later: left out of the JSON where they are not used, so that no dataset is packed anew for them
LATER = ("values", "color_labels", "ignored_values", "detection_aliases", "detection_ignored")


def _check_inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("leaves the dataset's root")
    return path


def _check_pattern(pattern: str) -> str:
    path = PurePosixPath(_check_inside(pattern))
    if not pattern:
        return pattern
    if path.name.count("{name}") != 1:
        raise ValueError("needs one {name} in its last part")
    rest = pattern.replace("{split}", "").replace("{name}", "", 1)
    if "{" in rest or "}" in rest:
        raise ValueError("may hold {split} and one {name} only")
    return pattern


def _check_boxes(pattern: str) -> str:
    if pattern and not pattern.lower().endswith(BOX_SUFFIXES):
        raise ValueError(
            "must end in .txt (YOLO) or .xml (VOC); others, such as the .json of COCO and labelme, are not read: "
            "export or convert the annotations to one of the two"
        )
    return pattern


Place = Annotated[str, AfterValidator(_check_inside)]
Pattern = Annotated[str, AfterValidator(_check_pattern)]


@dataclass(frozen=True, config={"extra": "forbid"})
class ClassInfo:
    """One class of the label maps: its id, its name in tables and legends, its RGB color in drawings."""

    id: Annotated[int, Field(ge=0, le=254)]
    name: Annotated[str, Field(pattern=r"\S")]
    color: Color
    values: tuple[StoredValue, ...] = ()  # that stand for it in the files; none: its id, or its color


@dataclass(frozen=True, config={"extra": "forbid"})
class Layout:
    """File patterns below a dataset's root, in POSIX form, with `{split}` and `{name}`; "" for no such files.

    Labels and boxes of all splits may lie in one folder, without `{split}`. Those of images need no suffix: any image
    suffix is taken, and only that one where there is one. That of box files ends in `.txt` (YOLO) or `.xml` (VOC).

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

    name: Annotated[Place, Field(pattern="^[^/]+$")]  # used in paths
    title: str  # used in tables and figures
    folder: Place  # the dataset's root, relative to the setting `data_root`
    layouts: Annotated[tuple[Layout, ...], Field(min_length=1)]  # the first one that fits the files found is taken
    official_splits: dict[SplitName, Place] = Field(default_factory=dict)  # our split → what `{split}` stands for
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)  # of train, validation and test, without official splits
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)  # of an official train split without a validation split
    classes: tuple[ClassInfo, ...] = ()  # of the label maps, ids 0, 1, 2, ... without a gap
    background_id: int | None = None  # the class that "without background" leaves out; None for no such class
    ignore_index: int = Field(default=255, ge=0, le=255)  # label value that is in no class and in no score
    color_labels: bool = False  # whether label maps hold colors instead of ids
    ignored_values: tuple[StoredValue, ...] = ()  # of label maps: read as ignore_index
    detection_classes: tuple[str, ...] = ()  # in the order of the box files' class indices
    detection_aliases: dict[str, Names] = Field(default_factory=dict)  # class → other names in box files
    detection_ignored: Names = ()  # names in box files whose boxes are left out
    # number of pairs per official split, or under "all"; other counts are only logged
    expected: dict[SplitOrAll, NotNegative] = Field(default_factory=dict)
    source: str = ""  # where the dataset comes from

    @model_validator(mode="after")
    def _check_splits(self) -> Self:
        if min(self.ratios) < 0 or min(self.ratios[:2]) == 0 or not abs(sum(self.ratios) - 1) < 1e-6:
            raise ValueError(f"ratios must sum to 1, train and validation above 0, got {list(self.ratios)}")
        for kind, pattern in (each for layout in self.layouts for each in asdict(layout).items()):
            # labels and boxes of all splits may lie in one folder
            needed = bool(self.official_splits) and kind in SIDES
            if pattern and ("{split}" in pattern) != needed and (needed or not self.official_splits):
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

    @model_validator(mode="after")
    def _check_reading(self) -> Self:
        stored = [value for info in self.classes for value in self.stored_values(info)]
        stored += [each for each in self.ignored_values if each != self.ignore_index or each in stored]
        for value in stored:
            if isinstance(value, tuple) != self.color_labels:
                raise ValueError(
                    f"color_labels: {str(self.color_labels).lower()} asks for "
                    f"{'colors [red, green, blue]' if self.color_labels else 'numbers'} in values and ignored_values, "
                    f"got {value}"
                )
        if twice := [value for value in dict.fromkeys(stored) if stored.count(value) > 1]:
            raise ValueError(f"values and ignored_values must hold each label value once, got {twice} twice")
        if unknown := [name for name in self.detection_aliases if name not in self.detection_classes]:
            raise ValueError(f"detection_aliases must be of {list(self.detection_classes)}, got {unknown}")
        named = {name: [name, *self.detection_aliases.get(name, ())] for name in self.detection_classes}
        named[""] = [*self.detection_ignored]
        meanings = Counter(comparable(each) for names in named.values() for each in {*map(comparable, names)})
        if doubled := [name for name, count in meanings.items() if count > 1]:
            raise ValueError(f"a name must be one class's, or in detection_ignored, got {doubled} twice")
        return self

    def stored_values(self, info: ClassInfo) -> tuple[StoredValue, ...]:
        """Return what stands for a class in label maps."""
        return info.values or (info.color if self.color_labels else info.id,)

    def label_table(self) -> dict[int, int]:
        """Return what label maps may hold (a color as 65536 R + 256 G + B) → class id, or `ignore_index`."""
        table = {} if self.color_labels else {self.ignore_index: self.ignore_index}
        table |= {color_number(value): self.ignore_index for value in self.ignored_values}
        return table | {color_number(value): info.id for info in self.classes for value in self.stored_values(info)}

    def detection_names(self) -> dict[str, int | None]:
        """Return the names that box files may hold, in the form of `comparable`, → class index, None to leave out."""
        names: dict[str, int | None] = dict.fromkeys(map(comparable, self.detection_ignored))
        for index, name in enumerate(self.detection_classes):
            names |= {comparable(each): index for each in (name, *self.detection_aliases.get(name, ()))}
        return names


def comparable(name: str) -> str:
    """Return the form in which names are compared: without regard to case, blanks and Unicode's composed letters."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def color_number(value: StoredValue) -> int:
    """Return a color as the number 65536 R + 256 G + B, a number as it is."""
    return value if isinstance(value, int) else int.from_bytes(value)


def _check_once(what: str, names: Sequence[str]) -> None:
    if len({comparable(name) for name in names}) < len(names):
        raise ValueError(f"{what} must have each name once, got {list(names)}")


def descriptor_to_json(descriptor: Descriptor) -> str:
    """Return a descriptor as one line of JSON with sorted keys; equal descriptors give equal text."""
    return json.dumps(asdict(descriptor, dict_factory=_used), sort_keys=True, ensure_ascii=False)


def reading_to_json(descriptor: Descriptor) -> str:
    """Return how values and names in annotation files become classes, as one line of JSON; "" for as they are."""
    used = asdict(descriptor, dict_factory=_used)
    rules = {key: used[key] for key in LATER if key in used}
    if values := {each["name"]: each["values"] for each in used["classes"] if "values" in each}:
        rules["values"] = values
    return json.dumps(rules, sort_keys=True, ensure_ascii=False) if rules else ""


def _used(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if value or key not in LATER}


def descriptor_from_json(text: str) -> Descriptor:
    """Rebuild a descriptor from the text of `descriptor_to_json`, or raise what is wrong with it as a ValueError."""
    return TypeAdapter(Descriptor).validate_json(text)
