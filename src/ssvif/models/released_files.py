"""What is in the checkpoint files that authors released: state dictionaries, wrapped and in parts.

A file is what torch.save or safetensors wrote: names with a tensor each, often under a key such as "state_dict",
sometimes several dictionaries, one for each part of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeGuard

import torch
from safetensors.torch import load_file

from ssvif.io.checkpoints import load_torch
from ssvif.io.errors import UserError, shorten
from ssvif.models.names import is_ours

WRAPPERS = (
    "params",
    "params_ema",
    "state_dict",
    "model",
    "module",
)  # keys a training script may put a state dictionary under
PARALLEL = "module."  # what torch.nn.DataParallel puts before every name
REMEDY = "give the checkpoint its authors released: `ssvif models NAME` says which"


def read_released(path: Path, parts: Mapping[str, str]) -> object:
    """Return what a checkpoint's file holds; of a folder, what the file of each part holds.

    Raises:
        UserError: a file is missing or damaged, or holds other Python objects.
    """
    if path.is_dir() and parts:
        return {part: read_released(path / file, {}) for part, file in parts.items()}
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        remedy = "name the file, or download it: `ssvif models NAME` says from where"
        raise UserError(f"{path} {what}", expected="a released checkpoint", remedy=remedy)
    if is_ours(path):
        raise UserError(
            f"{path} is a file of `ssvif train`, not a released checkpoint",
            remedy=f"pass it as --model {path}, without --network and --checkpoint",
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return load_torch(path)
    except Exception as error:  # on damaged bytes torch's unpickler may raise anything
        raise UserError(
            f"{path} cannot be read as a checkpoint",
            expected="a state dictionary written by torch.save, or safetensors; never other pickled objects",
            got=f"{type(error).__name__}{f': {error}' if isinstance(error, ValueError) else ''}",
            remedy="download the file again, or convert it to a plain state dictionary",
        ) from error


def state_of(content: object, parts: Collection[str], where: str) -> dict[str, torch.Tensor]:
    """Return one state dictionary of a checkpoint that may hold one for each part; a part's name precedes its names.

    Args:
        content: what `read_released` returns.
        parts: those of the network that is asked for; beside them other things may stand.
        where: names the checkpoint in errors.

    Raises:
        UserError: there is no state dictionary, or another thing in it, or a part of several is missing.
    """
    inner = _unwrap(content, where)
    held = [part for part in parts if part in inner]
    if held or (inner and all(isinstance(each, Mapping) for each in inner.values())):
        within = {key: _entries(_unwrap(inner[key], f"{where}: {key}"), f"{where}: {key}") for key in held or inner}
        state = {f"{key}.{each}": value for key, entries in within.items() for each, value in entries.items()}
    else:
        state = _entries(inner, where)
    found = [part for part in parts if any(key.startswith(f"{part}.") for key in state)]
    if found and len(found) < len(parts):
        raise UserError(
            f"{where} lacks {', '.join(part for part in parts if part not in found)}",
            expected=f"a state dictionary for each of {', '.join(parts)}",
            got=f"only {', '.join(found)}",
            remedy=REMEDY,
        )
    return state


def _unwrap(content: object, where: str, depth: int = 0) -> dict[object, object]:
    """Return the innermost dictionary under the keys of training scripts, without what several GPUs put before each."""
    if not isinstance(content, Mapping):
        raise _no_state_dictionary(where, type(content).__name__)
    for key in WRAPPERS:
        if isinstance(inner := content.get(key), Mapping):
            if depth == len(WRAPPERS):
                raise _no_state_dictionary(where, "dictionaries within dictionaries")
            return _unwrap(inner, where, depth + 1)
    parallel = all(isinstance(key, str) and key.startswith(PARALLEL) for key in content)
    return {key.removeprefix(PARALLEL) if parallel else key: value for key, value in content.items()}


def _entries(content: Mapping[object, object], where: str) -> dict[str, torch.Tensor]:
    entries = {key: value for key, value in content.items() if isinstance(key, str) and _is_plain(value)}
    if not entries or len(entries) < len(content):
        # of another key only the type: a text of nested tuples may have no end
        others = {key: repr(key) if isinstance(key, str | int) else type(key).__name__ for key in content}
        told = [f"{text}: {type(content[key]).__name__}" for key, text in others.items() if key not in entries]
        raise _no_state_dictionary(where, shorten(told) or "nothing")
    return entries


def _is_plain(value: object) -> TypeGuard[torch.Tensor]:
    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        return False
    return not (value.is_meta or value.is_quantized or value.is_complex())


def _no_state_dictionary(where: str, got: str) -> UserError:
    return UserError(f"{where} is not a state dictionary", expected="names with a tensor each", got=got, remedy=REMEDY)
