"""What networks there are: their cost, where they come from, and whether a released checkpoint is one of theirs.

Only cost and checkpoints need torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from ssvif.io.errors import UserError
from ssvif.io.terminal import render_table
from ssvif.models.names import channel_choices, class_path, packaged_model, read_header
from ssvif.models.origins import ORIGINS
from ssvif.models.released_names import PUBLISHED
from ssvif.schema import FUSION_MODELS, FUSION_NETWORKS, PACKAGED_MODELS

SIDE_PX = 256
COSTS = ("parameters", "MACs, G")
FACTS = ("images", "trainable", "packaged", "code's licence", "checkpoint")


def list_networks(checkpoints: Mapping[str, Path]) -> str:
    """Return a table of all networks; `checkpoints` says where released ones are expected."""
    counted = find_spec("torch") is not None
    trained = {read_header(packaged_model(each))["fusion_model"]: each for each in PACKAGED_MODELS}
    rows = []
    for name in FUSION_NETWORKS:
        origin, checkpoint = ORIGINS.get(name), checkpoints.get(name)
        facts = [
            "gray" if channel_choices(name)[0] == 1 else "color",
            "yes" if name in FUSION_MODELS else "no",
            trained.get(name, ""),
            origin.licence if origin else "ours" if name == "lite" else "unknown",
            _state_of(name, checkpoint) if checkpoint else "",
        ]
        rows.append([name, *(_costs(name) if counted else ()), *facts])
    title = f"Parameters as released; MACs of fusing {SIDE_PX}×{SIDE_PX} here (`ssvif complexity` has more).\n"
    if not counted:
        title = "Parameters and MACs are counted with PyTorch: pip install 'ssvif[torch]'.\n"
    table = render_table(("network", *(COSTS if counted else ()), *FACTS), rows, title=title)
    places = "checkpoint: there or missing where the table of --experiments has it; empty: it names no place."
    return f"{table}\n\n{places}\nssvif models NAME says where a checkpoint is to be had."


def _costs(name: str) -> tuple[str, str]:
    import torch

    from ssvif.judging.cost import count
    from ssvif.models.published import dead_parameters
    from ssvif.models.registry import build_network

    channels = channel_choices(name)[0]  # as released
    with torch.device("meta"):  # weights without values are made at once
        model = build_network(name, channels).eval()
    parameters = sum(each.numel() for each in model.parameters())
    parameters += dead_parameters(name, channels) if name in PUBLISHED else 0
    macs, _ = count(model, SIDE_PX, SIDE_PX)
    return f"{parameters:,}", f"{macs / 1e9:.4f}"


def _state_of(name: str, checkpoint: Path) -> str:
    files = PUBLISHED[name].files(checkpoint.resolve())  # of "data/../checkpoints" there may be no `data`
    return "there" if all(each.is_file() for each in files) else "missing"


def describe_network(name: str, expected: Path | None) -> str:
    """Return where a network comes from, which checkpoint to get, and where it is expected.

    Raises:
        UserError: the name is unknown, or nobody else's.
    """
    class_path(name)
    origin = ORIGINS.get(name)
    if origin is None:
        remedy = "`ssvif models` lists all networks; ours are trained, or come with the package"
        raise UserError(f"Nobody released a checkpoint of {name!r}", expected=" | ".join(ORIGINS), remedy=remedy)
    several = len(origin.files) > 1
    source = "FOLDER" if several else "FILE"
    lines = [
        f"{name}: {origin.paper}",
        f"  code:     github.com/{origin.code}; licence: {origin.licence}",
        f"  get:      {' and '.join(origin.files)}: {origin.where}",
        f"  entries:  such as {origin.key}",
    ]
    if expected:
        form = "both in this folder" if several else "under this name"
        lines.append(f"  put:      {form}: {expected.resolve()} ({_state_of(name, expected)})")
    lines += [
        f"  check:    ssvif models {name} {source}",
        f"  fuse:     ssvif fuse VISIBLE INFRARED -o OUT --network {name} --checkpoint {source}",
    ]
    return "\n".join(lines)


def check_checkpoint(name: str, path: Path) -> str:
    """Return that a released checkpoint is one of a network.

    Raises:
        UserError: it is not, see `load_published`.
    """
    from ssvif.models.published import dead_parameters, load_published

    model = load_published(name, path)
    count = sum(each.numel() for each in model.parameters())
    kind = "gray" if model.channels == 1 else "color"
    dead = dead_parameters(name, model.channels)
    unused = f"; {dead:,} more of the released network are never used" if dead else ""
    return f"{path} is a checkpoint of {name}: {count:,} parameters to fuse {kind} images with{unused}"
