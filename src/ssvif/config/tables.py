"""The file that says what the paper's tables hold: YAML to checked specifications."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from ssvif.config.options import STRICT, invalid, read_yaml
from ssvif.io.errors import UserError
from ssvif.report.specs import SOURCES, RowSpec, SheetSpec, SheetSpecs

KNOWN = [field.name for kind in (RowSpec, SheetSpec, SheetSpecs) for field in fields(kind)]


def load_sheet_specs(path: Path) -> SheetSpecs:
    """Read config/published/tables.yaml; keys that begin with a dot hold what other places refer to.

    Raises:
        UserError: the file is missing, not YAML, or says something that does not hold together.
    """
    values = {key: value for key, value in read_yaml(path).items() if not str(key).startswith(".")}
    remedy = f"correct {path}; src/ssvif/report/specs.py explains every key"
    try:
        specs: SheetSpecs = TypeAdapter[Any](validated(SheetSpecs, config=STRICT)).validate_python(values)
    except ValidationError as error:
        raise invalid(f"{path} is not a valid list of tables", error, known=KNOWN, remedy=remedy) from error
    for name, spec in specs.tables.items():
        if unknown := sorted(set(spec.sources) - set(SOURCES)):
            raise UserError(
                f"{path}, table {name}: unknown source {unknown[0]!r}", expected=" | ".join(SOURCES), remedy=remedy
            )
    return specs
