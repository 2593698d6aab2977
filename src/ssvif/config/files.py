"""YAML files to checked classes: a dataset's descriptor, the paper's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from ssvif.data.descriptor import Descriptor
from ssvif.io.documents import TOO_DEEP, check_values, read_text
from ssvif.io.errors import UserError
from ssvif.io.validation import invalid
from ssvif.report.specs import RowSpec, SheetSpec, SheetSpecs

MOST_VALUES = 100_000  # of a YAML file
Checked = TypeVar("Checked")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping of text, numbers, truth values, lists and mappings.

    Raises:
        UserError: the file is missing or holds something else.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist", remedy="correct the path")
    try:
        values = _Loader(read_text(path)).get_single_data()
        check_values(values)
    except RecursionError as error:
        raise UserError(f"{path} is not YAML", got=TOO_DEEP) from error
    except (yaml.YAMLError, ValueError) as error:  # the latter of a text that is not UTF-8, and of `check_values`
        mark = getattr(error, "problem_mark", None)
        got = f"line {mark.line + 1}: {error.problem}" if mark else str(error)  # type: ignore[union-attr]
        remedy = f"correct the file{' there' if mark else ''}"
        raise UserError(f"{path} is not YAML of settings", got=got, remedy=remedy) from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold a mapping", got=type(values).__name__)
    if wrong := [key for key in values if not isinstance(key, str)]:
        raise UserError(f"{path} has a key that is no text", got=f"{wrong[0]!r:.60}", remedy="put the key in quotes")
    return values


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader for a bounded number of values; one that cannot be what it looks like names its line."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            kind = str(node.tag).rpartition(":")[2]
            problem = f"{node.value!s:.40} cannot be read as {kind}; in quotes it is text"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node stands for, aliases written out.

    Raises:
        yaml.YAMLError: they are too many, or the node is a part of itself.
    """
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # what a node finds that is a part of itself
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        inner = (each for part in parts for each in (part if isinstance(part, tuple) else (part,)))
        count = 1 + sum(_count(each, known) for each in inner)
        if count > MOST_VALUES:
            problem = f"more than {MOST_VALUES} values, aliases written out"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        known[id(node)] = count
    return known[id(node)]


def load_descriptor(path: Path) -> Descriptor:
    """Read a dataset descriptor, e.g. config/datasets/msrs.yaml.

    Raises:
        UserError: the file is missing, not YAML, or its values are wrong or contradict each other.
    """
    if not path.is_file():
        nearby = sorted(each.stem for each in path.parent.glob("*.yaml"))
        raise UserError(
            f"{path} is a folder" if path.is_dir() else f"{path} does not exist",
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
