"""Split and pack two folders or patterns of one's own for training."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssvif.data.find import FoundDataset, FoundPair, find_sources
from ssvif.data.pack import pack_pairs
from ssvif.data.reading import Reading
from ssvif.data.split import read_splits, write_splits
from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import sha256_of, write_csv
from ssvif.io.progress import track
from ssvif.pairs.alignment import read_alignment
from ssvif.pairs.pair import Pair, Rules
from ssvif.schema import SPLIT_COLUMNS, SPLITS

RATIOS = (0.9, 0.1, 0.0)  # of train, validation and test
LISTED = 20
log = logging.getLogger("ssvif")


@dataclass(frozen=True)
class Crop:
    """The training crop, pixels: pairs must be as large.

    Attributes:
        side: its side.
        least: the smallest that could be asked for instead.
    """

    side: int = 1
    least: int = 1


@dataclass(frozen=True)
class OwnPairs:
    """Pairs of one's own that are to be trained on.

    Attributes:
        found: two folders or patterns, matched.
        pairs: those that are to be packed, by name.
        splits: name → split, of a list that was given; empty if they are to be dealt.
    """

    found: FoundDataset
    pairs: tuple[FoundPair, ...]
    splits: Mapping[str, str]

    def digest(self, rules: Rules, alignment: Path | None) -> str:
        """Return a SHA-256 of everything that decides what is packed: files, splits, rules, alignment."""
        total = hashlib.sha256(f"{Reading(rules).describe()} {_digest_of(alignment) if alignment else ''}\n".encode())
        for pair in self.pairs:
            digests = [_digest_of(self.found.root / file) for file in (pair.visible, pair.infrared)]
            total.update(" ".join([self.splits.get(pair.pair_id, ""), pair.pair_id, *digests, "\n"]).encode())
        return total.hexdigest()


def find_own_pairs(visible: str | Path, infrared: str | Path, *, only: Path | None = None) -> OwnPairs:
    """Match two folders or patterns of images by name.

    Args:
        visible: folder or pattern of visible images.
        infrared: folder or pattern of infrared images.
        only: a list such as `ssvif check --fix-list` writes: its pairs and its splits are taken, no others.

    Raises:
        UserError: a source is missing, empty or given twice, nothing matches, or the list names other pairs.
    """
    found = find_sources(visible, infrared, ratios=RATIOS)
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
    crop: Crop | None = None,
) -> dict[str, int]:
    """Split and pack pairs of one's own into output/splits.csv and output/pairs.h5.

    A tenth of the pairs becomes validation, the rest is for training, unless a list of splits was given. Pairs that
    cannot be used are left out, and told at the end.

    Args:
        own: of `find_own_pairs`.
        output: the folder to write to.
        seed: of the split.
        alignment: a file of `ssvif align`.
        rules: how they are read, by default as `Rules` says; an alignment in it is passed over.
        crop: pairs that are smaller are left out.

    Returns:
        The number of pairs in each split.

    Raises:
        UserError: too few pairs are left, or an image or the alignment is at odds with the rules.
    """
    aligned = read_alignment(alignment) if alignment else None
    asked = rules or Rules()
    usable, faults = _survey(own, Reading(replace(asked, alignment=aligned)), crop or Crop())
    matching = own.found.matchings["all"]
    left_out = [*([] if own.splits else map(str, matching.faults)), *faults]
    splits = output / "splits.csv"
    counts = _write_splits(own, usable, splits, seed) if len(usable) > 1 else {}
    if not ({"train", "validation"} <= counts.keys()):
        raise _too_few(own, len(usable), left_out)
    descriptor, root = own.found.descriptor, own.found.root
    reading = pack_pairs(descriptor, root, splits, output / "pairs.h5", alignment=alignment, rules=asked)
    for sentence in reading.sentences() if reading else ():
        log.info("%s", sentence)
    _tell(left_out, len(usable))
    return counts


def _listed(only: Path, pairs: Mapping[str, FoundPair]) -> dict[str, str]:
    """Return name → split of a list's pairs."""
    splits = {row.pair.pair_id: row.split for row in read_splits(only)}
    if unknown := [name for name in splits if name not in pairs]:
        raise UserError(
            f"{only} lists {counted(len(unknown), 'pair')} that the two sources do not hold",
            got=shorten(unknown),
            remedy="write it with `ssvif check --fix-list` of the same --visible and --infrared",
        )
    return splits


def _survey(own: OwnPairs, reading: Reading, crop: Crop) -> tuple[list[FoundPair], list[str]]:
    """Return the pairs that can be trained on, and the others with the reason."""
    usable, left_out = [], []
    said: set[str] = set()
    for found in track(own.pairs, "looking at own pairs"):
        try:
            pair = reading.make(own.found.root, found)
        except UserError as error:
            left_out.append(f"{found.pair_id}: {_reason(error)}")
            continue
        if min(pair.size) < crop.side:
            left_out.append(f"{found.pair_id}: {_small(pair, crop)}")
            continue
        usable.append(found)
        for kind, sentence in pair.notes:
            if kind not in said:
                log.warning("%s (said once)", sentence)
                said.add(kind)
    return usable, left_out


def _small(pair: Pair, crop: Crop) -> str:
    height, width = pair.size
    least = min(pair.size)
    remedy = f"--set crop_px={least} takes it" if least >= crop.least else f"no crop is below {crop.least} px"
    return f"{width}×{height} px, smaller than the training crop of {crop.side} px; {remedy}"


def _reason(error: UserError) -> str:
    return "; ".join(filter(None, [f"{error.what} ({error.got})" if error.got else error.what, error.remedy]))


def _write_splits(own: OwnPairs, usable: list[FoundPair], path: Path, seed: int) -> dict[str, int]:
    if not own.splits:
        return write_splits(own.found.descriptor, {"all": usable}, path, seed=seed)
    rows = [{"split": split, **vars(pair)} for split in SPLITS for pair in usable if own.splits[pair.pair_id] == split]
    write_csv(path, rows, SPLIT_COLUMNS)
    counts = {split: sum(row["split"] == split for row in rows) for split in SPLITS}
    return {split: count for split, count in counts.items() if count}


def _too_few(own: OwnPairs, usable: int, left_out: Sequence[str]) -> UserError:
    reasons = "".join(f"\n  - {each}" for each in left_out[:LISTED])
    listed = " (one for training and one for validation in the list)" if own.splits else ""
    return UserError(
        f"{own.found.root} holds too few pairs to train on" + (f"; left out are:{reasons}" if reasons else ""),
        expected=f"two usable pairs or more{listed}, better hundreds",
        got=str(usable),
        remedy="mend or add images; `ssvif check` says what is wrong with them" if left_out else "add images",
    )


def _tell(left_out: Sequence[str], usable: int) -> None:
    if left_out:
        more = f"\n  - and {len(left_out) - LISTED} more" if len(left_out) > LISTED else ""
        listed = "".join(f"\n  - {each}" for each in left_out[:LISTED])
        log.warning("%s packed; left out are these %d:%s%s", counted(usable, "pair"), len(left_out), listed, more)


def _digest_of(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:  # told when it is read
        return type(error).__name__
