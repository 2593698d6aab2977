"""The optimizer, its learning rate from step to step, and the mean of the weights over the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ssvif.training.framework import Framework
from ssvif.training.options import TrainingOptions
from ssvif.training.weighting.base import Weighting

LAST_SHARE = 0.01  # of the learning rate, at the end of the cosine
SCHEDULES: dict[str, Callable[[float], float]] = {  # share of the training done, 0 to 1, to a share of the rate
    "constant": lambda done: 1.0,
    "cosine": lambda done: LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * done)) / 2,
}


def build_optimizer(framework: Framework, weighting: Weighting, options: TrainingOptions) -> torch.optim.Adam:
    """Return Adam over the fusion network, the branches and the weighting, each a parameter group if it has any."""
    fusion = list(framework.fusion_model.parameters())
    shared = set(fusion)
    branches = [each for each in framework.parameters() if each not in shared]
    rates = (options.learning_rate, options.branch_learning_rate or options.learning_rate, options.learning_rate)
    groups = [
        {"params": parameters, "lr": rate, "initial_lr": rate}
        for parameters, rate in zip((fusion, branches, weighting.parameters()), rates, strict=True)
        if parameters
    ]
    return torch.optim.Adam(groups, lr=options.learning_rate)


def set_learning_rate(optimizer: torch.optim.Optimizer, options: TrainingOptions, step: int, steps: int) -> None:
    """Set every group's rate for a step, counted from 0; `steps` are those of all `options.epochs`."""
    share = SCHEDULES[options.schedule](step / steps)
    if step < options.warmup_steps:
        share *= (step + 1) / options.warmup_steps
    for group in optimizer.param_groups:
        group["lr"] = share * group["initial_lr"]


class WeightAverage:
    """Exponential mean of a network's weights over the steps; its buffers are averaged too, counters copied.

    After step s, counted from 0, mean ← d · mean + (1 − d) · weights with d = min(decay, (1 + s)/(10 + s)), so that the
    initial weights are soon forgotten (as `tf.train.ExponentialMovingAverage`).

    Args:
        network: whose weights are averaged.
        decay: below 1; with 0 nothing is averaged, and `applied` leaves the network as it is.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network, self._decay, self._steps = network, decay, 0
        self._mean = self._copy() if decay else {}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after a step."""
        if not self._decay:
            return
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        self._steps += 1
        for name, value in self._network.state_dict().items():
            if value.is_floating_point():
                self._mean[name].lerp_(value, 1 - decay)
            else:
                self._mean[name].copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the mean in the network's place within a `with` block."""
        if not self._decay:
            yield
            return
        trained = self._copy()
        self._network.load_state_dict(self._mean)
        try:
            yield
        finally:
            self._network.load_state_dict(trained)

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self._network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {"steps": self._steps, "mean": self._mean}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self._steps = state["steps"]
        for name, value in self._mean.items():
            value.copy_(state["mean"][name])
