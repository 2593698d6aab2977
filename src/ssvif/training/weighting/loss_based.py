"""Weightings computed from the losses alone: a constant, DWA, SegMiF's, and learnt uncertainties."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ssvif.training.gradients import TASKS
from ssvif.training.weighting.base import Weighting, loss_ratios, softmax

SEGMIF_TEMPERATURE = 1000.0
INITIAL_LOG_VARIANCE = -0.5


class FixedWeighting(Weighting):
    """α is a constant; the paper's ablation uses 0.1."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self._alpha = alpha

    def weights(self) -> dict[str, float]:
        """Return 1 for fusion and α for consistency."""
        return {"fusion": 1.0, "consistency": self._alpha}


class DynamicWeightAverage(Weighting):
    """DWA: λ_i(t) = 2·softmax(r_i/T), r_i = L_i(t−1)/L_i(t−2), epoch means; 1 in the first two epochs.

    Source: Liu, Johns, Davison, End-to-end multi-task learning with attention, CVPR 2019, eq. 7.
    """

    remembered = ("_weights", "_previous")

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self._temperature = temperature
        self._weights = dict.fromkeys(TASKS, 1.0)
        self._previous: dict[str, float] | None = None

    def weights(self) -> dict[str, float]:
        """Return λ of both tasks; they sum to 2."""
        return dict(self._weights)

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """Set the next epoch's λ."""
        if self._previous is not None:
            ratios = loss_ratios(losses, self._previous)
            self._weights = {task: 2 * share for task, share in softmax(ratios, self._temperature).items()}
            self.facts = {f"loss_ratio_{task}": ratios[task] for task in TASKS}
        self._previous = {task: losses[task] for task in TASKS}
        super().end_epoch(losses)


class SegMiFWeighting(Weighting):
    """SegMiF's: at each step b_i = 2·softmax(r_i/1000), r_i = L_i(n−1)/L_i(n−2), times a preference.

    The first two steps have b = 1. The released preferences are 0.4 for fusion and 0.8 for segmentation. Source: Liu et
    al., Multi-interactive feature learning and a full-time multi-modality benchmark for image fusion and segmentation,
    ICCV 2023, with its released settings.
    """

    remembered = ("_last",)

    def __init__(self, preference: Mapping[str, float]) -> None:
        super().__init__()
        self._preference = dict(preference)
        self._last: list[dict[str, float]] = []

    def weights(self) -> dict[str, float]:
        """Return preference · b of both tasks."""
        if len(self._last) < 2:
            return dict(self._preference)
        balance = softmax(loss_ratios(self._last[1], self._last[0]), SEGMIF_TEMPERATURE)
        return {task: self._preference[task] * 2 * balance[task] for task in TASKS}

    def backward(self, terms: Mapping[str, torch.Tensor], learnt: nn.Module, shared: nn.Module) -> torch.Tensor:
        """Run the backward pass and keep the losses of the last two steps; returns the total, of shape ()."""
        loss = super().backward(terms, learnt, shared)
        self._last = [*self._last[-1:], {task: float(terms[task].detach()) for task in TASKS}]
        return loss


class UncertaintyWeighting(Weighting):
    """UCW: L = Σ ½e^{−s_i}·L_i + ½s_i with s_i, the log variance of task i, learnt from −0.5 on.

    Source: Kendall, Gal, Cipolla, Multi-task learning using uncertainty to weigh losses, CVPR 2018.
    """

    remembered = ("_log_variances",)

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._log_variances = nn.Parameter(torch.full((len(TASKS),), INITIAL_LOG_VARIANCE, device=device))

    def weights(self) -> dict[str, float]:
        """Return ½e^{−s} of both tasks."""
        values = (torch.exp(-self._log_variances.detach().double()) / 2).tolist()
        return dict(zip(TASKS, values, strict=True))

    def total(self, terms: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return Σ ½e^{−s_i}·L_i + ½s_i, of shape ()."""
        losses = torch.stack([terms[task] for task in TASKS])
        return (torch.exp(-self._log_variances) * losses + self._log_variances).sum() / 2

    def parameters(self) -> list[nn.Parameter]:
        """Return s, (2,): of fusion and of consistency."""
        return [self._log_variances]
