"""Names that a package offers to the outside, imported when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def export(modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's `__getattr__` (PEP 562), so that importing the package itself costs nothing.

    Args:
        modules: name to the module that has it.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"there is no {name!r} here, only {', '.join(sorted(modules))}")
        return getattr(import_module(modules[name]), name)

    return find
