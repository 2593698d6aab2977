"""Work that threads and processes do ahead of who asks for its results, and the cores that there are for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

from ssvif.io.errors import UserError

THREADS = 2
AHEAD_BYTES = 1 << 28
MOST_WORKERS = 8
AT_ONCE = 8  # most results that a process sends together
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


@contextmanager
def map_on_cores(function: Callable[[int], Made], count: int) -> Iterator[Iterator[Made]]:
    """Compute `function` of 0, 1 … `count` - 1 in processes, one a core; the block gets the results in order.

    Threads would wait for each other where much of the work is Python's. The processes are forked, so the function may
    hold anything; its results are pickled. All end with the block. Other systems than Linux, where forking is not safe,
    have threads instead, as have processes that may not start any.

    Raises:
        UserError: a process was killed; in the block, as is what the function raises.
    """
    workers = min(MOST_WORKERS, core_count(), count // 2)
    if workers < 2:
        yield map(function, range(count))
    elif sys.platform == "linux" and not multiprocessing.current_process().daemon:
        with _forked(function, count, workers) as results:
            yield results
    else:
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield pool.map(function, range(count))
            finally:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _forked(function: Callable[[int], Made], count: int, workers: int) -> Iterator[Iterator[Made]]:
    """Deal the parts of the results out to processes in turn; each sends its own by its own pipe.

    No process can block the pipe of another, and the end of a pipe tells that its process has ended. Where the system
    does not allow as many processes or pipes, this process computes all.
    """
    context = multiprocessing.get_context("fork")
    processes, receivers = list[BaseProcess](), list[Connection]()
    at_once = min(AT_ONCE, -(-count // (2 * workers)))
    parts = [range(start, min(start + at_once, count)) for start in range(0, count, at_once)]
    results: Iterator[Made] = _received(receivers, len(parts))
    try:
        try:
            with _signals_waiting():
                for place in range(workers):
                    receiver, sender = context.Pipe(duplex=False)
                    receivers.append(receiver)
                    with sender:
                        arguments = function, parts[place::workers], sender, receivers
                        processes.append(context.Process(target=_send, args=arguments))
                        processes[-1].start()
        except OSError:
            results = map(function, range(count))
        yield results
    finally:
        for receiver in receivers:
            receiver.close()
        for process in processes:
            if process.pid:
                process.kill()
                process.join()


@contextmanager
def _signals_waiting() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait in this thread, and in processes that it forks in the block forever.

    A terminal sends them to all processes of a command, of which the first ends the others.
    """
    former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _send(
    function: Callable[[int], Made], parts: Sequence[range], sender: Connection, receivers: Sequence[Connection]
) -> None:
    for each in receivers:  # inherited; as long as one is open, nothing tells that the first process has ended
        each.close()
    with suppress(BrokenPipeError):
        try:
            for part in parts:
                sender.send([function(at) for at in part])
        except Exception as error:
            error.add_note(traceback.format_exc())
            try:
                sender.send(error)
            except Exception:  # it cannot be pickled
                sender.send(RuntimeError(error.__notes__[-1]))


def _received(receivers: Sequence[Connection], parts: int) -> Iterator[Made]:
    for place in range(parts):
        try:
            made = receivers[place % len(receivers)].recv()
        except (EOFError, OSError) as error:
            raise UserError(
                "A process of this command was killed, as the system does when memory runs out",
                remedy="close other programs, or run the command where there is more memory",
            ) from error
        if isinstance(made, Exception):
            raise made
        yield from made
