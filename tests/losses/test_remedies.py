"""The losses against collapse and of the controls; the paper's are in test_consistency."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import consistency as reference
from ssvif.losses.consistency import (
    align_distribution,
    balance_by_sinkhorn,
    label_loss,
    mutual_information_loss,
    random_gradient_loss,
)

SEEDS = st.integers(0, 10_000)


def draw(seed=0, classes=4, batch=2, height=3, width=5, scale=2.0):
    """Logits in doubles."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn((batch, classes, height, width), generator=random, dtype=torch.float64) * scale


def draw_shares(seed, classes=4):
    return draw(seed, classes, 1, 1, 1, 0.7).flatten().softmax(0)


def stripes(classes=4, height=4, width=8):
    """Probabilities that are sure of stripes, every class in equal parts."""
    best = torch.arange(width).remainder(classes).expand(1, height, width)
    return torch.nn.functional.one_hot(best, classes).permute(0, 3, 1, 2).double()


@settings(max_examples=10)
@given(SEEDS, st.sampled_from((0.0, 1.0, 2.5)))
def test_mutual_information_is_its_definition_and_not_negative(seed, weight):
    feature, pixel = draw(seed), draw(seed + 1)
    usage = torch.stack([draw_shares(seed), draw_shares(seed + 1)])
    loss = mutual_information_loss(feature.softmax(1), pixel.softmax(1), usage, weight).item()
    expected = reference.mutual_information_loop(feature.numpy(), pixel.numpy(), usage.tolist(), weight)
    assert loss == pytest.approx(expected, abs=1e-9)
    assert loss >= 0


@settings(max_examples=10)
@given(SEEDS, st.permutations(range(4)))
def test_mutual_information_knows_no_order_of_classes_and_branches(seed, order):
    feature, pixel = draw(seed).softmax(1), draw(seed + 1).softmax(1)
    usage = torch.stack([draw_shares(seed), draw_shares(seed + 1)])
    loss = mutual_information_loss(feature, pixel, usage, 2.0)
    assert mutual_information_loss(pixel, feature, usage.flip(0), 2.0).item() == pytest.approx(loss.item())
    renamed = mutual_information_loss(feature[:, order], pixel[:, order], usage[:, order], 2.0)
    assert renamed.item() == pytest.approx(loss.item())


def test_mutual_information_rewards_sure_agreement_on_all_classes():
    alive, dead = stripes(), torch.zeros(1, 4, 4, 8, dtype=torch.float64)
    dead[:, 2] = 1
    losses = {}
    for name, each in {"alive": alive, "dead": dead, "unsure": torch.full_like(dead, 0.25)}.items():
        usage = each.mean((0, 2, 3)).expand(2, -1)
        losses[name] = mutual_information_loss(each, each, usage, 2.0).item()
    assert losses == pytest.approx({"alive": 0, "dead": 2 * math.log(4), "unsure": math.log(4)}, abs=1e-9)
    shifted = mutual_information_loss(alive, alive.roll(1, dims=1), torch.full((2, 4), 0.25), 2.0)
    assert shifted > 10  # sure of different classes


@settings(max_examples=10)
@given(SEEDS, st.sampled_from((0.25, 1.0)), st.integers(1, 4))
def test_sinkhorn_is_its_definition(seed, temperature, turns):
    logits, prior = draw(seed), draw_shares(seed + 1)
    label = balance_by_sinkhorn(logits, prior, temperature, turns)
    expected = reference.sinkhorn_loop(logits.numpy(), prior.tolist(), temperature, turns)
    assert label.numpy() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=10)
@given(SEEDS)
def test_sinkhorn_gives_each_pixel_a_distribution_and_each_class_its_share(seed):
    logits, prior = draw(seed, scale=1.0), draw_shares(seed + 1)
    logits[:, 1] += 5  # a class that would take nearly all
    for turns, tolerance in ((3, 0.1), (100, 1e-4)):
        label = balance_by_sinkhorn(logits, prior, 1.0, turns)
        assert torch.allclose(label.sum(1), torch.ones(1, dtype=torch.float64))
        assert (label.mean((0, 2, 3)) - prior).abs().max() < tolerance
    assert logits.softmax(1).mean((0, 2, 3))[1] > 0.9


def test_sinkhorn_stays_finite_and_has_no_gradient():
    logits = (draw(scale=1e4).float()).requires_grad_()
    label = balance_by_sinkhorn(logits, torch.full((4,), 0.25), 0.05)
    assert torch.isfinite(label).all()
    assert not label.requires_grad


@settings(max_examples=10)
@given(SEEDS)
def test_alignment_is_a_distribution_in_the_ratio_of_the_shares(seed):
    label, prior, usage = draw(seed).softmax(1), draw_shares(seed + 1), draw_shares(seed + 2)
    aligned = align_distribution(label, prior, usage)
    assert torch.allclose(aligned.sum(1), torch.ones(1, dtype=torch.float64))
    odds = aligned[:, 0] / aligned[:, 1] / (label[:, 0] / label[:, 1])
    assert torch.allclose(odds, prior[0] / usage[0] * usage[1] / prior[1])
    assert torch.allclose(align_distribution(label, prior, prior), label)
    assert torch.isfinite(align_distribution(label, prior, torch.zeros(4, dtype=torch.float64))).all()


@settings(max_examples=10)
@given(SEEDS)
def test_label_loss_is_its_definition_and_leaves_out_what_has_no_class(seed):
    logits, weights = draw(seed), 3 * draw_shares(seed)
    label = torch.from_numpy(np.random.default_rng(seed).choice([0, 1, 2, 3, 255], (2, 3, 5)))
    expected = reference.label_loop(logits.numpy(), label.numpy(), weights.tolist())
    assert label_loss(logits, label, weights).item() == pytest.approx(expected, abs=1e-9)
    assert label_loss(logits, torch.full((2, 3, 5), 255), weights).item() == 0


def test_a_random_gradient_is_standard_normal_anew_each_time_and_costs_nothing():
    parameters = [torch.ones(300, 20, requires_grad=True), torch.zeros(500, requires_grad=True)]
    drawn = []
    for _ in range(2):
        loss = random_gradient_loss(parameters)
        assert loss.item() == 0
        drawn.append(torch.cat([each.flatten() for each in torch.autograd.grad(loss, parameters)]))
    assert abs(torch.corrcoef(torch.stack(drawn))[0, 1]) < 0.05
    for each in drawn:
        assert abs(each.mean()) < 0.05
        assert each.std().item() == pytest.approx(1, abs=0.05)
