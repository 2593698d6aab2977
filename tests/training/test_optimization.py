"""Learning rates by step, parameter groups, and the mean of the weights."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from ssvif.data.training_view import TrainingView
from ssvif.io.files import read_csv
from ssvif.models.registry import load_fusion_model
from ssvif.training import loop
from ssvif.training.optimization import WeightAverage, set_learning_rate
from ssvif.training.options import TrainingOptions
from ssvif.training.stages import Stage


def rates_of(options, steps):
    """The rate of a group that begins with 1, at every step of a training."""
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "initial_lr": 1.0}], lr=1.0)
    found = []
    for step in range(steps):
        set_learning_rate(optimizer, options, step, steps)
        found.append(optimizer.param_groups[0]["lr"])
    return found


@given(steps=st.integers(2, 300), warmup=st.integers(0, 400))
def test_the_cosine_falls_and_the_warm_up_rises(steps, warmup):
    found = rates_of(TrainingOptions(schedule="cosine", warmup_steps=warmup), steps)
    expected = [0.505 + 0.495 * math.cos(math.pi * step / steps) for step in range(steps)]
    expected = [rate * min(1, (step + 1) / max(warmup, 1)) for step, rate in enumerate(expected)]
    assert found == pytest.approx(expected)
    assert min(found) > 0
    assert max(found) <= 1


def test_without_a_schedule_the_rate_is_constant():
    assert rates_of(TrainingOptions(), 5) == [1.0] * 5


def test_the_branches_have_a_rate_of_their_own(options):
    for own, rate in ((3e-3, 3e-3), (0, 1e-3)):
        trainer = loop.Trainer(replace(options, weighting="ucw", branch_learning_rate=own), torch.device("cpu"))
        framework, groups = trainer.framework, trainer.optimizer.param_groups
        assert [group["lr"] for group in groups] == [1e-3, rate, 1e-3]
        learnt = [*framework.parameters(), *trainer.weighting.parameters()]
        assert {id(each) for group in groups for each in group["params"]} == {id(each) for each in learnt}
        assert set(framework.segmenter.parameters()) <= set(groups[1]["params"])
    trainer = loop.Trainer(replace(options, framework="fusion_only"), torch.device("cpu"))
    assert len(trainer.optimizer.param_groups) == 1


@given(decay=st.floats(0.01, 0.999), values=st.lists(st.floats(-9, 9), min_size=1, max_size=30))
def test_the_mean_of_the_weights(decay, values):
    network = torch.nn.BatchNorm1d(1).double()
    average = WeightAverage(network, decay)
    mean = network.weight.item()
    for step, value in enumerate(values):
        with torch.no_grad():
            network.weight.fill_(value)
        network.num_batches_tracked.fill_(step)
        average.update()
        kept = min(decay, (1 + step) / (10 + step))
        mean = kept * mean + (1 - kept) * value
    with average.applied():
        assert network.weight.item() == pytest.approx(mean, abs=1e-6)
        assert network.num_batches_tracked == len(values) - 1
    assert network.weight.item() == values[-1]


def test_the_mean_is_what_is_validated_and_saved(train, pairs, options, tmp_path, monkeypatch):
    seen = {}
    save_state = loop.save_state

    def save_and_note(path, key, state):
        save_state(path, key, state)
        seen[len(state["history"])] = torch.load(path, weights_only=True)["state"]

    monkeypatch.setattr(loop, "save_state", save_and_note)
    options = replace(options, framework="fusion_only", ema_decay=0.9)
    train(tmp_path, options)
    validated = [float(row["validation_loss"]) for row in read_csv(tmp_path / "history.csv")]
    best = 1 + validated.index(min(validated))
    saved = load_fusion_model(tmp_path / "model.safetensors").state_dict()
    trained = {name: seen[best]["framework"][f"fusion_model.{name}"] for name in saved}
    for name, value in saved.items():
        assert torch.equal(value, seen[best]["average"]["mean"][name])
    assert any(not torch.equal(value, trained[name]) for name, value in saved.items())
    trainer = loop.Trainer(options, torch.device("cpu"))
    trainer.framework.fusion_model.load_state_dict(saved)
    held_out = TrainingView(pairs, "validation", options.crop_px, 0, augment=False)
    means = trainer.validate(DataLoader(held_out, batch_size=options.batch_size), Stage.FUSION)
    assert means["loss"] == pytest.approx(min(validated), rel=1e-6)
