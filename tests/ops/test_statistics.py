import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssvif.ops.statistics import Summary, describe, holm, mean_of, student_interval, student_p, wilcoxon_p

VALUES = st.floats(-1e12, 1e12, allow_subnormal=True)
SAMPLES = st.lists(VALUES, min_size=1, max_size=12)


def test_mean_median_and_deviation_which_one_value_does_not_have():
    found = describe([4.0, 1.0, 2.0, 9.0])
    assert (found.count, found.mean, found.median) == (4, 4.0, 3.0)
    assert found.deviation == pytest.approx(math.sqrt((0 + 9 + 4 + 25) / 3))
    assert describe([3.5]) == Summary(1, 3.5, 3.5, None, None, None)


def test_constant_values_have_an_interval_of_no_width():
    for value in (0.0, 0.1, -7e300, 5e-324):
        found = describe([value] * 7)
        assert found.low == found.high == found.mean == pytest.approx(value, rel=1e-15)
    rounded = describe([1.0, 1.0, 1.0, 1.0 + 2**-52])
    assert rounded.low == rounded.high == rounded.mean


def test_no_number_spreads_and_infinity_has_no_interval():
    found = describe([1.0, math.nan, 2.0])
    assert found.count == 3
    assert all(math.isnan(each) for each in (found.mean, found.median, found.deviation, found.low, found.high))
    assert describe([1.0, 2.0, math.inf]) == Summary(3, math.inf, 2.0)
    assert math.isnan(describe([math.inf, 0.0, -math.inf]).mean)
    assert all(map(math.isnan, student_interval([math.inf, 1.0])))
    with pytest.raises(ValueError, match="at least one"):
        describe([])


def test_the_interval_covers_the_true_mean_nineteen_times_in_twenty():
    """Of skewed samples; 120 trials stay within ±4 standard errors of 95 % or of the known shortfall at n = 50."""
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(120):
        found = describe(random.gamma(2.0, 1.0, 50).tolist())
        covered += found.low <= 2.0 <= found.high
    assert 0.86 <= covered / 120 <= 1.0


def test_the_interval_is_as_wide_as_theory_says_and_follows_skew():
    sample = np.random.default_rng(0).gamma(1.0, 1.0, 400)
    found = describe(sample.tolist())
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.deviation / 20, rel=0.08)
    assert found.high - found.mean > found.mean - found.low  # the long tail is above


@settings(max_examples=25)
@given(SAMPLES, st.randoms())
def test_any_sample_is_summarized_in_any_order_without_a_warning(values, random):
    found = describe(values)
    shuffled = values[:]
    random.shuffle(shuffled)
    assert describe(shuffled) == found
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= found.mean <= max(values) + slack
    if len(values) > 1:
        assert min(values) - slack <= found.low <= found.mean + slack
        assert found.mean - slack <= found.high <= max(values) + slack


def test_mean_of_infinities():
    assert mean_of([0.1] * 10) == 0.1  # a plain sum gives 0.09999999999999999
    assert mean_of([1.0, math.inf]) == math.inf
    assert math.isnan(mean_of([-math.inf, math.inf]))


@pytest.mark.parametrize(
    ("differences", "p"),
    [([1, 2, 3, 4, 5], 1 / 16), ([0, 1, 2, 0, 3, 4, 5], 1 / 16), ([-1, 1], 1), ([0] * 9, 1), ([], 1)],
)
def test_wilcoxon_by_counting_signs(differences, p):
    """All 2⁵ signs are equally likely; two of them are as one-sided as 1 to 5."""
    assert wilcoxon_p(differences) == pytest.approx(p)
    assert math.isnan(wilcoxon_p([*differences, math.nan]))


@settings(max_examples=40)
@given(st.lists(st.one_of(VALUES, st.integers(-3, 3).map(float)), max_size=60))
def test_wilcoxon_is_a_probability_and_two_sided(differences):
    p = wilcoxon_p(differences)
    assert 0 <= p <= 1
    assert wilcoxon_p([-each for each in differences]) == pytest.approx(p, abs=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=9))
def test_students_p_is_that_of_his_interval(differences):
    """The interval at the confidence 1 − p ends at 0."""
    p = student_p(differences)
    assert 0 <= p <= 1
    if 1e-6 < p < 1 - 1e-6:
        low, high = student_interval(differences, 1 - p)
        assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-6 * (high - low))
    assert student_p([-each for each in differences]) == pytest.approx(p)


def test_students_p_of_few_and_of_equal_differences():
    assert math.isnan(student_p([1.0]))
    assert math.isnan(student_p([1.0, math.inf]))
    assert (student_p([2.0, 2.0]), student_p([0.0, 0.0])) == (0, 1)
    assert student_p([1.0, 2.0, 3.0]) == pytest.approx(0.0741799, rel=1e-5)  # t = 2√3 with two degrees of freedom


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.01, 0.02], planned=4) == pytest.approx(holm([0.01, 0.02, 1.0, 1.0])[:2])
    with_a_gap = holm([0.02, math.nan, 0.04])
    assert with_a_gap[::2] == pytest.approx([0.04, 0.04])
    assert math.isnan(with_a_gap[1])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_no_correction_and_bonferronis(p_values):
    adjusted = holm(p_values)
    for p, each in zip(p_values, adjusted, strict=True):
        assert p <= each <= min(1, len(p_values) * p)
    assert [each for _, each in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)
