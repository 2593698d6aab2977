"""Split a dataset's pairs into train, validation and test, and keep the result in splits.csv."""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ssvif.data.descriptor import Descriptor
from ssvif.data.find import FoundPair, count_annotations, find_pairs
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv, write_csv
from ssvif.schema import SPLIT_COLUMNS, SPLITS

log = logging.getLogger("ssvif")


def split_dataset(
    descriptor: Descriptor, root: Path, output: Path, *, seed: int, limit: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Find the pairs below a dataset's root, deal them as `deal_pairs` does and write splits.csv.

    `limit` is the most pairs per split, for quick trials; a split left out is not cut. Returns the number of pairs in
    each split that has some.

    Raises:
        UserError: the files are missing or incomplete, or `limit` names no split or is below 1.
    """
    for name, most in (limit or {}).items():
        if name not in SPLITS or most < 1:
            raise UserError(
                f"limit {{{name}: {most}}} is not possible",
                expected=f"a number from 1 up for any of {', '.join(SPLITS)}",
                remedy="fix `limit` in the configuration",
            )
    found = find_pairs(descriptor, root)
    for split, expected in descriptor.expected.items():
        count = len(found.get(split, []))
        if split in found and count != expected:
            log.warning("%s: %d pairs found in %s, the whole dataset has %d", descriptor.title, count, split, expected)
    dealt = deal_pairs(descriptor, found, seed=seed, limit=limit)
    if counts := count_annotations(descriptor, {split: dealt[split] for split in SPLITS if dealt.get(split)}):
        log.info("%s: %s", descriptor.title, counts)
    return write_splits(output, dealt)


def write_splits(output: Path, splits: Mapping[str, Iterable[FoundPair]]) -> dict[str, int]:
    """Write the pairs of each split as splits.csv, sorted by split and name; return how many there are in each."""
    rows = [
        {"split": split, **vars(pair)}
        for split in SPLITS
        for pair in sorted(splits.get(split, ()), key=lambda pair: pair.pair_id)
    ]
    write_csv(output, rows, SPLIT_COLUMNS)
    return dict(Counter(str(row["split"]) for row in rows))


def deal_pairs(
    descriptor: Descriptor,
    found: Mapping[str, list[FoundPair]],
    *,
    seed: int,
    limit: Mapping[str, int] | None = None,
    alike: Mapping[str, str] | None = None,
) -> dict[str, list[FoundPair]]:
    """Deal pairs to train, validation and test: official splits where there are some, seeded ones for the rest.

    An official train split without an official validation gives `validation_fraction` of its pairs to
    validation. Without official splits, `ratios` decide. Pairs are dealt separately for each kind
    of annotation (label or not, boxes or not), so each split gets its share of every kind: a kind with
    two pairs or more has at least one in validation, and two training pairs or more always give one.

    `found` are the pairs per official split, or under "all". `limit` is the most pairs per split: the cut keeps the
    share of each kind of annotation, with at least one pair of each if the limit allows. `alike` is a pair → an earlier
    one whose split it is to share, because they show almost the same.
    """
    splits = {split: list(pairs) for split, pairs in found.items()}
    if "all" in splits:
        _, validation, test = descriptor.ratios
        splits = _deal_groups(splits["all"], validation, test, seed, alike or {})
    elif "train" in splits and "validation" not in splits:
        dealt = _deal_groups(splits["train"], descriptor.validation_fraction, 0, seed, alike or {})
        splits |= {split: dealt[split] for split in ("train", "validation")}
    return {split: _cut(pairs, (limit or {}).get(split), seed) for split, pairs in splits.items()}


def _deal_groups(
    pairs: list[FoundPair], validation: float, test: float, seed: int, alike: Mapping[str, str]
) -> dict[str, list[FoundPair]]:
    """Deal as `_deal` does, but what is alike as one; where all is alike, pair by pair."""
    groups: dict[str, list[FoundPair]] = defaultdict(list)
    for pair in pairs:
        first = pair.pair_id
        while first in alike:
            first = alike[first]
        groups[first].append(pair)
    if len(groups) == 1 and len(pairs) > 1:
        log.warning("all pairs are almost the same as another: they are dealt as if they were not")
        groups = {pair.pair_id: [pair] for pair in pairs}
    members = {group[0].pair_id: group for group in groups.values()}
    dealt = _deal([group[0] for group in members.values()], validation, test, seed)
    return {split: [pair for leader in leaders for pair in members[leader.pair_id]] for split, leaders in dealt.items()}


def _deal(pairs: list[FoundPair], validation: float, test: float, seed: int) -> dict[str, list[FoundPair]]:
    """Deal pairs to the three splits by the two shares given, kind by kind."""
    splits: dict[str, list[FoundPair]] = {split: [] for split in SPLITS}
    for kind in _shuffled_kinds(pairs, seed):
        tests = _share(len(kind), test, keep=2)
        validations = _share(len(kind) - tests, validation / (1 - test), keep=1)
        splits["test"] += kind[:tests]
        splits["validation"] += kind[tests : tests + validations]
        splits["train"] += kind[tests + validations :]
    if not splits["validation"] and len(splits["train"]) > 1:
        splits["validation"].append(splits["train"].pop())
    return splits


def _share(count: int, share: float, keep: int) -> int:
    """Return `share` of `count`, at least 1 where that leaves `keep`."""
    if share == 0 or count <= keep:
        return 0
    return min(max(1, round(count * share)), count - keep)


def _shuffled_kinds(pairs: list[FoundPair], seed: int) -> list[list[FoundPair]]:
    """Group pairs by their annotation, in a fixed order of the kinds, each shuffled by its own generator."""
    kinds: dict[tuple[bool, bool], list[FoundPair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: pair.pair_id):
        kinds[bool(pair.label), bool(pair.boxes)].append(pair)
    for kind, members in kinds.items():
        random.Random(f"{seed} {kind}").shuffle(members)
    return [kinds[kind] for kind in sorted(kinds, reverse=True)]


def _cut(pairs: list[FoundPair], most: int | None, seed: int) -> list[FoundPair]:
    """Keep `most` pairs, the first of each kind's shuffled order, in proportion to the kinds."""
    if most is None or len(pairs) <= most:
        return pairs
    kinds = _shuffled_kinds(pairs, seed)
    kept = [0] * len(kinds)
    for _ in range(most):  # Sainte-Laguë's method, after a first one for each kind
        claims = [
            len(kind) / (2 * taken + 1) if taken else float("inf") for kind, taken in zip(kinds, kept, strict=True)
        ]
        kept[claims.index(max(claims))] += 1
    return [pair for kind, taken in zip(kinds, kept, strict=True) for pair in kind[:taken]]


def read_splits(path: Path) -> list[tuple[str, FoundPair]]:
    """Read splits.csv: the split and the pair of each line, files relative to the dataset's root.

    Raises:
        UserError: the file is missing or empty, lacks a column, or a line has an unknown split, a bad
            name, no file or occurs twice.
    """
    lines = read_csv(path)
    if not lines or not set(SPLIT_COLUMNS) <= lines[0].keys():
        raise UserError(
            f"{path} is not a list of splits",
            expected=f"a line per pair with the columns {', '.join(SPLIT_COLUMNS)}",
            got=f"the columns {', '.join(filter(None, lines[0]))}" if lines else "no lines",
            remedy="write it again with `ssvif split`",
        )
    rows: dict[tuple[str, str], FoundPair] = {}
    seen: dict[str, int] = {}  # a file in two splits would be tested on after training on it
    for number, line in enumerate(lines, start=2):
        split, pair = line["split"], FoundPair(*(line[column] or "" for column in SPLIT_COLUMNS[1:]))
        fault = _fault(split, pair) or ("the pair is listed twice" if (split, pair.pair_id) in rows else "")
        if not fault and pair.visible in seen:
            fault = f"{pair.visible} is in line {seen[pair.visible]} already"
        if fault:
            raise UserError(f"{path}, line {number}: {fault}", remedy="fix the line, or run `ssvif split` again")
        rows[split, pair.pair_id] = pair
        seen[pair.visible] = number
    return [(split, pair) for (split, _), pair in rows.items()]


def _fault(split: str, pair: FoundPair) -> str:
    if split not in SPLITS:
        return f"split {split!r} is not one of {', '.join(SPLITS)}"
    if not pair.pair_id or "/" in pair.pair_id or pair.pair_id == ".":
        return f"pair_id {pair.pair_id!r} is not a plain name"
    if not (pair.visible and pair.infrared):
        return "the visible or the infrared file is missing"
    files = map(PurePosixPath, (pair.visible, pair.infrared, pair.label, pair.boxes))
    outside = [file for file in files if file.is_absolute() or ".." in file.parts]
    return f"{outside[0]} leaves the dataset's folder" if outside else ""
