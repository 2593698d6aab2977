import pytest
import torch
from torch import nn

from ssvif.training.gradients import TASKS, apply_gradients, compare_gradients, task_gradients

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


@pytest.fixture
def toy():
    return Toy()


@pytest.fixture
def gradients(toy, data):
    return task_gradients(toy.terms(data), toy.parameters())


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


def test_a_task_has_only_what_it_reaches(toy, data, gradients):
    assert tuple(gradients) == TASKS
    trunk, head = set(toy.trunk.parameters()), set(toy.head.parameters())
    assert set(gradients["fusion"]) == trunk
    assert set(gradients["consistency"]) == trunk | head
    assert tuple(task_gradients({"fusion": toy.terms(data)["fusion"]}, toy.parameters())) == ("fusion",)


def flatten(gradients, parameters):
    return torch.cat([gradients[each].flatten() for each in parameters])


def test_relations_are_those_of_the_shared_gradients(toy, gradients):
    """Paper, Eq. 8 and 9 and the identity between them."""
    fusion, consistency = (flatten(gradients[task], toy.trunk.parameters()) for task in TASKS)
    relations = compare_gradients(gradients, toy.trunk.parameters())
    norms, product = (fusion.norm().item(), consistency.norm().item()), fusion.dot(consistency).item()
    assert relations == pytest.approx(
        {
            "grad_norm_fusion": norms[0],
            "grad_norm_consistency": norms[1],
            "projection_consistency": product / norms[0] ** 2,
            "projection_fusion": product / norms[1] ** 2,
            "cosine": product / norms[0] / norms[1],
        },
        rel=1e-5,
    )
    assert relations["projection_consistency"] == pytest.approx(relations["cosine"] * norms[1] / norms[0], rel=1e-6)
    assert 0 < abs(relations["cosine"]) < 1


def test_what_one_task_does_not_reach_counts_as_zero(toy, gradients):
    both = [*toy.trunk.parameters(), *toy.head.parameters()]
    relations = compare_gradients(gradients, both)
    assert relations["grad_norm_consistency"] == pytest.approx(flatten(gradients["consistency"], both).norm().item())
    assert relations["grad_norm_fusion"] == pytest.approx(
        flatten(gradients["fusion"], toy.trunk.parameters()).norm().item()
    )
    alone = compare_gradients(gradients, toy.head.parameters())
    assert (alone["grad_norm_fusion"], alone["projection_consistency"], alone["cosine"]) == (0, 0, 0)


def test_conflicting_gradients_have_a_negative_projection(toy, data):
    fusion = toy.terms(data)["fusion"]
    relations = compare_gradients(
        task_gradients({"fusion": fusion, "consistency": -3 * fusion}, toy.parameters()), toy.trunk.parameters()
    )
    assert relations["cosine"] == pytest.approx(-1)
    assert relations["projection_consistency"] == pytest.approx(-3)
    assert relations["projection_fusion"] == pytest.approx(-1 / 3)


def test_the_gradients_themselves_are_left_alone(gradients):
    before = {task: flatten(each, each) for task, each in gradients.items()}
    apply_gradients(gradients, WEIGHTS)
    assert all(torch.equal(flatten(each, each), before[task]) for task, each in gradients.items())
