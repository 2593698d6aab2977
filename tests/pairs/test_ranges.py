import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusing.made import noise
from ssvif.io.errors import UserError
from ssvif.pairs.ranges import Range, parse_rule, range_of, sequence_range, to_unit


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535))
def test_values_go_linearly_from_0_to_1_and_are_cut_off(low, high, value):
    unit = to_unit(np.array([[value]], np.uint16), Range(low, high))
    expected = 0.0 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
    assert unit.dtype == np.float32
    assert unit[0, 0] == pytest.approx(expected, abs=1e-6)


def test_eight_bits_are_all_of_them_and_more_go_from_the_first_to_the_last_percentile():
    levels = np.arange(256, dtype=np.uint8)
    assert range_of(levels[None], "auto") == Range(0, 255)
    assert np.array_equal(to_unit(levels, Range(0, 255)), levels.astype(np.float32) / np.float32(255))
    deep = np.arange(10001, dtype=np.uint16)[None] + 20000
    assert range_of(deep, "auto") == range_of(deep, "percentile") == Range(20100, 29900)
    assert range_of(deep, "full") == Range(0, 65535)
    assert range_of(deep.astype(np.float32), "full") == Range(0, 1)
    assert range_of(deep, Range(1, 2)) == Range(1, 2)


def test_missing_values_count_in_no_percentile_and_become_black():
    whole = np.linspace(280, 320, 101, dtype=np.float32).reshape(1, -1)
    holed = np.concatenate([whole, np.full((1, 50), np.nan, np.float32), [[np.inf, -np.inf]]], axis=1, dtype=np.float32)
    assert range_of(holed, "auto") == range_of(whole, "auto")
    unit = to_unit(holed, range_of(holed, "auto"))
    assert (unit[0, 101:151] == 0).all()
    assert unit[0, 151:].tolist() == [1, 0]


@pytest.mark.parametrize("value", [0, 7, 60000])
def test_one_value_alone_becomes_black(value):
    flat = np.full((4, 5), value, np.uint16)
    assert (to_unit(flat, range_of(flat, "auto")) == 0).all()
    gone = np.full((4, 5), np.nan, np.float32)
    assert (to_unit(gone, range_of(gone, "auto")) == 0).all()


def test_a_sequence_has_one_range_of_all_its_images():
    images = [noise(i, 60, 80, 0, levels=1000, dtype=np.uint16) + 1000 * i for i in range(5)]
    found, exact = sequence_range(images), np.percentile(np.stack(images), (1, 99))
    assert (found.low, found.high) == pytest.approx(exact, abs=1)


def test_a_long_sequence_is_sampled_within_bounded_memory():
    images = (noise(i % 3, 512, 512, 0, levels=1000, dtype=np.uint16) for i in range(60))
    found = sequence_range(images)
    assert (found.low, found.high) == pytest.approx((9.5, 989.5), abs=3)
    assert sequence_range([]) == Range(0, 0)
    hot, cold = [np.full((120, 160), 1000, np.uint16)] * 9, [np.zeros((120, 160), np.uint16)] * 591
    assert sequence_range(hot + cold) == sequence_range(cold + hot) == Range(0, 1000)


def test_rules_are_parsed():
    assert parse_rule("--infrared-range", "280:320.5") == Range(280, 320.5)
    assert parse_rule("--infrared-range", "-20:60") == Range(-20, 60)
    assert parse_rule("--infrared-range", "sequence") == "sequence"
    for wrong in ("", "5", "5:5", "7:5", "a:b", "0:inf", "nan:1", "1:2:3"):
        with pytest.raises(UserError, match="--infrared-range"):
            parse_rule("--infrared-range", wrong)
