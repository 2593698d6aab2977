"""The two tasks' gradients: computed once, used to weigh the losses, to train and to be compared.

θ are the fusion network's parameters, which both tasks train.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from ssvif.ops.processes import average

TASKS = ("fusion", "consistency")
NORMS = ("grad_norm_fusion", "grad_norm_consistency")
Gradients = dict[nn.Parameter, torch.Tensor]


def task_gradients(terms: Mapping[str, torch.Tensor], parameters: Iterable[nn.Parameter]) -> dict[str, Gradients]:
    """Return the gradients of the unweighted losses of those `TASKS` that are among the terms, each of shape ().

    By parameter, of the parameter's shape; one that a loss does not depend on is left out of that task's gradient. Of
    several processes that train together, all return the whole batch's gradients.
    """
    trainable = [each for each in parameters if each.requires_grad]
    tasks = [task for task in TASKS if task in terms]
    gradients: dict[str, Gradients] = {}
    for task in tasks:
        values = torch.autograd.grad(terms[task], trainable, retain_graph=task != tasks[-1], allow_unused=True)
        pairs = zip(trainable, values, strict=True)
        gradients[task] = {parameter: value for parameter, value in pairs if value is not None}
    average([value for by_parameter in gradients.values() for value in by_parameter.values()])
    return gradients


def compare_gradients(gradients: Mapping[str, Gradients], parameters: Iterable[nn.Parameter]) -> dict[str, float]:
    """Return how both tasks' unweighted gradients with respect to θ relate (paper, Eq. 7 to 9).

    Returns:
        `NORMS`, ‖g‖₂ of fusion and of consistency; `projection_consistency`, the coefficient ⟨g_c, g_f⟩/‖g_f‖² of
        consistency's gradient on fusion's, and `projection_fusion`, the reverse; `cosine` of the angle between them.
        A ratio whose denominator is 0 is 0.
    """
    shared = list(parameters)
    # each task's gradient as one vector (N,); 0 where the loss does not depend on a parameter
    fusion, consistency = (
        torch.cat([gradients[task].get(each, torch.zeros_like(each)).flatten().float() for each in shared])
        for task in TASKS
    )
    # one transfer from the device for all three numbers
    numbers = torch.stack([fusion.norm(), consistency.norm(), fusion.dot(consistency)])
    fusion_norm, consistency_norm, product = numbers.double().tolist()
    return {
        "grad_norm_fusion": fusion_norm,
        "grad_norm_consistency": consistency_norm,
        "projection_consistency": _ratio(product, fusion_norm**2),
        "projection_fusion": _ratio(product, consistency_norm**2),
        "cosine": _ratio(product, fusion_norm * consistency_norm),
    }


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


def apply_gradients(gradients: Mapping[str, Gradients], weights: Mapping[str, float]) -> None:
    """Set every parameter's `.grad` to Σ_task weight · gradient, as a backward of the sum would."""
    for task, by_parameter in gradients.items():
        for parameter, value in by_parameter.items():
            weighted = weights[task] * value
            parameter.grad = weighted if parameter.grad is None else parameter.grad.add_(weighted)
