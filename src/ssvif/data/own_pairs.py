"""Two folders of one's own, without a descriptor, made ready for training."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from ssvif.data.descriptor import Descriptor, Layout
from ssvif.data.find import FoundPair, list_images
from ssvif.data.pack import pack_pairs
from ssvif.data.reading import Reading
from ssvif.data.split import read_splits, write_splits
from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import printable, sha256_of, write_csv
from ssvif.io.progress import track
from ssvif.pairs.alignment import read_alignment
from ssvif.pairs.pair import Pair, Rules
from ssvif.schema import SPLIT_COLUMNS, SPLITS

RATIOS = (0.9, 0.1, 0.0)
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
    """What two folders hold.

    Attributes:
        descriptor: of the two folders.
        root: what its patterns are relative to.
        pairs: by name.
        splits: name → split, of a list that was given; empty if they are to be dealt.
        left_out: what is no pair, with the reason.
    """

    descriptor: Descriptor
    root: Path
    pairs: tuple[FoundPair, ...]
    splits: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def digest(self, rules: Rules, alignment: Path | None) -> str:
        """Return a SHA-256 of everything that decides what is packed: files, splits, rules, alignment."""
        total = hashlib.sha256(f"{Reading(rules).describe()} {_digest_of(alignment) if alignment else ''}\n".encode())
        for pair in self.pairs:
            digests = [_digest_of(self.root / file) for file in (pair.visible, pair.infrared)]
            total.update(" ".join([self.splits.get(pair.pair_id, ""), pair.pair_id, *digests, "\n"]).encode())
        return total.hexdigest()


def find_own_pairs(visible: Path, infrared: Path, *, only: Path | None = None) -> OwnPairs:
    """Match two folders of images by name.

    Args:
        visible: folder of visible images.
        infrared: folder of infrared images.
        only: a list such as `ssvif check --fix-list` writes: its pairs and its splits are taken, no others.

    Raises:
        UserError: a folder is missing or given twice, its name holds a brace, or the list names other pairs.
    """
    for folder in (visible, infrared):
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder", expected="a folder of images")
    left, right = visible.resolve(), infrared.resolve()
    root = Path(os.path.commonpath([left, right]))
    if left == right:
        raise UserError(f"{visible} is given for both sides", expected="a folder of each")
    try:
        layout = Layout(*(f"{side.relative_to(root).as_posix()}/{{name}}" for side in (left, right)))
    except ValueError as error:  # e.g. a brace in a folder's name
        raise UserError(f"The folders {visible} and {infrared} cannot be used", got=str(error)) from error
    descriptor = Descriptor("own", "Own pairs", ".", (layout,), ratios=RATIOS)
    pairs, left_out = _match(root, layout)
    if not only:
        return OwnPairs(descriptor, root, tuple(pairs.values()), left_out=tuple(left_out))
    splits = _listed(only, pairs)
    return OwnPairs(descriptor, root, tuple(pairs[name] for name in sorted(splits)), splits)


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
    left_out = [*own.left_out, *faults]
    splits = output / "splits.csv"
    counts = _write_splits(own, usable, splits, seed) if len(usable) > 1 else {}
    if not ({"train", "validation"} <= counts.keys()):
        raise _too_few(own, len(usable), left_out)
    reading = pack_pairs(own.descriptor, own.root, splits, output / "pairs.h5", alignment=alignment, rules=asked)
    for sentence in reading.sentences() if reading else ():
        log.info("%s", sentence)
    _tell(left_out, len(usable))
    return counts


def _match(root: Path, layout: Layout) -> tuple[dict[str, FoundPair], list[str]]:
    """Return pairs by name, sorted, and what is none, in words."""
    sides: list[dict[str, str]] = []
    left_out = []
    twice: set[str] = set()
    for pattern in (layout.visible, layout.infrared):
        files: dict[str, str] = {}
        for name, file in list_images(root, pattern, ""):
            if printable(name) != name:
                left_out.append(f"{printable(file)}: its name is not UTF-8")
                continue
            if name in files:
                left_out.append(f"{name}: {files[name]} and {PurePosixPath(file).name} share a name")
                twice.add(name)
            files[name] = file
        sides.append(files)
    visible, infrared = sides
    left_out += [f"{name}: has no infrared image" for name in visible if name not in infrared]
    left_out += [f"{name}: has no visible image" for name in infrared if name not in visible]
    names = sorted((visible.keys() & infrared.keys()) - twice)
    return {name: FoundPair(name, visible[name], infrared[name]) for name in names}, left_out


def _listed(only: Path, pairs: Mapping[str, FoundPair]) -> dict[str, str]:
    """Return name → split of a list's pairs."""
    splits = {row.pair.pair_id: row.split for row in read_splits(only)}
    if unknown := [name for name in splits if name not in pairs]:
        raise UserError(
            f"{only} lists {counted(len(unknown), 'pair')} that the two folders do not hold",
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
            pair = reading.make(own.root, found)
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
        return write_splits(own.descriptor, {"all": usable}, path, seed=seed)
    rows = [{"split": split, **vars(pair)} for split in SPLITS for pair in usable if own.splits[pair.pair_id] == split]
    write_csv(path, rows, SPLIT_COLUMNS)
    counts = {split: sum(row["split"] == split for row in rows) for split in SPLITS}
    return {split: count for split, count in counts.items() if count}


def _too_few(own: OwnPairs, usable: int, left_out: Sequence[str]) -> UserError:
    reasons = "".join(f"\n  - {each}" for each in left_out[:LISTED])
    listed = " (one for training and one for validation in the list)" if own.splits else ""
    return UserError(
        f"{own.root} holds too few pairs to train on" + (f"; left out are:{reasons}" if reasons else ""),
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
