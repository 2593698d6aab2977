from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ssvif.training.gradients import TASKS, apply_gradients, gradient_norm, task_gradients

WEIGHTS = {"fusion": 1.0, "consistency": 0.37}


class Toy(nn.Module):
    """A trunk both tasks use, a head only one uses, a layer nobody uses, and a frozen one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.head, self.unused, self.frozen = (nn.Linear(4, 4) for _ in range(4))
        self.frozen.requires_grad_(False)

    def terms(self, data):
        features = self.frozen(torch.tanh(self.trunk(data)))
        return {
            "fusion": features.square().mean(),
            "consistency": self.head(features).exp().mean(),
            "color": features.sum(),
        }


@pytest.fixture
def data():
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(1))


def test_applied_gradients_are_those_of_the_weighted_sum(data):
    by_hand, by_sum = Toy(), Toy()
    apply_gradients(task_gradients(by_hand.terms(data), by_hand.parameters()), WEIGHTS)
    terms = by_sum.terms(data)
    sum(WEIGHTS[task] * terms[task] for task in TASKS).backward()
    for (name, ours), theirs in zip(by_hand.named_parameters(), by_sum.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None), name
        if ours.grad is not None:
            assert (ours.grad - theirs.grad).abs().max() <= 1e-6
    assert by_hand.trunk.weight.grad.abs().max() > 1e-3
    assert by_hand.unused.weight.grad is None
    assert by_hand.frozen.weight.grad is None


def test_a_task_has_only_what_it_reaches(data):
    toy = Toy()
    gradients = task_gradients(toy.terms(data), toy.parameters())
    assert tuple(gradients) == TASKS
    trunk, head = set(toy.trunk.parameters()), set(toy.head.parameters())
    assert set(gradients["fusion"]) == trunk
    assert set(gradients["consistency"]) == trunk | head


def test_one_task_alone(data):
    toy = Toy()
    gradients = task_gradients({"fusion": toy.terms(data)["fusion"]}, toy.parameters())
    assert tuple(gradients) == ("fusion",)


def test_norm_is_that_of_all_values_together(data):
    toy = Toy()
    gradients = task_gradients(toy.terms(data), toy.parameters())["consistency"]
    everything = torch.cat([each.flatten() for each in gradients.values()])
    assert gradient_norm(gradients, toy.parameters()).item() == pytest.approx(everything.norm().item())
    trunk = torch.cat([gradients[each].flatten() for each in toy.trunk.parameters()])
    assert gradient_norm(gradients, toy.trunk.parameters()).item() == pytest.approx(trunk.norm().item())


def test_a_task_that_reaches_no_parameter_has_norm_zero(data):
    toy = Toy()
    gradients = task_gradients(toy.terms(data), toy.parameters())["fusion"]
    assert gradient_norm(gradients, toy.head.parameters()).item() == 0


def test_the_gradients_themselves_are_left_alone(data):
    toy = Toy()
    gradients = task_gradients(toy.terms(data), toy.parameters())
    before = {task: {key: copy.deepcopy(each) for key, each in gradients[task].items()} for task in TASKS}
    apply_gradients(gradients, WEIGHTS)
    for task in TASKS:
        assert all(torch.equal(gradients[task][key], before[task][key]) for key in before[task])
