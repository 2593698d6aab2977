"""Fusion networks by name, and a trained network's file."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open

from ssvif.io.checkpoints import save_tensors
from ssvif.io.errors import UserError
from ssvif.models.base import FusionModel, FusionNetwork
from ssvif.models.contract import build_own
from ssvif.models.names import (
    channel_choices,
    check_trainable,
    class_path,
    find_model,
    network_of_file,
    not_ours,
    read_header,
)

Kind = TypeVar("Kind", bound=FusionNetwork)


def build_fusion_model(name: str, channels: int = 3) -> FusionModel:
    """Return a fusion network that can be trained, for images of 1 or 3 channels, with initial weights.

    The name is a key of `ssvif.schema.FUSION_MODELS`, or `package.module:Class` for a network of your own.

    Raises:
        UserError: the name or the number of channels is unknown, the network only fuses, or a network of your own
            cannot be imported, built, or used on a pair.
    """
    check_trainable(name)
    model = build_network(name, channels)
    assert isinstance(model, FusionModel)
    return model


def build_network(name: str, channels: int = 3) -> FusionNetwork:
    """Return a network as `build_fusion_model` does, or one of `ssvif.schema.FUSION_NETWORKS` that only fuses.

    Raises:
        UserError: as there, or the network fuses images of 3 channels alone.
    """
    path = class_path(name)
    if channels not in (choices := channel_choices(name)):
        raise UserError(f"The network {name} has {' or '.join(map(str, choices))} channels, not {channels}")
    if ":" in name:
        return build_own(name, _import_class(path, FusionModel), channels)  # type: ignore[type-abstract]
    return _import_class(path, FusionNetwork)(channels=channels)  # type: ignore[type-abstract]


def _import_class(path: str, kind: type[Kind]) -> Callable[..., Kind]:
    if str(Path.cwd()) not in sys.path:  # a module beside the configuration, as `python -m` would find it
        sys.path.append(str(Path.cwd()))  # last, so that it cannot take the place of a library's module
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        raise _not_imported(path, error) from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise UserError(f"{path} is not a fusion model", expected="a subclass of ssvif.models.base.FusionModel")
    return found


def _not_imported(path: str, error: BaseException) -> UserError:
    """Return the error for a class that cannot be imported; a file named like one of Python's own is passed over."""
    module = path.partition(":")[0]
    imported = getattr(sys.modules.get(module), "__file__", None) or "a module built into Python"
    meant = Path.cwd() / f"{module.replace('.', '/')}.py"
    shadowed = module in sys.modules and meant.is_file() and meant != Path(imported)
    return UserError(
        f"Cannot import the fusion model {path!r}",
        expected="package.module:Class, importable from where you run",
        got=f"{type(error).__name__}: {error}" + (f" (imported: {imported})" if shadowed else ""),
        remedy=f"rename your file {meant.name}: another module has its name" if shadowed else "",
    )


def save_fusion_model(model: FusionModel, path: Path, *, name: str, facts: Mapping[str, Any]) -> None:
    """Write a network as safetensors whose metadata says how to build it again.

    The metadata hold its name, as `build_fusion_model` takes it, and further facts, e.g. the settings of its training.
    """
    save_tensors(path, model.state_dict(), {**facts, "fusion_model": name, "channels": model.channels})


def load_fusion_model(path: Path | str, network: str = "") -> FusionModel:
    """Return the network in a file of `save_fusion_model`, or "fast" or "accurate", in evaluation mode.

    `network` is the `package.module:Class` of a network of the user's own; a file does not decide what is imported.

    Raises:
        UserError: the file is missing, damaged, not one of ours, or of a network of somebody's own that `network`
            does not name.
    """
    path = find_model(Path(path))
    header = read_header(path)
    name = network_of_file(path, header, network)
    try:
        model = build_fusion_model(name, header["channels"])
        with safe_open(path, framework="pt") as stream:
            if len(names := stream.keys()) > len(model.state_dict()):  # before as many as a file claims are read
                raise ValueError(f"{len(names)} tensors, of which {name} has {len(model.state_dict())}")
            state = {key: stream.get_tensor(key) for key in names}
        check_weights(state, model.state_dict())
        model.load_state_dict(state)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise not_ours(path, error) from error
    return model.eval()


def check_weights(stored: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> None:
    """Check what `load_state_dict` would convert without a word, or take as it is.

    Raises:
        ValueError: weights are of another kind than a network's own, or not finite.
    """
    for name in stored.keys() & own.keys():
        if stored[name].is_floating_point() != own[name].is_floating_point():
            raise ValueError(f"{name} holds {stored[name].dtype}, not {own[name].dtype}")
        if not stored[name].isfinite().all():
            raise ValueError(f"{name} holds values that are not finite")
