"""YAML files to checked classes: a dataset's descriptor, the paper's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from ssvif.data.descriptor import Descriptor
from ssvif.io.errors import UserError
from ssvif.io.validation import invalid
from ssvif.report.specs import RowSpec, SheetSpec, SheetSpecs

Checked = TypeVar("Checked")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        UserError: the file is missing or holds something else.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist", remedy="correct the path")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML", got=str(error)) from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold a mapping", got=type(values).__name__)
    return values


def load_descriptor(path: Path) -> Descriptor:
    """Read a dataset descriptor, e.g. config/datasets/msrs.yaml.

    Raises:
        UserError: the file is missing, not YAML, or its values are wrong or contradict each other.
    """
    if not path.is_file():
        nearby = sorted(each.stem for each in path.parent.glob("*.yaml"))
        raise UserError(
            f"{path} does not exist",
            expected=" | ".join(nearby) or f"descriptors of datasets in {path.parent}",
            remedy="correct the dataset's name or the folder; config/datasets/folder.yaml explains how to write one",
        )
    return check(
        Descriptor,
        read_yaml(path),
        what=f"{path} is not a valid dataset descriptor",
        known=[field.name for field in fields(Descriptor)],
        remedy=f"correct {path}; config/datasets/folder.yaml explains every key",
    )


def load_sheet_specs(path: Path) -> SheetSpecs:
    """Read config/published/tables.yaml; keys that begin with a dot hold what other places refer to.

    Raises:
        UserError: the file is missing, not YAML, or its values are wrong or contradict each other.
    """
    return check(
        SheetSpecs,
        {key: value for key, value in read_yaml(path).items() if not str(key).startswith(".")},
        what=f"{path} is not a valid list of tables",
        known=[field.name for kind in (RowSpec, SheetSpec, SheetSpecs) for field in fields(kind)],
        remedy=f"correct {path}; src/ssvif/report/specs.py explains every key",
    )


def check(
    kind: type[Checked], values: Mapping[str, Any], *, what: str, known: Sequence[str] = (), remedy: str = ""
) -> Checked:
    """Return an instance of a pydantic class from values as YAML gives them.

    Raises:
        UserError: the values do not fit; every problem is listed, see `invalid` for `what`, `known` and `remedy`.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise invalid(what, error, known=known, remedy=remedy) from error
