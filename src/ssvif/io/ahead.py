"""Work that threads do ahead of who asks for its results, and the cores that there are for it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

THREADS = 2
AHEAD_BYTES = 1 << 28
Item = TypeVar("Item")
Made = TypeVar("Made")


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ahead(
    function: Callable[[Item], Made],
    items: Iterable[Item],
    ahead: int = THREADS,
    bytes_of: Callable[[Made], int] = lambda made: 0,
) -> Iterator[Made]:
    """Yield `function` of each item in order, while threads compute up to `ahead` more.

    Those are fewer where `bytes_of` says that they would take more than 256 MiB, judged by the result before. What the
    function or the items raise is raised where the result would be yielded.
    """
    waiting: deque[Future[Made]] = deque()
    most = ahead
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for future in _submit(pool, function, items):
                waiting.append(future)
                while len(waiting) > most:
                    made = waiting.popleft().result()
                    if size := bytes_of(made):
                        most = min(ahead, AHEAD_BYTES // size)
                    yield made
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _submit(
    pool: ThreadPoolExecutor, function: Callable[[Item], Made], items: Iterable[Item]
) -> Iterator[Future[Made]]:
    try:
        for item in items:
            yield pool.submit(function, item)
    except Exception as error:  # waits until what came before it is asked for
        failed: Future[Made] = Future()
        failed.set_exception(error)
        yield failed
