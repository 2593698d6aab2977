"""Which fuser a command asks for; what is heavy is imported only for the one that is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssvif.fusing.fuser import BaselineFuser, Fuser
from ssvif.fusing.onnx_fuser import SUFFIX as ONNX_SUFFIX
from ssvif.fusing.onnx_fuser import OnnxFuser
from ssvif.io.errors import UserError
from ssvif.io.files import sha256_of
from ssvif.models.shipped import shipped_model
from ssvif.schema import INFERENCES, PRECISIONS

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is to fuse; the network that comes with the package if nothing is named.

    Attributes:
        model: a network's file.
        checkpoint: or a released one, of `network`.
        network: whose checkpoint.
        baseline: or a trivial fusion.
        inference: whose script to follow; "" is plain, or for a checkpoint its network's.
        precision: "float32" or "bfloat16".
        device: "auto", "cpu" or "cuda".
        threads: of the CPU; 0 leaves the choice to torch.
    """

    model: Path | None = None
    checkpoint: Path | None = None
    network: str = ""
    baseline: str = ""
    inference: str = ""
    precision: str = "float32"
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        """Check that one thing is asked for.

        Raises:
            UserError: two are, or a checkpoint without its network.
        """
        if sum(map(bool, (self.model, self.checkpoint, self.baseline))) > 1:
            raise UserError("ssvif fuse takes one of --model, --checkpoint and --baseline")
        if bool(self.checkpoint) != bool(self.network):
            raise UserError("ssvif fuse takes --checkpoint and --network together")
        known = {"precision": PRECISIONS, "inference": ("", *INFERENCES)}
        for name, value in (("precision", self.precision), ("inference", self.inference)):
            if value not in known[name]:
                raise UserError(f"Unknown {name} {value!r}", expected=" | ".join(filter(None, known[name])))

    def identity(self) -> dict[str, str]:
        """Return what of it decides how fused images look, as an output folder remembers it."""
        path = None if self.baseline else self.checkpoint or self.model or shipped_model()
        return {
            "fuser": sha256_of(path) if path and path.is_file() else self.baseline,
            "inference": self.inference or self.network,
            "precision": self.precision,
        }


def open_onnx(choice: Choice, model: Path) -> OnnxFuser:
    """Return a network that ONNX Runtime computes.

    Args:
        choice: says on which device, with how many threads.
        model: a file of `ssvif export`.

    Raises:
        UserError: an inference or a precision is asked for that ONNX files do not offer, or as of `OnnxFuser`.
    """
    if choice.inference not in ("", "plain") or choice.precision != "float32":
        raise UserError(
            f"{model} holds plain inference in float32 alone",
            expected="neither --inference nor --precision",
            remedy="pass the network's .safetensors file instead",
        )
    return OnnxFuser(model, choice.device, choice.threads)


@contextmanager
def open_fuser(choice: Choice) -> Iterator[Fuser]:
    """Yield the fuser that was chosen; a GPU is held until the block ends.

    Raises:
        UserError: a name is unknown, or a file is missing or damaged.
    """
    if without_torch := _light_fuser(choice):
        yield without_torch
        return
    from ssvif.io.device import lease_device, prepare_cpu

    prepare_cpu(choice.threads)
    with lease_device(choice.device) as device:
        yield _torch_fuser(choice, device)


def load_fuser(choice: Choice) -> Fuser:
    """Return the fuser that was chosen, for use within somebody's program: no GPU is held, no setting changed.

    Args:
        choice: whose device may be any that torch knows, for instance "cuda:1"; `threads` does not count.

    Raises:
        UserError: as of `open_fuser`, or the device cannot be used.
    """
    if without_torch := _light_fuser(choice):
        return without_torch
    import torch

    name = choice.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter of a torch without CUDA
        raise UserError(f"The device {name!r} cannot be used", got=str(error).partition("\n")[0]) from error
    return _torch_fuser(choice, torch.device(name))


def _light_fuser(choice: Choice) -> Fuser | None:
    """Return the fuser if it needs no torch."""
    if choice.baseline:
        return BaselineFuser(choice.baseline)
    if choice.model and choice.model.suffix.lower() == ONNX_SUFFIX:
        return open_onnx(choice, choice.model)
    return None


def _torch_fuser(choice: Choice, device: torch.device) -> Fuser:
    model = None if choice.checkpoint else choice.model or shipped_model()
    from ssvif.fusing.torch_fuser import TorchFuser
    from ssvif.models.published import load_published
    from ssvif.models.registry import load_fusion_model

    loaded = load_fusion_model(model) if model else load_published(choice.network, choice.checkpoint or Path())
    return TorchFuser(loaded, device, choice.inference or choice.network or "plain", choice.precision)
