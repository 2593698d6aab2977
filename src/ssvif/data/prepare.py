"""Prepare a training on your own pairs: match two folders or patterns, split and pack them, protect former results."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssvif.data.find import FoundDataset, FoundPair, find_sources
from ssvif.data.pack import describe_found, describe_rules, pack_pairs
from ssvif.data.split import deal_pairs, read_splits, write_splits
from ssvif.io.documents import parse_mapping, read_text
from ssvif.io.errors import UserError, counted, itemize, shorten
from ssvif.io.files import sha256_of, write_json
from ssvif.io.progress import track
from ssvif.pairs.files import read_pair
from ssvif.pairs.match import BY_NAME
from ssvif.pairs.pair import Pair, Rules
from ssvif.pairs.pairing import Pairing
from ssvif.pairs.paths import nfc
from ssvif.schema import SPLITS

RATIOS = (0.9, 0.1, 0.0)  # of train, validation and test
RECORD = "training.json"  # what a training was made with
NOTHING_SEEN = ("empty", "constant", "black", "white")  # of `judgement.OUTCOMES`: there is nothing to learn from
MADE = ("model.safetensors", "record.json")
log = logging.getLogger("ssvif")


@dataclass(frozen=True)
class OwnPairs:
    """Your own pairs to train on."""

    found: FoundDataset  # two folders or patterns, matched
    pairs: tuple[FoundPair, ...]  # those that are to be packed, sorted by name
    splits: Mapping[str, str]  # name → split, of a list that was given; empty if they are to be dealt

    def digest(self, rules: Rules, alignment: Path | None) -> str:
        """Return a SHA-256 of everything that decides what is packed: files, splits, rules, alignment."""
        total = hashlib.sha256(f"{describe_rules(rules, {})} {_digest_of(alignment) if alignment else ''}\n".encode())
        for pair in self.pairs:
            digests = [_digest_of(self.found.root / file) for file in (pair.visible, pair.infrared)]
            total.update(" ".join([self.splits.get(pair.pair_id, ""), pair.pair_id, *digests, "\n"]).encode())
        return total.hexdigest()


def find_own_pairs(
    visible: str | Path | None, infrared: str | Path | None, *, only: Path | None = None, pairing: Pairing = BY_NAME
) -> OwnPairs:
    """Match two folders or patterns of images as `pairing` says, by default by name.

    `only` is a list such as `ssvif check --fix-list` writes: its pairs and its splits are taken, no others.

    Raises:
        UserError: a source is missing, empty or given twice, nothing matches, or the list names other pairs.
    """
    found = find_sources(visible, infrared, ratios=RATIOS, pairing=pairing)
    for note in found.matchings["all"].notes():
        log.warning("%s", note)
    pairs = {pair.pair_id: pair for pair in found.pairs("all")}
    splits = _listed(only, pairs) if only else {}
    return OwnPairs(found, tuple(pairs[name] for name in sorted(splits or pairs)), splits)


def pack_own_pairs(
    own: OwnPairs,
    output: Path,
    *,
    seed: int = 0,
    alignment: Path | None = None,
    rules: Rules | None = None,
    crop_px: int = 1,
    least_crop_px: int = 1,
) -> dict[str, int]:
    """Split and pack your own pairs into output/splits.csv and output/pairs.h5; return how many each split has.

    A tenth of the pairs becomes validation, the rest is for training, unless a list of splits was given. Pairs that
    cannot be used, or are smaller than the training crop, are left out, and listed at the end; `least_crop_px` is the
    smallest crop that could be asked for instead. `alignment` is the file of the one in `rules`.

    Raises:
        UserError: too few pairs are left, or an image or the alignment does not fit the rules.
    """
    rules = rules or Rules()
    usable, faults = _find_usable(own, rules, crop_px, least_crop_px)
    left_out = [*([] if own.splits else map(str, own.found.matchings["all"].faults)), *faults]
    splits = output / "splits.csv"
    descriptor, root = own.found.descriptor, own.found.root
    dealt: dict[str, list[FoundPair]] = deal_pairs(descriptor, {"all": usable}, seed=seed)
    if own.splits:
        dealt = {split: [pair for pair in usable if own.splits[pair.pair_id] == split] for split in SPLITS}
    counts = write_splits(splits, dealt) if len(usable) > 1 else {}
    if not ({"train", "validation"} <= counts.keys()):
        listed = " (one for training and one for validation in the list)" if own.splits else ""
        reasons = f"; left out are:{itemize(left_out)}" if left_out else ""
        raise UserError(
            f"{own.found.root} holds too few pairs to train on{reasons}",
            expected=f"two usable pairs or more{listed}, better hundreds",
            got=str(len(usable)),
            remedy="fix or add images; `ssvif check` says what is wrong with them" if left_out else "add images",
        )
    found = pack_pairs(descriptor, root, splits, output / "pairs.h5", alignment=alignment, rules=rules)
    for sentence in describe_found(found):
        log.info("%s", sentence)
    if left_out:
        packed = counted(len(usable), "pair")
        log.warning("%s packed; left out are these %d:%s", packed, len(left_out), itemize(left_out))
    return counts


def _listed(only: Path, pairs: Mapping[str, FoundPair]) -> dict[str, str]:
    """Return name → split of a list's pairs."""
    splits = {nfc(pair.pair_id): split for split, pair in read_splits(only)}
    if unknown := [name for name in splits if name not in pairs]:
        raise UserError(
            f"{only} lists {counted(len(unknown), 'pair')} that the two sources do not hold",
            got=shorten(unknown),
            remedy="write it with `ssvif check --fix-list` of the same --visible and --infrared",
        )
    return splits


def _find_usable(own: OwnPairs, rules: Rules, crop_px: int, least_crop_px: int) -> tuple[list[FoundPair], list[str]]:
    """Return the pairs that can be trained on, and the others with the reason."""
    usable, left_out = [], []
    root = own.found.root
    for found in track(own.pairs, "looking at own pairs"):
        try:
            pair = read_pair(found.pair_id, rules, root / found.visible, root / found.infrared)
            reason = _what_is_lacking(pair, crop_px, least_crop_px)
        except UserError as error:
            reason = "; ".join(filter(None, [error.reason, error.remedy]))
        if reason:
            left_out.append(f"{found.pair_id}: {reason}")
        else:
            usable.append(found)
    return usable, left_out


def _what_is_lacking(pair: Pair, crop_px: int, least_crop_px: int) -> str:
    """Return why there is nothing to learn from a pair, or ""."""
    height, width = pair.size
    least = min(pair.size)
    if least < crop_px:
        remedy = f"no crop is below {least_crop_px} px" if least < least_crop_px else f"--set crop_px={least} takes it"
        return f"{width}×{height} px, smaller than the training crop of {crop_px} px; {remedy}"
    empty = (sentence for kind, sentence in pair.notes if kind.partition(" ")[2] in NOTHING_SEEN)
    return next(empty, "").removeprefix(f"{pair.name}: ")


def _digest_of(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:  # reported when it is read
        return type(error).__name__


def begin_training(output: Path, state: Path, *, settings: Mapping[str, Any], data: str, overwrite: bool) -> bool:
    """Record the settings and the data's digest of the training in a folder; return whether anything is left to do.

    `state` is the training's file between epochs; `overwrite` forgets what the folder holds of a former training.

    Raises:
        UserError: the folder holds a training with other settings or data, finished or not.
    """
    record = {"settings": dict(settings), "data": data}
    model = output / MADE[0]
    if overwrite:  # before the new record is written, so that an old network is never taken for the new one's
        for path in (state, *(output / name for name in MADE)):
            path.unlink(missing_ok=True)
    elif model.exists() or state.exists():
        former = _read_record(output / RECORD)
        if former != record:
            raise UserError(
                f"{output} holds {'an unfinished' if state.exists() else 'a finished'} training with other settings or "
                "pairs, which would be lost",
                expected="the same settings and pairs, or another folder",
                got=_differences(former, record),
                remedy="choose another --output, or pass --overwrite to train anew",
            )
        return state.exists() or not model.exists()
    write_json(output / RECORD, record)
    return True


def _read_record(path: Path) -> dict[str, Any]:
    try:
        found = parse_mapping(read_text(path))
    except (OSError, ValueError):  # missing or not ours: then it is another training
        return {}
    return found if isinstance(found.get("settings"), dict) else {}


def _differences(former: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    if not former:
        return "a training whose settings and pairs are not recorded"
    old, new = former["settings"], record["settings"]
    changed = [f"{name} was {old.get(name)}, is {new[name]}" for name in new if old.get(name) != new[name]]
    return "; ".join(changed + ["the pairs or how they are read differ"] * (former.get("data") != record["data"]))
