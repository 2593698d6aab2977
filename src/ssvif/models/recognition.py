"""Which network's released checkpoint a state dictionary is, by its names."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import torch

from ssvif.io.errors import UserError, shorten
from ssvif.models.names import channel_choices
from ssvif.models.registry import build_network
from ssvif.models.released_files import REMEDY
from ssvif.models.released_names import PUBLISHED

ALIKE = 0.5  # above it, a checkpoint is a network's: TIMFusion's light network shares a quarter with its full one


def check_network(name: str, where: str, state: Collection[str]) -> None:
    """Check that the names of a state dictionary, most of them at least, are a network's as released; some may lack.

    Args:
        name: a key of `PUBLISHED`.
        where: names the checkpoint in errors.
        state: the names, those of each of several parts behind the part's.

    Raises:
        UserError: they are not; it says whose they are, where that is known.
    """
    known, kept = _known_names(name, state)
    if len(known) > ALIKE * kept:
        return
    files = " and ".join(filter(None, PUBLISHED[name].parts.values()))
    whole = f"{f'a folder with {files}' if files else 'the state dictionary'} of {name} as released"
    found, part = _recognize(state)
    looks = f"{part} of {found}" if part else found
    remedy = f"name {whole}" if found == name else f"name {found} as its network (`fusion_model`, --network)"
    if not found:
        parts = {each: _recognize(_within(each, state)) for each in PUBLISHED[name].parts}
        looks = ", ".join(f"{inner or 'all'} of {other} as {each}" for each, (other, inner) in parts.items() if other)
        remedy = "put each part in its own place" if looks else REMEDY
    raise UserError(
        f"{where} is not a checkpoint of {name}",
        expected=whole,
        got=f"it looks like {looks or 'no network known here'}; it begins with {shorten(sorted(state), most=3)}",
        remedy=remedy,
    )


def _recognize(state: Collection[str]) -> tuple[str, str]:
    """Return which network knows most of the names, and as which part of its checkpoint; texts without letters if none.

    A part is "" where the names are those of a whole checkpoint.
    """
    shares = {}
    for name, released in PUBLISHED.items():
        for part in ("", *released.parts):
            known, kept = _known_names(name, [f"{part}.{each}" if part else each for each in state])
            shares[name, part] = len(known) / max(kept, 1)
    best = max(shares, key=lambda each: shares[each])
    return best if shares[best] > ALIKE else ("", "")


def _within(part: str, state: Collection[str]) -> list[str]:
    return [each.removeprefix(f"{part}.") for each in state if each.startswith(f"{part}.")]


def _known_names(name: str, state: Collection[str]) -> tuple[frozenset[str], int]:
    """Return those of a network's names that a released checkpoint's become, and how many the checkpoint has.

    Entries that are left out do not count; those with one name here and there are no sign of a network.
    """
    released = PUBLISHED[name]
    renamed = {new for each in state if not released.why_dropped(each) for new in released.rename(each)}
    return (_own_names(name) & renamed).difference(state), len(renamed)


@cache
def _own_names(name: str) -> frozenset[str]:
    with torch.device("meta"):  # of which only the names count
        return frozenset(build_network(name, channel_choices(name)[0]).state_dict())
