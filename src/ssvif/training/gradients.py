"""The two tasks' gradients, taken once and used twice: to weigh the losses and to train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

TASKS = ("fusion", "consistency")
Gradients = dict[nn.Parameter, torch.Tensor]


def task_gradients(terms: Mapping[str, torch.Tensor], parameters: Iterable[nn.Parameter]) -> dict[str, Gradients]:
    """Return each task's gradient of its unweighted loss, by parameter.

    A parameter that a loss does not reach is left out of that task's gradient.

    Args:
        terms: loss terms by name; those of `TASKS` that occur are differentiated.
        parameters: with respect to which; the fusion network's and the branches'.
    """
    trainable = [each for each in parameters if each.requires_grad]
    tasks = [task for task in TASKS if task in terms]
    gradients: dict[str, Gradients] = {}
    for task in tasks:
        values = torch.autograd.grad(terms[task], trainable, retain_graph=task != tasks[-1], allow_unused=True)
        pairs = zip(trainable, values, strict=True)
        gradients[task] = {parameter: value for parameter, value in pairs if value is not None}
    return gradients


def gradient_norm(gradients: Gradients, parameters: Iterable[nn.Parameter]) -> torch.Tensor:
    """Return ‖∇_θ L‖₂ over the parameters θ that the gradient has, a scalar (Eq. 7's g); 0 without any."""
    norms = [gradients[each].norm() for each in parameters if each in gradients]
    norm: torch.Tensor = torch.stack(norms).norm() if norms else torch.zeros(())
    return norm


def apply_gradients(gradients: Mapping[str, Gradients], weights: Mapping[str, float]) -> None:
    """Set every parameter's `.grad` to Σ_task weight · gradient, as a backward of the sum would."""
    for task, by_parameter in gradients.items():
        for parameter, value in by_parameter.items():
            weighted = weights[task] * value
            parameter.grad = weighted if parameter.grad is None else parameter.grad + weighted
