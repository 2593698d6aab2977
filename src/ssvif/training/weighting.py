"""How the consistency loss is weighed against the fusion loss in stage II (Eq. 2 and 7)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from ssvif.ops.errors import UserError
from ssvif.training.gradients import TASKS
from ssvif.training.options import TrainingOptions

ALPHA_BOUNDS = (1e-3, 10.0)


class Weighting(ABC):
    """Turns what training observes into one weight per task.

    Attributes:
        facts: what was measured in the last epoch, for the history; GDWA's next weights are made of it.
    """

    facts: dict[str, float]

    def __init__(self) -> None:
        self.facts = {}

    @abstractmethod
    def weights(self) -> dict[str, float]:
        """Return the weight of each task's loss in the coming step."""

    def measures_at(self, step: int) -> bool:
        """Return whether the tasks' gradient norms are wanted at this step of the epoch."""
        return False

    def observe(self, grad_norms: Mapping[str, float]) -> None:  # noqa: B027 (most need no gradients)
        """Take the gradient norms of the unweighted losses at a measured step."""

    def end_epoch(self, losses: Mapping[str, float]) -> None:  # noqa: B027 (a fixed weight ignores it)
        """Take the epoch's mean losses by task."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 (nothing to restore by default)
        """Take up the state of a checkpoint."""


class FixedWeighting(Weighting):
    """α is a constant; the paper's ablation uses 0.1."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self._alpha = alpha

    def weights(self) -> dict[str, float]:
        """Return 1 for fusion and α for consistency."""
        return {"fusion": 1.0, "consistency": self._alpha}


class GradientDescentWeighting(Weighting):
    """GDWA, Eq. 7: gradient norms say which task matters, descent rates which one lags.

    An epoch's α comes from the epoch before. The first epoch has none before: there the descent
    rates are 1 and the gradient norms are the mean over the steps measured so far.

    Args:
        temperature: T of the softmax over descent rates; 2 is DWA's value (assumed).
        form: "ratio": α = w_consistency / w_fusion (assumed); "share": α = w_consistency.
        every_n_steps: the gradients are measured at every n-th step.
    """

    def __init__(self, temperature: float, form: str, every_n_steps: int) -> None:
        super().__init__()
        self._temperature, self._form, self._every = temperature, form, every_n_steps
        self._alpha: float | None = None
        self._norm_sums, self._measured = dict.fromkeys(TASKS, 0.0), 0
        self._previous: dict[str, float] | None = None

    def weights(self) -> dict[str, float]:
        """Return 1 for fusion and α for consistency."""
        return {"fusion": 1.0, "consistency": ALPHA_BOUNDS[0] if self._alpha is None else self._alpha}

    def measures_at(self, step: int) -> bool:
        """Return True at every n-th step, the epoch's first included."""
        return step % self._every == 0

    def observe(self, grad_norms: Mapping[str, float]) -> None:
        """Add a measured step's gradient norms to the epoch's mean."""
        self._measured += 1
        for task in TASKS:
            self._norm_sums[task] += grad_norms[task]
        if self._previous is None:
            self._update(dict.fromkeys(TASKS, 1.0))

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """Set the next epoch's α from this epoch's gradient norms and loss ratios."""
        before = self._previous or losses
        # `balance` can take a loss to zero or below it, where a ratio says nothing
        self._update({task: losses[task] / before[task] if before[task] > 0 else 1.0 for task in TASKS})
        self._previous = {task: losses[task] for task in TASKS}
        self._norm_sums, self._measured = dict.fromkeys(TASKS, 0.0), 0

    def _update(self, ratios: Mapping[str, float]) -> None:
        norms = {task: self._norm_sums[task] / self._measured for task in TASKS}
        weights = gdwa_weights(norms, ratios, self._temperature)
        alpha = weights["consistency"]
        if self._form == "ratio":
            alpha = alpha / weights["fusion"] if weights["fusion"] else math.inf
        self._alpha = min(max(alpha, ALPHA_BOUNDS[0]), ALPHA_BOUNDS[1])
        self.facts = {f"grad_norm_{task}": norms[task] for task in TASKS}
        self.facts |= {f"loss_ratio_{task}": ratios[task] for task in TASKS}

    def state_dict(self) -> dict[str, Any]:
        """Return α and the last epoch's losses; a checkpoint falls between epochs."""
        return {"alpha": self._alpha, "previous": self._previous}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up α and the last epoch's losses."""
        self._alpha, self._previous = state["alpha"], state["previous"]


def gdwa_weights(
    grad_norms: Mapping[str, float], loss_ratios: Mapping[str, float], temperature: float
) -> dict[str, float]:
    """Return Eq. 7: w_i = ĝ_i d_i / Σ ĝ_j d_j, ĝ = g/Σg, d = softmax(r/T); the weights sum to 1.

    Args:
        grad_norms: g_i by task.
        loss_ratios: r_i = L_i(t)/L_i(t−1) by task.
        temperature: T.
    """
    # g/Σg and the softmax's denominator cancel in the last normalisation; the maximum keeps exp finite
    top = max(loss_ratios.values())
    products = {task: norm * math.exp((loss_ratios[task] - top) / temperature) for task, norm in grad_norms.items()}
    total = sum(products.values())
    if total == 0:
        return dict.fromkeys(products, 1 / len(products))
    return {task: product / total for task, product in products.items()}


WEIGHTINGS: dict[str, Callable[[TrainingOptions], Weighting]] = {
    "fixed": lambda options: FixedWeighting(options.fixed_alpha),
    "gdwa": lambda options: GradientDescentWeighting(options.temperature, options.gdwa_form, options.every_n_steps),
}


def build_weighting(options: TrainingOptions) -> Weighting:
    """Return the weighting that the options name.

    Raises:
        UserError: the name is unknown.
    """
    if options.weighting not in WEIGHTINGS:
        raise UserError(f"Unknown weighting {options.weighting!r}", expected=" | ".join(WEIGHTINGS))
    return WEIGHTINGS[options.weighting](options)
