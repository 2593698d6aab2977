"""Settings that select a fuser, and its loading; torch is imported for PyTorch networks only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ssvif.fusing.fuser import BaselineFuser, Fuser
from ssvif.fusing.onnx_fuser import SUFFIX as ONNX_SUFFIX
from ssvif.fusing.onnx_fuser import OnnxFuser
from ssvif.io.errors import UserError
from ssvif.io.files import sha256_of
from ssvif.models.names import WEIGHTS, find_model
from ssvif.models.released_names import PUBLISHED
from ssvif.schema import INFERENCE_NAMES, PRECISIONS

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class FuserSpec:
    """The fuser to load; by default the network `fast`, which comes with ssvif.

    Raises:
        UserError: a released network without its checkpoint, an unknown inference or precision, or one of a baseline.
    """

    path: Path | None = None  # `fast`, `accurate`, a file .safetensors or .onnx, or a released checkpoint of `network`
    network: str = ""  # name of the released network, or package.module:Class of the user's own in `path`
    baseline: str = ""  # or a fusion without a network
    inference: str = ""  # whose script to follow; "" is plain, or for a released checkpoint that of its authors
    precision: str = "float32"  # or "bfloat16"
    device: str = "auto"  # or "cpu", "cuda", and in `load_fuser` another that torch knows
    threads: int = 0  # of the CPU; 0 leaves the choice to the library
    channels_last: bool = True  # memory layout of PyTorch's convolutions, see `TorchFuser`

    def __post_init__(self) -> None:
        if self.network and not self.path:
            kind, file = ("released network", "checkpoint") if self.released else ("network", "model file")
            raise UserError(f"The {kind} {self.network!r} needs a {file}", remedy="pass its path")
        choices = (("inference", self.inference, ("", *INFERENCE_NAMES)), ("precision", self.precision, PRECISIONS))
        for name, value, known in choices:
            if value not in known:
                raise UserError(f"Unknown {name} {value!r}", expected=" | ".join(filter(None, known)))
        if self.baseline and (self.inference or self.precision != "float32"):
            raise UserError(
                f"The baseline {self.baseline} uses no network",
                expected="neither --inference nor --precision",
                remedy="leave them out",
            )

    @property
    def released(self) -> str:
        """Name of the released network that `path` is a checkpoint of; "" for a file of ours."""
        return "" if ":" in self.network else self.network

    @property
    def file(self) -> Path:
        """The network's file; of one in the package its .safetensors or, where PyTorch is not installed, its .onnx.

        Raises:
            UserError: `path` is neither such a name nor a file's.
        """
        if self.path and self.released:
            return self.path
        found = find_model(self.path)
        return found if has_torch() or found.parent != WEIGHTS else found.with_suffix(ONNX_SUFFIX)

    @property
    def is_onnx(self) -> bool:
        """Whether ONNX Runtime computes the network."""
        return not (self.baseline or self.released) and self.file.suffix.lower() == ONNX_SUFFIX

    def identity(self) -> dict[str, str]:
        """Return the settings on which the fused images depend."""
        parts = PUBLISHED[self.released].parts.values() if self.released in PUBLISHED else ()
        files = [each for each in (self.file, *(self.file / part for part in parts if part)) if each.is_file()]
        return {
            "fuser": self.baseline or " ".join(map(sha256_of, files)),
            "inference": self.inference or self.released,
            "precision": self.precision,
        }


def has_torch() -> bool:
    """Return whether PyTorch is installed; it is not imported."""
    return find_spec("torch") is not None


@contextmanager
def open_fuser(spec: FuserSpec) -> Iterator[Fuser]:
    """Yield a fuser for a command; its GPU is not shared until the block ends, and the CPU is prepared.

    Raises:
        UserError: a name is unknown, or a file is missing or damaged.
    """
    if spec.baseline or spec.is_onnx or not has_torch():
        yield load_fuser(spec)
        return
    from ssvif.io.device import lease_device, prepare_cpu

    prepare_cpu(spec.threads)
    with lease_device(spec.device) as device:
        yield load_fuser(spec, device)


def load_fuser(spec: FuserSpec, device: torch.device | None = None) -> Fuser:
    """Return a fuser, on `device` or the spec's: no GPU is reserved and no setting of the process changed.

    Raises:
        UserError: a name is unknown, a file is missing or damaged, or the device cannot be used.
    """
    if spec.baseline:
        return BaselineFuser(spec.baseline)
    if spec.is_onnx:
        if spec.inference not in ("", "plain") or spec.precision != "float32" or spec.network:
            raise UserError(
                f"{spec.file} is an ONNX file, which supports only plain inference in float32",
                expected="neither --inference, --precision nor --network",
                remedy="leave them out, or pass the network's .safetensors file instead, which needs PyTorch",
            )
        return OnnxFuser(spec.file, spec.device, spec.threads)
    if not has_torch():
        raise UserError(
            f"{spec.file} needs PyTorch, which is not installed",
            expected="--model fast | accurate | an .onnx file of `ssvif export`",
            remedy="pip install 'ssvif[torch]', or export the network where PyTorch is",
        )
    from ssvif.fusing.torch_fuser import TorchFuser
    from ssvif.models.published import load_published
    from ssvif.models.registry import load_fusion_model

    device = device or _usable_device(spec.device)
    model = load_published(spec.released, spec.file) if spec.released else load_fusion_model(spec.file, spec.network)
    inference = spec.inference or spec.released or "plain"
    return TorchFuser(model, device, inference, spec.precision, channels_last=spec.channels_last)


def _usable_device(name: str) -> torch.device:
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter from a torch without CUDA
        raise UserError(f"The device {name!r} cannot be used", got=str(error).partition("\n")[0]) from error
    return torch.device(name)
