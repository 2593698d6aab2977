"""Progress: a bar on a terminal, plain lines in a log, both with an estimate of what is left."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")
log = logging.getLogger("ssvif")


def track(items: Iterable[Item], label: str, total: int | None = None, every_s: float = 20.0) -> Iterator[Item]:
    """Yield `items` one by one and show how far they have come.

    Args:
        items: what to go through.
        label: what is being done, e.g. "packing".
        total: number of items; taken from `len(items)` when left out.
        every_s: seconds between two lines of a log; a terminal shows a bar instead.
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        yield from bar(items, label, total, console=Console(stderr=True), transient=True)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= every_s:
            last = now
            log.info("%s %s", label, _position(done, total, now - start))


def _position(done: int, total: int | None, elapsed_s: float) -> str:
    if not total:
        return f"{done}"
    left_s = elapsed_s / done * (total - done)
    return f"{done}/{total}, about {format_seconds(left_s)} left"


def format_seconds(seconds: float) -> str:
    """Format a duration: '42 s', '3 min 05 s', '2 h 10 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
