"""A training whose loss or gradient is not finite stops at that step and keeps its last good state."""

import math
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from reference.files import digests_of
from ssvif.data.training_view import TrainingView
from ssvif.io.errors import UserError
from ssvif.losses.fusion import weighted_sum
from ssvif.training import loop
from ssvif.training.divergence import DivergenceWatch, check_validation

CPU = torch.device("cpu")
STEPS = 3  # of an epoch of the tiny pairs


@pytest.fixture
def bad_at(monkeypatch):
    """A function that makes one loss of a training not finite, at its n-th forward pass in training, from 1 on."""

    def spoil(number, value=math.nan):
        passes = [0]

        def total(terms, weights):
            found = weighted_sum(terms, weights)
            passes[0] += found.requires_grad
            return found * value if passes[0] == number and found.requires_grad else found

        monkeypatch.setattr("ssvif.training.framework.weighted_sum", total)

    return spoil


@pytest.mark.parametrize(("epoch", "step"), [(1, 1), (2, 3), (3, 2)])
def test_it_stops_at_the_step_and_goes_on_from_the_last_good_state(
    train, options, pairs, tmp_path, bad_at, monkeypatch, epoch, step, log
):
    with monkeypatch.context():
        bad_at((epoch - 1) * STEPS + step)
        with pytest.raises(UserError, match=f"diverged in epoch {epoch}, step {step}, on the pairs") as caught:
            train(tmp_path / "run", options)
    monkeypatch.undo()
    names = TrainingView(pairs, "train", options.crop_px, 0).names
    batch = loop.shuffled_batches(len(names), options.batch_size, options.seed, epoch - 1)[step - 1]
    assert caught.value.what.endswith(", ".join(names[index] for index in batch))
    assert caught.value.got == "fusion nan, loss nan, gradient norm nan"
    assert ("before any step" if (epoch, step) == (1, 1) else "learning_rate") in caught.value.remedy
    assert [each.name for each in (tmp_path / "run").glob("*")] == (["state.pt"] if epoch > 1 else [])
    train(tmp_path / "run", options)
    assert ("resuming" in log.text) == (epoch > 1)
    assert digests_of(tmp_path / "run") == digests_of(train(tmp_path / "undisturbed", options))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_optimizer_does_not_take_the_bad_step(options, bad_at, value):
    trainer = loop.Trainer(options, CPU)
    before = {name: each.clone() for name, each in trainer.framework.state_dict().items()}
    bad_at(1, value)
    images = torch.rand(2, 3, 32, 32)
    with pytest.raises(UserError, match="epoch 1, step 1"):
        trainer.run_epoch([{"visible": images, "infrared": images[:, :1].expand(-1, 3, -1, -1)}], [])
    assert all(torch.equal(each, before[name]) for name, each in trainer.framework.state_dict().items())
    assert not trainer.optimizer.state


@pytest.mark.parametrize("weighting", ["gdwa", "fixed", "dwa", "ucw", "segmif", "gradnorm"])
def test_a_huge_learning_rate_is_told(train, options, tmp_path, weighting):
    wild = replace(options, stages="one", weighting=weighting, learning_rate=1e30, schedule="constant", warmup_steps=0)
    with pytest.raises(UserError, match="diverged in epoch 1, step 2") as caught:
        train(tmp_path, wild)
    assert re.search(r"loss (nan|inf)", caught.value.got)


def step_of(watch, loss, gradient=1.0):
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([gradient, 0.0])
    watch.take({"loss": torch.tensor(loss), "fusion": torch.tensor(1.0)}, [weight, nn.Parameter(torch.zeros(1))])


def test_a_gradient_that_is_not_finite_is_told_though_the_loss_is():
    watch = DivergenceWatch(4, [["a", "b"], ["c", "d"]], CPU)
    step_of(watch, 1.0)
    with pytest.raises(UserError, match=r"epoch 4, step 2, on the pairs c, d(?s:.*)got: +gradient norm inf\n"):
        step_of(watch, 1.0, math.inf)


@pytest.mark.parametrize(("bad", "seen_after"), [(1, 50), (50, 50), (51, 100), (101, 120)])
def test_a_device_that_computes_ahead_is_looked_at_seldom_and_names_the_first_bad_step(bad, seen_after):
    watch = DivergenceWatch(1, [[f"pair{index}"] for index in range(1, 121)], torch.device("cuda"))
    with pytest.raises(UserError, match=f"step {bad}, on the pairs pair{bad}\n"):  # noqa: PT012 (which step is asked)
        for step in range(1, 121):
            step_of(watch, math.nan if step >= bad else 1.0)
        watch.look()
    assert step == seen_after


def test_a_validation_loss_that_is_not_finite_is_told():
    check_validation(3, {"loss": 1.0})
    with pytest.raises(UserError, match="epoch 3: its validation loss is inf"):
        check_validation(3, {"loss": math.inf})
