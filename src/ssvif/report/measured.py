"""Readers of the scores in a run's folder, and the mean of one run or of several seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssvif.io.errors import shorten
from ssvif.ops.statistics import describe, mean_of, student_interval
from ssvif.report.runs import read_rows, to_number, to_number_or_none
from ssvif.report.scores import read_scores
from ssvif.report.sheet import Cell
from ssvif.schema import EFFICIENCY_COLUMNS, FUSION_METRICS

TOO_SMALL = "not defined at this image size"
ABSENT = "absent from the test labels"
Key = tuple[str, str]  # metric and class, "" where it is about none
COSTS: dict[str, tuple[tuple[str, ...], float]] = {  # metric to the quantity, the first that is there, and its unit
    # released networks count what they carry and never use; the paper measures them so
    "parameters_mparam": (("released_parameters", "parameters"), 1e6),
    "macs_gmac": (("macs",), 1e9),
    "peak_memory_mb": (("peak_memory_mb",), 1),
}


@dataclass(frozen=True)
class Sample:
    """One metric of one run."""

    values: dict[str, float | None]  # by pair_id, or one value of the whole test set by ""; None for an empty cell
    initial_weights: str = ""  # of the network that was trained on the fused images

    @property
    def known(self) -> dict[str, float]:
        """The values that are there, NaN included."""
        return {pair_id: value for pair_id, value in self.values.items() if value is not None}

    @property
    def note(self) -> str:
        """A remark on the mean of these values, or ""."""
        undefined = sorted(pair_id for pair_id, value in self.known.items() if math.isnan(value))
        missing = TOO_SMALL if "" not in self.values else ABSENT
        if undefined:
            return f"NaN for {shorten(undefined)}" if undefined != [""] else "not a number"
        if not self.known:
            return missing
        partial = f"mean over {len(self.known)} of {len(self.values)} images, {missing} for the others"
        return partial if len(self.known) < len(self.values) else ""


def read_samples(path: Path, source: str) -> dict[Key, Sample]:
    """Read a run's file: (metric, class) to what was measured; nothing from a file with a header line only.

    Args:
        path: fusion_metrics.csv, segmentation/iou.csv or detection/ap.csv.
        source: which of these, a key of `RUN_FILES`.

    Raises:
        UserError: the file is missing or cannot be read as one of ours.
    """
    if source == FUSION_METRICS:
        return {(metric, ""): Sample(values) for metric, values in read_scores(path, may_be_empty=True).items()}
    return {
        (row["metric"], row["class"]): Sample({"": to_number_or_none(row["value"], path)}, row["initial_weights"])
        for row in read_rows(path, ("metric", "class", "value", "initial_weights"))
    }


def read_efficiency(path: Path, size_px: int = 256) -> dict[str, dict[Key, Sample]]:
    """Read results/efficiency.csv: "model channels" to what the network costs, in millions, billions and MB.

    Args:
        path: of `ssvif complexity --output`; nothing where it is not there.
        size_px: height and width that count; other rows are passed over.

    Raises:
        UserError: it cannot be read as one of ours.
    """
    found: dict[str, dict[str, float]] = {}
    for row in read_rows(path, EFFICIENCY_COLUMNS) if path.is_file() else []:
        if row["height_px"] == row["width_px"] == str(size_px):
            costs = found.setdefault(f"{row['model']} {row['channels']}", {})
            costs[row["quantity"]] = to_number(row["value"], path)
    return {name: _in_paper_units(costs) for name, costs in found.items()}


def _in_paper_units(costs: Mapping[str, float]) -> dict[Key, Sample]:
    found: dict[Key, Sample] = {}
    for metric, (quantities, unit) in COSTS.items():
        values = [costs[quantity] / unit for quantity in quantities if quantity in costs]
        found[metric, ""] = Sample({"": values[0] if values else None})
    return found


def average(samples: Sequence[Sample], *, interval: bool = True) -> Cell:
    """Return the mean of one run's images, or of several seeds' means, in the unit that it is stored in.

    Args:
        samples: one a run; those without a value do not count.
        interval: whether to add the 95 % interval: of one run the bootstrap's over its images
            (`ssvif.ops.statistics.describe`), of several seeds Student's over their means. A single number has none.
    """
    notes = list(dict.fromkeys(sample.note for sample in samples if sample.note))
    weights = tuple(sorted({sample.initial_weights for sample in samples if sample.initial_weights}))
    used = [sample for sample in samples if sample.known]
    if not used:
        return Cell(initial_weights=weights, note="; ".join(notes))
    if len(used) < len(samples) > 1:
        notes.append(f"{len(used)} of {len(samples)} seeds")
    images = min(0 if "" in sample.known else len(sample.known) for sample in used)
    means = [mean_of(list(sample.known.values())) for sample in used]
    value, low, high, over = mean_of(means), None, None, ""
    if interval and math.isfinite(value) and len(used) > 1:
        (low, high), over = student_interval(means), "seeds"
    elif interval and math.isfinite(value) and images > 1:
        summary = describe(list(used[0].known.values()))
        low, high, over = summary.low, summary.high, "images"
    return Cell(value, low, high, over, images, len(used), weights, "; ".join(notes))
