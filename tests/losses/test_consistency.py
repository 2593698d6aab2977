import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import losses as reference
from ssvif.losses.consistency import consistency_loss, dice_loss, entropy, hybrid_loss, make_pseudo_label


def draw(seed=0, classes=4, batch=2, height=3, width=5, scale=2.0):
    """The logits of two branches."""
    random = torch.Generator().manual_seed(seed)
    shape = (batch, classes, height, width)
    return tuple(torch.randn(shape, generator=random, dtype=torch.float64) * scale for _ in range(2))


def one_hot(classes=4, height=4, width=6, sure=40.0):
    """Logits that are sure of classes laid out in stripes, every class in one."""
    best = torch.arange(width).remainder(classes).expand(1, height, width)
    return torch.nn.functional.one_hot(best, classes).permute(0, 3, 1, 2).double() * sure


@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.parametrize("seed", range(3))
def test_pseudo_label_is_the_definition(kind, seed):
    feature, pixel = draw(seed)
    expected = reference.pseudo_label_loop(feature.numpy(), pixel.numpy(), kind)
    label = make_pseudo_label(feature.requires_grad_(), pixel.requires_grad_(), kind)
    assert not label.requires_grad
    assert label.numpy() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_losses_are_the_definitions(kind):
    feature, pixel = draw(7)
    label = make_pseudo_label(feature, pixel, kind)
    expected = reference.hybrid_loop(feature.numpy(), label.numpy())
    assert hybrid_loss(feature, label).item() == pytest.approx(expected, abs=1e-9)
    for balance in (0.0, 0.3):
        expected = reference.consistency_loop(feature.numpy(), pixel.numpy(), kind, balance)
        assert consistency_loss(feature, pixel, label, balance).item() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 7), kind=st.sampled_from(("soft", "hard")))
def test_pseudo_label_is_a_distribution_of_the_surer_branch(seed, classes, kind):
    feature, pixel = draw(seed, classes)
    label = make_pseudo_label(feature, pixel, kind)
    assert torch.allclose(label.sum(1), torch.ones(1, dtype=torch.float64))
    assert (label >= 0).all()
    surest = torch.maximum(feature.softmax(1).amax(1), pixel.softmax(1).amax(1))
    assert torch.allclose(label.amax(1), surest if kind == "soft" else torch.ones_like(surest))
    soft, hard = make_pseudo_label(feature, pixel), make_pseudo_label(feature, pixel, "hard")
    assert torch.equal(soft.argmax(1), hard.argmax(1))


def test_the_loss_moves_both_branches():
    feature, pixel = (each.requires_grad_() for each in draw())
    label = make_pseudo_label(feature, pixel)
    loss = consistency_loss(feature, pixel, label)
    assert all(each.abs().max() > 1e-4 for each in torch.autograd.grad(loss, (feature, pixel)))


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_sure_branches_that_agree_lose_nothing(kind):
    logits = one_hot()
    label = make_pseudo_label(logits, logits, kind)
    assert consistency_loss(logits, logits, label).item() == pytest.approx(0, abs=1e-9)


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(("soft", "hard")))
def test_disagreement_costs_more_than_agreement(seed, kind):
    feature, pixel = draw(seed)
    apart = consistency_loss(feature, pixel, make_pseudo_label(feature, pixel, kind))
    label = make_pseudo_label(feature, feature, kind)
    assert consistency_loss(feature, feature, label) < consistency_loss(feature, pixel, label)
    assert apart > 0


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 7))
def test_dice_is_a_fraction(seed, classes):
    feature, pixel = draw(seed, classes)
    loss = dice_loss(feature.softmax(1), make_pseudo_label(feature, pixel))
    assert 0 <= loss <= 1


def test_dice_of_disjoint_and_of_absent_classes():
    """2×2 pixels: class 0 everywhere against class 1 everywhere, class 2 nowhere: 1 − (1/5 + 1/5 + 1)/3."""
    label, probabilities = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    label[:, 0] = probabilities[:, 1] = 1
    assert dice_loss(probabilities, label).item() == pytest.approx(1 - (0.2 + 0.2 + 1) / 3)
    assert dice_loss(label, label).item() == pytest.approx(0)


@pytest.mark.parametrize("dice_epsilon", ["both", "denominator"])
def test_hybrid_loss_with_epsilon_in_one_place_is_the_definition(dice_epsilon):
    feature, pixel = draw(3)
    label = make_pseudo_label(feature, pixel)
    expected = reference.hybrid_loop(feature.numpy(), label.numpy(), dice_epsilon)
    assert hybrid_loss(feature, label, dice_epsilon).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("dice_epsilon", "lost"), [("both", 0.0), ("denominator", 2 / 3 + 1 / 27)])
def test_a_dead_class_costs_its_share_where_epsilon_is_in_the_denominator_alone(dice_epsilon, lost):
    """Four pixels of one class of three, agreed on: two dead classes, and 8/(8 + 1) for the one alive."""
    label = torch.zeros(1, 3, 2, 2)
    label[:, 0] = 1
    assert dice_loss(label, label, dice_epsilon).item() == pytest.approx(lost)


def test_a_dead_label_costs_nothing_and_the_balance_term_makes_it_dear():
    """The trivial optimum: every pixel one class. The entropy term rewards classes in use by up to ln K."""
    dead = torch.zeros(1, 4, 4, 8, dtype=torch.float64)
    dead[:, 2] = 40
    alive = one_hot(height=4, width=8)
    label = {name: make_pseudo_label(each, each) for name, each in (("dead", dead), ("alive", alive))}
    assert consistency_loss(dead, dead, label["dead"]).item() == pytest.approx(0, abs=1e-9)
    balanced = consistency_loss(alive, alive, label["alive"], balance=0.5)
    assert balanced.item() == pytest.approx(0, abs=1e-9)
    assert consistency_loss(dead, dead, label["dead"], balance=0.5).item() == pytest.approx(0.5 * math.log(4))


def test_entropy_is_in_nats():
    assert entropy(torch.full((5,), 0.2)).item() == pytest.approx(math.log(5))
    assert entropy(torch.tensor([0.0, 1.0])).item() == 0
    assert entropy(torch.tensor([0.25, 0.75])).item() == pytest.approx(0.5623351446)


def test_huge_logits_stay_finite():
    feature, pixel = (each.float().requires_grad_() for each in draw(scale=1e4))
    loss = consistency_loss(feature, pixel, make_pseudo_label(feature, pixel), balance=0.1)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(feature.grad).all()
    assert torch.isfinite(pixel.grad).all()


def test_a_temperature_sharpens_a_soft_label_and_leaves_its_best_class():
    feature, pixel = draw()
    soft, sharp = (make_pseudo_label(feature, pixel, "soft", temperature) for temperature in (1.0, 0.5))
    assert torch.allclose(sharp, soft**2 / (soft**2).sum(dim=1, keepdim=True), atol=1e-12)
    assert torch.equal(sharp.argmax(dim=1), soft.argmax(dim=1))
    assert torch.equal(make_pseudo_label(feature, pixel, "hard", 0.5), make_pseudo_label(feature, pixel, "hard"))
