"""Start a SegFormer from weights of another training."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ssvif.io.errors import UserError, shorten
from ssvif.models.segmentation import Segmenter

BACKBONE = "network.segformer."
log = logging.getLogger("ssvif")


def initial_weights_name(weights: str) -> str:
    """Return how the tables call the initial weights: the file's name, or "scratch"."""
    return Path(weights).name if weights else "scratch"


def load_initial_weights(model: Segmenter, path: Path) -> None:
    """Copy weights into a SegFormer, leaving what does not fit as it is and saying so.

    The backbone must fit as a whole. The decoder may be missing, and the classifier may have another number
    of classes. Names are those of `Segmenter`, or of transformers' own model.

    Args:
        model: changed in place.
        path: safetensors file.

    Raises:
        UserError: the file is missing or damaged, or its backbone is not one of this size.
    """
    given = {_own_name(name): tensor for name, tensor in _read(path).items()}
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if name in own and tensor.shape == own[name].shape}
    left = [name for name in own if name not in fitting]
    unfit = [name for name in left if name.startswith(BACKBONE)]
    if unfit:
        raise UserError(
            f"{path} holds no SegFormer backbone of the chosen size",
            expected="weights of the same `size`, with the names of transformers 5",
            got=f"nothing that fits {shorten(unfit, 3)}",
            remedy="set `size` to the weights' size, or leave `weights` empty to train from scratch",
        )
    model.load_state_dict(fitting, strict=False)
    if left:
        log.info("%s does not fit %s: they start at random", path, shorten(left))


def _read(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UserError(
            f"The initial weights {path} do not exist",
            remedy="correct `weights` of the segmentation, or leave it empty to train from scratch",
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} cannot be read", expected="a whole safetensors file", got=str(error), remedy="copy it again"
        ) from error


def _own_name(name: str) -> str:
    return name if name.startswith("network.") else f"network.{name}"
