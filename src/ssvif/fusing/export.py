"""Export fusion networks to files that run without ssvif: ONNX, or a program of `torch.export`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ssvif.fusing.onnx_fuser import KEY, OnnxFuser
from ssvif.fusing.torch_fuser import TorchFuser
from ssvif.io.errors import UserError
from ssvif.io.files import write_aside
from ssvif.models.base import FusionNetwork
from ssvif.models.contract import TRIAL_SIZE
from ssvif.models.inference import plain

if TYPE_CHECKING:
    from onnx import ModelProto

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
AXES = {0: "batch", 2: "height", 3: "width"}
TOLERANCE = 1e-4  # of values in [0,1], against PyTorch
# batches, heights and widths of the comparison: odd, a multiple of every stride, one window, a strip
CHECKED = ((1, 53, 61), (2, 64, 40), (1, 9, 17), (1, 1, 90))
# a program refuses sides at which a network's smallest map or its rows of windows would be one, as PyTorch reasons
PROGRAM_LEAST_PX = 16
MORE_MEMORY = 2.5  # measured of ONNX Runtime against PyTorch: 0.7 to 2.4
Compute = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class WholeFusion(nn.Module):
    """A network from images to image: for one channel it converts to luma and restores chroma; output is clamped."""

    def __init__(self, model: FusionNetwork) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return fused images (B,3,H,W) in [0,1] of visible (B,3,H,W) and infrared (B,1,H,W)."""
        return plain(self.model, visible, infrared.expand(-1, 3, -1, -1))


def export_model(model: FusionNetwork, path: Path, *, facts: Mapping[str, Any], form: str = "onnx") -> float:
    """Export a network for any number and size of images, and compare the file with the network.

    The file takes `visible` (B,3,H,W) and `infrared` (B,1,H,W), float32 in [0,1], and gives `fused` (B,3,H,W). The
    network is on the CPU, `facts` are of `describe`, and the form "torch" is a program that `torch.export.load` reads.

    Returns:
        The largest difference to the network, over all pixels of images of `CHECKED` sizes.

    Raises:
        UserError: the form is unknown, the packages for it are missing, the network cannot be written for any
            size, or what was written computes something else; then there is no file.
    """
    expected = " | ".join(f"{each} ({suffix})" for each, suffix in SUFFIXES.items())
    if form not in SUFFIXES:
        raise UserError(f"Unknown --format {form!r}", expected=expected)
    if path.suffix.lower() != SUFFIXES[form]:
        raise UserError(f"{path} does not end in {SUFFIXES[form]}, as --format {form} requires", expected=expected)
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if form == "onnx" and missing:
        raise UserError(f"The export to ONNX needs {', '.join(missing)}", remedy="pip install 'ssvif[onnx]'")
    if form == "torch":
        least = facts["least_px"]  # of a larger one, that of an encoder which attends to one token then, below 2·29 + 3
        facts = {**facts, "least_px": PROGRAM_LEAST_PX if least <= PROGRAM_LEAST_PX else 2 * least + 3}
    whole = WholeFusion(model)
    with write_aside(path) as aside, _exporting(path):
        write = _write_onnx if form == "onnx" else _write_program
        written = write(_trace(whole), aside, json.dumps(facts, sort_keys=True))
        worst = largest_difference(whole, written, facts["least_px"])
        if not worst <= TOLERANCE:
            raise UserError(
                f"{path} is not written: the exported network gives other results",
                expected=f"differences up to {TOLERANCE:g}",
                got=f"{worst:.2g}",
                remedy="a network of your own must not branch on sizes (docs/export.md); otherwise report this",
            )
    return worst


def describe(model: FusionNetwork, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an exported file's metadata say: a network's `name`, its file's `settings`, and how to use it."""
    fuser = TorchFuser(model, torch.device("cpu"))
    reach = fuser.reach
    return {
        "ssvif": importlib.metadata.version("ssvif"),
        "fusion_model": name,
        "channels": model.channels,
        "color": "rgb" if model.channels == 3 else "luma is fused, the chroma of visible kept (BT.601)",
        "inputs": {"visible": "(B,3,H,W) float32 RGB in [0,1]", "infrared": "(B,1,H,W) float32 in [0,1]"},
        "outputs": {"fused": "(B,3,H,W) float32 RGB in [0,1]"},
        "multiple": model.multiple,
        "least_px": fuser.least_px,
        "reach": vars(reach) if reach else None,
        "bytes_per_px": round(MORE_MEMORY * fuser.bytes_per_px),
        "settings": dict(settings),
    }


def _trace(whole: WholeFusion) -> torch.export.ExportedProgram:
    """Return a network as a graph for any number and size of images."""
    axes = dict.fromkeys(AXES, torch.export.Dim.DYNAMIC)
    pair = torch.zeros(2, 3, *TRIAL_SIZE), torch.zeros(2, 1, *TRIAL_SIZE)
    with torch.no_grad():
        program = torch.export.export(whole, pair, dynamic_shapes=(axes, axes), strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


@torch.no_grad()
def largest_difference(whole: Compute, written: Compute, least_px: int) -> float:
    """Return the largest difference between two fusions of random images; infinite if one is not finite.

    Both take visible (B,3,H,W) and infrared (B,1,H,W), with sides from `least_px` on, and give fused (B,3,H,W).
    """
    random = torch.Generator().manual_seed(0)
    worst = 0.0
    for batch, *sides in CHECKED:
        height, width = (max(side, least_px) for side in sides)
        pair = [torch.rand(batch, channels, height, width, generator=random) for channels in (3, 1)]
        difference = (whole(*pair) - written(*pair)).abs().max().item()
        worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    return worst


@contextmanager
def _exporting(path: Path) -> Iterator[None]:
    """Turn any exception of the exporters into one UserError, and silence their warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (UserError, OSError):
        raise
    except Exception as error:  # the exporters, and somebody's own network within them, may raise anything
        raise UserError(
            f"{path} is not written: this network cannot be exported for any number and size of images",
            expected="a network that branches neither on sizes nor on values",
            got=f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}",
            remedy="see docs/export.md",
        ) from error


def _write_program(program: torch.export.ExportedProgram, path: Path, text: str) -> Compute:
    with path.open("wb") as stream:
        torch.export.save(program, stream, extra_files={KEY: text})
    with path.open("rb") as stream:
        loaded: Compute = torch.export.load(stream).module()
    return loaded


def _write_onnx(program: torch.export.ExportedProgram, path: Path, text: str) -> Compute:
    # what PyTorch's optimizer does, ONNX Runtime does too when it opens a file; with SwinFusion the former fails
    names: dict[str, Any] = {"input_names": ["visible", "infrared"], "output_names": ["fused"]}
    made = torch.onnx.export(program, dynamo=True, optimize=False, verbose=False, **names)
    assert made is not None
    path.write_bytes(_tidy(made.model_proto, text).SerializeToString(deterministic=True))
    fuser = OnnxFuser(path, "cpu")

    def compute(visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        fused = fuser(visible.permute(0, 2, 3, 1).numpy(), infrared[:, 0].numpy())
        return torch.from_numpy(fused).permute(0, 3, 1, 2)

    return compute


def _tidy(proto: ModelProto, text: str) -> ModelProto:
    """Name the axes, remove the source locations of operations, and add ssvif's metadata."""
    from onnx import checker, helper

    for holder in (proto.graph, *proto.functions):
        for node in holder.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
        holder.ClearField("value_info")
        holder.ClearField("metadata_props")
    for value in (*proto.graph.input, *proto.graph.output):
        value.ClearField("metadata_props")
        for axis, name in AXES.items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    helper.set_model_props(proto, {KEY: text})
    checker.check_model(proto)
    return proto
