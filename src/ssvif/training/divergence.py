"""A training that diverges stops at that step, and its state is not saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from ssvif.io.errors import UserError, shorten

LOOKED_EVERY = 50  # steps, on a device that computes ahead: a look waits for it
NAMED = 20  # pairs of a batch
# before the first update, neither the learning rate nor the weights are to blame
AT_ONCE = "the network gives it before any step: look in the network for 0/0, sqrt and log"
REMEDY = "set a smaller `learning_rate`, or `precision: float32`"


class DivergenceWatch:
    """Looks whether the losses and gradients of an epoch's steps are finite.

    Args:
        epoch: counted from 1.
        names: of the pairs of each step's batch; may be empty.
        device: on a CPU each step is looked at, elsewhere every 50th and what has come since.
    """

    def __init__(self, epoch: int, names: Sequence[Sequence[str]], device: torch.device) -> None:
        self._epoch, self._names = epoch, names
        self._every = 1 if device.type == "cpu" else LOOKED_EVERY
        self._seen: list[dict[str, torch.Tensor]] = []
        self._step = 0

    def take(self, terms: Mapping[str, torch.Tensor], parameters: Iterable[nn.Parameter]) -> None:
        """Take a step's terms, each of shape (), and the parameters' gradients, before the optimizer does.

        Raises:
            UserError: one of them is not finite, in this step or in one since the last look.
        """
        found = [each.grad for each in parameters if each.grad is not None]
        norm = nn.utils.get_total_norm(found).to(terms["loss"])
        self._seen.append({**{name: value.detach() for name, value in terms.items()}, "gradient norm": norm})
        self._step += 1
        if len(self._seen) == self._every:
            self.look()

    def look(self) -> None:
        """Look at the steps since the last look.

        Raises:
            UserError: the first of them whose loss or gradient is not finite.
        """
        seen, self._seen = self._seen, []
        if not seen:
            return
        decisive = torch.stack([terms[name] for terms in seen for name in ("loss", "gradient norm")])
        finite = decisive.isfinite().view(-1, 2).all(dim=1).tolist()
        if all(finite):
            return
        first = finite.index(False)
        step = self._step - len(seen) + first
        values = {name: float(value) for name, value in seen[first].items()}
        names = list(self._names[step]) if self._names else []
        raise UserError(
            f"The training diverged in epoch {self._epoch}, step {step + 1}"
            + (f", on the pairs {shorten(names, NAMED)}" if names else ""),
            expected="finite losses and gradients",
            got=shorten([f"{name} {value}" for name, value in values.items() if not math.isfinite(value)], NAMED),
            remedy=REMEDY + "; with the same settings it goes on from the last complete epoch"
            if self._epoch > 1 or step
            else AT_ONCE,
        )


def check_validation(epoch: int, means: Mapping[str, float]) -> None:
    """Check that an epoch's mean validation loss is finite.

    Raises:
        UserError: it is not.
    """
    if not math.isfinite(means["loss"]):
        raise UserError(
            f"The training diverged in epoch {epoch}: its validation loss is {means['loss']}", remedy=REMEDY
        )
