"""Several runs of one dataset beside each other, for the screen: what each scores, and how it stands to the first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssvif.io.errors import UserError
from ssvif.io.files import printable, read_csv
from ssvif.report import scores
from ssvif.report.layout import measure_of, rank, show
from ssvif.report.measured import read_samples
from ssvif.schema import RUN_FILES

if TYPE_CHECKING:
    from ssvif.metrics.base import Metric

HEAD = ("metric", "run", "mean", "", "− first", "95 % interval", "p", "n", "")
TEXTS = (0, 1, 3, 8)  # columns of words; the others are numbers
MARKS = ("", "best", "second")
ONE_LINE, TWO_LINES = (slice(1, 9),), (slice(1, 4), slice(4, 9))  # a run's cells where its metric has a line of its own


def compare_runs(folders: Sequence[Path], metrics: Mapping[str, Metric], width: int | None = None) -> list[str]:
    """Return the lines of a table: metric by metric each run's mean, and its paired difference to the first run.

    Args:
        folders: of runs, results/DATASET/RUN, or files that `ssvif score` wrote; at least two.
        metrics: what is known of metrics by name.
        width: of the screen, in characters; None for as wide as it gets.

    Raises:
        UserError: there is one run only, one twice, a file is missing or damaged, or the runs are not of the same
            dataset or have no image in common.
    """
    if len(folders) < 2:
        raise UserError("There is nothing to compare", expected="two runs or more", got=f"{len(folders)}")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UserError("A run stands there twice", expected="different runs", got=" ".join(map(str, folders)))
    files = {name: _file_of(folder) for name, folder in zip(_names(folders), folders, strict=True)}
    _check_dataset(files)
    first, *others = files
    compared = {name: scores.compare_scores(files[name], files[first]) for name in others}
    rows = [HEAD, *_fusion_rows(files, compared, metrics), *_score_rows(folders, list(files))]
    remarks = [
        line
        for name, comparisons in compared.items()
        for line in scores.left_out(comparisons, {name: files[name], first: files[first]})
    ]
    above = f"differences are to {first}, image by image where there is an interval"
    below = [*dict.fromkeys(remarks), "best, second: where all runs have values of the same images", scores.VERDICTS]
    return [*_wrapped([above], width), *_fitting(rows, width), *_wrapped(below, width)]


def _fitting(rows: Sequence[tuple[str, ...]], width: int | None) -> list[str]:
    """Return the widest form of the table that fits: all in a row, metrics above their runs, two lines a run."""
    lines = scores.aligned(rows, TEXTS)
    for spans in (ONE_LINE, TWO_LINES):
        if width is None or max(map(len, lines)) <= width:
            break
        lines = list(_stacked(rows, spans))
    return lines


def _stacked(rows: Sequence[tuple[str, ...]], spans: Sequence[slice]) -> Iterator[str]:
    parts = []
    for span in spans:
        texts = [place - span.start for place in TEXTS if span.start <= place < span.stop]
        parts.append(scores.aligned([row[span] for row in rows], texts))
    for row, *pieces in zip(rows, *parts, strict=True):
        if row[0]:
            yield row[0]
        yield from ("  " * depth + piece for depth, piece in enumerate(pieces, start=1) if piece)


def _wrapped(lines: Iterable[str], width: int | None) -> list[str]:
    if width is None:
        return list(lines)
    wrapper = textwrap.TextWrapper(width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [part for line in lines for part in wrapper.wrap(line)]


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell them apart."""
    paths = [folder.resolve() for folder in folders]
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return [printable(name) for name in names]


def _file_of(folder: Path) -> Path:
    if folder.is_file():
        return folder
    path = folder / RUN_FILES["fusion_metrics"]
    if not path.is_file():
        raise UserError(
            f"{printable(folder)} is not a run that was scored",
            expected=f"a folder results/DATASET/RUN with {path.name}",
            remedy="score it first: `ssvif score`, or Snakemake with that file as its target",
        )
    return path


def _check_dataset(files: Mapping[str, Path]) -> None:
    found = {name: _dataset_of(path) for name, path in files.items()}
    if len(set(found.values()) - {""}) > 1:
        raise UserError(
            "The runs are not of the same dataset",
            expected="runs of one dataset: a difference between two says nothing about the methods",
            got=", ".join(f"{name}: {dataset}" for name, dataset in found.items()),
        )


def _dataset_of(path: Path) -> str:
    rows = read_csv(path)
    return rows[0].get("dataset") or "" if rows else ""


def _fusion_rows(
    files: Mapping[str, Path],
    compared: Mapping[str, Mapping[str, scores.Comparison]],
    metrics: Mapping[str, Metric],
) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the fusion metrics: a metric's runs together, its title in the first of them."""
    summaries = {name: scores.summarize_scores(path) for name, path in files.items()}
    values = [scores.read_scores(path) for path in files.values()]
    for metric in dict.fromkeys(each for found in summaries.values() for each in found):
        title = scores.title_of(metric, metrics) or metric
        means = {}
        for name, found in summaries.items():
            summary = found[metric].summary if metric in found else None
            means[name] = summary.mean if summary else None
        if all(mean is None for mean in means.values()):  # the images are too small for it
            continue
        arrow = scores.ARROWS[metrics[metric].better] if metric in metrics else ""
        texts = [scores.shown(mean) for mean in means.values()]
        places = rank(texts, arrow) if _same_images(each.get(metric, {}) for each in values) else [0] * len(texts)
        for name, text, place in zip(means, texts, places, strict=True):
            row = compared[name].get(metric) if name in compared else None
            rest = scores.difference_cells(row, metrics.get(metric)) if row else ("",) * 5
            yield (title, name, text, MARKS[place], *rest)
            title = ""


def _same_images(values: Iterable[Mapping[str, float | None]]) -> bool:
    images = [frozenset(image for image, value in each.items() if value is not None) for each in values]
    return len({each for each in images if each}) < 2


def _score_rows(folders: Sequence[Path], names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of mIoU and mAP; one number a run, so there is a difference and no interval."""
    for source, metric in (("segmentation", "miou"), ("detection", "map50")):
        values = []
        for folder in folders:
            path = folder / RUN_FILES[source]
            samples = read_samples(path, source) if path.is_file() else {}
            known = samples[metric, ""].known if (metric, "") in samples else {}
            values.append(known.get(""))
        if any(value is not None for value in values):
            yield from _one_number_rows(metric, values, names)


def _one_number_rows(metric: str, values: Sequence[float | None], names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    shown = [value * 100 if value is not None else None for value in values]
    texts = [show(value, metric) for value in shown]
    measure = measure_of(metric)
    title = f"{measure.heading} {measure.arrow} [{measure.unit}]"
    for place, (name, text, marked) in enumerate(zip(names, texts, rank(texts, measure.arrow), strict=True)):
        value, first = shown[place], shown[0]
        difference = scores.shown(value - first, "+.2f") if place and value is not None and first is not None else ""
        yield (title if not place else "", name, text, MARKS[marked], difference, "", "", "", "")
