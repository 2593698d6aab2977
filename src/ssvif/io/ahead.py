"""Work that threads and processes do ahead of who asks for its results, and the cores that there are for it."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import TypeVar

from ssvif.io.errors import UserError

THREADS = 2
AHEAD_BYTES = 1 << 28
MOST_WORKERS = 8
MANY = 400  # items that are worth the second which processes take to start
AT_ONCE = 16  # items that a process is given
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


def map_on_cores(function: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """Yield `function` of each item in order, computed on all cores: in threads, or many items in processes.

    Threads hinder each other where most of the work is Python's. `function`, the items and results can be pickled.

    Raises:
        UserError: a process was ended from outside.
    """
    others = set(active_children())
    with _pool(len(items)) as pool:
        try:
            yield from pool.map(function, items, chunksize=AT_ONCE)
        except BaseException as error:  # Ctrl-C, too, waits for no item
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(active_children()) - others:
                process.terminate()
            if not isinstance(error, BrokenProcessPool):
                raise
            raise UserError(
                "A process of this command was ended by the system or by hand",
                remedy="if memory is short (the system's log says so), close other programs; then try again",
            ) from error


def _pool(count: int) -> Executor:
    workers = min(MOST_WORKERS, core_count())
    if count < MANY or workers == 1:
        return ThreadPoolExecutor(workers)
    # a forked process may find locks that a thread of this one held
    return ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent)


def _end_with_parent() -> None:
    """Let this process end when the one that started it does, and leave Ctrl-C to that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        if parent := parent_process():
            parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
