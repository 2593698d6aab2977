"""Measure fused images: `fusion_metrics.csv`, one row an image and metric."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.data.packed import PairsFile
from ssvif.io.ahead import core_count
from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import require_8_bits, write_csv
from ssvif.io.images import read_raw
from ssvif.io.progress import track
from ssvif.judging.fused_images import left_out_row
from ssvif.metrics.collection import METRICS, STANDARD_SET, evaluate, of_convention
from ssvif.pairs.files import check_one_depth, read_pair, read_side
from ssvif.pairs.judgement import NoteLog, log_peculiar, peculiarities
from ssvif.pairs.match import BY_NAME, match_sources
from ssvif.pairs.pair import Rules
from ssvif.pairs.pairing import Pairing
from ssvif.pairs.ranges import to_8_bits
from ssvif.pairs.sequence import with_sequence
from ssvif.schema import METRIC_COLUMNS, NOTE, SIDES

log = logging.getLogger("ssvif")
Image = NDArray[np.uint8]
CPU = torch.device("cpu")
AS_THEY_ARE = Rules(resize="error")
# beyond, threads wait for each other's Python code more than they measure
MOST_WORKERS = 8
UNLIKE = {"qabf": 0.1, "vif": 0.1}  # images of other scenes reach 0.07 in both, the mean of two images 0.35 and 0.6


class Case(NamedTuple):
    """A fused image to be measured."""

    pair_id: str
    fused: Path
    read_sources: Callable[[], tuple[Image, Image]]  # the visible and the infrared image, (H,W) or (H,W,3) uint8


class _Scores(NamedTuple):
    pair_id: str
    values: dict[str, float | None]  # None: the image is too small
    reason: str  # why values may not be finite; empty if all are
    constant: dict[str, str]  # "visible", "infrared" or "fused" → the only value in it
    peculiarities: list[str]  # of the fused image


def choose_metrics(names: str, convention: str) -> tuple[str, ...]:
    """Return the metrics that a command asks for, each once, in the order given.

    The names are separated by commas; "all" stands for every metric, and no name for the paper's seven in both
    conventions. With the convention paper or standard, these two sets lack the metrics of the other convention.

    Raises:
        UserError: a name or the convention is unknown, or a metric asked for by name is of the other convention.
    """
    # also as the tables write them: SSIM, MS-SSIM
    asked = [name.strip().casefold().replace("-", "_") for name in names.split(",") if name.strip()]
    expanded = dict.fromkeys(each for name in asked for each in (METRICS if name == "all" else [name]))
    chosen = of_convention(tuple(expanded) or STANDARD_SET, convention)
    if foreign := [name for name in asked if name != "all" and name not in chosen]:
        raise UserError(
            f"Not of the convention {convention!r}: {', '.join(foreign)}",
            expected="metrics of it: " + " ".join(of_convention(tuple(METRICS), convention)),
            remedy="name others, or take `--convention both`",
        )
    return chosen


def packed_cases(pairs: Path, fused: Path, only: str = "*") -> list[Case]:
    """Return the fused images of packed test pairs, sorted by name; none is opened.

    The folder `fused`, or its subfolder "test", holds a `{pair_id}.png` for every test pair, of which there may be
    none. `only` is a pattern of the pair ids to take, e.g. "00*N".

    Raises:
        UserError: no pair matches, or a fused image is missing.
    """
    source = PairsFile(pairs)
    if "test" not in source.splits():
        return []
    names = _matching(source.names("test"), only, pairs)
    fused = fused / "test" if (fused / "test").is_dir() else fused
    if missing := [name for name in names if not (fused / f"{name}.png").is_file()]:
        raise UserError(
            f"{fused} lacks {counted(len(missing), 'fused image')}: {shorten(missing)}",
            expected=f"a PNG for each of the {len(names)} test pairs of {pairs}, named like the pair",
            remedy="fuse the run again (`ssvif fuse`)",
        )

    def read(name: str) -> tuple[Image, Image]:
        return source.visible("test", name), source.infrared("test", name)

    return [Case(name, fused / f"{name}.png", partial(read, name)) for name in names]


def folder_cases(
    visible: str | Path | None,
    infrared: str | Path | None,
    fused: Path,
    only: str = "*",
    rules: Rules = AS_THEY_ARE,
    pairing: Pairing = BY_NAME,
) -> list[Case]:
    """Return a folder's fused images that have a visible and an infrared image of the same name, sorted by name.

    Files are matched by name without suffix, or paired as `pairing` says; the fused folder decides which are measured.
    Sources without a fused image are ignored, with a message. Sizes may differ from pair to pair. Sources of more than
    8 bits are converted to 8 bits by the rules of `ssvif fuse`: `rules` are those that the images were fused with. Each
    folder holds RGB or gray images, and may be a pattern. `only` is a pattern of the names to take, e.g.
    "00*N". Images are opened only to find the range of a whole sequence.

    Raises:
        UserError: a folder is missing or empty, no name matches, or a fused image lacks a source, shares its name, or
            has one that is not UTF-8.
    """
    found = match_sources(pairing.sources(visible, infrared) | {"fused": str(fused)}, pairing)
    asked = [fault for fault in found.faults if fault.kind == "not_utf8" or fnmatchcase(fault.name, only)]
    if faults := [fault for fault in asked if "fused" in fault.files]:
        raise found.refusal(faults)
    for fault in asked:
        if fault.kind == "not_utf8":
            log.warning("%s: it is left out", fault)
    if idle := [fault.name for fault in asked if fault.missing == ("fused",)]:
        alone = counted(len(idle), "pair")
        log.info("%s holds no fused image for %s, ignored: %s", fused, alone, shorten(idle))
    matched = {name: found.pairs[name] for name in _matching(list(found.pairs), only, fused)}
    check_one_depth(rules, matched)
    both = rules.both_in_one
    fixed = with_sequence(
        rules, lambda side: ((name, read_side(files[side], side, both)) for name, files in matched.items())
    )
    notes = NoteLog()

    def read(name: str) -> tuple[Image, Image]:
        pair = read_pair(name, fixed, *(matched[name][side] for side in SIDES))
        notes.add(pair.notes)
        return to_8_bits(pair.visible, pair.visible_range), to_8_bits(pair.infrared, pair.infrared_range)

    return [Case(name, files["fused"], partial(read, name)) for name, files in matched.items()]


def _matching(names: Sequence[str], only: str, where: Path) -> list[str]:
    if not (matching := [name for name in names if fnmatchcase(name, only)]):
        raise UserError(
            f"No image of {where} matches {only!r}",
            expected="a pattern of names without suffix, such as '00*N'",
            got=shorten(list(names)),
        )
    return matching


def write_scores(
    output: Path,
    cases: Sequence[Case],
    *,
    dataset: str,
    run: str,
    metrics: Sequence[str] = STANDARD_SET,
    device: torch.device = CPU,
    workers: int = 1,
) -> None:
    """Measure fused images and write a row for each image and metric.

    The CSV has the columns `METRIC_COLUMNS` and keeps the order of the cases. A metric that needs larger images is
    left empty, with one message for all images; a value that is not a number is written as `nan`, and the log names
    the image, the metric and the reason. Without a case the CSV has one row, which says so. So many images as there
    are `workers` are measured at once, each in a thread of its own; 0 takes one for every core, at most 8. The values
    do not depend on it.

    Raises:
        UserError: an image is unreadable or of another size than its fused image, or all images of a side are
            constant; nothing is written then.
    """
    if not cases:
        log.warning("%s: there are no test pairs to score", dataset or output)
        write_csv(output, [left_out_row(dataset, run, "no test pairs")], (*METRIC_COLUMNS, NOTE))
        return
    constant: defaultdict[str, dict[str, str]] = defaultdict(dict)
    too_small: Counter[str] = Counter()
    undefined: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    unlike: set[str] = set()
    peculiar: Counter[str] = Counter()

    def rows(measured: Iterable[_Scores]) -> Iterator[dict[str, str | float | None]]:
        for scores in track(measured, f"scoring {run}".rstrip(), len(cases)):
            peculiar.update(scores.peculiarities)
            for side, fact in scores.constant.items():
                constant[side][scores.pair_id] = fact
            for metric, value in scores.values.items():
                if value is None:
                    too_small[metric] += 1
                elif value < UNLIKE.get(metric, -math.inf):
                    unlike.add(scores.pair_id)
                elif not math.isfinite(value):
                    undefined[metric, str(value), scores.reason].append(scores.pair_id)
                yield {"dataset": dataset, "run": run, "pair_id": scores.pair_id, "metric": metric, "value": value}
        _check_constant(constant, len(cases))

    with _single_threads(workers) as pool:
        measured = pool.map(partial(_measure, metrics=metrics, device=device), cases)
        write_csv(output, rows(measured), METRIC_COLUMNS)
    log_peculiar(cases[0].fused.parent, peculiar, len(cases))
    for metric, lacking in too_small.items():
        side = METRICS[metric].smallest_side
        log.info("%s is left empty for %s: it needs sides of at least %d px", metric, counted(lacking, "image"), side)
    if unlike:
        what = f"{counted(len(unlike), 'fused image')} of {len(cases)} have hardly anything of their pairs"
        log.warning("%s (Qabf or VIF below 0.1): are they of the same scenes? %s", what, shorten(sorted(unlike)))
    for where, facts in constant.items():
        count = counted(len(facts), f"constant {where} image")
        log.warning("%s, of little use to the scores: %s", count, _first(facts))
    for (metric, value, reason), names in undefined.items():
        log.warning("%s is %s for %s: %s", metric, value, shorten(names), reason)


def _check_constant(constant: Mapping[str, Mapping[str, str]], count: int) -> None:
    """Check that no side, "visible", "infrared" or "fused", consists of constant images alone."""
    for side, facts in constant.items():
        if len(facts) == count:
            raise UserError(
                f"All {side} images are constant: there is nothing to measure",
                expected="images that show something",
                got=_first(facts),
                remedy="look at the images; for sources of more than 8 bits, pass the ranges they were fused with",
            )


def _first(facts: Mapping[str, str]) -> str:
    return shorten([f"{name} ({fact})" for name, fact in facts.items()], most=3)


@contextmanager
def _single_threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of threads in each of which PyTorch computes with one thread.

    Threads and not processes: PyTorch and Pillow compute without Python's lock, and a new process imports PyTorch for
    seconds, while a forked one may hang in the copied state of PyTorch's own threads.
    """
    cores = core_count()
    # each image is one thread's work: PyTorch's own threads would only compete, and change last digits
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(workers or min(cores, MOST_WORKERS), "score", torch.set_num_threads, (1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads_before)


def measure(
    visible: Image, infrared: Image, fused: Image, metrics: Sequence[str], device: torch.device = CPU
) -> dict[str, float | None]:
    """Return the metrics of images (H,W) or (H,W,3) of one size; None for those that need a larger image."""
    possible = [name for name in metrics if METRICS[name].smallest_side <= min(fused.shape[:2])]
    # copies: files are read into arrays that PyTorch must not write to
    planes = (np.ascontiguousarray(np.atleast_3d(each).transpose(2, 0, 1)) for each in (visible, infrared, fused))
    color, gray, result = (torch.tensor(each)[None].to(device) for each in planes)
    found = evaluate(color, gray, result, possible) if possible else {}
    return {name: found[name].item() if name in found else None for name in metrics}


def _measure(case: Case, metrics: Sequence[str], device: torch.device) -> _Scores:
    raw = read_raw(case.fused)
    images = dict(zip((*SIDES, "fused"), (*case.read_sources(), require_8_bits(case.fused, raw)), strict=True))
    height, width = images["fused"].shape[:2]
    for name, image in images.items():
        if image.shape[:2] != (height, width):
            raise UserError(
                f"The fused image {case.fused} has another size than the {name} image of {case.pair_id}",
                expected=f"{image.shape[1]}×{image.shape[0]} pixels",
                got=f"{width}×{height}",
                remedy="fuse the pair again in its own size, or leave the image out; nothing is resized here",
            )
    values = measure(images["visible"], images["infrared"], images["fused"], metrics, device)
    finite = all(value is None or math.isfinite(value) for value in values.values())
    constant = {name: f"{image.flat[0]} everywhere" for name, image in images.items() if not np.ptp(image)}
    reason = "" if finite else _reason(images, constant)
    return _Scores(case.pair_id, values, reason, constant, peculiarities(raw, case.fused))


def _reason(images: Mapping[str, Image], constant: Mapping[str, str]) -> str:
    # what in the images can leave a metric without a finite value
    facts = [f"the {name} image is {fact}" for name, fact in constant.items()]
    visible, infrared, fused = images.values()
    if np.array_equal(visible, fused) and np.array_equal(infrared, fused):
        facts.append("the fused image equals both sources")
    return ", ".join(facts) or "no image is constant; the metric's description says where it has no value"
