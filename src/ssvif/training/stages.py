"""The two stages (paper, III-C) and early stopping."""

from __future__ import annotations

import logging
import math
from enum import StrEnum

from ssvif.io.errors import counted
from ssvif.training.checkpoint import Remembering
from ssvif.training.options import TrainingOptions

log = logging.getLogger("ssvif")


class Stage(StrEnum):
    """Stage I trains the fusion network alone, stage II everything."""

    FUSION = "fusion"
    JOINT = "joint"


class StageSwitch(Remembering):
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

    remembered = ("epoch", "losses")

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
        self.losses: list[float] = []  # mean fusion loss of each epoch

    @property
    def stage(self) -> Stage:
        """The stage of the next epoch."""
        return self._first if self.epoch is None else self._second

    def update(self, fusion_loss: float, *, stalled: bool = False) -> bool:
        """Take the epoch's mean fusion loss; return True if stage I ends with it.

        A run that has stalled, so that early stopping would end it, moves on from stage I instead.
        """
        self.losses = [*self.losses, fusion_loss]
        if self.epoch is not None or not self._may_switch:
            return False
        done = len(self.losses)
        rose = done >= 2 and fusion_loss > self.losses[-2] and done >= self._min_epochs
        if not (rose or stalled or (self._max_epochs and done >= self._max_epochs)):
            return False
        self.epoch = done
        return True


class EarlyStopping(Remembering):
    """Counts epochs without a better validation loss; `patience` of them end the training."""

    remembered = ("best", "waited")

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.best, self.waited = math.inf, 0

    def update(self, loss: float) -> bool:
        """Take an epoch's validation loss; return True if it is the best so far."""
        better = loss < self.best
        self.best = min(self.best, loss)
        self.waited = 0 if better else self.waited + 1
        return better

    @property
    def exhausted(self) -> bool:
        """Whether the patience is used up."""
        return self.waited >= self._patience

    def restart(self) -> None:
        """Reset: the next stage has another loss (assumed)."""
        self.best, self.waited = math.inf, 0


def warn_without_stage_two(options: TrainingOptions) -> None:
    """Warn if stage I is set to last as long as the training: then the consistency is not trained."""
    rise = max(options.stage_one_min_epochs, 2)  # the first epoch after which a risen loss ends stage I
    two = options.has_stage_two and options.stages == "two"
    if two and (options.stage_one_max_epochs or rise) >= options.epochs:
        log.warning(
            "Stage I %s last the whole training (%s), without the consistency: set `stage_one_max_epochs` to "
            "1 or more and `epochs` above it",
            "will" if min(rise, options.patience + 1) >= options.epochs else "may",
            counted(options.epochs, "epoch"),
        )
