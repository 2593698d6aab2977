"""The numbers behind the figures: a metric's value for every image, and a run's scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ssvif.report.measured import read_samples
from ssvif.report.runs import RunLabel
from ssvif.report.sheet import MEASURES, measure_of, show
from ssvif.schema import FUSION_METRICS, RUN_FILES

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
    return {run.name: _read(results / run.name / RUN_FILES[FUSION_METRICS]) for run in runs}


def _read(path: Path) -> dict[str, dict[str, float]]:
    samples = read_samples(path, FUSION_METRICS) if path.is_file() else {}
    finite = {
        metric: {pair: value for pair, value in sample.known.items() if math.isfinite(value)}
        for (metric, _), sample in samples.items()
    }
    return {metric: values for metric, values in finite.items() if values}


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
    return show(value * measure_of(metric).scale, metric)


def read_score(run: Path, source: str, metric: str) -> float | None:
    """Return a run's score over all classes, e.g. `miou` of "segmentation"; None where there is none.

    Args:
        run: results/{dataset}/{run}.
        source: a key of `RUN_FILES`.
        metric: its short name.

    Raises:
        UserError: the file cannot be read as one of ours.
    """
    path = run / RUN_FILES[source]
    sample = read_samples(path, source).get((metric, "")) if path.is_file() else None
    return sample.values[""] if sample else None
