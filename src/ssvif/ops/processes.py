"""Sums over the processes that train one network together, each on its share of every batch.

A loss is that of the whole batch in every process: what it takes of a batch goes through `batch_sum` or `batch_mean`.
A process's gradients are then `count` times its part of the whole batch's: their mean over the processes is the whole.
In a process that is alone nothing is changed and nothing costs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from ssvif.io.errors import UserError
from ssvif.io.launch import place, rendezvous

Value = TypeVar("Value")
_whole = 0  # images of the batch at hand, those of all processes


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes of the training, if there are any, until the block ends.

    Raises:
        UserError: they cannot be found, or another one has ended.
    """
    rank, count = place().rank, place().count
    if count == 1:
        yield
        return
    meeting, where = rendezvous(), ""
    try:
        if meeting == "env://":
            where = " at {MASTER_ADDR}:{MASTER_PORT}".format_map(os.environ)
            socket.getaddrinfo(os.environ["MASTER_ADDR"], None)  # torch would ask for half an hour
        distributed.init_process_group(init_method=meeting, rank=rank, world_size=count)
    except (RuntimeError, ValueError, OSError) as error:
        raise UserError(
            f"Process {rank + 1} of {count} cannot meet the others{where}",
            got=str(error).partition("\n")[0],
            remedy="set MASTER_PORT to a free port, and MASTER_ADDR to the first process's machine, for all of them",
        ) from error
    try:
        yield
        distributed.destroy_process_group()
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and "onnection" not in str(error):
            raise
        raise UserError(
            f"Process {rank + 1} of {count} has lost the others: {str(error).partition('.')[0]}",
            remedy="see what they say; the same command goes on after the last complete epoch",
        ) from error


def begin_batch(whole: int) -> None:
    """Take the number of images of the coming batch, those of all processes."""
    global _whole
    _whole = whole


def own_share(count: int) -> slice:
    """Return which of a batch's images are this process's: as many as the others', or one more or less."""
    rank, processes = place().rank, place().count
    return slice(count * rank // processes, count * (rank + 1) // processes)


def batch_size(own: int) -> int:
    """Return the number of images of the batch at hand, of which this process holds `own`."""
    return own if place().count == 1 else _whole


def batch_sum(values: torch.Tensor) -> torch.Tensor:
    """Return the sum over the whole batch of sums (...) over this process's share."""
    if place().count == 1:
        return values
    share = own_share(_whole)
    return _Sum.apply(values if share.stop > share.start else values * 0)


def batch_mean(values: torch.Tensor) -> torch.Tensor:
    """Return the mean over the whole batch of means (...) over this process's share."""
    if place().count == 1:
        return values
    share = own_share(_whole)
    return batch_sum(values * ((share.stop - share.start) / _whole))


def average(tensors: Sequence[torch.Tensor]) -> None:
    """Set tensors to their means over the processes, all in one transfer."""
    if place().count == 1 or not tensors:
        return
    flat = torch.cat([each.flatten() for each in tensors])
    distributed.all_reduce(flat)
    parts = flat.div_(place().count).split([each.numel() for each in tensors])  # type: ignore[no-untyped-call]
    for each, part in zip(tensors, parts, strict=True):
        each.copy_(part.view(each.shape))


def add_up(counts: Iterable[torch.Tensor]) -> None:
    """Set counts (...) on the CPU to their sums over the processes."""
    if place().count > 1:
        for each in counts:
            distributed.all_reduce(each)


def from_first(value: Value) -> Value:
    """Return the first process's value, made of tensors, numbers, texts, lists and dictionaries."""
    if place().count == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _Sum.forward(context, gradient.contiguous())


class SharedBatchNorm(nn.BatchNorm2d):
    """A BatchNorm of maps (B,C,H,W) that takes mean and variance of the whole batch, on a CPU too."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the normalized maps (B,C,H,W)."""
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(maps)
        axes, values = (0, 2, 3), maps.float()
        mean = batch_mean(values.mean(axes))
        centered = values - mean[:, None, None]
        variance = batch_mean(centered.square().mean(axes))
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            pixels = _whole * maps[0, 0].numel()
            self.running_mean.lerp_(mean, weight)
            self.running_var.lerp_(variance * pixels / (pixels - 1), weight)
        normalized = centered * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            normalized = normalized * self.weight[:, None, None] + self.bias[:, None, None]
        return normalized.to(maps.dtype)


def share_batch_norms(network: nn.Module) -> None:
    """Let a network's BatchNorms see whole batches, where it is trained by several processes."""
    if place().count > 1:
        for module in network.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = SharedBatchNorm  # with the parameters and buffers that it has
