"""`ssvif check`: what is wrong with a folder of pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from ssvif.data.annotation import Notes
from ssvif.data.descriptor import Descriptor
from ssvif.data.find import FoundDataset, FoundPair, count_annotations
from ssvif.data.split import deal_pairs, write_splits
from ssvif.data.tally import AnnotationTally
from ssvif.inspecting.edges import Gray
from ssvif.inspecting.findings import ERROR, MEASURES, WARNING, Finding, show_findings
from ssvif.inspecting.pair import AS_FUSED, Inspector, Seen
from ssvif.inspecting.shifts import FEWEST, SetShift, combine_shifts, is_unlike, other_shifts
from ssvif.io.ahead import map_on_cores
from ssvif.io.errors import UserError, counted
from ssvif.io.progress import track
from ssvif.ops.sampling import choose_evenly
from ssvif.pairs.match import FOLDER, Matching
from ssvif.pairs.pair import Rules
from ssvif.pairs.ranges import Rule, two_units
from ssvif.pairs.sequence import check_depths
from ssvif.schema import IMAGE_SUFFIXES, SIDES

MOST_SHIFTS, QUICK_SHIFTS = 20_000, 100  # pairs whose shift is measured, and when it has to be quick
# Different frames of MSRS and RoadScene reach .95; the same frame stays above .998 when saved as JPEG of quality 60,
# with noise of 5 levels, or at half the size.
NEAR_DUPLICATE = 0.99
# principal components that rule out most pairs of images before whole thumbnails are compared, and of how many images
COMPONENTS, SAMPLE = 32, 4096
ROUNDING = 1e-4  # of float32, with room
FEW = 0.1  # a kind of image is reported that at most this share of a side has
QUIET = (".txt", ".xml", ".json", ".md", ".csv", ".yaml", ".db", ".ini")  # files that are not expected to be images
FINDINGS = {"same_name": "same name", "not_utf8": "unreadable"}  # kind of fault in matching → kind of finding


@dataclass(frozen=True)
class Report:
    """The result of a check."""

    descriptor: Descriptor
    pairs: list[Seen]  # everything that was seen of each pair, sorted by split and name
    findings: list[Finding]  # of pairs, and of the set
    together: SetShift | None  # the shift that the pairs agree on, if enough do
    alike: Mapping[str, str]  # a pair that shows almost the same as an earlier one of its split → that one
    annotations: tuple[str, ...] = ()  # lines on the labels and boxes: how many there are, and what they hold

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(each.level == ERROR for each in self.findings)

    def good(self) -> dict[str, list[FoundPair]]:
        """Return the pairs without an error, per split."""
        bad = {(each.split, each.pair_id) for each in self.findings if each.level == ERROR}
        kept: dict[str, list[FoundPair]] = {}
        for each in self.pairs:
            if (each.split, each.pair.pair_id) not in bad:
                kept.setdefault(each.split, []).append(each.pair)
        return kept

    def measures(self) -> Iterator[Finding]:
        """Yield the shift of each pair whose shift was measured, in visible pixels, and how clear it is."""
        for each in self.pairs:
            if each.shift:
                for kind, value in zip(MEASURES, astuple(each.shift), strict=True):
                    yield each.finding(kind, "pair", value=round(value, 4))

    def lines(self) -> list[str]:
        """Return the report as lines: what was read, what is wrong, the shift between the sides."""
        lines = [counted(len(self.pairs), "pair")]
        for side in SIDES:
            images = [each.sides[side] for each in self.pairs if side in each.sides]
            kinds = Counter(image.kind for image in images).most_common()
            sizes = Counter("{}×{} px".format(*image.size) for image in images).most_common()
            summary = ", ".join(f"{count} {kind}" for kind, count in kinds) or "nothing that could be read"
            if sizes:
                summary += f", {len(sizes)} sizes, {sizes[0][0]} most often" if len(sizes) > 1 else f", {sizes[0][0]}"
            lines.append(f"  {side + ':':<10}{summary}")
        lines += [f"  {line}" for line in self.annotations]
        notes = Notes()
        for each in self.pairs:
            notes.update(each.notes)
        lines += show_findings(self.findings) + notes.lines()
        lines.append(str(self.together) if self.together else "the shift between the two sides is not clear")
        levels = Counter(each.level for each in self.findings)
        good = sum(map(len, self.good().values()))
        counts = {"error": levels[ERROR], "warning": levels[WARNING], "good pair": good}
        return [*lines, ", ".join(counted(count, noun) for noun, count in counts.items())]


def check_pairs(found: FoundDataset, *, for_pack: bool = False, rules: Rules = AS_FUSED, quick: bool = False) -> Report:
    """Look at all pairs of a dataset; every file is decoded to its end.

    With `for_pack` they shall be packed as they are: 8 bits, one size. `rules` say how two images become a pair; shifts
    are measured after the alignment, of at most `MOST_SHIFTS` evenly chosen pairs, or `QUICK_SHIFTS` with `quick`.

    Raises:
        UserError: there is no image, or no name that both sides have.
    """
    listed, findings = _list_pairs(found)
    inspector = Inspector(found.descriptor, found.root, for_pack, rules)
    measured = set(choose_evenly(range(len(listed)), QUICK_SHIFTS if quick else MOST_SHIFTS))

    def inspect(place: int) -> Seen:
        return inspector.inspect(*listed[place], with_shift=place in measured)

    with map_on_cores(inspect, len(listed)) as jobs:
        seen = list(track(jobs, "checking", len(listed)))
    findings += [finding for each in seen for finding in each.findings]
    alike: dict[str, str] = {}
    for side in SIDES:
        have = [each for each in seen if side in each.sides]
        findings += _find_duplicates(have, side, alike) + _find_odd_ones(have, side) + _find_units(have, side)
        findings += _find_depths(have, side, rules.range_of(side))
    together = _judge_shifts(seen, findings)
    splits: dict[str, list[FoundPair]] = {}
    for split, pair in listed:
        splits.setdefault(split, []).append(pair)
    tally = AnnotationTally(found.descriptor)
    for each in seen:
        for kind, counts in each.classes.items():
            tally.add(each.split, kind, counts)
    findings += [Finding("classes", detail=warning) for warning in tally.warnings()]
    annotations = [count_annotations(found.descriptor, splits), *tally.summary()]
    return Report(found.descriptor, seen, findings, together, alike, tuple(filter(None, annotations)))


def write_good_pairs(path: Path, report: Report, seed: int) -> dict[str, int]:
    """Write the pairs without an error as a CSV that `ssvif pack` takes, divided into splits as `ssvif split` does.

    Pairs that show almost the same are put into one split.

    Returns:
        The number of pairs in each split.

    Raises:
        UserError: there is no good pair.
    """
    good = report.good()
    if not good:
        raise UserError(f"There is no good pair to list in {path}", remedy="fix what is reported above first")
    return write_splits(path, deal_pairs(report.descriptor, good, seed=seed, alike=report.alike))


def _list_pairs(found: FoundDataset) -> tuple[list[tuple[str, FoundPair]], list[Finding]]:
    """Return (split, pair) of all pairs, those that lack a side included, and what their names have wrong."""
    listed: list[tuple[str, FoundPair]] = []
    findings: list[Finding] = []
    both = 0
    for split, matching in found.matchings.items():
        named = dict(matching.pairs)
        for fault in matching.faults:
            for side, paths in fault.files.items():
                if len(paths) > 1 or fault.kind == "not_utf8":
                    detail = str(fault) if fault.kind == "not_utf8" else " and ".join(path.name for path in paths)
                    file = found.pair(fault.name, {side: paths[0]})
                    findings.append(Finding(FINDINGS[fault.kind], fault.name, side, getattr(file, side), detail, split))
            if fault.kind != "not_utf8" and fault.files.keys() & set(SIDES):
                named[fault.name] = {side: paths[0] for side, paths in fault.files.items()}
        findings += _other_files(matching, split)
        listed += [(split, found.pair(name, files)) for name, files in sorted(named.items())]
        both += sum(files.keys() >= set(SIDES) for files in named.values())
    if not listed:
        raise UserError(
            f"There are no images of {found.descriptor.title} in {found.root}",
            expected=f"files ending in {', '.join(IMAGE_SUFFIXES)}",
            got=found.visible_place(),
            remedy="check the folders and patterns, or convert the images",
        )
    notices = found.notices()
    if len(listed) > 1 and not both:  # one error instead of one for each file
        error = next(iter(found.matchings.values())).no_pairs()
        near = "; ".join(each.text for each in notices if each.kind == "not found")
        raise error.replace(got=near) if near else error
    findings += [Finding(each.kind, "", each.side, "", each.text, each.split) for each in notices]
    return listed, findings


def _other_files(matching: Matching, split: str) -> Iterator[Finding]:
    for side in SIDES:
        others = matching.sides[side].others
        counts = [f"{others[suffix]} {suffix}" for suffix in sorted(others) if suffix not in (*QUIET, FOLDER)]
        if counts:
            yield Finding("other files", "", side, "", ", ".join(counts), split)


def _find_duplicates(seen: list[Seen], side: str, alike: dict[str, str]) -> list[Finding]:
    """Return which images of a side equal, or almost equal, an earlier one; constant ones have a finding already.

    Those that almost equal one of their own split are noted in `alike`.
    """
    have = [each for each in seen if not each.shows_nothing]
    first: dict[bytes, Seen] = {}
    found: dict[int, Finding] = {}
    for place, each in enumerate(have):
        earlier = first.setdefault(each.sides[side].digest, each)
        if earlier is not each:
            found[place] = each.finding("duplicate", side, f"the same as {_name(earlier, each)}")
    thumbnails = [each.sides[side].thumbnail for each in have]
    for place, earlier_place, likeness in near_duplicates(np.array(thumbnails, np.float32), NEAR_DUPLICATE):
        this, former = have[place], have[earlier_place]
        detail = f"like {_name(former, this)}, correlation {likeness:.4f}"
        found.setdefault(place, this.finding("near duplicate", side, detail))
        if this.split == former.split:
            alike.setdefault(this.pair.pair_id, former.pair.pair_id)
    return [found[place] for place in sorted(found)]


def near_duplicates(thumbnails: Gray, threshold: float, at_once: int = 768) -> list[tuple[int, int, float]]:
    """Find images that are almost the same as an earlier one, by their thumbnails (N,D), each of length 1 or 0.

    So that they stay in the processor's cache, `at_once` images are compared with as many others.

    Returns:
        For each image with a correlation of `threshold` or more: its place, that of the earlier image it is most
        like, and their correlation.
    """
    count = len(thumbnails)
    short = _shortened(thumbnails) if count > at_once else thumbnails
    likeness, earlier = np.full(count, -1.0, np.float32), np.zeros(count, np.intp)
    for top in range(0, count, at_once):
        for left in range(0, top + 1, at_once):
            products = short[top : top + at_once] @ short[left : left + at_once].T
            if left == top:
                products = np.tril(products, -1)
            if products.max() < threshold - ROUNDING:
                continue
            possible = products >= threshold - ROUNDING
            rows, columns = top + np.flatnonzero(possible.any(axis=1)), left + np.flatnonzero(possible.any(axis=0))
            exact = thumbnails[rows] @ thumbnails[columns].T
            exact[columns[None] >= rows[:, None]] = -1
            best = exact.argmax(axis=1)
            highest = exact[np.arange(len(rows)), best]
            better = highest > likeness[rows]
            likeness[rows[better]], earlier[rows[better]] = highest[better], columns[best[better]]
    return [(int(at), int(earlier[at]), float(likeness[at])) for at in np.flatnonzero(likeness >= threshold)]


def _shortened(thumbnails: Gray) -> Gray:
    """Return vectors (N,L+1) for thumbnails (N,D) whose products are those of the thumbnails or more.

    They are the L principal components of a sample, and the length of the rest: by Cauchy and Schwarz the product of
    two rests is at most that of their lengths.
    """
    sample = thumbnails[:: len(thumbnails) // SAMPLE + 1]
    axes = np.linalg.eigh(sample.T @ sample)[1][:, -COMPONENTS:]
    components = thumbnails @ axes
    rest = np.square(thumbnails).sum(axis=1) - np.square(components).sum(axis=1)
    return np.column_stack([components, np.sqrt(rest.clip(0))])


def _name(seen: Seen, other: Seen) -> str:
    return seen.pair.pair_id if seen.split == other.split else f"{seen.pair.pair_id} of {seen.split}"


def _find_odd_ones(seen: list[Seen], side: str) -> list[Finding]:
    """Return the images of a side whose depth is not the most frequent one, or whose kind (bits, color) few have."""
    kinds = Counter(each.sides[side].kind for each in seen)
    if len(kinds) < 2:
        return []
    usual, _ = kinds.most_common(1)[0]
    few = FEW * sum(kinds.values())
    odd = {kind for kind, count in kinds.items() if count <= few or kind.split()[0] != usual.split()[0]}
    found = [each for each in seen if each.sides[side].kind in odd]
    return [each.finding("mixed", side, f"{each.sides[side].kind}, most are {usual}") for each in found]


def _find_depths(seen: list[Seen], side: str, rule: Rule) -> list[Finding]:
    """Return the error of a side whose images are of several depths but shall have one range, as fusing does."""
    depths = [(each.pair.pair_id, each.sides[side].depth) for each in seen]
    try:
        check_depths(side, rule, depths)
    except UserError as error:
        return [Finding("depths", side=side, detail=f"{error.got}; {error.remedy}")]
    return []


def _find_units(seen: list[Seen], side: str) -> list[Finding]:
    """Return the images of a side whose values lie apart from those of most, as of another unit."""
    if len({each.sides[side].depth for each in seen}) > 1:  # "mixed" already
        return []
    limits = {str(place): each.sides[side].limits for place, each in enumerate(seen)}
    odd = min(two_units(limits) or [[]], key=len)
    return [seen[int(place)].finding("units", side, f"values of {limits[place]}") for place in odd]


def _judge_shifts(seen: list[Seen], findings: list[Finding]) -> SetShift | None:
    measured = {f"{each.split}/{each.pair.pair_id}": each for each in seen if each.shift}
    peaks = {name: each.shift for name, each in measured.items() if each.shift}
    if not peaks:
        return None
    longest = int(np.median([max(each.sides["visible"].size) for each in measured.values()]))
    together = combine_shifts(peaks, longest)
    if together is None:
        if sum(not is_unlike(peak) for peak in peaks.values()) >= FEWEST:  # of true pairs nearly every shift is clear
            findings.append(Finding("no shift", detail=f"{len(peaks)} pairs were measured"))
        return None
    if together.notable and together.confidence != "low":
        findings.append(Finding("shift", detail=str(together)))
    for name, distance in other_shifts(peaks, together, longest).items():
        findings.append(measured[name].finding("other shift", "pair", f"by {distance:.0f} px"))
    return together
