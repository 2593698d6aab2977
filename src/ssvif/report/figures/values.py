"""The numbers behind the figures: a metric's value for every image, and a run's scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from ssvif.report.layout import MEASURES, measure_of
from ssvif.report.runs import RunLabel, read_rows, to_number_or_none

# run → metric → pair → value
Values = dict[str, dict[str, dict[str, float]]]


def read_values(results: Path, runs: Sequence[RunLabel]) -> Values:
    """Read the runs' fusion_metrics.csv; values that are missing, NaN or infinite are left out.

    Args:
        results: results/{dataset}.
        runs: whose; one without the file has no metrics.

    Raises:
        UserError: a file cannot be read as one of ours.
    """
    return {run.name: _read(results / run.name / "fusion_metrics.csv") for run in runs}


def _read(path: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in read_rows(path, ("pair_id", "metric", "value")) if path.is_file() else []:
        value = to_number_or_none(row["value"], path)
        if value is not None and math.isfinite(value):
            found.setdefault(row["metric"], {})[row["pair_id"]] = value
    return found


def metrics_in(values: Values) -> list[str]:
    """Return the metrics that occur, in the tables' order, those unknown to them last."""
    found = dict.fromkeys(metric for by_metric in values.values() for metric in by_metric)
    return [*(metric for metric in MEASURES if metric in found), *(each for each in found if each not in MEASURES)]


def heading(metric: str) -> str:
    """Return how a figure calls a metric, with its better direction: "VIF ↑"."""
    measure = measure_of(metric)
    return f"{measure.heading} {measure.arrow}".strip()


def show_value(metric: str, value: float) -> str:
    """Return a value as the tables print it."""
    measure = measure_of(metric)
    return f"{value * measure.scale:.{measure.decimals}f}"


def read_score(path: Path, metric: str) -> float | None:
    """Return the mean row of a score over all classes, e.g. `miou` of segmentation/iou.csv; None where there is none.

    Raises:
        UserError: the file cannot be read as one of ours.
    """
    rows = read_rows(path, ("metric", "class", "value")) if path.is_file() else []
    found = [to_number_or_none(row["value"], path) for row in rows if row["metric"] == metric and not row["class"]]
    return found[0] if found else None


def mean(values: Iterable[float]) -> float:
    """Return the mean of at least one value."""
    listed = list(values)
    return math.fsum(listed) / len(listed)
