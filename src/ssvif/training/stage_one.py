"""Stage I as a file, from which several trainings go on that differ in stage II only.

The file is safetensors. Its tensors are `network/…`, the fusion network's weights, `average/…` and `best/…`, its
exponential mean and its best weights, and `optimizer/INDEX/…`, what Adam remembers of the network's parameters in
their order. Its metadata hold everything else as JSON.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ssvif.io.checkpoints import save_tensors
from ssvif.io.documents import parse_mapping
from ssvif.io.errors import UserError, shorten
from ssvif.training.options import TrainingOptions

FORMAT = "ssvif-stage-one-1"
NETWORK = "fusion_model."  # what a framework's state calls the fusion network
FACTS = ("switch", "stopping", "history", "best_epoch")  # of a `Trainer`'s state, as they are


def save_stage_one(path: Path, state: Mapping[str, Any], options: TrainingOptions, data: str) -> None:
    """Write the state of a `Trainer` at the end of stage I; equal states give equal bytes.

    Args:
        path: of the file, which appears whole or not at all.
        state: `Trainer.state_dict` of a training without branches.
        options: of that training.
        data: digest of the pairs.
    """
    network = {name.removeprefix(NETWORK): value for name, value in state["framework"].items()}
    kept = {"network": network, "average": state["average"]["mean"], "best": state["best"]}
    kept |= {f"optimizer/{index}": value for index, value in state["optimizer"]["state"].items()}
    tensors = {f"{part}/{name}": value for part, values in kept.items() for name, value in values.items()}
    facts = {name: state[name] for name in FACTS} | {"average_steps": state["average"]["steps"]}
    header = {"format": FORMAT, "settings": asdict(options.stage_one()), "data_sha256": data, **facts}
    save_tensors(path, tensors, header)


def load_stage_one(path: Path, state: Mapping[str, Any], options: TrainingOptions, data: str) -> dict[str, Any]:
    """Return the state of a new `Trainer` with stage I, as a file of `save_stage_one` holds it, behind it.

    Args:
        path: of the file.
        state: `Trainer.state_dict` before the first epoch.
        options: of the training.
        data: digest of the pairs.

    Raises:
        UserError: the file is missing or damaged, or holds the stage I of other settings or pairs.
    """
    header, tensors = _read(path)
    _check_same(path, header, options, data)
    try:
        network = {f"{NETWORK}{name}": value for name, value in tensors["network"].items()}
        moments = {int(part.partition("/")[2]): each for part, each in tensors.items() if part.startswith("optimizer/")}
        return {
            **state,
            "framework": {**state["framework"], **network},
            "optimizer": {**state["optimizer"], "state": moments},
            "average": {"steps": header["average_steps"], "mean": tensors.get("average", {})},
            "best": tensors["best"],
            **{name: header[name] for name in FACTS},
        }
    except (KeyError, ValueError) as error:
        raise no_stage_one(path, error) from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, torch.Tensor]]]:
    """Return the metadata, and the tensors by the last part of their name within the parts before it."""
    if not path.is_file():
        raise UserError(f"{path} does not exist", remedy="correct the path, or write it with `ssvif stage-one`")
    tensors: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    try:
        with safe_open(path, framework="pt") as stream:
            header = parse_mapping((stream.metadata() or {})["ssvif"])
            if header.get("format") != FORMAT:
                raise ValueError(f"format {header.get('format', 'missing')}")
            if not isinstance(header.get("settings"), dict):
                raise ValueError("metadata without settings")
            for name in stream.keys():  # noqa: SIM118 (not a dictionary)
                part, _, last = name.rpartition("/")
                tensors[part][last] = stream.get_tensor(name)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise no_stage_one(path, error) from error
    return header, tensors


def _check_same(path: Path, header: Mapping[str, Any], options: TrainingOptions, data: str) -> None:
    ours, theirs = asdict(options.stage_one()), header["settings"]
    differing = [name for name in ours if name not in theirs or theirs[name] != ours[name]]
    if differing:
        raise UserError(
            f"{path} holds the stage I of other settings",
            expected=shorten([f"{name} {ours[name]}" for name in differing]),
            got=shorten([f"{name} {theirs.get(name, 'missing')}" for name in differing]),
            remedy="write one with `ssvif stage-one` and the settings of this training",
        )
    if header.get("data_sha256") != data:
        raise UserError(f"{path} holds a stage I on other pairs", remedy="write one with `ssvif stage-one --pairs`")


def no_stage_one(path: Path, error: Exception) -> UserError:
    """Return the error for a file that holds no stage I, or a damaged one."""
    return UserError(
        f"{path} is no stage I of a training",
        expected="a whole file of `ssvif stage-one`",
        got=f"{error}",
        remedy="delete it and write it again with `ssvif stage-one`",
    )
