from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssvif.ops.errors import UserError
from ssvif.training.options import WEIGHTINGS as NAMES
from ssvif.training.options import TrainingOptions
from ssvif.training.weighting import (
    ALPHA_BOUNDS,
    WEIGHTINGS,
    GradientDescentWeighting,
    build_weighting,
    gdwa_weights,
)

POSITIVE = st.floats(1e-6, 1e6)


def tasks(fusion, consistency):
    return {"fusion": fusion, "consistency": consistency}


def alpha(weighting):
    weights = weighting.weights()
    assert weights["fusion"] == 1
    return weights["consistency"]


def test_three_epochs_by_hand():
    weighting = GradientDescentWeighting(2.0, "ratio", 1)

    # first epoch: r = 1, so α is the ratio of the gradient norms measured so far
    weighting.observe(tasks(4, 1))
    assert alpha(weighting) == pytest.approx(1 / 4)
    weighting.observe(tasks(2, 2))
    assert alpha(weighting) == pytest.approx(3 / 6)
    weighting.end_epoch(tasks(10, 2))
    assert alpha(weighting) == pytest.approx(3 / 6)
    assert weighting.facts == pytest.approx(
        {"grad_norm_fusion": 3, "grad_norm_consistency": 1.5, "loss_ratio_fusion": 1, "loss_ratio_consistency": 1}
    )

    # second epoch: α stands still within it, then follows g = (5, 1) and r = (8/10, 1.5/2)
    weighting.observe(tasks(6, 0.5))
    weighting.observe(tasks(4, 1.5))
    assert alpha(weighting) == pytest.approx(3 / 6)
    weighting.end_epoch(tasks(8, 1.5))
    assert alpha(weighting) == pytest.approx(1 / 5 * math.exp((1.5 / 2 - 8 / 10) / 2))

    # third epoch: g = (2, 3), r = (4/8, 3/1.5)
    weighting.observe(tasks(2, 3))
    weighting.end_epoch(tasks(4, 3))
    assert alpha(weighting) == pytest.approx(3 / 2 * math.exp((3 / 1.5 - 4 / 8) / 2))
    assert weighting.facts == pytest.approx(
        {"grad_norm_fusion": 2, "grad_norm_consistency": 3, "loss_ratio_fusion": 0.5, "loss_ratio_consistency": 2}
    )


def test_share_is_the_normalised_weight():
    weighting = GradientDescentWeighting(2.0, "share", 1)
    weighting.observe(tasks(4, 1))
    assert alpha(weighting) == pytest.approx(1 / 5)
    weighting.end_epoch(tasks(1, 1))
    weighting.observe(tasks(1, 3))
    weighting.end_epoch(tasks(1, 2))
    raw = 3 * math.exp(2 / 2) / (1 * math.exp(1 / 2) + 3 * math.exp(2 / 2))
    assert alpha(weighting) == pytest.approx(raw)


@pytest.mark.parametrize(("norms", "expected"), [((1, 1e9), 10), ((1e9, 1), 1e-3), ((0, 1), 10), ((1, 0), 1e-3)])
def test_alpha_is_clamped(norms, expected):
    weighting = GradientDescentWeighting(2.0, "ratio", 1)
    weighting.observe(tasks(*norms))
    assert alpha(weighting) == expected
    assert expected in ALPHA_BOUNDS


def test_no_gradient_at_all_weighs_both_alike():
    assert gdwa_weights(tasks(0, 0), tasks(1, 1), 2) == tasks(0.5, 0.5)


@given(POSITIVE, POSITIVE, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.1, 10))
def test_weights_are_equation_seven(fusion, consistency, first, second, temperature):
    weights = gdwa_weights(tasks(fusion, consistency), tasks(first, second), temperature)
    assert sum(weights.values()) == pytest.approx(1)
    if max(first, second) < 50:
        total = fusion + consistency
        powers = [math.exp(first / temperature), math.exp(second / temperature)]
        shares = [fusion / total * powers[0] / sum(powers), consistency / total * powers[1] / sum(powers)]
        assert weights["fusion"] == pytest.approx(shares[0] / sum(shares), abs=1e-9)


def test_losses_at_or_below_zero_do_not_break_it():
    """The entropy term of `balance` can take the consistency loss there."""
    weighting = GradientDescentWeighting(2.0, "ratio", 1)
    for consistency in (0.5, 0.0, -0.1, -0.2, 0.1):
        weighting.observe(tasks(1, 1))
        weighting.end_epoch(tasks(1, consistency))
        assert ALPHA_BOUNDS[0] <= alpha(weighting) <= ALPHA_BOUNDS[1]


def test_measures_at_every_nth_step():
    weighting = GradientDescentWeighting(2.0, "ratio", 3)
    assert [step for step in range(8) if weighting.measures_at(step)] == [0, 3, 6]


def test_a_state_between_epochs_comes_back():
    first, second = (GradientDescentWeighting(2.0, "ratio", 1) for _ in range(2))
    first.observe(tasks(4, 1))
    first.end_epoch(tasks(10, 2))
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        assert alpha(each) == pytest.approx(0.25)
        each.observe(tasks(1, 2))
        each.end_epoch(tasks(8, 3))
    assert alpha(first) == alpha(second)
    assert first.facts == second.facts


def test_fixed_stays():
    weighting = build_weighting(TrainingOptions(weighting="fixed", fixed_alpha=0.3))
    assert not weighting.measures_at(0)
    weighting.observe(tasks(5, 1))
    weighting.end_epoch(tasks(5, 1))
    assert weighting.weights() == tasks(1.0, 0.3)
    assert weighting.facts == {}
    assert weighting.state_dict() == {}


def test_every_name_of_the_settings_is_built():
    assert set(WEIGHTINGS) == set(NAMES)
    for name in NAMES:
        assert set(build_weighting(TrainingOptions(weighting=name)).weights()) == {"fusion", "consistency"}


def test_an_unknown_name_is_named():
    options = dataclasses.replace(TrainingOptions())
    object.__setattr__(options, "weighting", "nosuch")
    with pytest.raises(UserError, match="Unknown weighting 'nosuch'"):
        build_weighting(options)
