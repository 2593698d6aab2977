"""Progress: a bar on a terminal, plain lines in a log, both with an estimate of what is left."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")
log = logging.getLogger("ssvif")
_shown: list[Progress] = []  # the bar of this process, while there is one


def track(
    items: Iterable[Item], label: str, total: int | None = None, every_s: float = 20.0, unit: str = ""
) -> Generator[Item]:
    """Yield items one by one and show how many are done: a bar on a terminal, in a log a line every `every_s`.

    The `label` says what is being done, e.g. "packing"; with a `unit`, e.g. "frames", the speed is shown, too.
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    if not sys.stderr.isatty():
        yield from _log_lines(items, label, total, every_s, unit)
        return
    bar = _make_bar(unit)
    _shown.append(bar)
    try:
        with bar:
            yield from bar.track(items, total, description=label)
    finally:
        _shown.remove(bar)


def track_within(items: Sequence[Item], label: str, every_s: float = 20.0) -> Iterator[Item]:
    """Yield the parts of one long item of `track`: a second bar below its own, or lines in a log every `every_s`.

    On a terminal without a bar of `track` nothing is shown.
    """
    if not sys.stderr.isatty():
        yield from _log_lines(items, label, len(items), every_s)
    elif not _shown:
        yield from items
    else:
        task = _shown[-1].add_task(label, total=len(items))
        yield from _shown[-1].track(items, len(items), task)
        _shown[-1].remove_task(task)


def _log_lines(items: Iterable[Item], label: str, total: int | None, every_s: float, unit: str = "") -> Iterator[Item]:
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= every_s:
            last, elapsed_s = now, now - start
            speed = f", {rate(done, elapsed_s, unit)}" if unit else ""
            left = f", about {format_seconds(elapsed_s / done * (total - done))} left" if total else ""
            log.info("%s %s%s%s%s", label, done, f"/{total}" if total else "", speed, left)


def _make_bar(unit: str) -> Progress:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(rate(task.speed, 1.0, unit) if unit and task.speed else "")

    return Progress(*Progress.get_default_columns(), Rate(), console=Console(stderr=True), transient=True)


def rate(done: float, elapsed_s: float, unit: str) -> str:
    """Format the speed of so many items, named by a plural, in so many seconds: '4.0 frames/s' or '12.5 s/frame'."""
    if 0 < done < elapsed_s:
        return f"{elapsed_s / done:.1f} s/{unit.removesuffix('s')}"
    return f"{done / max(elapsed_s, 1e-9):.1f} {unit}/s"


def format_seconds(seconds: float) -> str:
    """Format a duration: '42 s', '3 min 05 s', '2 h 10 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
