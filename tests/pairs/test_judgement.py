import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusing.made import noise, smooth
from ssvif.io.errors import UserError
from ssvif.io.images import RawImage
from ssvif.pairs.judgement import OUTCOMES, NoteLog, judge
from ssvif.pairs.pair import Rules, make_pair, with_sequence
from ssvif.pairs.ranges import Range, parse_rule, range_of, to_8_bits

CELSIUS = smooth(0, 48, 64, 0).astype(np.float32) / 8 + 10  # 10 to 42
COUNTS = smooth(0, 48, 64, 0).astype(np.uint16) * 6 + 21000
LEVELS = smooth(0, 48, 64, 0)


def pair_of(infrared, rule="auto", name="a", nodata=None):
    visible = RawImage(noise(0, *infrared.shape[:2]))
    return make_pair(name, visible, RawImage(infrared, nodata=nodata), Rules(infrared_range=rule))


def kinds(infrared, text):
    return [kind for kind, _ in pair_of(infrared, parse_rule("--infrared-range", text)).notes]


@pytest.mark.parametrize(
    ("infrared", "rule", "kind"),
    [
        (CELSIUS, "280:320", "infrared black"),
        (CELSIUS, "-40:5", "infrared white"),
        (CELSIUS + 273, "0:100", "infrared white"),
        (COUNTS, "0:255", "infrared white"),
        (COUNTS, "30000:40000", "infrared black"),
        (LEVELS, "280:320", "infrared black"),
        (LEVELS, "21000:22530", "infrared black"),
        (COUNTS, "full", "infrared flat"),
        (LEVELS, "0:65535", "infrared flat"),
        (LEVELS, "100:110", "infrared clipped"),
        (np.full((48, 64), 7, np.uint16), "auto", "infrared constant"),
        (np.full((48, 64), 7, np.uint8), "auto", "infrared constant"),
        (np.full((48, 64), np.nan, np.float32), "auto", "infrared empty"),
        (np.full((48, 64), np.inf, np.float32), "280:320", "infrared empty"),
    ],
)
def test_a_range_that_shows_nothing_is_told(infrared, rule, kind):
    assert kinds(infrared, rule) == [kind]


@pytest.mark.parametrize("infrared", [CELSIUS, COUNTS, LEVELS, np.repeat(COUNTS[..., None], 3, axis=2)])
def test_a_range_that_fits_is_not(infrared):
    for rule in ("auto", "percentile", f"{infrared.min()}:{float(infrared.max()) + 1}"):
        assert kinds(infrared, rule) == []


def test_the_real_range_and_one_that_fits_are_named():
    (_, sentence), *_ = pair_of(CELSIUS, Range(280, 320)).notes
    assert "a: the infrared image becomes black: 100% of its values lie below the range 280:320" in sentence
    assert f"holds {CELSIUS.min():.6g} to {CELSIUS.max():.6g} (floats)" in sentence
    fitting = parse_rule("--infrared-range", sentence.partition("--infrared-range=")[2].partition(" ")[0])
    assert CELSIUS.min() - 1 <= fitting.low < fitting.high <= CELSIUS.max() + 1
    assert pair_of(CELSIUS, fitting).notes == ()
    assert "--infrared-range full" in pair_of(LEVELS, Range(280, 320)).notes[0][1]


@given(st.floats(-1e4, 1e4), st.floats(0.1, 1e4), st.floats(0.1, 3e4), st.integers(0, 99))
def test_a_picture_that_is_told_to_be_black_or_white_is_that(low, width, spread, seed):
    image = (np.random.default_rng(seed).random((30, 40)) * spread).astype(np.float32)
    limits = Range(low, low + width)
    levels = to_8_bits(image, limits)
    found = judge(image, limits, "infrared", limits)
    ends = [float((levels == end).mean()) for end in (0, 255)]
    if found and found[0] in ("black", "white"):
        assert ends[found[0] == "white"] >= 0.9
    if max(ends) > 0.97 and np.float32(limits.high) > np.float32(limits.low) + np.float32(1e-3 * width):
        assert found
    if not found:
        assert len(np.unique(levels)) > 5


def test_visible_images_by_night_are_not_judged_but_empty_ones_are():
    night = noise(0, 48, 64, levels=3)
    for visible, told in ((night, []), (np.zeros_like(night), ["visible constant"])):
        assert [kind for kind, _ in make_pair("a", RawImage(visible), RawImage(LEVELS), Rules()).notes] == told
    rules = Rules(visible_range=Range(1000, 2000))
    assert make_pair("a", RawImage(night), RawImage(LEVELS), rules).notes[0][0] == "visible black"


def test_each_kind_is_told_once_and_counted_at_the_end(caplog):
    caplog.set_level(logging.WARNING, "ssvif")
    notes = NoteLog()
    for i in range(4):
        notes.add(pair_of(CELSIUS, Range(280, 320), str(i)).notes)
    notes.add(pair_of(CELSIUS, "auto").notes)
    notes.close()
    first, last = [record.getMessage() for record in caplog.records]
    assert first.startswith("0: the infrared image becomes black")
    assert last == f"4 of 5 infrared images are {OUTCOMES['black']}"


def test_fill_values_are_told_and_become_black():
    filled = COUNTS.copy()
    filled[:, :6] = 65535
    pair = pair_of(filled)
    assert [kind for kind, _ in pair.notes] == ["infrared missing"]
    assert "65535 in 9.4% of the pixels" in pair.notes[0][1]
    assert (pair.to_8_bits()[1][:, :6] == 0).all()
    assert np.array_equal(pair.infrared[:, 6:], COUNTS[:, 6:])
    named = COUNTS.copy()
    named[:, :6] = 22000
    assert (pair_of(named, nodata=22000).to_8_bits()[1][:, :6] == 0).all()
    full = pair_of(named, "full", nodata=22000)
    assert full.infrared_range == Range(0, 65535)
    assert (full.infrared[:, :6] == 0).all()


DEPTHS = {"8-bit": LEVELS, "16-bit": COUNTS, "float": CELSIUS}


@pytest.mark.parametrize(("usual", "odd"), [(a, b) for a in DEPTHS for b in DEPTHS if a != b])
@pytest.mark.parametrize("side", ["visible", "infrared"])
def test_one_range_for_several_depths_is_refused(usual, odd, side):
    images = [(str(i), RawImage(DEPTHS[odd if i == 2 else usual])) for i in range(5)]
    with pytest.raises(UserError, match=f"{side} images are of several depths") as caught:
        with_sequence(Rules().with_range(side, "sequence"), lambda asked: images if asked == side else [])
    assert caught.value.got == f"4 {usual}, 1 {odd} (2)"
    rest = [each for each in images if each[0] != "2"]
    assert isinstance(with_sequence(Rules(infrared_range="sequence"), lambda _: rest).infrared_range, Range)
    assert range_of(DEPTHS[usual], "auto") == pair_of(DEPTHS[usual]).infrared_range
