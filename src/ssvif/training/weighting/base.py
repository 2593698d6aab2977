"""What every weighting offers: it turns the tasks' losses into one and runs the backward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import nn

from ssvif.ops.processes import average
from ssvif.schema import GRADIENT_RELATIONS as RELATIONS
from ssvif.training.checkpoint import Remembering
from ssvif.training.gradients import NORMS, TASKS, apply_gradients, compare_gradients, task_gradients


class Weighting(Remembering, ABC):
    """Turns the tasks' losses into one, with weights that follow from what it has seen."""

    facts: dict[str, float]  # what it measured in the last epoch, by column of history.csv
    measured: list[dict[str, float]]  # the tasks' gradients compared at this epoch's measured steps, for gradients.csv

    def __init__(self) -> None:
        self.facts, self.measured = {}, []

    @abstractmethod
    def weights(self) -> dict[str, float]:
        """Return the weight of each task's loss in the coming step."""

    def total(self, terms: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return Eq. 2: the weighted sum of the tasks' losses, both of shape ()."""
        weights = self.weights()
        return torch.stack([weights[task] * terms[task] for task in weights]).sum()

    def backward(self, terms: Mapping[str, torch.Tensor], learnt: nn.Module, shared: nn.Module) -> torch.Tensor:
        """Set `.grad` of all parameters in `learnt` to the gradient of the total loss; return that loss, of shape ().

        `shared` is the part of `learnt` that both tasks train, over which their gradients are compared: the fusion
        network.
        """
        loss = self.total(terms)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = (*learnt.parameters(), *self.parameters())
        average([each.grad for each in trained if each.grad is not None])
        return loss

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters that the optimizer updates besides those of the networks."""
        return []

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """Take the epoch's mean losses by task; `facts` describes the epoch afterwards."""
        self.measured = []


class FusionOnly(Weighting):
    """Stage I: the fusion loss alone."""

    def weights(self) -> dict[str, float]:
        """Return 1 for fusion."""
        return {"fusion": 1.0}


class GradientWeighting(Weighting):
    """A weighting that measures both tasks' gradients at every n-th step of an epoch, the first included."""

    def __init__(self, every_n_steps: int) -> None:
        super().__init__()
        self._every, self._steps = every_n_steps, 0
        self._norms: list[Mapping[str, float]] = []  # of this epoch's measured steps, by task

    def observe(self, grad_norms: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """Take ‖∇L‖ over the fusion network and L of the unweighted losses, before the step's weights are used."""
        self._norms.append(grad_norms)

    def mean_norms(self) -> dict[str, float]:
        """Return the mean gradient norm of each task over this epoch's measured steps."""
        return {task: sum(norms[task] for norms in self._norms) / len(self._norms) for task in TASKS}

    def backward(self, terms: Mapping[str, torch.Tensor], learnt: nn.Module, shared: nn.Module) -> torch.Tensor:
        """Set `.grad` and return the total loss, of shape (); at a measured step from the tasks' own gradients."""
        self._steps += 1
        if (self._steps - 1) % self._every:
            return super().backward(terms, learnt, shared)
        gradients = task_gradients(terms, learnt.parameters())
        relations = compare_gradients(gradients, shared.parameters())
        self.measured.append({"step": self._steps, **relations})
        norms = {task: relations[name] for task, name in zip(TASKS, NORMS, strict=True)}
        self.observe(norms, {task: float(terms[task].detach()) for task in TASKS})
        apply_gradients(gradients, self.weights())
        return self.total(terms)

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """Add the epoch's mean gradient norms, projections and cosines to `facts`; the next epoch starts again."""
        self.facts |= {f"grad_norm_{task}": norm for task, norm in self.mean_norms().items()}
        if self.measured:
            self.facts |= {name: sum(row[name] for row in self.measured) / len(self.measured) for name in RELATIONS}
        self._norms, self._steps = [], 0
        super().end_epoch(losses)


def softmax(values: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Return exp(x/T) / Σ exp(x/T) by name."""
    scaled = torch.tensor(list(values.values()), dtype=torch.float64) / temperature
    return dict(zip(values, scaled.softmax(dim=0).tolist(), strict=True))


def loss_ratios(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Return r = L(t)/L(t−1) by task; 1 where the earlier loss is not positive and the ratio means nothing."""
    return {task: now[task] / before[task] if before[task] > 0 else 1.0 for task in TASKS}
