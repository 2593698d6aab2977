"""From fused images to `fusion_metrics.csv`: one row an image and metric."""

from __future__ import annotations

import logging
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.data.packed import PairsFile
from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import read_image, write_csv
from ssvif.io.images import read_raw
from ssvif.io.progress import track
from ssvif.metrics.collection import METRICS, STANDARD_SET, check_names, evaluate, of_convention
from ssvif.pairs.match import find_images, match_sources
from ssvif.pairs.pair import Rules, make_pair, with_sequence
from ssvif.pairs.ranges import to_8_bits
from ssvif.schema import METRIC_COLUMNS, SIDES

log = logging.getLogger("ssvif")
Image = NDArray[np.uint8]
CPU = torch.device("cpu")
AS_THEY_ARE = Rules(resize="error")
# beyond, threads wait for each other's Python code more than they measure
MOST_WORKERS = 8


@dataclass(frozen=True)
class Measuring:
    """What to measure, of which images, and on what.

    Attributes:
        metrics: names out of `ssvif.metrics.collection.METRICS`.
        only: a pattern like "00*N": images whose name (without suffix) does not match are passed over.
        device: where the metrics are computed.
        workers: images in work at once, each in a thread of its own; 0 takes one for every core, at
            most 8. The values do not depend on it.
    """

    metrics: Sequence[str] = STANDARD_SET
    only: str = "*"
    device: torch.device = CPU
    workers: int = 1


class _Case(NamedTuple):
    # a fused image's file and how to read visible and infrared, (H,W) or (H,W,3) uint8
    pair_id: str
    fused: Path
    sources: Callable[[], tuple[Image, Image]]


class _Scores(NamedTuple):
    pair_id: str
    values: dict[str, float | None]  # None: the image is too small
    reason: str  # why there may be values that are no finite numbers; empty if there are none


def choose_metrics(names: str, convention: str) -> tuple[str, ...]:
    """Return the metrics that a command asks for.

    Args:
        names: names separated by commas, "all" among them for every metric, or "" for the paper's seven
            in both conventions.
        convention: paper, standard or both: of the sets (all, and "") those remain that are of it.

    Returns:
        Each metric once, in the order given.

    Raises:
        UserError: a name or the convention is unknown, or a metric asked for by name is not of it.
    """
    asked = [name.strip() for name in names.split(",") if name.strip()]
    expanded = dict.fromkeys(each for name in asked for each in (METRICS if name == "all" else [name]))
    chosen = of_convention(tuple(expanded) or STANDARD_SET, convention)
    if foreign := [name for name in asked if name != "all" and name not in chosen]:
        raise UserError(
            f"Not of the convention {convention!r}: {', '.join(foreign)}",
            expected="metrics of it: " + " ".join(of_convention(tuple(METRICS), convention)),
            remedy="name others, or take `--convention both`",
        )
    return chosen


def score_pairs(
    pairs: Path, fused: Path, output: Path, *, dataset: str, run: str, measuring: Measuring, split: str = "test"
) -> None:
    """Measure a run's fused images against the packed pairs they were made of.

    Only as many images are in memory as there are workers. A metric that needs larger images is
    left empty, with one message for all images; a value that is not a number is written as `nan`,
    and the log names the image, the metric and the reason.

    Args:
        pairs: the file written by `ssvif pack`.
        fused: folder of `{pair_id}.png`, one for every pair of the split.
        output: the CSV to write: dataset, run, pair_id, metric, value; sorted by pair_id.
        dataset: the first column.
        run: the second column.
        measuring: what to measure.
        split: train, validation or test.

    Raises:
        UserError: a metric is unknown, no pair matches, or a fused image is missing, unreadable or
            of another size.
    """
    source = PairsFile(pairs)
    names = _matching(source.names(split), measuring.only, pairs)
    files = {name: fused / f"{name}.png" for name in names}
    if missing := [name for name in names if not files[name].is_file()]:
        raise UserError(
            f"{fused} lacks {len(missing)} fused images: {shorten(missing)}",
            expected=f"a PNG for each of the {len(names)} {split} pairs of {pairs}, named like the pair",
            remedy="fuse the run again (`ssvif fuse`)",
        )
    cases = [_Case(name, path, partial(_read_packed, source, split, name)) for name, path in files.items()]
    _write(cases, output, dataset, run, measuring)


def _read_packed(source: PairsFile, split: str, name: str) -> tuple[Image, Image]:
    return source.visible(split, name), source.infrared(split, name)


def score_folders(
    visible: str | Path,
    infrared: str | Path,
    fused: Path,
    output: Path,
    *,
    dataset: str,
    run: str,
    measuring: Measuring,
    rules: Rules = AS_THEY_ARE,
) -> None:
    """Measure a folder of fused images against folders of visible and infrared images.

    Files are matched by name without suffix; the fused folder decides which are measured, and
    sources without a fused image are passed over, with a message. Sizes may differ from pair to
    pair. Sources of more than 8 bits are brought to 8 bits by the rules of `ssvif fuse`. Otherwise
    as `score_pairs`.

    Args:
        visible: folder or pattern of RGB or gray images.
        infrared: folder or pattern of gray or RGB images.
        fused: folder of RGB or gray images.
        output: the CSV to write: dataset, run, pair_id, metric, value; sorted by pair_id.
        dataset: the first column.
        run: the second column.
        measuring: what to measure.
        rules: ranges, resizing, alignment, as the images were fused with.

    Raises:
        UserError: a metric is unknown, a folder is missing or empty, no name matches, a fused image
            lacks a source, or an image is unreadable or of another size than its fused image.
    """
    matched = match_folders(visible, infrared, fused, measuring.only)
    fixed = with_sequence(rules, lambda side: (read_raw(files[side]).pixels for files in matched.values()))
    cases = [
        _Case(name, files["fused"], partial(_read_files, name, files["visible"], files["infrared"], fixed))
        for name, files in matched.items()
    ]
    _write(cases, output, dataset, run, measuring)


def _read_files(name: str, visible: Path, infrared: Path, rules: Rules) -> tuple[Image, Image]:
    pair = make_pair(name, read_raw(visible), read_raw(infrared), rules)
    return to_8_bits(pair.visible, pair.visible_range), to_8_bits(pair.infrared, pair.infrared_range)


def fused_names(fused: Path, only: str = "*") -> list[str]:
    """Return the names, without suffix and sorted, of the fused images that would be measured.

    Args:
        fused: folder of fused images.
        only: a pattern of names, e.g. "00*N".

    Raises:
        UserError: the folder is missing or empty, or no name matches.
    """
    return _matching(sorted(find_images(fused).files), only, fused)


def match_folders(
    visible: str | Path, infrared: str | Path, fused: Path, only: str = "*"
) -> dict[str, dict[str, Path]]:
    """Match fused images with their sources by name; none is opened.

    Args:
        visible: folder or pattern of visible images.
        infrared: folder or pattern of infrared images.
        fused: folder of fused images; it decides which are matched.
        only: a pattern of names, e.g. "00*N".

    Returns:
        Name → "visible", "infrared" and "fused" → file, sorted by name.

    Raises:
        UserError: a folder is missing or empty, no name matches, a fused image lacks a source, two of its files share
            a name, or a name is not UTF-8.
    """
    found = match_sources({"visible": str(visible), "infrared": str(infrared), "fused": str(fused)})
    asked = [fault for fault in found.faults if fault.kind == "not_utf8" or fnmatchcase(fault.name, only)]
    if faults := [fault for fault in asked if fault.kind == "not_utf8" or "fused" in fault.files]:
        raise found.refusal(faults)
    if idle := [fault.name for fault in asked if fault.missing == ("fused",)]:
        alone = counted(len(idle), "pair")
        log.info("%s holds no fused image for %s, passed over: %s", fused, alone, shorten(idle))
    return {name: found.pairs[name] for name in _matching(list(found.pairs), only, fused)}


def _matching(names: Sequence[str], only: str, where: Path) -> list[str]:
    if not (matching := [name for name in names if fnmatchcase(name, only)]):
        raise UserError(
            f"No image of {where} matches {only!r}",
            expected="a pattern of names without suffix, such as '00*N'",
            got=shorten(list(names)),
        )
    return matching


def _write(cases: Sequence[_Case], output: Path, dataset: str, run: str, measuring: Measuring) -> None:
    check_names(measuring.metrics)
    too_small: Counter[str] = Counter()
    undefined: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)

    def rows() -> Iterator[dict[str, str | float | None]]:
        with _scores_of(cases, measuring) as measured:
            for scores in track(measured, f"scoring {run}".rstrip(), len(cases)):
                for metric, value in scores.values.items():
                    if value is None:
                        too_small[metric] += 1
                    elif not math.isfinite(value):
                        undefined[metric, str(value), scores.reason].append(scores.pair_id)
                    yield {"dataset": dataset, "run": run, "pair_id": scores.pair_id, "metric": metric, "value": value}

    write_csv(output, rows(), METRIC_COLUMNS)
    for metric, count in too_small.items():
        side = METRICS[metric].smallest_side
        log.info("%s is left empty for %s: it needs sides of at least %d px", metric, counted(count, "image"), side)
    for (metric, value, reason), names in undefined.items():
        log.warning("%s is %s for %s: %s", metric, value, shorten(names), reason)


@contextmanager
def _scores_of(cases: Sequence[_Case], measuring: Measuring) -> Iterator[Iterable[_Scores]]:
    """Yield the scores of every case, in the order of the cases.

    Threads and not processes: PyTorch and Pillow compute without Python's lock, so two threads are
    as fast as two processes, start at once (a new process imports PyTorch for seconds), and a forked
    one may hang in the copied state of PyTorch's own threads.
    """
    measure = partial(_measure, metrics=measuring.metrics, device=measuring.device)
    # each image is one thread's work: PyTorch's own threads would only compete, and change last digits
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(_worker_count(measuring.workers), "score", torch.set_num_threads, (1,))
    try:
        yield pool.map(measure, cases)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads_before)


def _worker_count(workers: int) -> int:
    if workers:
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def _measure(case: _Case, metrics: Sequence[str], device: torch.device) -> _Scores:
    images = dict(zip((*SIDES, "fused"), (*case.sources(), read_image(case.fused)), strict=True))
    height, width = images["fused"].shape[:2]
    for name, image in images.items():
        if image.shape[:2] != (height, width):
            raise UserError(
                f"The fused image {case.fused} has another size than the {name} image of {case.pair_id}",
                expected=f"{image.shape[1]}×{image.shape[0]} pixels",
                got=f"{width}×{height}",
                remedy="fuse the pair again in its own size; nothing is resized here",
            )
    possible = [name for name in metrics if METRICS[name].smallest_side <= min(height, width)]
    visible, infrared, fused = (_to_tensor(each).to(device) for each in images.values())
    found = evaluate(visible, infrared, fused, possible) if possible else {}
    values = {name: found[name].item() if name in found else None for name in metrics}
    finite = all(value is None or math.isfinite(value) for value in values.values())
    return _Scores(case.pair_id, values, "" if finite else _peculiarity(images))


def _peculiarity(images: dict[str, Image]) -> str:
    # what about the images can leave a metric without a finite value
    facts = [f"the {name} image is {image.flat[0]} everywhere" for name, image in images.items() if not np.ptp(image)]
    visible, infrared, fused = images.values()
    if np.array_equal(visible, fused) and np.array_equal(infrared, fused):
        facts.append("the fused image equals both sources")
    return ", ".join(facts) or "no image is constant; the metric's description says where it has no value"


def _to_tensor(image: Image) -> torch.Tensor:
    # a copy: files are read into arrays that PyTorch must not write to
    channels = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.tensor(np.ascontiguousarray(channels))[None]
