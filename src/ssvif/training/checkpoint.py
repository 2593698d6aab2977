"""Training state between epochs, kept outside the declared outputs so that a killed training resumes."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ssvif.io.checkpoints import load_torch
from ssvif.io.errors import UserError
from ssvif.io.files import write_aside

log = logging.getLogger("ssvif")
ARCHIVE = b"PK\3\4"  # what torch.save begins with


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


def load_state(path: Path, key: str) -> dict[str, Any] | None:
    """Return the state to resume from, or None if there is none that belongs to this training.

    Raises:
        UserError: the file is no state of a training, and writing one there would lose it.
    """
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        if (start := stream.read(len(ARCHIVE))) not in (ARCHIVE, b""):  # empty after a loss of power
            raise _not_ours(path, f"a file that begins with {start!r}")
    try:
        stored = load_torch(path)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        log.warning("%s cannot be read and is ignored: %s", path, str(error).partition("\n")[0])
        return None
    if not isinstance(stored, dict) or stored.keys() != {"key", "state"}:
        raise _not_ours(path, "another file of torch.save")
    if stored["key"] != key:
        log.info("%s belongs to other settings or data and is ignored", path)
        return None
    state: dict[str, Any] = stored["state"]
    return state


def _not_ours(path: Path, got: str) -> UserError:
    return UserError(
        f"{path} is no state of a training, and would be lost",
        expected="a file that a training has written between two epochs, or none",
        got=got,
        remedy="name another file as --state, or remove this one",
    )
