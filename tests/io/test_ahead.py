import threading

import pytest

from ssvif.io.ahead import AHEAD_BYTES, map_ahead


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
