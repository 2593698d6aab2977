"""What files of scores say: a summary of one run, the paired difference of two."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import printable, read_csv
from ssvif.ops.statistics import Summary, describe, mean_of, wilcoxon_p

if TYPE_CHECKING:
    from ssvif.metrics.base import Metric

VERDICTS = (
    "better, worse: the interval leaves out 0 and Wilcoxon's p < 0.05; p is not corrected for the number of metrics"
)
NEEDED = ("pair_id", "metric", "value")
SIGNIFICANT = 0.05
LEAST_P = 0.001  # below it the digits say nothing more
ARROWS = {"up": "↑", "down": "↓"}
NO_VALUE = "–"
SUMMARY_TEXTS = (0, 1)  # name and title; the other columns are numbers
COMPARISON_TEXTS = (0, 1, 8)  # and the verdict
Scores = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class MetricSummary:
    """One metric over a run's images.

    Attributes:
        summary: None when no image has a value.
        empty: images without a value, because they are too small for the metric.
        undefined: names of the images whose value is not a number.
        infinite: names of the images whose value is infinite.
    """

    summary: Summary | None
    empty: int
    undefined: list[str]
    infinite: list[str]


@dataclass(frozen=True)
class Comparison:
    """One metric of two runs on the images where both have a value.

    Attributes:
        left: mean of the first run.
        right: mean of the second run.
        difference: of left − right, image by image.
        p_value: two-sided, of the Wilcoxon signed-rank test.
        left_undefined: names of the images where the first run's value is no finite number.
        right_undefined: the same of the second run.
    """

    left: float
    right: float
    difference: Summary
    p_value: float
    left_undefined: list[str]
    right_undefined: list[str]

    def evidence(self) -> int:
        """Return 1 if left is higher than right, −1 if lower, 0 if either may be chance.

        Both the interval of the mean difference must leave out 0 and p must be below 0.05.
        """
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or not self.p_value < SIGNIFICANT:
            return 0
        return (low > 0) - (high < 0)


def read_scores(path: Path) -> dict[str, dict[str, float | None]]:
    """Read one run's scores: metric → pair_id → value, None where the cell is empty.

    Args:
        path: a CSV with the columns pair_id, metric and value; others are passed over.

    Raises:
        UserError: the file is missing, holds no scores, a column is missing, a value is no number,
            or an image and metric stand there twice.
    """
    found: defaultdict[str, dict[str, float | None]] = defaultdict(dict)
    for row in read_csv(path):
        if any(row.get(column) is None for column in NEEDED):
            raise UserError(
                f"{path} is not a file of scores",
                expected="the columns " + ", ".join(NEEDED) + " in every row",
                got=", ".join(key for key, cell in row.items() if key and cell is not None),
                remedy="give it the file that `ssvif score --output` writes",
            )
        metric, pair_id = row["metric"], row["pair_id"]
        if pair_id in found[metric]:
            raise UserError(
                f"{path}: {metric} of {pair_id} stands there twice",
                expected="the scores of one run",
                remedy="split the file, or score the run again (`ssvif score`)",
            )
        found[metric][pair_id] = _to_number(row, path)
    if not found:
        raise UserError(f"{path} holds no scores", remedy="score the run again (`ssvif score`)")
    return dict(found)


def summarize_scores(path: Path) -> dict[str, MetricSummary]:
    """Summarize each metric over the images of one run, in the order of the file.

    An empty value does not count. A value that is not a number is not averaged away: it makes the
    metric's summary NaN, and its image is named.

    Raises:
        UserError: as `read_scores`.
    """
    summaries = {}
    for metric, values in read_scores(path).items():
        known = {pair_id: value for pair_id, value in values.items() if value is not None}
        summaries[metric] = MetricSummary(
            summary=describe(list(known.values())) if known else None,
            empty=len(values) - len(known),
            undefined=sorted(pair_id for pair_id, value in known.items() if math.isnan(value)),
            infinite=sorted(pair_id for pair_id, value in known.items() if math.isinf(value)),
        )
    return summaries


def check_comparable(other_csv: Path, metrics: Sequence[str], images: Sequence[str]) -> None:
    """Check before a run is measured that its scores can be compared with those of another run.

    Args:
        other_csv: the other run's scores.
        metrics: names of the metrics to be measured.
        images: names of the images to be measured.

    Raises:
        UserError: as `read_scores`, or the file has a value of none of these metrics or images.
    """
    scores = read_scores(other_csv)
    if not set(metrics) & set(scores):
        raise UserError(
            f"{other_csv} holds none of the metrics to be measured: there is nothing to compare",
            expected="at least one of " + ", ".join(metrics),
            got=", ".join(scores),
            remedy="name its metrics with `--metrics`, or score the other run again with these",
        )
    known = {pair_id for metric in metrics for pair_id, value in scores.get(metric, {}).items() if value is not None}
    if known.isdisjoint(images):
        raise UserError(
            f"{other_csv} holds none of the images to be measured: there is nothing to compare",
            expected="values of at least one of " + shorten(list(images)),
            got=shorten(sorted(known)) if known else "no value of these metrics",
            remedy="score both runs on the same images",
        )


def compare_scores(left_csv: Path, right_csv: Path) -> dict[str, Comparison]:
    """Compare two runs metric by metric on the images that both have scored.

    A value that is not a number, or infinite, on either side makes the comparison NaN.

    Args:
        left_csv: the scores of the run in question.
        right_csv: the scores of the run that it is held against.

    Returns:
        Comparisons of left − right, for the metrics that both have, in the order of `left_csv`.

    Raises:
        UserError: as `read_scores`, or the two have no image and metric in common.
    """
    left, right = read_scores(left_csv), read_scores(right_csv)
    comparisons = {}
    for metric in (each for each in left if each in right):
        pairs = {
            pair_id: (value, other)
            for pair_id, value in sorted(left[metric].items())
            if value is not None and (other := right[metric].get(pair_id)) is not None
        }
        if pairs:
            comparisons[metric] = _compare(pairs)
    if not comparisons:
        metrics_differ = not left.keys() & right.keys()
        raise UserError(
            f"{left_csv} and {right_csv} have no score of the same image and metric",
            expected="two runs measured by the same metrics" if metrics_differ else "two runs on the same images",
            got="; and ".join(shorten(list(each) if metrics_differ else _images(each)) for each in (left, right)),
            remedy="score both runs with the same metrics on the same images",
        )
    return comparisons


def summary_table(summaries: Mapping[str, MetricSummary], metrics: Mapping[str, Metric]) -> list[str]:
    """Return the lines of a table for the screen: a row a metric, then what needs saying about images.

    Args:
        summaries: of `summarize_scores`.
        metrics: what is known of metrics by name; others are shown by their name alone.
    """
    rows = [["metric", "", "mean", "median", "sd", "95 % interval", "n"]]
    for name, found in summaries.items():
        each = found.summary
        cells = [shown(each.mean), shown(each.median), shown(each.deviation)] if each else [NO_VALUE] * 3
        rows.append([name, title_of(name, metrics), *cells, _shown_interval(each), str(each.count if each else 0)])
    return [*aligned(rows, SUMMARY_TEXTS), *_remarks(summaries)]


def comparison_report(left_csv: Path, right_csv: Path, metrics: Mapping[str, Metric]) -> list[str]:
    """Return the lines that say how one run stands against another: a table, and what to keep in mind.

    Args:
        left_csv: the scores of the run in question.
        right_csv: the scores of the run that it is held against.
        metrics: what is known of metrics by name.

    Raises:
        UserError: as `compare_scores`.
    """
    comparisons = compare_scores(left_csv, right_csv)
    this, other = f"this ({printable(left_csv)})", f"other ({printable(right_csv)})"
    return [
        f"this − other, image by image; other is {printable(right_csv)}",
        *comparison_table(comparisons, metrics),
        *left_out(comparisons, {this: left_csv, other: right_csv}),
        VERDICTS,
    ]


def left_out(comparisons: Mapping[str, Comparison], files: Mapping[str, Path]) -> list[str]:
    """Return a line for whatever of two runs was not compared: undefined values, and what one has alone.

    Args:
        comparisons: of `compare_scores`.
        files: the two runs' scores by the names to call them, the first run first.
    """
    (this, left), (other, right) = ((name, read_scores(path)) for name, path in files.items())
    return [
        *_undefined(comparisons, this, other),
        *_not_compared(this, left, right),
        *_not_compared(other, right, left),
    ]


def comparison_table(comparisons: Mapping[str, Comparison], metrics: Mapping[str, Metric]) -> list[str]:
    """Return the lines of a table for the screen: a row a metric, and what the difference amounts to.

    Args:
        comparisons: of `compare_scores`.
        metrics: what is known of metrics by name; others are neither better nor worse.
    """
    rows = [["metric", "", "this", "other", "difference", "95 % interval", "p", "n", ""]]
    for name, each in comparisons.items():
        means = (shown(each.left), shown(each.right))
        rows.append([name, title_of(name, metrics), *means, *difference_cells(each, metrics.get(name))])
    return aligned(rows, COMPARISON_TEXTS)


def difference_cells(comparison: Comparison, metric: Metric | None) -> tuple[str, str, str, str, str]:
    """Return what is shown of a paired difference: its mean, interval, p, number of images, and the verdict.

    Args:
        comparison: of two runs.
        metric: what is known of the metric; without it the verdict is higher or lower.
    """
    difference = comparison.difference
    return (
        shown(difference.mean, "+.4f"),
        _shown_interval(difference, "+.4f"),
        _shown_p(comparison.p_value),
        str(difference.count),
        _verdict(comparison, metric),
    )


def _to_number(row: Mapping[str, str], path: Path) -> float | None:
    try:
        return float(row["value"]) if row["value"] else None
    except ValueError as error:
        raise UserError(
            f"{path}: {row['metric']} of {row['pair_id']} is {row['value']!r}",
            expected="a number",
            remedy="score the run again (`ssvif score`)",
        ) from error


def _images(scores: Scores) -> list[str]:
    return sorted({pair_id for values in scores.values() for pair_id in values})


def _undefined(comparisons: Mapping[str, Comparison], this: str, other: str) -> list[str]:
    return [
        f"{name}: undefined, for {where} has no finite value of {shorten(images)}"
        for name, each in comparisons.items()
        for where, images in ((this, each.left_undefined), (other, each.right_undefined))
        if images
    ]


def _not_compared(where: str, here: Scores, there: Scores) -> list[str]:
    # what one file has and the other lacks: metrics, images, and single values
    lines = []
    if metrics := [name for name in here if name not in there]:
        lines.append(f"metrics only in {where}, not compared: {', '.join(metrics)}")
    foreign = set(_images(here)).difference(_images(there))
    if foreign:
        lines.append(f"images only in {where}, not compared: {shorten(sorted(foreign))}")
    for name in (each for each in here if each in there):
        known = {pair_id for pair_id, value in here[name].items() if value is not None}
        absent = [pair_id for pair_id in sorted(known - foreign) if there[name].get(pair_id) is None]
        if absent:
            lines.append(f"{name}: values only in {where}, not compared: {shorten(absent)}")
    return lines


def _compare(pairs: Mapping[str, tuple[float, float]]) -> Comparison:
    left, right = zip(*pairs.values(), strict=True)
    # ∞ − ∞ is no number, and with ∞ − 1 there is no mean to speak of either
    differences = [
        one - other if math.isfinite(one) and math.isfinite(other) else math.nan for one, other in pairs.values()
    ]
    left_undefined, right_undefined = (
        [name for name, value in zip(pairs, values, strict=True) if not math.isfinite(value)]
        for values in (left, right)
    )
    return Comparison(
        mean_of(left), mean_of(right), describe(differences), wilcoxon_p(differences), left_undefined, right_undefined
    )


def _verdict(comparison: Comparison, metric: Metric | None) -> str:
    evidence = comparison.evidence()
    if math.isnan(comparison.p_value):
        return "undefined"
    if not evidence:
        return "no evidence"
    if metric is None:
        return "higher" if evidence > 0 else "lower"
    return "better" if (evidence > 0) == (metric.better == "up") else "worse"


def _remarks(summaries: Mapping[str, MetricSummary]) -> list[str]:
    lines = []
    for name, found in summaries.items():
        if found.empty:
            lines.append(f"{name}: {found.empty} images are too small for it and do not count")
        if found.undefined:
            lines.append(f"{name}: not a number, so its mean is not either: {shorten(found.undefined)}")
        if found.infinite:
            lines.append(f"{name}: infinite, and so is its mean: {shorten(found.infinite)}")
    return lines


def title_of(name: str, metrics: Mapping[str, Metric]) -> str:
    """Return a metric's title with its better direction and unit; "" for one that is not known."""
    if name not in metrics:
        return ""
    metric = metrics[name]
    unit = f" [{metric.unit}]" if metric.unit else ""
    return f"{metric.title} {ARROWS[metric.better]}{unit}"


def shown(value: float | None, form: str = ".4f") -> str:
    """Return a number for the screen, with a minus that looks like one; `NO_VALUE` for None."""
    return NO_VALUE if value is None else _number(value, form)


def _shown_interval(summary: Summary | None, form: str = ".4f") -> str:
    if summary is None or summary.low is None or summary.high is None or math.isnan(summary.low):
        return NO_VALUE
    return f"{_number(summary.low, form)} … {_number(summary.high, form)}"


def _shown_p(value: float) -> str:
    if math.isnan(value):
        return NO_VALUE
    return f"{value:.3f}" if value >= LEAST_P else f"<{LEAST_P}"


def _number(value: float, form: str) -> str:
    return "NaN" if math.isnan(value) else format(value, form).replace("-", "−")


def aligned(rows: Sequence[Sequence[str]], texts: Collection[int]) -> list[str]:
    """Return a table as lines: columns of one width, texts to the left and numbers to the right.

    Args:
        rows: cells, as many in each row.
        texts: places of the columns that hold texts.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{'<' if i in texts else '>'}{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]
