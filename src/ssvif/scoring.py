"""From fused images to `fusion_metrics.csv`: one row an image and metric."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.data.pairs import PairsFile
from ssvif.metrics.collection import METRICS, check_names, evaluate
from ssvif.ops.errors import UserError, shorten
from ssvif.ops.files import images_by_stem, read_csv, read_image, write_csv
from ssvif.ops.progress import track

log = logging.getLogger("ssvif")
Image = NDArray[np.uint8]
ALL_METRICS = tuple(METRICS)
COLUMNS = ("dataset", "run", "pair_id", "metric", "value")


class Case(NamedTuple):
    """One fused image's file and its two sources, (H,W) or (H,W,3) uint8."""

    pair_id: str
    fused: Path
    visible: Image
    infrared: Image


def score_pairs(
    pairs: Path,
    fused: Path,
    output: Path,
    *,
    dataset: str,
    run: str,
    metrics: Sequence[str] = ALL_METRICS,
    split: str = "test",
) -> None:
    """Measure a run's fused images against the packed pairs they were made of.

    One image is in memory at a time. A metric that needs larger images is left empty, with one
    message for all images; a value that is not a number is written as `nan` and named in the log.

    Args:
        pairs: the file written by `ssvif pack`.
        fused: folder of `{pair_id}.png`, one for every pair of the split.
        output: the CSV to write: dataset, run, pair_id, metric, value.
        dataset: the first column.
        run: the second column.
        metrics: names out of `ssvif.metrics.collection.METRICS`.
        split: train, validation or test.

    Raises:
        UserError: a metric is unknown, or a fused image is missing, unreadable or of another size.
    """
    check_names(metrics)
    source = PairsFile(pairs)
    names = source.names(split)
    files = {name: fused / f"{name}.png" for name in names}
    if missing := [name for name in names if not files[name].is_file()]:
        raise UserError(
            f"{fused} lacks {len(missing)} fused images: {shorten(missing)}",
            expected=f"a PNG for each of the {len(names)} {split} pairs of {pairs}, named like the pair",
            remedy="fuse the run again (`ssvif fuse`)",
        )
    cases = (Case(name, files[name], source.visible(split, name), source.infrared(split, name)) for name in names)
    _write(track(cases, f"scoring {run}", len(names)), output, dataset, run, metrics)


def score_folders(
    visible: Path,
    infrared: Path,
    fused: Path,
    output: Path,
    *,
    dataset: str,
    run: str,
    metrics: Sequence[str] = ALL_METRICS,
) -> None:
    """Measure a folder of fused images against folders of visible and infrared images.

    Files are matched by name without suffix; the fused folder decides which are measured, and
    sources without a fused image are passed over. Otherwise as `score_pairs`.

    Args:
        visible: folder of RGB or gray images.
        infrared: folder of gray or RGB images.
        fused: folder of RGB or gray images.
        output: the CSV to write: dataset, run, pair_id, metric, value.
        dataset: the first column.
        run: the second column.
        metrics: names out of `ssvif.metrics.collection.METRICS`.

    Raises:
        UserError: a metric is unknown, a folder is missing or empty, a fused image lacks a source,
            or an image is unreadable or of another size than its fused image.
    """
    check_names(metrics)
    results = images_by_stem(fused)
    sources = {folder: images_by_stem(folder) for folder in (visible, infrared)}
    for folder, found in sources.items():
        if missing := sorted(results.keys() - found.keys()):
            raise UserError(
                f"{folder} lacks {len(missing)} images: {shorten(missing)}",
                expected=f"one for each fused image in {fused}, of the same name (the suffix may differ)",
                remedy="add them, or move the fused images without sources away",
            )
    cases = (
        Case(stem, path, read_image(sources[visible][stem]), read_image(sources[infrared][stem]))
        for stem, path in results.items()
    )
    _write(track(cases, f"scoring {run}", len(results)), output, dataset, run, metrics)


def summarize(path: Path) -> dict[str, float]:
    """Return the mean over images of each metric in a file of `score_pairs` or `score_folders`.

    Empty values do not count; a metric without any value is left out. An image whose value is not a
    number makes the mean NaN and is named in the log.

    Raises:
        UserError: the file is missing or a value is no number.
    """
    values: defaultdict[str, list[float]] = defaultdict(list)
    for row in read_csv(path):
        if not row["value"]:
            continue
        try:
            values[row["metric"]].append(float(row["value"]))
        except ValueError as error:
            raise UserError(
                f"{path}: {row['metric']} of {row['pair_id']} is {row['value']!r}",
                expected="a number",
                remedy="score the run again (`ssvif score`)",
            ) from error
        if math.isnan(values[row["metric"]][-1]):
            log.warning("%s of %s is not a number, so its mean is not either", row["metric"], row["pair_id"])
    return {metric: math.fsum(each) / len(each) for metric, each in values.items()}


def _write(cases: Iterator[Case], output: Path, dataset: str, run: str, metrics: Sequence[str]) -> None:
    too_small: Counter[str] = Counter()
    undefined: defaultdict[str, list[str]] = defaultdict(list)

    def rows() -> Iterator[dict[str, str | float | None]]:
        for case in cases:
            for metric, value in _measure(case, metrics).items():
                if value is None:
                    too_small[metric] += 1
                elif math.isnan(value):
                    undefined[metric].append(case.pair_id)
                yield {"dataset": dataset, "run": run, "pair_id": case.pair_id, "metric": metric, "value": value}

    write_csv(output, rows(), COLUMNS)
    for metric, count in too_small.items():
        side = METRICS[metric].smallest_side
        log.info("%s is left empty for %d images: it needs sides of at least %d px", metric, count, side)
    for metric, names in undefined.items():
        log.warning("%s is not a number (nan) for %s", metric, shorten(names))


def _measure(case: Case, metrics: Sequence[str]) -> dict[str, float | None]:
    image = read_image(case.fused)
    for name, source in (("visible", case.visible), ("infrared", case.infrared)):
        if source.shape[:2] != image.shape[:2]:
            raise UserError(
                f"The fused image {case.fused} has another size than the {name} image of {case.pair_id}",
                expected=f"{source.shape[1]}×{source.shape[0]} pixels",
                got=f"{image.shape[1]}×{image.shape[0]}",
                remedy="fuse the pair again in its own size; nothing is resized here",
            )
    possible = [name for name in metrics if METRICS[name].smallest_side <= min(image.shape[:2])]
    visible, infrared, fused = (_to_tensor(each) for each in (case.visible, case.infrared, image))
    values = evaluate(visible, infrared, fused, possible) if possible else {}
    return {name: values[name].item() if name in values else None for name in metrics}


def _to_tensor(image: Image) -> torch.Tensor:
    # a copy: files are read into arrays that PyTorch must not write to
    channels = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.tensor(np.ascontiguousarray(channels))[None]
