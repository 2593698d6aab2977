"""Batches of a data set, loaded by this process or by workers."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from ssvif.io.errors import UserError

Batch = dict[str, torch.Tensor]


class BatchLoader(DataLoader[Batch]):
    """Loads the batches of indices given, without drawing from torch's global generator; 0 workers: in this process.

    A `UserError` of a worker reads as one of this process.
    """

    def __init__(self, dataset: Dataset[Batch], batches: list[list[int]], workers: int, device: torch.device) -> None:
        pinned, own = device.type == "cuda", torch.Generator()
        super().__init__(dataset, batch_sampler=batches, num_workers=workers, pin_memory=pinned, generator=own)

    def __iter__(self) -> Any:
        try:
            yield from super().__iter__()
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
