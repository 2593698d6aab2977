import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reference.weighting import tasks
from ssvif.training.options import TrainingOptions
from ssvif.training.weighting.gradient_based import (
    ALPHA_BOUNDS,
    BALANCED_BOUNDS,
    BalancedWeighting,
    GradientDescentWeighting,
    GradNormWeighting,
    gdwa_weights,
)
from ssvif.training.weighting.registry import WEIGHTINGS, build_weighting

ANY = {"fusion": 1.0, "consistency": 1.0}  # GDWA does not look at a step's losses
POSITIVE = st.floats(1e-6, 1e6)


def alpha(weighting):
    weights = weighting.weights()
    assert weights["fusion"] == 1
    return weights["consistency"]


def test_three_epochs_by_hand():
    weighting = GradientDescentWeighting(2.0, "ratio", 1)

    # first epoch: r = 1, so α is the ratio of the gradient norms measured so far
    weighting.observe(tasks(4, 1), ANY)
    assert alpha(weighting) == pytest.approx(1 / 4)
    weighting.observe(tasks(2, 2), ANY)
    assert alpha(weighting) == pytest.approx(3 / 6)
    weighting.end_epoch(tasks(10, 2))
    assert alpha(weighting) == pytest.approx(3 / 6)
    assert weighting.facts == pytest.approx(
        {"grad_norm_fusion": 3, "grad_norm_consistency": 1.5, "loss_ratio_fusion": 1, "loss_ratio_consistency": 1}
    )

    # second epoch: α stands still within it, then follows g = (5, 1) and r = (8/10, 1.5/2)
    weighting.observe(tasks(6, 0.5), ANY)
    weighting.observe(tasks(4, 1.5), ANY)
    assert alpha(weighting) == pytest.approx(3 / 6)
    weighting.end_epoch(tasks(8, 1.5))
    assert alpha(weighting) == pytest.approx(1 / 5 * math.exp((1.5 / 2 - 8 / 10) / 2))

    # third epoch: g = (2, 3), r = (4/8, 3/1.5)
    weighting.observe(tasks(2, 3), ANY)
    weighting.end_epoch(tasks(4, 3))
    assert alpha(weighting) == pytest.approx(3 / 2 * math.exp((3 / 1.5 - 4 / 8) / 2))
    assert weighting.facts == pytest.approx(
        {"grad_norm_fusion": 2, "grad_norm_consistency": 3, "loss_ratio_fusion": 0.5, "loss_ratio_consistency": 2}
    )


def test_share_is_the_normalized_weight():
    weighting = GradientDescentWeighting(2.0, "share", 1)
    weighting.observe(tasks(4, 1), ANY)
    assert alpha(weighting) == pytest.approx(1 / 5)
    weighting.end_epoch(tasks(1, 1))
    weighting.observe(tasks(1, 3), ANY)
    weighting.end_epoch(tasks(1, 2))
    raw = 3 * math.exp(2 / 2) / (1 * math.exp(1 / 2) + 3 * math.exp(2 / 2))
    assert alpha(weighting) == pytest.approx(raw)


@pytest.mark.parametrize(("norms", "expected"), [((1, 1e9), 10), ((1e9, 1), 1e-3), ((0, 1), 10), ((1, 0), 1e-3)])
def test_alpha_is_clamped(norms, expected):
    weighting = GradientDescentWeighting(2.0, "ratio", 1)
    weighting.observe(tasks(*norms), ANY)
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
        weighting.observe(tasks(1, 1), ANY)
        weighting.end_epoch(tasks(1, consistency))
        assert ALPHA_BOUNDS[0] <= alpha(weighting) <= ALPHA_BOUNDS[1]


@pytest.mark.parametrize("name", ["gdwa", "gradnorm"])
def test_measures_at_every_nth_step_of_an_epoch(name):
    weighting = build_weighting(TrainingOptions(weighting=name, every_n_steps=3), torch.device("cpu"))
    layer = nn.Linear(2, 1)
    for _ in range(2):
        measured = []
        for _ in range(8):
            losses = tasks(layer(torch.ones(2)).square().sum(), layer(torch.ones(2)).exp().sum())
            before = len(weighting.measured)
            weighting.backward(losses, learnt=layer, shared=layer)
            measured.append(len(weighting.measured) > before)
        assert [step for step, is_measured in enumerate(measured) if is_measured] == [0, 3, 6]
        assert [row["step"] for row in weighting.measured] == [1, 4, 7]
        cosines = [row["cosine"] for row in weighting.measured]
        weighting.end_epoch(ANY)
        assert weighting.facts["cosine"] == pytest.approx(sum(cosines) / 3)
        assert weighting.measured == []


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_backward_is_that_of_the_total(name):
    """A measured step sets the gradients that a plain backward of the weighted sum would set."""
    weighting = build_weighting(TrainingOptions(weighting=name), torch.device("cpu"))
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    terms = tasks(layer(torch.ones(3)).square().sum(), layer(torch.ones(3)).exp().sum())
    loss = weighting.backward(terms, learnt=layer, shared=layer)
    found = layer.weight.grad
    weights = weighting.weights() if name != "segmif" else tasks(0.4, 0.8)
    terms = tasks(layer(torch.ones(3)).square().sum(), layer(torch.ones(3)).exp().sum())
    total = sum(weights[task] * terms[task] for task in terms)
    assert found == pytest.approx(torch.autograd.grad(total, layer.weight)[0], rel=1e-5)
    assert loss.item() == pytest.approx(total.item() + (-0.5 if name == "ucw" else 0), rel=1e-5)


class TwoParts(nn.Module):
    """A shared weight and a branch's own: fusion's gradient on the shared one is 6, consistency's 2 on both."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.shared, self.branch = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.factor = factor

    def terms(self):
        consistency = self.factor * (self.shared.weight + self.branch.weight).sum()
        return tasks(6 * self.shared.weight.sum(), 2 * consistency)


@pytest.mark.parametrize("share", [0.25, 0.5, 2.0])
def test_balanced_sets_the_share_of_the_gradient_and_leaves_the_branches_their_own(share):
    weighting, network = BalancedWeighting(share, every_n_steps=2), TwoParts()
    for step in range(3):
        network.zero_grad(set_to_none=True)
        network.factor = 1.0 + step  # consistency's gradient is 2, 4 and 6
        loss = weighting.backward(network.terms(), learnt=network, shared=network.shared)
        measured = (1.0, 1.0, 0.9 * 1 + 0.1 * 3)[step]  # the running mean at the measured steps
        assert alpha(weighting) == pytest.approx(share * 3 / measured)
        assert loss.item() == pytest.approx(weighting.total(network.terms()).item())
        assert network.shared.weight.grad.item() == pytest.approx(6 + share * 6 * network.factor / measured)
        assert network.branch.weight.grad.item() == pytest.approx(2 * network.factor)
    weighting.end_epoch(ANY)
    assert weighting.facts["grad_norm_fusion"] == pytest.approx(6)
    assert weighting.facts["grad_norm_consistency"] == pytest.approx((2 + 6) / 2)


@pytest.mark.parametrize(("norms", "expected"), [((1, 1e-9), 1e4), ((0, 1), 1e-6), ((1, 0), 1e4), ((0, 0), 1e4)])
def test_balanced_keeps_its_bounds(norms, expected):
    weighting = BalancedWeighting(0.5, every_n_steps=1)
    weighting.observe(tasks(*norms), ANY)
    assert alpha(weighting) == expected
    assert expected in BALANCED_BOUNDS


def test_balanced_remembers_its_means_between_epochs():
    whole, halted, resumed = (BalancedWeighting(0.5, every_n_steps=1) for _ in range(3))
    for weighting in (whole, halted):
        weighting.observe(tasks(800, 2), ANY)
        weighting.end_epoch(ANY)
    resumed.load_state_dict(halted.state_dict())
    for weighting in (whole, resumed):
        weighting.observe(tasks(600, 60), ANY)
    assert alpha(resumed) == alpha(whole) == pytest.approx(0.5 * (0.9 * 800 + 0.1 * 600) / (0.9 * 2 + 0.1 * 60))


def test_gradnorm_three_epochs_by_hand():
    weighting = GradNormWeighting(asymmetry=1.5, learning_rate=0.025, every_n_steps=1)
    assert weighting.weights() == tasks(1, 1)
    weights = torch.ones(2, dtype=torch.float64)
    adam = torch.optim.Adam([weights], lr=0.025)
    first_losses = (10.0, 2.0)
    epochs = (
        [((4.0, 1.0), (10.0, 2.0)), ((5.0, 0.5), (9.0, 1.9))],
        [((3.0, 0.7), (7.0, 1.9)), ((2.0, 0.9), (6.0, 1.8))],
        [((2.5, 0.4), (5.0, 1.0)), ((1.5, 2.0), (5.5, 0.5))],
    )
    for epoch in epochs:
        for norms, losses in epoch:
            weighting.observe(tasks(*norms), tasks(*losses))
            weighted = [weight * norm for weight, norm in zip(weights.tolist(), norms, strict=True)]
            mean = sum(weighted) / 2
            rates = [losses[0] / first_losses[0], losses[1] / first_losses[1]]
            targets = [mean * (rate / (sum(rates) / 2)) ** 1.5 for rate in rates]
            gradients = [
                norm * (1 if value > target else -1 if value < target else 0)
                for norm, value, target in zip(norms, weighted, targets, strict=True)
            ]
            weights.grad = torch.tensor(gradients, dtype=torch.float64)
            adam.step()
            weights *= 2 / weights.sum()
            assert weighting.weights() == pytest.approx(tasks(*weights.tolist()), rel=1e-9)
        weighting.end_epoch(ANY)
        means = [sum(norms[task] for norms, _ in epoch) / 2 for task in range(2)]
        assert weighting.facts == pytest.approx({"grad_norm_fusion": means[0], "grad_norm_consistency": means[1]})
    assert weighting.weights()["consistency"] > 1.05  # the smaller gradient was given the larger weight


def test_gradnorm_keeps_its_weights_positive_and_their_sum():
    weighting = GradNormWeighting(asymmetry=0.0, learning_rate=0.5, every_n_steps=1)
    for _ in range(50):
        weighting.observe(tasks(1e6, 1e-6), tasks(1, 0.0))
        weights = weighting.weights()
        assert min(weights.values()) > 0
        assert sum(weights.values()) == pytest.approx(2)
