"""The checkpoints that authors released, read under our names.

A released file is a state dictionary whose names follow the authors' code; `PUBLISHED` says how they become ours.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from ssvif.io.errors import UserError, shorten
from ssvif.models.base import FusionNetwork
from ssvif.models.names import channel_choices
from ssvif.models.recognition import check_network
from ssvif.models.registry import build_network, check_weights
from ssvif.models.released_files import REMEDY, read_released, state_of
from ssvif.models.released_names import PUBLISHED, Released

log = logging.getLogger("ssvif")


def load_published(name: str, source: Path | str | Mapping[str, object]) -> FusionNetwork:
    """Return a fusion network with its authors' released weights, in evaluation mode.

    Args:
        name: a key of `PUBLISHED`.
        source: a file of `torch.save` or safetensors, or its state dictionary; where the authors released several
            files, the folder that holds them; C is read off the weights.

    Raises:
        UserError: the name is unknown; a file is missing, damaged or no state dictionary, or lacks a part; it is
            another network's; it has another number of channels, or entries are missing, unexpected or of another
            shape.
    """
    released = _released(name)
    where = "The state dictionary" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else read_released(Path(source), released.parts)
    state = state_of(content, released.parts, where)
    check_network(name, where, state)
    used = {each: value for each, value in state.items() if not released.why_dropped(each)}
    original = {own: each for each in used for own in released.rename(each)}
    kept = {own: share for each in used for own, share in _share_out(released.rename(each), used[each])}
    model = build_network(name, _channels(name, released, kept, original, where))
    own = model.state_dict()
    _compare(name, where, used, own, original)
    try:
        check_weights(used, {original[each]: own[each] for each in kept})
    except ValueError as error:
        raise UserError(f"{where} is damaged", got=str(error), remedy="download the file again") from error
    model.load_state_dict(kept)
    reasons = Counter(filter(None, map(released.why_dropped, state)))
    for reason, count in reasons.items():
        log.info("%s: %d entries left out, each %s", where, count, reason)
    return model.eval()


def dead_parameters(name: str, channels: int) -> int:
    """Return how many parameters a network of `PUBLISHED` has as released and never uses; ours is smaller by as many.

    Raises:
        UserError: the name is unknown.
    """
    return _released(name).dead_parameters(channels)


def _share_out(names: tuple[str, ...], value: torch.Tensor) -> Iterable[tuple[str, torch.Tensor]]:
    """Return names with their equal shares of a tensor's rows, in order; one name has it all."""
    rows = value.tensor_split(len(names)) if len(names) > 1 and value.ndim else [value] * len(names)
    return zip(names, rows, strict=True)


def _released(name: str) -> Released:
    if name not in PUBLISHED:
        raise UserError(f"No released checkpoint of {name!r} is known", expected=" | ".join(PUBLISHED))
    return PUBLISHED[name]


def _channels(
    name: str, released: Released, kept: Mapping[str, torch.Tensor], original: Mapping[str, str], where: str
) -> int:
    if released.image_weight not in kept:
        return channel_choices(name)[0]  # a missing entry is reported with all others
    weight = kept[released.image_weight]
    channels = weight.shape[released.image_axis] if weight.ndim == 4 else 0
    if channels not in (choices := channel_choices(name)):
        raise UserError(
            f"{where} is of a network for other images",
            expected=f"{' or '.join(map(str, choices))} channels",
            got=f"{original[released.image_weight]} of shape {tuple(weight.shape)}",
            remedy=REMEDY,
        )
    return channels


def _compare(
    name: str,
    where: str,
    used: Mapping[str, torch.Tensor],
    own: Mapping[str, torch.Tensor],
    original: Mapping[str, str],
) -> None:
    """Compare the released entries that count with our own, given the released name of each of ours."""
    shares: dict[str, list[torch.Size]] = {}
    for each in sorted(own.keys() & original.keys()):
        shares.setdefault(original[each], []).append(own[each].shape)
    shapes = {
        each: tuple(found[0]) if len(found) == 1 else (sum(shape[0] for shape in found), *found[0][1:])
        for each, found in shares.items()
    }
    problems = {
        "missing": sorted(own.keys() - original.keys()),
        "unexpected": sorted({original[each] for each in original.keys() - own.keys()}),
        "of another shape": [
            f"{each} {tuple(used[each].shape)} instead of {shape}"
            for each, shape in shapes.items()
            if used[each].shape != shape
        ],
    }
    if any(problems.values()):
        raise UserError(
            f"{where} does not fit {name}",
            expected=f"the entries of {name} as released",
            got="; ".join(f"{len(each)} {kind}: {shorten(each, 3)}" for kind, each in problems.items() if each),
            remedy=REMEDY,
        )
