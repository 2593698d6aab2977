"""Progress: a bar on a terminal, plain lines in a log, both with an estimate of what is left."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")
log = logging.getLogger("ssvif")


def track(
    items: Iterable[Item], label: str, total: int | None = None, every_s: float = 20.0, unit: str = ""
) -> Iterator[Item]:
    """Yield `items` one by one and show how far they have come.

    Args:
        items: what to go through.
        label: what is being done, e.g. "packing".
        total: number of items; taken from `len(items)` when left out.
        every_s: seconds between two lines of a log; a terminal shows a bar instead.
        unit: what the items are, e.g. "frames", to be told how many of them a second takes; "" tells nothing.
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    if sys.stderr.isatty():
        yield from _show_bar(items, label, total, unit)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= every_s:
            last = now
            log.info("%s %s", label, _position(done, total, now - start, unit))


def _show_bar(items: Iterable[Item], label: str, total: int | None, unit: str) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f} {unit}/s" if unit and task.speed else "")

    bar = Progress(*Progress.get_default_columns(), Rate(), console=Console(stderr=True), transient=True)
    with bar:
        yield from bar.track(items, total, description=label)


def _position(done: int, total: int | None, elapsed_s: float, unit: str) -> str:
    rate = f", {done / elapsed_s:.1f} {unit}/s" if unit and elapsed_s else ""
    if not total:
        return f"{done}{rate}"
    left_s = elapsed_s / done * (total - done)
    return f"{done}/{total}{rate}, about {format_seconds(left_s)} left"


def format_seconds(seconds: float) -> str:
    """Format a duration: '42 s', '3 min 05 s', '2 h 10 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
