"""Options of the stages, checked; and how a failed check is told."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from ssvif.io.errors import UserError
from ssvif.judging.options import DetectionOptions, SegmentationOptions
from ssvif.training.options import TrainingOptions

Option = TypeVar("Option", TrainingOptions, SegmentationOptions, DetectionOptions)
STRICT = ConfigDict(extra="forbid", frozen=True)
if TYPE_CHECKING:
    CheckedTraining = TrainingOptions
    CheckedSegmentation = SegmentationOptions
    CheckedDetection = DetectionOptions
else:
    CheckedTraining = validated(TrainingOptions, config=STRICT)
    CheckedSegmentation = validated(SegmentationOptions, config=STRICT)
    CheckedDetection = validated(DetectionOptions, config=STRICT)
CHECKED: dict[type, type] = {
    TrainingOptions: CheckedTraining,
    SegmentationOptions: CheckedSegmentation,
    DetectionOptions: CheckedDetection,
}


def override(options: Option, values: Mapping[str, Any]) -> Option:
    """Return options with some values replaced, from text too ("0.1", "true").

    Raises:
        UserError: an unknown name or a wrong value.
    """
    names = [field.name for field in fields(options)]
    if unknown := sorted(set(values) - set(names)):
        raise UserError(f"Unknown settings: {', '.join(unknown)}", expected=" | ".join(names))
    checker = next(checked for kind, checked in CHECKED.items() if isinstance(options, kind))
    try:
        checked: Any = TypeAdapter(checker).validate_python({**asdict(options), **values})
    except ValidationError as error:
        raise invalid("Not valid", error) from error
    return replace(options, **{name: getattr(checked, name) for name in names})


def parse_options(default: Option, settings: str, assignments: Sequence[str] = ()) -> Option:
    """Return options from JSON (or a file of it) and from `name=value` texts, the latter last.

    Args:
        default: the options to start from.
        settings: a JSON object, the path of a JSON or YAML file, or nothing.
        assignments: such as "epochs=3".

    Raises:
        UserError: the text is no JSON, a name is unknown or a value is wrong.
    """
    values: dict[str, Any] = {}
    if settings.lstrip().startswith("{"):
        try:
            values = json.loads(settings)
        except json.JSONDecodeError as error:
            raise UserError("--settings is not JSON", got=str(error)) from error
    elif settings:
        values = read_yaml(Path(settings))
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise UserError(f"--set {assignment!r} is not an assignment", expected="name=value")
        values[name] = value
    return override(default, values)


def to_json(options: TrainingOptions | SegmentationOptions | DetectionOptions) -> str:
    """Return options as one line of JSON with sorted keys, as `parse_options` reads it."""
    return json.dumps(asdict(options), sort_keys=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        UserError: the file is missing or holds something else.
    """
    if not path.is_file():
        nearby = sorted(each.stem for each in path.parent.glob("*.yaml"))
        raise UserError(f"{path} does not exist", expected=" | ".join(nearby))
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML", got=str(error)) from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold a mapping", got=type(values).__name__)
    return values


def invalid(what: str, error: ValidationError, known: Sequence[str] = (), remedy: str = "") -> UserError:
    """Return a failed check as an error that lists every problem.

    Args:
        what: is not valid.
        error: of the check.
        known: keys there are, to tell the nearest of an unknown one.
        remedy: what to do.
    """
    problems = []
    for each in error.errors():
        name = ".".join(str(part) for part in each["loc"])
        if each["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            problems.append(f"{name}: unknown key{_nearest(name, known)}")
        else:
            got = "" if each["type"] == "missing" else f", got {each['input']!r:.60}"
            if each["type"] == "value_error":
                got = _got(each["msg"], each["input"])
            problems.append(f"{name}: {each['msg'].removeprefix('Value error, ')}{got}".lstrip(": "))
    return UserError("\n  - ".join([f"{what}:", *problems]), remedy=remedy)


def _nearest(name: str, known: Sequence[str]) -> str:
    # a key of a section may stand outside of it, so its last part counts as well
    elsewhere = [key for key in known if key.rpartition(".")[2] == name]
    found = elsewhere or difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _got(message: str, value: Any) -> str:
    # a check of options gets all of them at once; its message begins with the name of the one at fault
    at_fault = message.removeprefix("Value error, ").partition(" ")[0]
    if isinstance(value, Mapping) and at_fault in value:
        value = value[at_fault]
    if ", got " in message or isinstance(value, Mapping):  # a whole section, cut off, says nothing
        return ""
    return f", got {value!r:.60}"
