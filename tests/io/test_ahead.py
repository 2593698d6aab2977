import errno
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ssvif.io.ahead import AHEAD_BYTES, AT_ONCE, core_count, map_ahead, map_on_cores
from ssvif.io.errors import UserError

forking = pytest.mark.skipif(core_count() < 2 or sys.platform != "linux", reason="one core, or no forking")


def test_in_order_and_no_more_ahead_than_asked():
    taken = []

    def items():
        for item in range(20):
            taken.append(item)
            yield item

    for place, found in enumerate(map_ahead(lambda item: item**2, items(), ahead=3)):
        assert found == place**2
        assert len(taken) <= place + 4


def test_large_results_are_not_kept_waiting():
    taken = []

    def items():
        for item in range(20):
            taken.append(item)
            yield item

    for place, found in enumerate(map_ahead(abs, items(), ahead=8, bytes_of=lambda made: AHEAD_BYTES // 3)):
        assert found == place
        assert len(taken) <= max(9, place + 4)
    assert len(taken) == 20


def test_threads_work_beside_each_other():
    both = threading.Barrier(2, timeout=10)
    assert list(map_ahead(lambda item: both.wait() >= 0 and item, range(4))) == [0, 1, 2, 3]


def test_an_error_comes_in_its_place():
    def invert(item):
        return 1 / item

    found = map_ahead(invert, [1, 2, 0, 4])
    assert [next(found), next(found)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_an_error_of_the_items_comes_after_what_they_gave():
    def items():
        yield 1
        yield 2
        raise EOFError

    found = map_ahead(abs, items(), ahead=8)
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(EOFError):
        next(found)


@pytest.mark.parametrize("count", [0, 1, 3, 5 * AT_ONCE + 3])
def test_results_of_all_cores_come_in_order(count):
    with map_on_cores(lambda place: "x" * place**2, count) as made:  # more than a pipe holds
        assert list(map(len, made)) == [place**2 for place in range(count)]


@forking
def test_the_work_is_shared_among_processes():
    with map_on_cores(lambda place: os.getpid(), 4 * AT_ONCE) as made:
        assert len({*made} - {os.getpid()}) >= 2


@forking
def test_an_error_of_a_process_comes_in_its_place_and_says_where_it_was_raised():
    with map_on_cores(lambda place: math.sqrt(3 * AT_ONCE - place), 5 * AT_ONCE) as made:
        assert [next(made) for _ in range(3 * AT_ONCE)][-1] == 1
        with pytest.raises(ValueError, match="math domain error") as raised:
            list(made)
    assert "math.sqrt(3 * AT_ONCE - place)" in raised.value.__notes__[0]


def test_a_user_error_of_a_process_stays_whole():
    def fail(place):
        raise UserError("a", expected="b", got="c", remedy="d")

    with pytest.raises(UserError) as raised, map_on_cores(fail, 100) as made:
        list(made)
    assert [getattr(raised.value, part) for part in ("what", "expected", "got", "remedy")] == list("abcd")


@forking
def test_an_error_that_cannot_be_sent_is_told_by_its_traceback():
    class LostError(Exception):
        pass

    def fail(place):
        raise LostError("what is wrong")

    with pytest.raises(RuntimeError, match="LostError: what is wrong"), map_on_cores(fail, 9) as made:
        list(made)


@forking
def test_where_no_process_may_be_started_this_one_computes(monkeypatch):
    started = []

    def start_once(process, start=multiprocessing.context.ForkProcess.start):
        started.append(process)
        if len(started) > 1:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        start(process)

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", start_once)
    before = children()
    with map_on_cores(lambda place: os.getpid(), 99) as made:
        assert [*made] == [os.getpid()] * 99
    assert len(started) == 2
    assert children() == before


@forking
def test_a_process_that_is_killed_is_told():
    with (
        pytest.raises(UserError, match="was killed"),
        map_on_cores(lambda place: place < 50 or os._exit(9), 99) as made,
    ):
        list(made)


def children():
    return {int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


@forking
def test_no_process_is_left_where_the_block_ends_early():
    before = children()
    with map_on_cores(lambda place: time.sleep(60 * (place >= AT_ONCE)), 9 * AT_ONCE) as made:
        next(made)
        assert len(children() - before) >= 2
    assert children() == before


def processes_of(session):
    """The processes of a session that have not ended, as Linux lists them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, of, *_ = stat.read_text().rpartition(")")[2].split()
            found += [int(stat.parent.name)] * (int(of) == session and state != "Z")
    return found


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SLOW = """
import signal
import time
from ssvif.cli.interrupts import interruptible
from ssvif.io.ahead import map_on_cores

signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a shell in the background ignores
with interruptible(), map_on_cores(lambda place: "x" * 100_000 + str(time.sleep(0.01)), 10**6) as made:
    list(made)
"""


@forking
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_ends_them_and_one_line_says_so(number):
    script = [sys.executable, "-c", SLOW]
    with subprocess.Popen(script, start_new_session=True, stderr=subprocess.PIPE, text=True) as first:
        wait_for(lambda: len(processes_of(first.pid)) > 1)  # others may still begin
        os.killpg(first.pid, number)
        try:
            _, said = first.communicate(timeout=60)
            assert not processes_of(first.pid)
        finally:
            for process in processes_of(first.pid):
                os.kill(process, signal.SIGKILL)
    assert first.returncode == 128 + number
    assert len(said.strip().splitlines()) == 1


@forking
def test_processes_end_when_the_first_is_killed():
    with subprocess.Popen([sys.executable, "-c", SLOW], start_new_session=True) as first:
        wait_for(lambda: len(processes_of(first.pid)) > 2)
        first.kill()
        first.wait()
        wait_for(lambda: not processes_of(first.pid))
