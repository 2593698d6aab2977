"""What a folder of one's own training was made with, so that no finished or half-done one is thrown away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssvif.io.errors import UserError
from ssvif.io.files import write_json

PLAN = "training.json"
MADE = ("model.safetensors", "record.json")


def begin(output: Path, state: Path, *, settings: Mapping[str, Any], data: str, overwrite: bool) -> bool:
    """Note what a folder's training is made with; return whether there is anything left to do.

    Args:
        output: the training's folder.
        state: its file between epochs.
        settings: of the training.
        data: digest of all that is trained on.
        overwrite: forget what the folder holds of a former training.

    Raises:
        UserError: the folder holds a training with other settings or data, finished or not.
    """
    plan = {"settings": dict(settings), "data": data}
    model = output / MADE[0]
    if overwrite:  # before the new plan is written, so that an old network is never taken for the new one's
        for path in (state, *(output / name for name in MADE)):
            path.unlink(missing_ok=True)
    elif model.exists() or state.exists():
        former = _read(output / PLAN)
        if former != plan:
            raise _other(output, finished=not state.exists(), differs=_differences(former, plan))
        return state.exists() or not model.exists()
    write_json(output / PLAN, plan)
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or not by us: then it is another training
        return {}
    return found if isinstance(found, dict) else {}


def _differences(former: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    if not former:
        return "nobody knows with which settings and pairs"
    old, new = former.get("settings", {}), plan["settings"]
    changed = [f"{name} was {old.get(name)}, is {new[name]}" for name in new if old.get(name) != new[name]]
    return "; ".join(changed + ["the pairs or how they are read differ"] * (former.get("data") != plan["data"]))


def _other(output: Path, *, finished: bool, differs: str) -> UserError:
    kind = "finished" if finished else "half-done"
    return UserError(
        f"{output} holds a {kind} training made otherwise, which would be lost",
        expected="the same settings and pairs, or another folder",
        got=differs,
        remedy="choose another --output, or pass --overwrite to train anew",
    )
