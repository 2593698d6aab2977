"""The fusion metrics for torchmetrics; nothing else here imports that library."""

from __future__ import annotations

from typing import Any

import torch
from torchmetrics import Metric

from ssvif.metrics.collection import METRICS, check_names, evaluate


class FusionMetric(Metric):
    """The mean of one of ssvif's fusion metrics over all images of all updates and processes.

    A metric that is not finite for an image makes the mean so, too.

    Args:
        name: a key of `ssvif.metrics.METRICS`, such as "qabf".
        **options: of `torchmetrics.Metric`, such as `dist_sync_on_step`.

    Raises:
        UserError: the name is unknown.
    """

    is_differentiable = False
    full_state_update = False
    total: torch.Tensor
    count: torch.Tensor

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(**options)
        check_names([name])
        self.name = name
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """Whether a higher value is better."""
        return METRICS[self.name].better == "up"

    def __repr__(self) -> str:
        return f"FusionMetric({self.name!r})"

    def update(self, visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor) -> None:
        """Take images (B,C,H,W) uint8, each with C 1 or 3; see `ssvif.metrics.evaluate` for errors."""
        self.total += evaluate(visible, infrared, fused, [self.name])[self.name].sum()
        self.count += len(fused)

    def compute(self) -> torch.Tensor:
        """Return the mean, of shape () float64; NaN before the first update."""
        return self.total / self.count
