"""The rows of history.csv, one an epoch, and of gradients.csv, one a measured step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ssvif.schema import GRADIENT_RELATIONS as RELATIONS
from ssvif.training.diagnostics import COLLAPSED_EPOCHS
from ssvif.training.gradients import NORMS, TASKS
from ssvif.training.stages import Stage

HistoryRow = dict[str, float | int | str]
OnEpoch = Callable[[HistoryRow], None]
TERMS = ("fusion", "intensity", "gradient", "structural", "color", "consistency")
DIAGNOSTICS = (
    *("live_classes", "class_entropy", "agreement", "pixel_agreement", "position_information"),
    *("nmi_color", "nmi_label", "collapsed"),
)
COLUMNS = (
    "epoch",
    "stage",
    *(f"train_{term}" for term in ("loss", *TERMS)),
    *(f"validation_{term}" for term in ("loss", *TASKS)),
    *(f"weight_{task}" for task in TASKS),
    "alpha",
    *NORMS,
    *(f"loss_ratio_{task}" for task in TASKS),
    *RELATIONS,
    *DIAGNOSTICS,
)
GRADIENT_COLUMNS = ("epoch", "step", *NORMS, *RELATIONS)


def check_rows(rows: Sequence[Any], columns: Sequence[str]) -> None:
    """Check that rows, as a checkpoint holds them, are numbers by some of the columns, and the stage.

    Raises:
        ValueError: one of them is not.
    """
    for row in rows:
        known = isinstance(row, dict) and {columns[0], columns[1]} <= row.keys() <= {*columns}
        if not known or not all(isinstance(row[name], str if name == "stage" else int | float) for name in row):
            raise ValueError(f"{row!s:.60} is no epoch or step")


class Means:
    """Running means of named scalars, kept on the device so that no step waits for them."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, torch.Tensor], count: int = 1) -> None:
        """Add named scalars, each of shape () and a mean over `count` items."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach().double() * count
            self._counts[name] = self._counts.get(name, 0) + count

    def compute(self) -> dict[str, float]:
        """Return every name's mean."""
        return {name: float(total) / self._counts[name] for name, total in self._sums.items()}


def is_collapsed(live_classes: Sequence[int]) -> bool:
    """Return whether the pseudo label has used one class at most for the last three epochs."""
    recent = live_classes[-COLLAPSED_EPOCHS:]
    return len(recent) == COLLAPSED_EPOCHS and max(recent) <= 1


def history_row(
    epoch: int,
    stage: Stage,
    train: Mapping[str, float],
    validation: Mapping[str, float],
    weights: Mapping[str, float],
) -> HistoryRow:
    """Return the row of an epoch, counted from 1; what does not apply to its stage is left out.

    `train` and `validation` are the mean loss terms and "loss", over the steps and over the validation pairs; in stage
    II `validation` holds the class diagnostics as well. The tasks' weights, and α, are those after the epoch's last
    step. Gradient norms and loss ratios are measured in the epoch, so that with GDWA they explain the next row's α (in
    the first joint epoch its own too).
    """
    row: HistoryRow = {"epoch": epoch, "stage": str(stage)}
    row |= {f"train_{name}": value for name, value in train.items()}
    for name, value in validation.items():
        row[name if name in COLUMNS else f"validation_{name}"] = value
    if "consistency" in weights:
        row |= {f"weight_{task}": weight for task, weight in weights.items()}
        row["alpha"] = weights["consistency"] / weights["fusion"]
    return {name: value for name, value in row.items() if name in COLUMNS}
