"""Did the two tasks pull together? The gradient analysis of the paper's section IV-F, summed up by run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ssvif.io.files import write_csv
from ssvif.ops.statistics import student_interval
from ssvif.report.layout import MINUS
from ssvif.report.runs import RunLabel, read_rows, to_number

QUANTITIES = {
    "projection_consistency": "projection of consistency on fusion",
    "projection_fusion": "projection of fusion on consistency",
    "cosine": "cosine",
}
COLUMNS = ("dataset", "run", "label", "quantity", "mean", "low", "high", "steps")


@dataclass(frozen=True)
class GradientMean:
    """A mean over the measured steps of the second stage, with its 95 % interval.

    Attributes:
        label: of the run.
        quantity: a key of `QUANTITIES`.
        mean: of the steps.
        low: the interval's lower end, Student's t over the steps as if each were independent; equal
            to the mean for a single step.
        high: its upper end.
        steps: how many.
    """

    label: str
    quantity: str
    mean: float
    low: float
    high: float
    steps: int

    @property
    def text(self) -> str:
        """The mean with its sign, as printed."""
        return _signed(self.mean)

    @property
    def interval(self) -> str:
        """The interval's ends, as printed."""
        return f"{_signed(self.low)} to {_signed(self.high)}"


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", MINUS)


def mean_of(label: str, quantity: str, values: Sequence[float]) -> GradientMean:
    """Return the mean of at least one value with its interval."""
    return GradientMean(label, quantity, fmean(values), *student_interval(values), len(values))


def summarize_gradients(folder: Path, labels: Sequence[RunLabel]) -> list[GradientMean]:
    """Return the means of every run in a dataset's results that measured its gradients.

    Raises:
        UserError: a file is not one of ours.
    """
    found = []
    for run in labels:
        path = folder / run.name / "gradients.csv"
        rows = read_rows(path, tuple(QUANTITIES)) if path.is_file() else []
        if rows:
            found += [mean_of(run.title, name, [to_number(row[name], path) for row in rows]) for name in QUANTITIES]
    return found


def write_gradient_table(results: Path, output: Path, dataset: str, labels: Sequence[RunLabel]) -> Path | None:
    """Write gradients_{dataset}.csv; None, and no file, where no run measured its gradients."""
    path = output / f"gradients_{dataset}.csv"
    names = {run.title: run.name for run in labels}
    rows = [
        {"dataset": dataset, "run": names[each.label], **vars(each)}
        for each in summarize_gradients(results / dataset, labels)
    ]
    if not rows:
        path.unlink(missing_ok=True)
        return None
    write_csv(path, rows, COLUMNS)
    return path


def read_gradient_table(path: Path) -> list[GradientMean]:
    """Read a file of `write_gradient_table`; nothing where there is none.

    Raises:
        UserError: it is not one of ours.
    """
    rows = read_rows(path, COLUMNS) if path.is_file() else []
    return [
        GradientMean(
            label=row["label"],
            quantity=row["quantity"],
            mean=to_number(row["mean"], path),
            low=to_number(row["low"], path),
            high=to_number(row["high"], path),
            steps=int(to_number(row["steps"], path)),
        )
        for row in rows
    ]
