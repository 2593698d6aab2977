"""Scores of fusion metrics: read them, summarize one run, compare two runs image by image."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import read_csv
from ssvif.ops.statistics import Summary, describe, wilcoxon_p

NEEDED = ("pair_id", "metric", "value")
SIGNIFICANT = 0.05
# metric → pair_id → value, None where the image is too small for the metric
Scores = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Comparison:
    """One metric of two runs on the images where both have a value.

    Attributes:
        difference: of this − other, image by image; NaN if a value of either run is not finite.
        p_value: two-sided, of the Wilcoxon signed-rank test.
        undefined: names of the images where this run's value is not finite, and the same of the other run.
    """

    difference: Summary
    p_value: float
    undefined: tuple[list[str], list[str]]

    def evidence(self) -> int:
        """Return 1 if this run is higher, −1 if it is lower, 0 if the difference may be chance.

        Both the interval of the mean difference must exclude 0 and p must be below 0.05.
        """
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or not self.p_value < SIGNIFICANT:
            return 0
        return (low > 0) - (high < 0)


def read_scores(path: Path, *, may_be_empty: bool = False) -> dict[str, dict[str, float | None]]:
    """Read one run's scores: metric → pair_id → value, None where the cell is empty.

    Args:
        path: a CSV with the columns pair_id, metric and value; others are ignored.
        may_be_empty: whether a file with a header line only gives no scores instead of an error.

    Raises:
        UserError: the file is missing, holds no scores where it must, a column is missing, a value is not a number,
            or an image and metric occur twice.
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
        pair_id, metric, value = (row[column] for column in NEEDED)
        if pair_id in found[metric]:
            raise UserError(
                f"{path}: {metric} of {pair_id} occurs twice",
                expected="the scores of one run",
                remedy="split the file, or score the run again (`ssvif score`)",
            )
        try:
            found[metric][pair_id] = float(value) if value else None
        except ValueError as error:
            raise UserError(
                f"{path}: {metric} of {pair_id} is {value!r}",
                expected="a number",
                remedy="score the run again (`ssvif score`)",
            ) from error
    if not found and not may_be_empty:
        raise UserError(f"{path} holds no scores", remedy="score the run again (`ssvif score`)")
    return dict(found)


def known(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the images that have a value, NaN included, and their values."""
    return {pair_id: value for pair_id, value in values.items() if value is not None}


def summarize(values: Mapping[str, float | None]) -> Summary | None:
    """Summarize one metric over a run's images; None when no image has a value.

    Images without a value do not count. NaN is not averaged away: it makes the mean NaN.
    """
    found = known(values)
    return describe(list(found.values())) if found else None


def compare_scores(this: Scores, other: Scores) -> dict[str, Comparison]:
    """Compare two runs, metric by metric, on the images that both have scored.

    Returns:
        Comparisons of this − other, for the metrics that have values of the same images, in the order of `this`.
    """
    comparisons = {}
    for metric in (each for each in this if each in other):
        theirs = known(other[metric])
        pairs = {name: (value, theirs[name]) for name, value in sorted(known(this[metric]).items()) if name in theirs}
        if pairs:
            # ∞ − ∞ is undefined, and with ∞ − 1 there is no mean
            differences = [pair[0] - pair[1] if all(map(math.isfinite, pair)) else math.nan for pair in pairs.values()]
            undefined = [[name for name, pair in pairs.items() if not math.isfinite(pair[i])] for i in range(2)]
            comparisons[metric] = Comparison(
                describe(differences), wilcoxon_p(differences), (undefined[0], undefined[1])
            )
    return comparisons


def check_comparable(path: Path, metrics: Sequence[str], images: Sequence[str]) -> None:
    """Check that a file of scores can be compared with metrics and images that are about to be measured.

    Args:
        path: the other run's scores.
        metrics: names of the metrics.
        images: names of the images.

    Raises:
        UserError: as of `read_scores`, or the file has a value of none of these metrics or images.
    """
    scores = read_scores(path)
    if not set(metrics) & set(scores):
        raise UserError(
            f"{path} holds none of the metrics to be measured: there is nothing to compare",
            expected="at least one of " + ", ".join(metrics),
            got=", ".join(scores),
            remedy="name its metrics with `--metrics`, or score the other run again with these",
        )
    scored = {name for metric in metrics for name in known(scores.get(metric, {}))}
    if scored.isdisjoint(images):
        raise UserError(
            f"{path} holds none of the images to be measured: there is nothing to compare",
            expected="values of at least one of " + shorten(list(images)),
            got=shorten(sorted(scored)) if scored else "no value of these metrics",
            remedy="score both runs on the same images",
        )
