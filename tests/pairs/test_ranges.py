import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusing.made import noise
from reference.fill import is_missing
from ssvif.io.errors import UserError
from ssvif.pairs.ranges import Range, fill_value, mark_missing, parse_rule, range_of, sequence_range, to_unit


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


FILLS = {np.uint16: (0, 9, 65535, 32767, 60000), np.float32: (-9999.0, -273.15, 0.0, -3.4e38, 3.4e38, 9999.0, 150.0)}


@given(st.data())
def test_what_was_not_measured_is_found_as_a_plain_loop_finds_it(data):
    """Of noise around some value, with fill values in a part of the pixels and mixtures at their borders."""
    dtype = data.draw(st.sampled_from(list(FILLS)))
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    values = random.normal(data.draw(st.sampled_from([300, 21000])), data.draw(st.sampled_from([0.3, 8, 200])), 400)
    values = values.clip(0, 65535).astype(dtype).astype(float)
    for fill in data.draw(st.lists(st.sampled_from(FILLS[dtype]), max_size=2)):
        values[: data.draw(st.integers(0, 150))] = fill
        values[200 : 200 + data.draw(st.integers(0, 3))] = (fill + values[-1]) / 2
        random.shuffle(values)
    image = values.astype(dtype).reshape(20, 20)
    marked = mark_missing(image)
    expected = np.array(is_missing([float(each) for each in image.flat], dtype is np.float32)).reshape(20, 20)
    assert np.array_equal(np.isnan(marked) if marked.dtype.kind == "f" else np.zeros((20, 20), bool), expected)
    assert np.array_equal(marked[~expected], image[~expected])
    assert bool(fill_value(image)) == bool(expected.any())


@pytest.mark.parametrize(
    ("dtype", "center", "fill"),
    [
        (np.uint16, 21000, 0),
        (np.uint16, 21000, 65535),
        (np.float32, 25, -9999),
        (np.float32, 25, -273.15),
        (np.float32, 300, 0),
        (np.float32, 25, 3.4e38),
        (np.float32, 25, -3.4e38),
    ],
)
@pytest.mark.parametrize("colors", [(), (3,)])
def test_fill_values_change_no_range_and_become_black(dtype, center, fill, colors):
    whole = np.random.default_rng(0).normal(center, center / 50, (60, 80, *colors)).astype(dtype)
    filled = whole.copy()
    filled[:, :8] = fill
    if fill != 65535:  # mixed by the interpolation of a registration; there it may be the blur of something hot
        filled[:, 8:9] = (np.float64(fill) + whole[:, 8:9]) / 2
    for rule in ("auto", "percentile"):
        found, wanted = range_of(filled, rule), range_of(whole[:, 9:], rule)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=center / 200)
    unit = to_unit(mark_missing(filled), found)
    assert (unit[:, : 8 if fill == 65535 else 9] == 0).all()
    assert np.array_equal(unit[:, 9:], to_unit(filled[:, 9:], found))
    assert sequence_range([filled, whole]).low == pytest.approx(sequence_range([whole, whole]).low, abs=center / 200)


def test_heaps_that_are_no_fill_values_stay():
    """Saturated objects, cold skies that reach the others, few pixels, 8 bits, and images of two values."""
    scene = np.random.default_rng(0).normal(21000, 300, (60, 80)).astype(np.uint16)
    saturated, ramp, dead = scene.copy(), scene.copy(), scene.copy()
    saturated[20:30, 20:30] = 50000
    ramp[20:30] = np.linspace(20000, 65535, 80)
    ramp[22:28, 60:] = 65535
    dead[:2, :20] = 0
    black = noise(0, 60, 80, 0)
    black[:10] = 0
    two = np.where(scene > 21000, np.uint16(40000), np.uint16(0))
    for image in (scene, saturated, ramp, dead, black, two):
        assert mark_missing(image) is image
        assert fill_value(image) == ""
    assert range_of(two, "auto") == Range(0, 40000)
    assert range_of(black, "auto") == Range(0, 255)


def test_the_value_that_a_file_names_is_missing_wherever_it_lies():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert np.isnan(mark_missing(image, 5.0, heaps=False)).nonzero() == (1, 1)
    assert mark_missing(image, 99.0, heaps=False) is not None
    assert np.array_equal(mark_missing(image, 99.0), image)
    color = np.stack([image, image, image * 2], axis=2)
    assert not np.isnan(mark_missing(color, 5.0)).any()
    assert np.isnan(mark_missing(color, 0.0)).sum() == 3
    assert mark_missing(image.astype(np.uint8), 5.0).dtype == np.uint8


def test_a_small_object_before_a_background_of_one_value_is_seen():
    image = np.full((100, 100), 3000, np.uint16)
    image[:5, :5] = 4000
    assert range_of(image, "auto") == Range(3000, 4000)
