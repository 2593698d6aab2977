"""Cost of a fusion network: parameters, multiply-accumulates and memory, beside the paper's Table IV.

Everything is counted on tensors without data (device "meta"), so nothing is computed. Multiply-accumulates are counted
as in the paper, which uses fvcore's rules: convolutions, linear layers and matrix products once per multiplication;
per element LayerNorm at 5, BatchNorm at 2, a bilinearly resized map at 4 and a globally averaged one at 1; all else
(softmax, activations, hand-written normalization) not at all.

The paper's "Mem" is the peak of CUDA's caching allocator. The live tensors counted here are what that allocator
must hold at least; it adds cuBLAS's workspace (8.1 MiB, in networks with matrix products) and what a stored attention
mask takes.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ssvif.io.errors import UserError
from ssvif.io.files import read_csv, write_csv
from ssvif.io.terminal import render_table
from ssvif.models.base import FusionModel, FusionNetwork, blank_pair
from ssvif.models.contract import check_contract
from ssvif.models.published import dead_parameters
from ssvif.models.registry import build_network
from ssvif.models.released_names import PUBLISHED
from ssvif.schema import COSTS, EFFICIENCY_COLUMNS

# multiply-accumulates per element, fvcore's rough estimates
LAYER_NORM_COST, BATCH_NORM_COST, BILINEAR_COST, POOLING_COST = 5, 2, 4, 1
MIB = 2**20
# (method in lower case, channels, height, width, metric) → the number as it is printed
Published = Mapping[tuple[str, int, int, int, str], str]


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """One network's costs for one pair."""

    model: str  # its name, or `package.module:Class`
    channels: int  # of the images
    height: int  # of the images, in pixels
    width: int
    parameters: int  # all that are registered in our module
    released_parameters: int | None  # with those of the released network that it never uses; None for own networks
    macs: int  # multiply-accumulates
    peak_bytes: int  # most bytes of live tensors at any one time
    gpu_peak_bytes: int | None = None  # the same as CUDA's allocator measured it; None without a GPU

    def quantities(self) -> dict[str, float | None]:
        """Return the rows of `efficiency.csv`, memory in MiB; None where a network has no such quantity."""
        return {
            "parameters": self.parameters,
            "released_parameters": self.released_parameters,
            "macs": self.macs,
            "peak_memory_mb": self.peak_bytes / MIB,
            "gpu_peak_memory_mb": self.gpu_peak_bytes / MIB if self.gpu_peak_bytes else None,
        }


def measure(name: str, channels: int, height: int, width: int, device: torch.device | None = None) -> Complexity:
    """Count what a fusion network with fresh weights costs for one pair of C×H×W pixels, without gradients.

    The name is as `build_network` takes it. On a GPU the peak memory is measured as well.

    Raises:
        UserError: the name is unknown, or the network does not keep the contract of `FusionModel`.
    """
    try:
        model = build_network(name, channels).eval()
        bare = deepcopy(model).to("meta")
        if isinstance(bare, FusionModel):
            check_contract(bare, height, width, torch.device("meta"))
        macs, peak_bytes = count(bare, height, width)
    except UserError:
        raise
    except Exception as error:  # the network may be a user's code and may raise anything
        raise UserError(
            f"{name} cannot be counted for {channels}-channel images of {height}×{width} pixels",
            expected="images the network takes, operations that depend on their size alone, not on their values",
            got=f"{type(error).__name__}: {error}",
            remedy="see docs/own_model.md; --channels, --height and --width choose other images",
        ) from error
    parameters = sum(each.numel() for each in model.parameters())
    return Complexity(
        model=name,
        channels=channels,
        height=height,
        width=width,
        parameters=parameters,
        released_parameters=parameters + dead_parameters(name, channels) if name in PUBLISHED else None,
        macs=macs,
        peak_bytes=peak_bytes,
        gpu_peak_bytes=gpu_peak_bytes(model, height, width, device) if device and device.type == "cuda" else None,
    )


@torch.no_grad()
def count(model: FusionNetwork, height: int, width: int) -> tuple[int, int]:
    """Count what fusing one pair of H×W pixels costs, on the device "meta".

    Returns:
        The multiply-accumulates as fvcore counts them, and the most bytes that parameters, buffers, the pair and its
        activations take at any one time. Attention counts with its scores written out, as in the released networks;
        a fused kernel takes less memory.
    """
    pair = blank_pair(model, height, width, torch.device("meta"))
    # attention as matrix products: which fused kernel would be taken, and whether it is counted, depends on the version
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False, custom_mapping=_estimates()) as flops,
        LiveBytes() as live,
    ):
        live.watch([*model.parameters(), *model.buffers(), *pair])
        model(*pair)
    return int(flops.get_total_flops()) // 2, live.peak


def _estimates() -> dict[Any, Callable[..., int]]:
    """Return what counts besides products: an operation → its count, twice the multiply-accumulates, of its shapes."""

    def mean(shape: Sequence[int], axes: Sequence[int] = (), *_: Any, **__: Any) -> int:
        whole = len(shape) == 4 and sorted(axis % 4 for axis in axes or ()) == [2, 3]
        return 2 * POOLING_COST * math.prod(shape) if whole else 0

    aten = torch.ops.aten
    return {
        aten.native_layer_norm: lambda shape, *_, **__: 2 * LAYER_NORM_COST * math.prod(shape),
        aten.native_batch_norm: lambda shape, *_, **__: 2 * BATCH_NORM_COST * math.prod(shape),
        aten.upsample_bilinear2d: lambda *_, out_shape, **__: 2 * BILINEAR_COST * math.prod(out_shape),
        aten.mean: mean,
    }


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, counts the bytes of storages that operations allocate and that are still referenced: live, peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def watch(self, values: object) -> None:
        """Count the tensors in nested lists, tuples and dictionaries; views share one storage."""
        for each in tree_leaves(values):
            if isinstance(each, torch.Tensor):
                storage = each.untyped_storage()
                key, size = id(storage), storage.nbytes()
                if key not in self._storages:
                    self._storages[key] = weakref.ref(storage, partial(self._forget, key, size))
                    self.live += size
        self.peak = max(self.peak, self.live)

    def _forget(self, key: int, size: int, _: object) -> None:
        del self._storages[key]
        self.live -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation and count what it returns."""
        output = func(*args, **(kwargs or {}))
        self.watch(output)
        return output


@torch.no_grad()
def gpu_peak_bytes(model: FusionNetwork, height: int, width: int, device: torch.device) -> int:
    """Return the peak bytes of CUDA's allocator while fusing one pair of H×W pixels, without cuBLAS's workspace.

    The workspace stays allocated once any network has multiplied matrices; leaving it out makes the figure
    independent of what ran before. The model is on the CPU, and stays there.

    Raises:
        UserError: the GPU's memory is not enough.
    """
    try:
        model = deepcopy(model).to(device)
        pair = blank_pair(model, height, width, device)
        model(*pair)  # makes the workspace
        own = sum(each.numel() * each.element_size() for each in (*model.parameters(), *model.buffers(), *pair))
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        model(*pair)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"The GPU cannot fuse a pair of {height}×{width} pixels",
            got=str(error).partition("\n")[0],
            remedy="take smaller images, or --device cpu, which counts without computing",
        ) from error
    return int(own + torch.cuda.max_memory_allocated(device) - before)


def read_published(path: Path) -> Published:
    """Read the paper's Table IV, each number as it is printed.

    Raises:
        UserError: the file is missing, lacks a column, or holds something else than numbers.
    """
    try:
        found = {}
        for row in read_csv(path):
            channels, height, width = (int(row[column]) for column in ("channels", "height_px", "width_px"))
            found[row["method"].lower(), channels, height, width, row["metric"]] = row["value"]
            float(row["value"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read",
            expected="columns method, channels, height_px, width_px, metric, value",
            got=f"{type(error).__name__}: {error}",
            remedy="take the file of the project's config/published, or correct it",
        ) from error
    return found


def compare(value: float, printed: str) -> str:
    """Return "0.17 as printed" if a value rounds to a printed number, else the number and by how much it is off."""
    digits = len(printed.partition(".")[2])
    if f"{value:.{digits}f}" == printed:
        return f"{printed} as printed"
    return f"{printed} ({value - float(printed):+.{digits}f})"


def paper_cells(row: Complexity, published: Published) -> dict[str, str]:
    """Return the paper's figures for a network at this size, compared with ours; {} where it gives none."""
    quantities = {name: value for name, value in row.quantities().items() if value is not None}
    values = {
        metric: next(quantities[name] / unit for name in names if name in quantities)
        for metric, (names, unit) in COSTS.items()
    }
    key = (row.model.lower(), row.channels, row.height, row.width)
    return {name: compare(values[name], published[*key, name]) for name in values if (*key, name) in published}


def to_text(rows: Sequence[Complexity], published: Published) -> str:
    """Return a table of networks, and how many figures are as the paper prints them (where any are published)."""
    papers = [paper_cells(row, published) for row in rows]
    cells = [
        {
            "model": row.model,
            "C": str(row.channels),
            "parameters": f"{row.parameters:,}",
            "as released": f"{row.released_parameters:,}" if row.released_parameters else "",
            "paper, M": paper.get("parameters_mparam", ""),
            "MACs, G": f"{row.macs / 1e9:.4f}",
            "paper, G": paper.get("macs_gmac", ""),
            "peak, MiB": f"{row.peak_bytes / MIB:.1f}",
            "GPU, MiB": f"{row.gpu_peak_bytes / MIB:.1f}" if row.gpu_peak_bytes else "",
            "paper, MiB": paper.get("peak_memory_mb", ""),
        }
        for row, paper in zip(rows, papers, strict=True)
    ]
    shown = [title for title in cells[0] if any(line[title] for line in cells)] if cells else []
    sizes = ", ".join(dict.fromkeys(f"{row.height}×{row.width}" for row in rows))
    title = f"One pair of {sizes}, C channels, no gradients. MACs as fvcore counts them; peak: live tensors.\n"
    table = render_table(shown, [[line[column] for column in shown] for line in cells], title=title)
    counts = [cell for paper in papers for name, cell in paper.items() if name != "peak_memory_mb"]
    if not counts:
        return table
    agreeing = sum(cell.endswith("as printed") for cell in counts)
    return f"{table}\n\n{agreeing} of {len(counts)} parameter and MAC figures are as printed in the paper's Table IV."


def write_complexity(path: Path, rows: Iterable[Complexity]) -> None:
    """Write what was measured, one quantity a row; a quantity that a network does not have is left out."""
    lines = (
        {"model": row.model, "channels": row.channels, "height_px": row.height, "width_px": row.width}
        | {"quantity": name, "value": value}
        for row in rows
        for name, value in row.quantities().items()
        if value is not None
    )
    write_csv(path, lines, EFFICIENCY_COLUMNS)
