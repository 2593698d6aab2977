"""Options of the stages from JSON, files and `name=value` texts, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ssvif.config.files import read_yaml
from ssvif.io.documents import parse_mapping
from ssvif.io.errors import UserError
from ssvif.io.validation import invalid
from ssvif.judging.options import DetectionOptions, JudgeOptions, ProbeOptions, SegmentationOptions
from ssvif.training.options import TrainingOptions

Option = TypeVar("Option", TrainingOptions, SegmentationOptions, DetectionOptions, ProbeOptions)


def override(options: Option, values: Mapping[str, Any]) -> Option:
    """Return options with some values replaced, from text too ("0.1", "true").

    Raises:
        UserError: an unknown name or a wrong value.
    """
    try:
        return replace(options, **values)
    except ValidationError as error:
        raise invalid("Invalid settings", error, known=[field.name for field in fields(options)]) from error


def parse_options(default: Option, settings: str, assignments: Sequence[str] = ()) -> Option:
    """Return `default` with some values replaced: first by `settings`, then by assignments such as "epochs=3".

    The settings are a JSON object, the path of a JSON or YAML file, or empty.

    Raises:
        UserError: the text is no JSON, a name is unknown or a value is wrong.
    """
    values: dict[str, Any] = {}
    if settings.lstrip().startswith("{"):
        try:
            values = parse_mapping(settings)
        except ValueError as error:
            raise UserError("--settings is not JSON", got=str(error)) from error
    elif settings:
        values = read_yaml(Path(settings))
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise UserError(f"--set {assignment!r} is not an assignment", expected="name=value")
        values[name] = value
    return override(default, values)


def to_json(options: TrainingOptions | JudgeOptions) -> str:
    """Return options as one line of JSON with sorted keys, as `parse_options` reads it."""
    return json.dumps(asdict(options), sort_keys=True)
