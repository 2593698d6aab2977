"""Choosing some of many items. In a file of its own, so that a change of the statistics retrains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def choose_evenly(items: Sequence[Item], most: int) -> list[Item]:
    """Return up to `most` items at even distances, the first and the last among them."""
    if most < 2 or len(items) <= most:
        return list(items[:most])
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
