"""The table of gradients: how far the gradients of the two tasks agree, as in the paper's section IV-F."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssvif.io.files import write_csv
from ssvif.ops.statistics import mean_of, student_interval
from ssvif.report.runs import RunLabel, read_rows, to_number
from ssvif.report.sheet import MINUS

QUANTITIES = {
    "projection_consistency": "projection of consistency on fusion",
    "projection_fusion": "projection of fusion on consistency",
    "cosine": "cosine",
}
COLUMNS = ("dataset", "run", "label", "quantity", "mean", "low", "high", "steps")


@dataclass(frozen=True)
class GradientMean:
    """A mean over the measured steps of the second stage, with its 95 % interval.

    The interval is Student's, as if each step were independent; both ends are the mean of a single step.
    """

    label: str  # of the run
    quantity: str  # a key of `QUANTITIES`
    mean: float
    low: float
    high: float
    steps: int  # how many were measured

    @property
    def text(self) -> str:
        """The mean with its sign, as printed."""
        return f"{self.mean:+.3g}".replace("-", MINUS)

    @property
    def interval(self) -> str:
        """The interval's ends, as printed."""
        return f"{self.low:+.3g} to {self.high:+.3g}".replace("-", MINUS)


def write_gradient_table(results: Path, output: Path, dataset: str, runs: Sequence[RunLabel]) -> Path | None:
    """Write gradients_{dataset}.csv from the runs' gradients.csv; None, and no file, where no run has measured any.

    Raises:
        UserError: a file is not one of ours.
    """
    rows = []
    for run in runs:
        path = results / dataset / run.name / "gradients.csv"
        steps = read_rows(path, tuple(QUANTITIES)) if path.is_file() else []
        for quantity in QUANTITIES if steps else ():
            values = [to_number(step[quantity], path) for step in steps]
            mean = GradientMean(run.title, quantity, mean_of(values), *student_interval(values), len(values))
            rows.append({"dataset": dataset, "run": run.name, **vars(mean)})
    table = output / f"gradients_{dataset}.csv"
    if not rows:
        table.unlink(missing_ok=True)
        return None
    write_csv(table, rows, COLUMNS)
    return table


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
