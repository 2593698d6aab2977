"""Pack a dataset's pairs into one HDF5 file, one pair in memory at a time."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ssvif.data.annotation import Notes, read_class_ids
from ssvif.data.boxes import read_boxes
from ssvif.data.descriptor import Descriptor, descriptor_to_json, reading_to_json
from ssvif.data.find import ANNOTATIONS, FoundPair, count_annotations, find_dataset
from ssvif.data.packed import FORMAT, create_hdf5, write_part
from ssvif.data.split import read_splits
from ssvif.data.tally import AnnotationTally, count_classes
from ssvif.io.ahead import map_ahead
from ssvif.io.errors import UserError, shorten
from ssvif.io.files import require_8_bits, sha256_of, write_aside
from ssvif.io.images import RawImage, read_raw
from ssvif.io.progress import track
from ssvif.pairs.alignment import alignment_to_json, read_alignment
from ssvif.pairs.files import check_one_depth, read_pair, read_side
from ssvif.pairs.judgement import NoteLog
from ssvif.pairs.match import refuse_same_file
from ssvif.pairs.pair import Pair, Rules, make_pair
from ssvif.pairs.ranges import Range
from ssvif.pairs.sequence import find_ranges
from ssvif.schema import SIDES

log = logging.getLogger("ssvif")
AS_THEY_ARE = Rules(infrared_range="full", resize="error")


def pack_pairs(
    descriptor: Descriptor,
    root: Path,
    splits: Path,
    output: Path,
    *,
    alignment: Path | None = None,
    rules: Rules | None = None,
) -> dict[str, Range]:
    """Write pairs.h5: every pair listed in splits.csv, checked, as 8-bit arrays, in the form of `ssvif.data.packed`.

    Equal inputs give equal bytes. Color infrared becomes its luma, floor((299 R + 587 G + 114 B + 500) / 1000)
    (BT.601); a gray visible image is repeated to three channels. What was converted or left out in the annotations is
    logged. How the descriptor maps their values and names, where it does, is the root's attribute `annotations` and
    part of the digest.

    Args:
        descriptor: of the dataset.
        root: the dataset's folder, `data_root / descriptor.folder`.
        splits: the list written by `ssvif split`.
        output: the file to write; it appears whole or not at all.
        alignment: a file of `ssvif align`, by which the infrared images are brought onto the visible ones; its
            text becomes the root's attribute `alignment` and part of the digest.
        rules: how images of more than 8 bits and pairs of two sizes are taken; None refuses them. "auto" leaves 8 bits
            as they are and takes deeper images as "sequence" does. What was applied becomes the root's attribute
            `reading` and part of the digest.

    Returns:
        Side → the one range of all its images, where `rules` asked to find it.

    Raises:
        UserError: a listed file is missing or damaged, the sizes within a pair differ or do not fit the
            alignment, a label or box has an unknown class, or there is no space left. What `output` held
            before is kept.
    """
    rows = read_splits(splits)
    pairs = [pair for _, pair in rows]
    _check_files(root, splits, pairs)
    if not (rules and rules.both_in_one):
        refuse_same_file({pair.pair_id: {side: root / getattr(pair, side) for side in SIDES} for pair in pairs})
    _tell_annotations(descriptor, root, splits, rows)
    aligned = read_alignment(alignment) if alignment else None
    found = _find_ranges(root, pairs, rules) if rules else {}
    facts = {"alignment": alignment_to_json(aligned)} if aligned else {}
    if annotations := reading_to_json(descriptor):
        facts["annotations"] = annotations
    if rules:
        facts["reading"] = describe_rules(rules, found)
    applied = replace(rules or AS_THEY_ARE, alignment=aligned)
    for side, limits in found.items():
        applied = applied.with_range(side, limits)
    notes, seen = Notes(), NoteLog()
    tally = AnnotationTally(descriptor)
    total = hashlib.sha256("".join(facts.values()).encode())
    with write_aside(output) as aside, create_hdf5(aside) as (file, check):
        read = map_ahead(lambda pair: _read_pair(root, pair, applied, strict=not rules), pairs)
        for (split, pair), (images, digests) in zip(track(rows, f"packing {descriptor.name}"), read, strict=True):
            group = file.require_group(split).create_group(pair.pair_id)
            seen.add(images.notes)
            for kind, source, array in _parts(descriptor, root, pair, images, notes):
                digest = digests.get(source) or sha256_of(root / source)
                total.update(f"{split}/{pair.pair_id}/{kind} {digest}\n".encode())
                write_part(group, kind, array, source=source, digest=digest)
                if kind in ANNOTATIONS:
                    tally.add(split, kind, count_classes(kind, array))
            check()
        file.attrs["format"] = FORMAT
        file.attrs["descriptor"] = descriptor_to_json(descriptor)
        file.attrs["digest"] = total.hexdigest()
        file.attrs["splits_sha256"] = sha256_of(splits)
        file.attrs.update(facts)
    seen.close()
    for line in (*notes.lines(), *tally.warnings()):
        log.warning("%s: %s", descriptor.title, line)
    for line in tally.summary():
        log.info("%s: %s", descriptor.title, line)
    return found


def describe_rules(rules: Rules, found: Mapping[str, Range]) -> str:
    """Return how pairs are read as one line of JSON: the rules, and the ranges found for "auto" and "sequence"."""
    ranges = {f"{side}_range": str(rules.range_of(side)) for side in SIDES}
    limits = {f"{side}_found": str(each) for side, each in found.items()}
    both = {"both_in_one": rules.both_in_one} if rules.both_in_one else {}
    return json.dumps({**ranges, **limits, **both, "resize": rules.resize}, sort_keys=True)


def describe_found(found: Mapping[str, Range]) -> list[str]:
    """Return a sentence for each side: its range, and the option of `ssvif fuse` that applies the same one."""
    return [
        f"{side}: {limits} became black and white; fuse with --{side}-range {limits}" for side, limits in found.items()
    ]


def _check_files(root: Path, splits: Path, pairs: Sequence[FoundPair]) -> None:
    files = [file for pair in pairs for file in (pair.visible, pair.infrared, pair.label, pair.boxes)]
    missing = [file for file in files if file and not (root / file).is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} files listed in {splits} are not in {root}",
            got=f"no {shorten(missing)}",
            remedy="copy them there, set `data_root`, or run `ssvif split` again if the dataset changed",
        )


def _tell_annotations(descriptor: Descriptor, root: Path, splits: Path, rows: Sequence[tuple[str, FoundPair]]) -> None:
    """Log how many pairs have labels and boxes, and why there are none of a kind that is declared."""
    listed: dict[str, list[FoundPair]] = {}
    for split, pair in rows:
        listed.setdefault(split, []).append(pair)
    if not (counts := count_annotations(descriptor, listed)):
        return
    log.info("%s: %s", descriptor.title, counts)
    lacking = [kind for kind in ANNOTATIONS if not any(getattr(pair, kind) for _, pair in rows)]
    with suppress(UserError):  # the list may be of files that no layout describes
        found = find_dataset(descriptor, root)
        for notice in found.notices():
            if notice.kind == "class list" or (notice.side in lacking and notice.kind == "not found"):
                log.warning("%s: %s", descriptor.title, notice.text)
        present = [pair for split in found.matchings for pair in found.pairs(split)]
        for kind in lacking:
            if any(getattr(pair, kind) for pair in present):
                log.warning("%s lists no %s, but there are some: run `ssvif split` again", splits, ANNOTATIONS[kind])


def _find_ranges(root: Path, pairs: Sequence[FoundPair], rules: Rules) -> dict[str, Range]:
    def images(side: str) -> Iterator[tuple[str, RawImage]]:
        return ((pair.pair_id, read_side(root / getattr(pair, side), side, rules.both_in_one)) for pair in pairs)

    check_one_depth(rules, {pair.pair_id: {side: root / getattr(pair, side) for side in SIDES} for pair in pairs})
    found = find_ranges(rules, images, auto=True)
    return {side: limits for side, limits in found.items() if limits.low or limits.high}  # else no image is deep


def _parts(
    descriptor: Descriptor, root: Path, pair: FoundPair, images: Pair, notes: Notes
) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """Yield (kind, source file, array) for the parts of one pair, checked."""
    visible, infrared = images.to_8_bits()
    height, width = visible.shape[:2]
    yield "visible", pair.visible, visible
    yield "infrared", pair.infrared, infrared
    if pair.label:
        yield "label", pair.label, read_class_ids(root / pair.label, descriptor, height, width, notes)
    if pair.boxes:
        yield "boxes", pair.boxes, read_boxes(root / pair.boxes, descriptor, width, height, notes)


def _read_pair(root: Path, pair: FoundPair, rules: Rules, *, strict: bool) -> tuple[Pair, dict[str, str]]:
    """Return the two images of a pair, and the SHA-256 of each file; `strict` refuses more than 8 bits."""
    places = {source: root / source for source in (pair.visible, pair.infrared)}
    visible, infrared = places[pair.visible], places[pair.infrared]
    if strict:
        images = make_pair(pair.pair_id, _read_8_bits(visible), _read_8_bits(infrared), rules)
    else:
        images = read_pair(pair.pair_id, rules, visible, infrared)
    return images, {source: sha256_of(path) for source, path in places.items()}


def _read_8_bits(path: Path) -> RawImage:
    image = read_raw(path)
    try:
        require_8_bits(path, image)
    except UserError as error:
        raise error.replace(
            remedy="pass --infrared-range and --visible-range to `ssvif pack`, for instance --infrared-range sequence, "
            "or convert the images to 8 bits with one fixed range for the whole set",
        ) from error
    return image
