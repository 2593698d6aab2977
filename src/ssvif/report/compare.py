"""Fusion scores as tables in a terminal: the summary of one run, and several runs compared with the first of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import printable, read_csv
from ssvif.io.terminal import UNLIMITED, render_table, screen_width
from ssvif.ops.statistics import Summary, describe, mean_of
from ssvif.report.scores import (
    Comparison,
    Sample,
    Scores,
    check_overlap,
    compare_scores,
    read_probe_images,
    read_samples,
    read_scores,
)
from ssvif.report.sheet import DASH, measure_of, print_number, rank
from ssvif.schema import DETECTION, FUSION_METRICS, MEASURES, PROBE, RUN_FILES, SEGMENTATION

LEAST_P = 0.001
MARKS = ("", "best", "second")
HEADER = ("metric, run", "mean", "", "− first", "95 % interval", "p", "n", "")
LEGEND = (
    "mean, best, second: over the images that all runs have a value of; n: the images of a difference",
    "intervals and p: over these images, of one training each; another seed may turn a difference",
    "better, worse: the interval excludes 0 and Wilcoxon's p < 0.05; p is not corrected for the number of metrics",
)


def summary_table(path: Path) -> str:
    """Return a table of one run's scores, a row for each metric, then remarks on images without a finite value.

    A metric that is not among `MEASURES` is shown by its name alone.

    Raises:
        UserError: the file cannot be read (`read_scores`).
    """
    rows, remarks = [], []
    for name, sample in read_scores(path).items():
        known = sample.known
        found = describe(list(known.values())) if known else None
        numbers = [found.mean, found.median, found.deviation] if found else [None] * 3
        texts = [print_number(number, ".4f") for number in numbers]
        rows.append([name, _title(name) if name in MEASURES else "", *texts, _interval(found), str(len(known))])
        if empty := len(sample.values) - len(known):
            remarks.append(f"{name}: {counted(empty, 'image')} too small for it, without a value")
        for kind, is_kind in (("NaN", math.isnan), ("infinite", math.isinf)):
            if images := sorted(image for image, value in known.items() if is_kind(value)):
                remarks.append(f"{name}: the mean is {kind} because the value is {kind} for {shorten(images)}")
    header = ("metric", "", "mean", "median", "sd", "95 % interval", "n")
    return "\n".join([render_table(header, rows), *remarks])


def compare_runs(runs: Sequence[Path], *, any_dataset: bool = False, width: int | None = None) -> str:
    """Return a table that compares runs with the first: each metric's means, paired differences and verdicts.

    The runs are folders results/DATASET/RUN, or files that `ssvif score` wrote. Of a metric that is not among
    `MEASURES` no direction is better. A line has at most `width` characters; None takes the terminal's.

    Raises:
        UserError: there is one run only, one occurs twice, a file is missing or damaged, or the runs are not of the
            same dataset or have no image in common.
    """
    if len(runs) < 2:
        raise UserError("There is nothing to compare", expected="two runs or more", got=f"{len(runs)}")
    if len({run.resolve() for run in runs}) < len(runs):
        raise UserError("A run is given twice", expected="different runs", got=" ".join(map(str, runs)))
    files = {name: _file_of(run) for name, run in zip(_names(runs), runs, strict=True)}
    if not any_dataset:
        _check_dataset(files)
    scores = {name: read_scores(path) for name, path in files.items()}
    first, *others = scores
    for name in others:
        check_overlap({name: scores[name], first: scores[first]})
    compared = {name: compare_scores(scores[name], scores[first]) for name in others}
    remarks = [line for name in others for line in _left_out(compared[name], name, scores[name], first, scores[first])]
    probes = {name: run / RUN_FILES[PROBE] for name, run in zip(scores, runs, strict=True)}
    probed = {name: read_probe_images(path) if path.is_file() else {} for name, path in probes.items()}
    if len(labels := {sample.labels for found in probed.values() for sample in found.values()}) > 1:
        remarks.append(f"probe: not compared, the classes are from {' and from '.join(sorted(labels))}")
        probed = {name: {} for name in probed}
    if any(probed.values()):
        remarks.append("log-loss, AP: means of each image's own; the tables take all images' cells together")
    of_probe = {name: compare_scores(probed[name], probed[first]) for name in others}
    rows = [*_image_rows(scores, compared), *_image_rows(probed, of_probe), *_judge_rows(runs, scores)]
    title = f"differences are to {first}, image by image where there is an interval"
    return "\n".join([title, _layout(rows, width or screen_width()), *dict.fromkeys(remarks), *LEGEND])


def _layout(rows: Sequence[Sequence[str]], width: int) -> str:
    """Return the table, with names above their numbers where the width is not enough for both."""
    whole = render_table(HEADER, rows, width=UNLIMITED)
    if max(map(len, whole.splitlines())) <= width:
        return whole
    header, rule, *lines = render_table(HEADER[1:], [row[1:] for row in rows], width=UNLIMITED).splitlines()
    stacked = [f"{row[0]}\n    {line}" if line else row[0] for row, line in zip(rows, lines, strict=True)]
    return "\n".join([f"    {header}", f"    {rule}", *stacked])


def _names(runs: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that distinguish them."""
    paths = [run.resolve() for run in runs]
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return [printable(name) for name in names]


def _file_of(run: Path) -> Path:
    path = run if run.is_file() else run / RUN_FILES[FUSION_METRICS]
    if not path.is_file():
        raise UserError(
            f"{printable(run)} is not a run that was scored",
            expected=f"a folder results/DATASET/RUN with {path.name}",
            remedy="score it first: `ssvif score`, or Snakemake with that file as its target",
        )
    return path


def _check_dataset(files: Mapping[str, Path]) -> None:
    found = {name: next((row.get("dataset") or "" for row in read_csv(path)), "") for name, path in files.items()}
    if len(set(found.values()) - {""}) > 1:
        raise UserError(
            "The runs are not of the same dataset",
            expected="runs of one dataset: a difference between two says nothing about the methods",
            got=", ".join(f"{name}: {dataset}" for name, dataset in found.items()),
        )


def _images(scores: Scores) -> set[str]:
    return {image for sample in scores.values() for image in sample.values}


def _left_out(compared: Mapping[str, Comparison], name: str, this: Scores, first: str, other: Scores) -> Iterator[str]:
    """Yield a line for everything that was not compared: undefined values, and what only one of them has."""
    for metric, comparison in compared.items():
        for where, images in zip((name, first), comparison.undefined, strict=True):
            if images:
                yield f"{metric}: undefined, for {where} has no finite value of {shorten(images)}"
    for where, here, there in ((name, this, other), (first, other, this)):
        if only := [metric for metric in here if metric not in there]:
            yield f"metrics only in {where}, not compared: {', '.join(only)}"
        if foreign := _images(here) - _images(there):
            yield f"images only in {where}, not compared: {shorten(sorted(foreign))}"
        for metric in (each for each in here if each in there):
            if absent := sorted(here[metric].known.keys() - there[metric].known.keys() - foreign):
                yield f"{metric}: values only in {where}, not compared: {shorten(absent)}"


def _image_rows(
    scores: Mapping[str, Scores], compared: Mapping[str, Mapping[str, Comparison]]
) -> Iterator[Sequence[str]]:
    """Yield for each metric a row with its title and a row for each run; a metric without any value is left out."""
    for metric in dict.fromkeys(metric for found in scores.values() for metric in found):
        values = [found.get(metric, Sample({})).known for found in scores.values()]
        if any(values):  # otherwise the images are too small for it
            every = {image for each in values for image in each}
            common = sorted(every.intersection(*filter(None, values)))  # a run without the metric takes none away
            means = [mean_of([each[image] for image in common]) if each and common else None for each in values]
            texts = [print_number(mean, ".4f") for mean in means]
            arrow = measure_of(metric.partition(" ")[0]).arrow
            rests = [_difference(compared.get(name, {}).get(metric), arrow) for name in scores]
            yield from _metric_rows(metric, scores, texts, arrow, rests)


def _judge_rows(runs: Sequence[Path], names: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield the rows of mIoU and mAP in percent: one number a run, so there is a difference but no interval."""
    for source, metric in ((SEGMENTATION, "miou"), (DETECTION, "map50")):
        paths = [run / RUN_FILES[source] for run in runs]
        samples = [read_samples(path, source).get((metric, "")) if path.is_file() else None for path in paths]
        values = [sample.known[""] * 100 if sample and sample.known else None for sample in samples]
        first, *others = values
        if any(value is not None for value in values):
            differences = [None if value is None or first is None else value - first for value in others]
            rests = [("",) * 5, *((print_number(each, "+.2f"), "", "", "", "") for each in differences)]
            texts = [print_number(value, ".2f") for value in values]
            yield from _metric_rows(metric, names, texts, measure_of(metric).arrow, rests)


def _metric_rows(
    metric: str, names: Iterable[str], texts: Sequence[str], arrow: str, rests: Sequence[Sequence[str]]
) -> Iterator[Sequence[str]]:
    yield (_title(metric), *[""] * 7)
    for name, text, place, rest in zip(names, texts, rank(texts, arrow), rests, strict=True):
        yield (f"  {name}", text, MARKS[place], *rest)


def _difference(comparison: Comparison | None, arrow: str) -> Sequence[str]:
    """Return the five cells of a paired difference: its mean, interval, p, number of images, and the verdict."""
    if comparison is None:
        return ("",) * 5
    p_value, found = comparison.p_value, comparison.difference
    if math.isnan(p_value):
        return (print_number(found.mean, ".4f"), DASH, DASH, str(found.count), "undefined")
    evidence = comparison.evidence()
    verdict = ("no evidence", "higher", "lower")[evidence]
    if arrow and evidence:
        verdict = "better" if (evidence > 0) == (arrow == "↑") else "worse"
    shown_p = f"{p_value:.3f}" if p_value >= LEAST_P else f"<{LEAST_P}"
    return (print_number(found.mean, "+.4f"), _interval(found, "+.4f"), shown_p, str(found.count), verdict)


def _title(metric: str) -> str:
    name, _, class_name = metric.partition(" ")  # such as "ap person"
    measure = measure_of(name)
    return " ".join(filter(None, (measure.heading, class_name, measure.arrow))) + (
        f" [{measure.unit}]" if measure.unit else ""
    )


def _interval(summary: Summary | None, form: str = ".4f") -> str:
    if summary is None or summary.low is None or summary.high is None or math.isnan(summary.low):
        return DASH
    return f"{print_number(summary.low, form)} … {print_number(summary.high, form)}"
