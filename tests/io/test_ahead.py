import threading

import pytest

from ssvif.io.ahead import map_ahead


def test_in_order_and_at_most_the_threads_ahead():
    taken = []

    def items():
        for item in range(20):
            taken.append(item)
            yield item

    for place, found in enumerate(map_ahead(lambda item: item**2, items(), threads=3)):
        assert found == place**2
        assert len(taken) <= place + 4


def test_threads_work_beside_each_other():
    both = threading.Barrier(2, timeout=10)
    assert list(map_ahead(lambda item: both.wait() >= 0 and item, range(4), threads=2)) == [0, 1, 2, 3]


def test_an_error_comes_in_its_place():
    def invert(item):
        return 1 / item

    found = map_ahead(invert, [1, 2, 0, 4])
    assert [next(found), next(found)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(found)
