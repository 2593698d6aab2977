"""Work that threads do ahead of who asks for its results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

READERS = 2
Item = TypeVar("Item")
Made = TypeVar("Made")


def map_ahead(function: Callable[[Item], Made], items: Iterable[Item], threads: int = READERS) -> Iterator[Made]:
    """Yield `function` of each item in order, computed by threads that are at most one item each ahead.

    What the function raises is raised where its result would be yielded.
    """
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
