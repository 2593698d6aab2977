"""Weightings computed from the tasks' gradients: GDWA, the paper's own (Eq. 7), a balanced one, and GradNorm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ssvif.training.gradients import TASKS
from ssvif.training.weighting.base import GradientWeighting, loss_ratios

ALPHA_BOUNDS = (1e-3, 10.0)
BALANCED_BOUNDS = (1e-6, 1e4)
BALANCED_MEMORY = 0.9  # of the running means of the gradients' norms, at each measured step
SMALLEST_WEIGHT = 1e-3


class GradientDescentWeighting(GradientWeighting):
    """GDWA, Eq. 7: weights from gradient norms and descent rates of the tasks.

    An epoch's α comes from the epoch before. In the first epoch the descent rates are 1 and the gradient
    norms are the mean over the steps measured so far. `temperature` is T of the softmax over descent rates; 2 is DWA's
    value (assumed). The form "ratio" is α = w_consistency / w_fusion (assumed), "share" is α = w_consistency.
    """

    remembered = ("_alpha", "_previous")

    def __init__(self, temperature: float, form: str, every_n_steps: int) -> None:
        super().__init__(every_n_steps)
        self._temperature, self._form = temperature, form
        self._alpha: float | None = None
        self._previous: dict[str, float] | None = None

    def weights(self) -> dict[str, float]:
        """Return 1 for fusion and α for consistency."""
        return {"fusion": 1.0, "consistency": ALPHA_BOUNDS[0] if self._alpha is None else self._alpha}

    def observe(self, grad_norms: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """Take a measured step's gradient norms, and in the first epoch set α from their mean so far."""
        super().observe(grad_norms, losses)
        if self._previous is None:
            self._update(dict.fromkeys(TASKS, 1.0))

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """Set the next epoch's α from this epoch's gradient norms and loss ratios."""
        self._update(loss_ratios(losses, self._previous or losses))
        self._previous = {task: losses[task] for task in TASKS}
        super().end_epoch(losses)

    def _update(self, ratios: Mapping[str, float]) -> None:
        weights = gdwa_weights(self.mean_norms(), ratios, self._temperature)
        alpha = weights["consistency"]
        if self._form == "ratio":
            alpha = alpha / weights["fusion"] if weights["fusion"] else math.inf
        self._alpha = min(max(alpha, ALPHA_BOUNDS[0]), ALPHA_BOUNDS[1])
        self.facts = {f"loss_ratio_{task}": ratios[task] for task in TASKS}


def gdwa_weights(
    grad_norms: Mapping[str, float], loss_ratios: Mapping[str, float], temperature: float
) -> dict[str, float]:
    """Return Eq. 7 by task: w_i = ĝ_i d_i / Σ ĝ_j d_j, ĝ = g/Σg, d = softmax(r/T); the weights sum to 1.

    g are the norms of the gradients, r_i = L_i(t)/L_i(t−1) the ratios of the losses.
    """
    # g/Σg and the softmax's denominator cancel in the last normalization; the maximum keeps exp finite
    top = max(loss_ratios.values())
    products = {task: norm * math.exp((loss_ratios[task] - top) / temperature) for task, norm in grad_norms.items()}
    total = sum(products.values())
    if total == 0:
        return dict.fromkeys(products, 1 / len(products))
    return {task: product / total for task, product in products.items()}


class BalancedWeighting(GradientWeighting):
    """α such that consistency's gradient on the fusion network is a set share of fusion's: α = share · g_f / g_c.

    g are running means of the norms over about the last ten measured steps, since single batches differ by a factor of
    ten and more; α is kept within `BALANCED_BOUNDS`. What consistency alone trains, its two branches, gets the gradient
    of the unweighted loss, so that their pace does not depend on α. Ours: GDWA's α is small where the consistency
    gradient is, and such a task teaches the fusion network nothing.
    """

    remembered = ("_alpha", "_means")

    def __init__(self, share: float, every_n_steps: int) -> None:
        super().__init__(every_n_steps)
        self._share, self._alpha = share, 1.0
        self._means: dict[str, float] = {}  # running means of the norms, by task

    def weights(self) -> dict[str, float]:
        """Return 1 for fusion and α for consistency; α is 1 before the first measured step."""
        return {"fusion": 1.0, "consistency": self._alpha}

    def observe(self, grad_norms: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """Take a step's gradient norms into the running means, and set α from these."""
        super().observe(grad_norms, losses)
        self._means = {
            task: norm + BALANCED_MEMORY * (self._means.get(task, norm) - norm) for task, norm in grad_norms.items()
        }
        low, high = BALANCED_BOUNDS
        wanted, given = self._share * self._means["fusion"], self._means["consistency"]
        self._alpha = max(wanted / given, low) if wanted < high * given else high

    def backward(self, terms: Mapping[str, torch.Tensor], learnt: nn.Module, shared: nn.Module) -> torch.Tensor:
        """Set `.grad`, α-weighted on the shared part alone; return the total loss, of shape ()."""
        loss = super().backward(terms, learnt, shared)
        fused_by = {id(parameter) for parameter in shared.parameters()}
        for parameter in learnt.parameters():
            if id(parameter) not in fused_by and parameter.grad is not None:
                parameter.grad /= self._alpha
        return loss


class GradNormWeighting(GradientWeighting):
    """GradNorm: weights learnt so that each task's gradient grows with how slowly it is learnt.

    At a measured step the weights w descend on Σ|w_i g_i − Ḡ·r_i^a|, with g_i = ‖∇_θ L_i‖ over the
    fusion network, Ḡ the mean of w_i g_i, and r_i = (L_i/L_i(0)) / mean, both taken as constants;
    then they are scaled to sum 2. L(0) is the first measured one. The source recommends an asymmetry a of
    1.5 for tasks that differ much, and a learning rate of 0.025 for w. Assumed: Adam as the optimizer of w,
    since its steps do not depend on the gradients' size, and 1e-3 as the least weight.
    Source: Chen et al., GradNorm, ICML 2018, algorithm 1. Beyond the paper's ablations.
    """

    remembered = ("_weights", "_first")

    def __init__(self, asymmetry: float, learning_rate: float, every_n_steps: int) -> None:
        super().__init__(every_n_steps)
        self._asymmetry = asymmetry
        self._weights = torch.ones(len(TASKS), dtype=torch.float64)
        self._optimizer = torch.optim.Adam([self._weights], lr=learning_rate)
        self._first: dict[str, float] | None = None

    def weights(self) -> dict[str, float]:
        """Return w of both tasks; they sum to 2."""
        return dict(zip(TASKS, self._weights.tolist(), strict=True))

    def observe(self, grad_norms: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """Move w one step."""
        super().observe(grad_norms, losses)
        self._first = self._first or {task: losses[task] for task in TASKS}
        norms = torch.tensor([grad_norms[task] for task in TASKS], dtype=torch.float64)
        rates = torch.tensor(list(loss_ratios(losses, self._first).values()), dtype=torch.float64).clamp(min=0)
        weighted = self._weights * norms
        target = weighted.mean() * (rates / rates.mean().clamp(min=1e-12)) ** self._asymmetry
        self._weights.grad = torch.sign(weighted - target) * norms
        self._optimizer.step()
        self._weights.clamp_(min=SMALLEST_WEIGHT).mul_(len(TASKS) / self._weights.sum())

    def state_dict(self) -> dict[str, Any]:
        """Return w, the first losses, and the state of w's optimizer."""
        return super().state_dict() | {"optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        super().load_state_dict(state)
        self._optimizer.load_state_dict(state["optimizer"])
