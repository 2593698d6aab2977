"""Fusion networks by name, and a trained network's file."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ssvif.io.errors import UserError
from ssvif.io.files import write_aside
from ssvif.models.base import FusionModel, check_contract
from ssvif.models.names import class_path, network_of_file, not_ours, read_header

TRIAL_SIZE = (69, 77)  # odd, so that a network which needs even sides is found out at once


def build_fusion_model(name: str, channels: int = 3) -> FusionModel:
    """Return a fusion network for images of 1 or 3 channels, with initial weights.

    The name is a key of `ssvif.schema.FUSION_MODELS`, or `package.module:Class` for a network of your own.

    Raises:
        UserError: the name or the number of channels is unknown, or a network of your own cannot be
            imported, built, or used on a pair.
    """
    if channels not in (1, 3):
        raise UserError(f"A fusion model has 1 or 3 channels, not {channels}")
    found = _import_class(class_path(name))
    return _build_own(name, found, channels) if ":" in name else found(channels=channels)


def _build_own(name: str, found: Callable[..., FusionModel], channels: int) -> FusionModel:
    try:
        model = found(channels=channels)
        check_contract(model.eval(), *TRIAL_SIZE, torch.device("cpu"))
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{name} cannot be built for {channels} channels and fuse a pair of {TRIAL_SIZE[0]}×{TRIAL_SIZE[1]}",
            expected="what docs/own_model.md asks of a network",
            got=f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})",
        ) from error
    return model.train()


def _import_class(path: str) -> Callable[..., FusionModel]:
    if str(Path.cwd()) not in sys.path:  # a module beside the configuration, as `python -m` would find it
        sys.path.append(str(Path.cwd()))  # last, so that it cannot take the place of a library's module
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        raise UserError(
            f"Cannot import the fusion model {path!r}",
            expected="package.module:Class, importable from where you run",
            got=f"{type(error).__name__}: {error}",
        ) from error
    if not (isinstance(found, type) and issubclass(found, FusionModel)):
        raise UserError(f"{path} is not a fusion model", expected="a subclass of ssvif.models.base.FusionModel")
    return found


def save_fusion_model(model: FusionModel, path: Path, *, name: str, facts: Mapping[str, Any]) -> None:
    """Write a network as safetensors whose metadata says how to build it again.

    The metadata hold its name, as `build_fusion_model` takes it, and further facts, e.g. the settings of its training.
    """
    # one metadata entry: safetensors writes several in an order that differs between processes
    header = json.dumps({**facts, "fusion_model": name, "channels": model.channels}, sort_keys=True)
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with write_aside(path) as aside:
        # not save_file, whose files only their owner may read
        aside.write_bytes(save(state, metadata={"ssvif": header}))


def load_fusion_model(path: Path, network: str = "") -> FusionModel:
    """Return the network in a file of `save_fusion_model`, in evaluation mode.

    `network` is the `package.module:Class` of a network of the user's own; a file does not decide what is imported.

    Raises:
        UserError: the file is missing, damaged, not one of ours, or of a network of somebody's own that `network`
            does not name.
    """
    header = read_header(path)
    name = network_of_file(path, header, network)
    try:
        model = build_fusion_model(name, header["channels"])
        with safe_open(path, framework="pt") as stream:
            if len(names := stream.keys()) > len(model.state_dict()):  # before as many as a file claims are read
                raise ValueError(f"{len(names)} tensors, of which {name} has {len(model.state_dict())}")
            state = {key: stream.get_tensor(key) for key in names}
        _check_weights(state, model.state_dict())
        model.load_state_dict(state)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise not_ours(path, error) from error
    return model.eval()


def _check_weights(stored: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> None:
    """Check what `load_state_dict` would convert without a word, or take as it is."""
    for name in stored.keys() & own.keys():
        if stored[name].is_floating_point() != own[name].is_floating_point():
            raise ValueError(f"{name} holds {stored[name].dtype}, not {own[name].dtype}")
        if not stored[name].isfinite().all():
            raise ValueError(f"{name} holds values that are not finite")
