"""Batches of a data set, loaded by this process or by workers."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from ssvif.io.errors import UserError
from ssvif.ops.processes import begin_batch, own_share

Batch = dict[str, torch.Tensor]


class BatchLoader(DataLoader[Batch]):
    """Loads the batches of indices given, without drawing from torch's global generator; 0 workers: in this process.

    Of several processes that train together each loads its share; the first pair of a batch where it has none, which
    `ops.processes` leaves out. A `UserError` of a worker reads as one of this process.
    """

    def __init__(self, dataset: Dataset[Batch], batches: list[list[int]], workers: int, device: torch.device) -> None:
        pinned, own = device.type == "cuda", torch.Generator()
        self._sizes = [len(each) for each in batches]
        shares = [each[own_share(len(each))] or each[:1] for each in batches]
        super().__init__(dataset, batch_sampler=shares, num_workers=workers, pin_memory=pinned, generator=own)

    def __iter__(self) -> Any:
        try:
            for size, batch in zip(self._sizes, super().__iter__(), strict=True):
                begin_batch(size)
                yield batch
        except UserError as error:
            # a worker's error is made of its traceback, which ends with the message
            raise UserError(str(error).rpartition(f"{type(error).__name__}: ")[2].rstrip()) from error
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise UserError(
                "A process that loads images was killed, as the system does when memory runs out",
                got=str(error).partition("\n")[0],
                remedy="set fewer `workers`, or a smaller `batch_size`; the same command goes on",
            ) from error
