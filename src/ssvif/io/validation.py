"""Constrained types of settings, and the error message of a failed pydantic check."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, FiniteFloat, ValidationError

from ssvif.io.errors import UserError, itemize

AtLeastOne = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
NotNegativeFloat = Annotated[FiniteFloat, Field(ge=0)]
PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]

_ALTERNATIVE = re.compile(r"constrained-\w+|list\[.*\]")  # pydantic's own name of one of several types
_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")


def invalid(what: str, error: ValidationError, known: Sequence[str] = (), remedy: str = "") -> UserError:
    """Return a failed check as an error that lists every problem, each with the setting and the value given.

    `known` are the keys there are, "section.key" for those of a section; for an unknown key the nearest of them is
    named, or all outside of sections.
    """
    problems = []
    inner = {each["loc"][:depth] for each in error.errors() for depth in range(len(each["loc"]))}
    for each in error.errors():
        name = ".".join(str(part) for part in each["loc"] if not _ALTERNATIVE.fullmatch(str(part)))
        if each["type"] in _UNKNOWN_KEY:
            problems.append(f"{name}: unknown key{_nearest(name, known)}")
            continue
        if each["type"] == "too_short" and each["loc"] in inner:
            continue  # only because its items are wrong, which are listed themselves
        is_section = each["type"] == "dataclass_type"
        message = "must be settings, `name: value`" if is_section else each["msg"].removeprefix("Value error, ")
        # neither a whole section nor a value that the message names already
        plain = isinstance(each["input"], str | int | float | list | None) and ", got " not in message
        got = f", got {each['input']!r:.60}" if plain and each["type"] != "missing" else ""
        problems.append(f"{name}: {message}{got}".lstrip(": "))
    return UserError(f"{what}:{itemize(problems)}", remedy=remedy)


def _nearest(name: str, known: Sequence[str]) -> str:
    # a key of a section may stand outside of it, so its last part counts as well
    elsewhere = [key for key in known if key.rpartition(".")[2] == name]
    found = elsewhere or difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    if found:
        return f"; did you mean {' or '.join(found)}?"
    return f"; the keys are {', '.join(sorted(key for key in known if '.' not in key))}" if known else ""
