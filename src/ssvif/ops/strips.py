"""Maps computed strip by strip, so that what lies between two layers stays in the cache and need not be kept.

A function of strips is given the parts of some maps along their first axis and returns the same parts of its results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from itertools import islice
from threading import Barrier
from typing import Any

import torch
from torch import nn

FIXED = 4  # arguments of `_Recomputed` before its tensors
Maps = tuple[torch.Tensor, ...]
StripFunction = Callable[..., Maps]


class Memory:
    """What a function of strips computes once only, though it is itself computed again for the backward pass.

    Args:
        keep: whether there will be a backward pass.
        found: what an earlier `Memory` kept, to be taken instead of computed.
    """

    def __init__(self, keep: bool, found: Iterable[Maps] | None = None) -> None:
        self._keep, self._found = keep, None if found is None else iter(found)
        self.kept: list[Maps] = []

    def once(self, compute: Callable[[], Maps]) -> Maps:
        """Return what `compute` makes; of calls in the same order the second time finds what the first kept."""
        if self._found is not None:
            return next(self._found)
        made = compute()
        if self._keep:
            self.kept.append(made)
        return made


def map_strips(function: StripFunction, maps: Maps, module: nn.Module, rows: int) -> Maps:
    """Return what a function makes of maps (R,…), computed `rows` at a time, which gives the same.

    For the backward pass, which computes the function again, nothing is kept but the maps and what the function asks
    its memory to. On a CPU several strips are computed at once, a thread each; gradients are added in the strips'
    order, so their number changes nothing. There are no second derivatives.

    Args:
        function: of strips (rows,…) of the maps and a `Memory`, to results (rows,…).
        maps: those that need no gradient may be of any type.
        module: all parameters that the function reads.
        rows: of a strip; the last may have fewer.
    """
    parameters = [each for each in module.parameters() if each.requires_grad]
    keep = torch.is_grad_enabled() and any(each.requires_grad for each in (*maps, *parameters))
    return _Recomputed.apply(function, len(maps), rows, keep, *maps, *parameters)


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: StripFunction, count: int, rows: int, keep: bool, *tensors: torch.Tensor) -> Maps:
        ctx.function, ctx.count, ctx.rows = function, count, rows
        device = tensors[0].device.type
        ctx.autocast = device, None
        if torch.amp.is_autocast_available(device):
            ctx.autocast = device, (torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
        strips = _cut([each.detach() for each in tensors[:count]], rows)
        memories = [Memory(keep) for _ in strips]
        work = list(zip(strips, memories, strict=True))
        made = _run(lambda strip: function(*strip[0], strip[1]), work, ctx.autocast)
        # saved like the maps, so that a backward pass frees it and not the graph's end
        ctx.kept = [[len(maps) for maps in memory.kept] for memory in memories]
        ctx.save_for_backward(*tensors, *(each for memory in memories for maps in memory.kept for each in maps))
        return tuple(torch.cat(parts) for parts in zip(*made, strict=True))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved, count = iter(ctx.saved_tensors), len(ctx.needs_input_grad) - FIXED
        maps, parameters = _take(saved, ctx.count), _take(saved, count - ctx.count)
        found = [[_take(saved, length) for length in kept] for kept in ctx.kept]
        needed = [each for each, need in enumerate(ctx.needs_input_grad[FIXED : FIXED + ctx.count]) if need]

        def differentiate(work: tuple[Maps, Maps, list[Maps]]) -> Maps:
            strips, given, kept = work
            inputs = [each.detach().requires_grad_(i in needed) for i, each in enumerate(strips)]
            with torch.enable_grad():
                made = ctx.function(*inputs, Memory(keep=False, found=kept))
            # of a network that is frozen in part, not every result depends on something that is trained
            ends, slopes = zip(*(pair for pair in zip(made, given, strict=True) if pair[0].requires_grad), strict=True)
            wanted = [*(inputs[i] for i in needed), *parameters]
            return torch.autograd.grad(ends, wanted, slopes, materialize_grads=True)

        work = list(zip(_cut(maps, ctx.rows), _cut(gradients, ctx.rows), found, strict=True))
        columns = list(zip(*_run(differentiate, work, ctx.autocast), strict=True))
        by_map = dict(zip(needed, (torch.cat(parts) for parts in columns), strict=False))
        by_parameter = [sum(parts[1:], start=parts[0]) for parts in columns[len(needed) :]]
        return *(None,) * FIXED, *(by_map.get(i) for i in range(ctx.count)), *by_parameter


def _take(tensors: Iterator[torch.Tensor], count: int) -> Maps:
    return tuple(islice(tensors, count))


def _cut(maps: Sequence[torch.Tensor], rows: int) -> list[Maps]:
    return list(zip(*(torch.split(each, rows) for each in maps), strict=True))


def _run(
    function: Callable[[Any], Maps], strips: Sequence[Any], autocast: tuple[str, tuple[torch.dtype, bool] | None]
) -> list[Maps]:
    # a thread of its own knows nothing of its caller's modes, nor a backward pass of those of the forward pass
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    device, precision = autocast

    def run(strip: Any) -> Maps:
        cast = torch.autocast(device, precision[0], enabled=precision[1]) if precision else nullcontext()
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients), cast:
            return function(strip)

    threads = torch.get_num_threads()
    several = device == "cpu" and threads > 1 and len(strips) > 1
    return list(_pool(threads).map(run, strips) if several else map(run, strips))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return threads that each compute alone, without PyTorch's own threads."""
    everyone = Barrier(threads)

    def begin() -> None:
        torch.get_num_threads()  # a thread's first look at its number sets it to what was last set anywhere
        torch.set_num_threads(1)
        everyone.wait()

    pool = ThreadPoolExecutor(threads, "strips", begin)
    list(pool.map(lambda _: None, range(threads)))
    torch.set_num_threads(threads)  # so that threads to come begin with it again
    return pool
