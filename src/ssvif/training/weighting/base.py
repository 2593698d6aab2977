"""The one small interface behind which every weighting stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ssvif.training.gradients import TASKS


class Weighting(ABC):
    """Turns the tasks' losses into one, with weights that follow from what it is shown.

    Attributes:
        facts: what it measured in the last epoch, by column of the history.
    """

    facts: dict[str, float]

    def __init__(self) -> None:
        self.facts = {}

    @abstractmethod
    def weights(self) -> dict[str, float]:
        """Return the weight of each task's loss in the coming step."""

    def total(self, terms: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return Eq. 2, a scalar: the weighted sum of the tasks' losses, scalars by name."""
        weights = self.weights()
        return torch.stack([weights[task] * terms[task] for task in TASKS]).sum()

    def parameters(self) -> list[nn.Parameter]:
        """Return what the optimizer is to learn beside the networks."""
        return []

    def measures_at(self, step: int) -> bool:
        """Return whether the tasks' gradient norms are wanted at this step of the epoch."""
        return False

    def observe(self, grad_norms: Mapping[str, float], losses: Mapping[str, float]) -> None:  # noqa: B027
        """Take ‖∇L‖ and L of the unweighted losses at a measured step, before its weights are used."""

    def end_step(self, losses: Mapping[str, torch.Tensor]) -> None:  # noqa: B027 (most look at epochs only)
        """Take a step's unweighted losses, scalars by task."""

    def end_epoch(self, losses: Mapping[str, float]) -> None:  # noqa: B027 (a fixed weight ignores it)
        """Take the epoch's mean losses by task."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint, which falls between epochs, must hold."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 (nothing to restore by default)
        """Take up the state of a checkpoint."""


def softmax(values: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Return exp(x/T) / Σ exp(x/T) by name."""
    scaled = torch.tensor(list(values.values()), dtype=torch.float64) / temperature
    return dict(zip(values, scaled.softmax(dim=0).tolist(), strict=True))


def descent(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Return r = L(t)/L(t−1) by task; 1 where a loss was at or below zero, of which a ratio says nothing."""
    return {task: now[task] / before[task] if before[task] > 0 else 1.0 for task in TASKS}
