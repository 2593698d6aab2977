"""Training state between epochs, kept outside the declared outputs so that a killed training resumes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ssvif.io.checkpoints import load_torch
from ssvif.io.errors import UserError
from ssvif.io.files import write_aside

log = logging.getLogger("ssvif")
ARCHIVE = b"PK\3\4"  # what torch.save begins with


class Remembering:
    """Of an object's attributes, those that a checkpoint holds."""

    remembered: tuple[str, ...] = ()  # their names; a tensor is restored in place

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint, which falls between epochs, must hold."""
        return {name: getattr(self, name) for name in self.remembered}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        for name in self.remembered:
            if isinstance(kept := getattr(self, name), torch.Tensor):
                kept.copy_(state[name])
            else:
                setattr(self, name, state[name])


def state_key(**parts: Any) -> str:
    """Return a key of everything that decides the training; a state with another key is not resumed."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def save_state(path: Path, key: str, state: Mapping[str, Any]) -> None:
    """Write a state of tensors, numbers, strings, lists and dictionaries, whole or not at all."""
    with write_aside(path) as aside, aside.open("wb") as stream:
        try:
            torch.save({"key": key, "state": dict(state)}, stream)
        except RuntimeError as error:  # of closing what could not be written
            raise error.__context__ or error from None


def check_like(found: object, own: object, where: str) -> None:
    """Check that a part of a state, as a file holds it, has the form of a training's own: keys, shapes, kinds.

    An empty list or mapping of `own` stands for any, and None for what is not known before the first epoch.

    Raises:
        ValueError: it has not.
    """
    if isinstance(own, torch.Tensor):
        fits = isinstance(found, torch.Tensor) and (found.shape, found.dtype) == (own.shape, own.dtype)
    elif isinstance(own, Mapping):
        fits = isinstance(found, Mapping) and (not own or found.keys() == own.keys())
    elif own is None or isinstance(own, int | float):
        fits = isinstance(found, int | float) or (own is None and not isinstance(found, str))
    else:
        fits = isinstance(found, type(own))
    if not fits:
        raise ValueError(f"{where} is not that of this training")
    if isinstance(found, Mapping) and isinstance(own, Mapping):
        for name in own:
            check_like(found[name], own[name], f"{where}.{name}")


def load_state(path: Path, key: str) -> dict[str, Any] | None:
    """Return the state to resume from, or None if there is none that belongs to this training.

    Raises:
        UserError: the file is no state of a training, and writing one there would lose it.
    """
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        if (start := stream.read(len(ARCHIVE))) not in (ARCHIVE, b""):  # empty after a loss of power
            raise not_ours(path, f"a file that begins with {start!r}")
    try:
        stored = load_torch(path)
    except Exception as error:  # on damaged bytes torch's unpickler may raise anything
        log.warning("%s cannot be read and is ignored: %s", path, str(error).partition("\n")[0])
        return None
    if not isinstance(stored, dict) or stored.keys() != {"key", "state"}:
        raise not_ours(path, "another file of torch.save")
    if stored["key"] != key:
        log.info("%s belongs to other settings or data and is ignored", path)
        return None
    return stored["state"]


def not_ours(path: Path, got: str) -> UserError:
    """Return the error for a file that is no state of a training."""
    return UserError(
        f"{path} is no state of a training, and would be lost",
        expected="a file that a training has written between two epochs, or none",
        got=got,
        remedy="name another file as --state, or remove this one",
    )
