import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ssvif.io.ahead import AHEAD_BYTES, MANY, core_count, map_ahead, map_on_cores
from ssvif.io.errors import UserError


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


@pytest.mark.parametrize("count", [3, MANY + 3])
def test_few_and_many_come_in_order_from_all_cores(count):
    assert list(map_on_cores(math.sqrt, range(count))) == [math.sqrt(each) for each in range(count)]


def test_an_error_of_a_process_comes_in_its_place():
    made = map_on_cores(math.sqrt, [*range(MANY), -1])
    assert [next(made) for _ in range(3)] == [0, 1, math.sqrt(2)]
    with pytest.raises(ValueError, match="math domain error"):
        list(made)


@pytest.mark.skipif(core_count() < 2, reason="one core has no processes beside it")
def test_a_process_that_is_ended_is_told():
    with pytest.raises(UserError, match="A process of this command was ended"):
        list(map_on_cores(os._exit, [1] * MANY))


def processes_of(session):
    """The processes of a session that are not ended, as Linux lists them."""
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
        time.sleep(0.05)


@pytest.mark.skipif(core_count() < 2, reason="one core has no processes beside it")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux's list of processes")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_it(tmp_path, number):
    """Ctrl-C goes to the whole group in a terminal; here to the first process alone."""
    script = tmp_path / "sleeping.py"
    script.write_text(
        "import time\nfrom ssvif.io.ahead import MANY, map_on_cores\n\n"
        "if __name__ == '__main__':\n    list(map_on_cores(time.sleep, [60] * MANY))\n"
    )
    with subprocess.Popen([sys.executable, script], start_new_session=True, stderr=subprocess.DEVNULL) as first:
        try:
            wait_for(lambda: len(processes_of(first.pid)) > 3)  # two that sleep, and one that tracks what is shared
            first.send_signal(number)
            first.wait(20)
            wait_for(lambda: not processes_of(first.pid))
        finally:
            for process in processes_of(first.pid):
                os.kill(process, signal.SIGKILL)
