import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusing.made import noise, save, smooth
from ssvif.io.errors import UserError
from ssvif.io.images import RawImage, depth_of, read_raw
from ssvif.pairs.judgement import OUTCOMES, NoteLog, judge
from ssvif.pairs.pair import Rules, make_pair
from ssvif.pairs.ranges import Range, parse_rule, range_of, to_8_bits, two_units
from ssvif.pairs.sequence import find_ranges, with_sequence
from ssvif.pairs.sources import open_source

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
        (LEVELS, "100:110", "infrared cut off"),
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
    assert "a: the infrared image is black: 100% of its values are below the range 280:320" in sentence
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
    assert first.startswith("0: the infrared image is black")
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


def test_depths_are_kept_apart_where_auto_finds_one_range_for_the_deep_ones(caplog):
    images = [(str(i), RawImage(LEVELS if i == 2 else COUNTS)) for i in range(4)]
    found = find_ranges(Rules(), lambda _: images, auto=True)["infrared"]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(COUNTS, (1, 99))), abs=10)
    assert range_of(LEVELS, found) == Range(0, 255)
    assert "infrared images of 8 bits stay as they are, the others get one range: 2" in caplog.text


@pytest.mark.parametrize(("usual", "odd"), [("16-bit", "8-bit"), ("float", "8-bit"), ("8-bit", "16-bit")])
def test_a_fixed_range_beyond_8_bits_is_refused_for_a_mixture_before_any_pixel_is_read(tmp_path, usual, odd):
    for i in range(4):
        save(tmp_path / f"vi/{i}.png", noise(i, 48, 64))
        save(tmp_path / f"ir/{i}.tif", DEPTHS[odd if i == 2 else usual])
    source = open_source(str(tmp_path / "vi"), str(tmp_path / "ir"))
    for rule in (Range(21000, 22530), Range(280, 320), Range(-20, 40)):
        with pytest.raises(UserError, match="infrared images are of several depths") as caught:
            source.resolve(Rules(infrared_range=rule))
        assert caught.value.got == f"3 {usual}, 1 {odd} (2)"
    for rule in (Range(0, 255), "auto", "percentile"):
        assert source.resolve(Rules(infrared_range=rule)).infrared_range == rule
    (tmp_path / "ir/2.tif").write_bytes(b"damaged")
    assert source.resolve(Rules(infrared_range=Range(280, 320)))


@pytest.mark.parametrize(
    "array", [*DEPTHS.values(), CELSIUS.astype(np.int32), LEVELS > 99, noise(0, 4, 5), noise(0, 4, 5, 4)]
)
def test_the_header_tells_the_depth_that_is_read(tmp_path, array):
    for suffix in ("tif",) if array.dtype in (np.float32, np.int32) else ("tif", "png"):
        path = save(tmp_path / f"a.{suffix}", array)
        pixels = read_raw(path).pixels
        assert depth_of(path) == ("float" if pixels.dtype.kind == "f" else f"{pixels.dtype.itemsize * 8}-bit")


@pytest.mark.parametrize("rule", [Range(-10, 40), "percentile"])
def test_infinite_values_are_missing_and_told(rule):
    image = np.linspace(-10, 40, 48 * 64, dtype=np.float32).reshape(48, 64)
    image[:4], image[4:8] = np.inf, -np.inf
    pair = make_pair("a", RawImage(np.zeros((48, 64), np.uint8)), RawImage(image), Rules(infrared_range=rule))
    assert not pair.to_8_bits()[1][:8].any()
    assert [text for kind, text in pair.notes if kind == "infrared infinite"] == [
        "a: the infrared image holds infinite values (16.7%), which count as missing and become black"
    ]


@pytest.mark.parametrize("auto", [False, True])
def test_one_range_for_two_units_is_refused(auto):
    images = [(str(i), RawImage(CELSIUS + (0 if i in (1, 3) else 273))) for i in range(5)]
    rules = Rules() if auto else Rules(infrared_range="sequence")
    with pytest.raises(UserError, match="infrared images seem to be of two units") as caught:
        find_ranges(rules, lambda _: images, auto=auto)
    assert "(1, 3)" in (caught.value.got or "")
    assert find_ranges(rules, lambda _: images, auto=auto, film=True)


@given(st.lists(st.tuples(st.floats(-20, 60), st.floats(1, 40)), min_size=1, max_size=8))
def test_scenes_of_one_unit_are_never_taken_for_two(scenes):
    ranges = {str(i): Range(low, low + span) for i, (low, span) in enumerate(scenes)}
    assert two_units(ranges) is None
    kelvins = {f"{name} K": Range(each.low + 273, each.high + 273) for name, each in ranges.items()}
    assert two_units(kelvins) is None
    if max(each.high for each in ranges.values()) < 70:
        assert two_units(ranges | kelvins) == (
            sorted(ranges, key=lambda name: ranges[name].low),
            sorted(kelvins, key=lambda name: kelvins[name].low),
        )
