"""JSON that somebody else may have written, and limits for every kind of document: size, depth, numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 26  # of a document; the longest of ours, a stage I's metadata, has less than a hundredth
MOST_DEPTH = 40
LARGEST_INTEGER = 2**64  # exclusive, on either side of 0
TOO_DEEP = f"values nested more than {MOST_DEPTH} deep"


def parse_json(text: str | bytes) -> Any:
    """Return the values of a JSON text.

    Raises:
        ValueError: it is no JSON, nested too deeply, too long, or holds absurd integers.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"{len(text) / 1e6:.0f} MB of text, more than {MOST_BYTES / 1e6:.0f} MB")
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            raise
        raise ValueError("an integer of thousands of digits") from error
    check_values(values)
    return values


def parse_mapping(text: str | bytes) -> dict[str, Any]:
    """Return the object that a JSON text holds; raise a ValueError as `parse_json` does, and for anything else."""
    values = parse_json(text)
    if not isinstance(values, dict):
        raise ValueError(f"a JSON {type(values).__name__} instead of an object")
    return values


def read_text(path: Path) -> str:
    """Return the text of a document in UTF-8.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too long, or is not UTF-8.
    """
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"{size / 1e6:.0f} MB, more than {MOST_BYTES / 1e6:.0f} MB")
    return path.read_text(encoding="utf-8")


def check_values(values: Any, depth: int = 0) -> None:
    """Check that values are text, numbers, true, false or null, in lists and mappings that are not nested deeply.

    Raises:
        ValueError: a value is of another kind, such as a date, is nested too deeply, or is an absurd integer.
    """
    if depth > MOST_DEPTH:
        raise ValueError(TOO_DEEP)
    if isinstance(values, dict | list):
        for value in values:
            check_values(value, depth + 1)
        for value in values.values() if isinstance(values, dict) else ():
            check_values(value, depth + 1)
    elif isinstance(values, int) and abs(values) >= LARGEST_INTEGER:
        raise ValueError(f"an integer of {values.bit_length()} bits")
    elif not isinstance(values, str | int | float | None):
        raise ValueError(f"{values!s:.40} is read as a {type(values).__name__}; in quotes it is text")
