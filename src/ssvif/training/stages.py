"""The two stages (paper, III-C) and early stopping."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Stage I trains the fusion network alone, stage II everything."""

    FUSION = "fusion"
    JOINT = "joint"


class StageSwitch:
    """Decides the stage of the next epoch.

    Stage I ends at the end of the first epoch e ≥ 2 whose mean fusion loss exceeds that of e − 1.

    Args:
        first: the stage to begin with.
        second: the stage after the switch; without a second task it is the first again, and the switch does no more
            than start early stopping anew.
        may_switch: False keeps the first stage for good.
        min_epochs: a risen loss ends stage I no sooner; `max_epochs` and a stalled run do.
        max_epochs: stage I lasts at most so long; 0 sets no limit.
    """

    def __init__(
        self,
        first: Stage,
        second: Stage = Stage.JOINT,
        *,
        may_switch: bool,
        min_epochs: int = 1,
        max_epochs: int = 0,
    ) -> None:
        self.epoch: int | None = None  # the last one of stage I, once it is over
        self._first, self._second = first, second
        self._may_switch = may_switch and first is Stage.FUSION
        self._min_epochs, self._max_epochs = min_epochs, max_epochs
        self._losses: list[float] = []

    @property
    def stage(self) -> Stage:
        """The stage of the next epoch."""
        return self._first if self.epoch is None else self._second

    def update(self, fusion_loss: float, *, stalled: bool = False) -> bool:
        """Take the epoch's mean fusion loss; return True if stage I ends with it.

        A run that has stalled, so that early stopping would end it, moves on from stage I instead.
        """
        self._losses.append(fusion_loss)
        if self.epoch is not None or not self._may_switch:
            return False
        done = len(self._losses)
        rose = done >= 2 and fusion_loss > self._losses[-2] and done >= self._min_epochs
        if not (rose or stalled or (self._max_epochs and done >= self._max_epochs)):
            return False
        self.epoch = done
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {"epoch": self.epoch, "losses": self._losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.epoch, self._losses = state["epoch"], list(state["losses"])


class EarlyStopping:
    """Counts epochs without a better validation loss; `patience` of them end the training."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._best, self._waited = math.inf, 0

    def update(self, loss: float) -> bool:
        """Take an epoch's validation loss; return True if it is the best so far."""
        better = loss < self._best
        self._best = min(self._best, loss)
        self._waited = 0 if better else self._waited + 1
        return better

    @property
    def exhausted(self) -> bool:
        """Whether the patience is used up."""
        return self._waited >= self._patience

    def restart(self) -> None:
        """Reset: the next stage has another loss (assumed)."""
        self._best, self._waited = math.inf, 0

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self._best, self._waited = state["best"], state["waited"]
