import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssvif.io.errors import UserError
from ssvif.pairs.shard import Shard


@given(st.integers(1, 12), st.integers(0, 40))
def test_the_shards_in_order_are_the_whole(total, more):
    items = list(range(total + more))
    parts = [Shard.parse(f"{place}/{total}").take(items) for place in range(1, total + 1)]
    assert [item for part in parts for item in part] == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1", "1/0", "-1/2", "1/2/3", "a/b", "1 / 2", "²/3", "1/2\n"])
def test_what_is_no_part_of_a_whole_is_refused(text):
    with pytest.raises(UserError, match="I/N with I from 1 to N"):
        Shard.parse(text)


def test_fewer_pairs_than_shards_are_told():
    with pytest.raises(UserError, match="There are 2 pairs, too few for 3 shards"):
        Shard(1, 3).take("ab")
