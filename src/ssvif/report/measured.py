"""What the files of a run say: every value by metric and class, and the mean of one or several runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssvif.io.errors import shorten
from ssvif.ops.statistics import describe, mean_of, student_interval
from ssvif.report.runs import read_rows, to_number, to_number_or_none
from ssvif.schema import EFFICIENCY, RUN_FILES

TOO_SMALL = "not defined at this image size"
ABSENT = "absent from the test labels"
FUSION = "fusion_metrics"
Key = tuple[str, str]


@dataclass(frozen=True)
class Sample:
    """One metric of one run.

    Attributes:
        values: pair_id to value; a single one under "" where a file of scores is about the whole test set. None
            is a cell without a value.
        initial_weights: of the network that was trained on the fused images, or "".
    """

    values: dict[str, float | None] = field(default_factory=dict)
    initial_weights: str = ""

    @property
    def known(self) -> dict[str, float]:
        """The values that are there, NaN included."""
        return {pair_id: value for pair_id, value in self.values.items() if value is not None}

    @property
    def note(self) -> str:
        """What is to be said about the mean of these values, or ""."""
        undefined = sorted(pair_id for pair_id, value in self.known.items() if math.isnan(value))
        missing = TOO_SMALL if "" not in self.values else ABSENT
        if undefined:
            return f"NaN for {shorten(undefined)}" if undefined != [""] else "not a number"
        if not self.known:
            return missing
        partial = f"mean over {len(self.known)} of {len(self.values)} images, {missing} for the others"
        return partial if len(self.known) < len(self.values) else ""


@dataclass(frozen=True)
class Mean:
    """One metric of a line of a table, over images or over seeds, in the unit it is stored in.

    Attributes:
        value: the mean; None where there is none, NaN where one value is no number.
        low: lower end of the 95 % interval, or None.
        high: its upper end.
        over: what the interval is over, "images" or "seeds"; "" without one.
        images: test images of each run that have a value; 0 where the file does not say.
        seeds: runs that have a value.
        note: what is to be said about it, or "".
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    over: str = ""
    images: int = 0
    seeds: int = 0
    note: str = ""


def read_samples(path: Path, source: str) -> dict[Key, Sample]:
    """Read a run's file: (metric, class) to what was measured.

    Args:
        path: fusion_metrics.csv, segmentation/iou.csv or detection/ap.csv.
        source: which of these, a key of `RUN_FILES`.

    Raises:
        UserError: the file is missing or cannot be read as one of ours.
    """
    if source == FUSION:
        found: dict[Key, Sample] = {}
        for row in read_rows(path, ("pair_id", "metric", "value")):
            sample = found.setdefault((row["metric"], ""), Sample())
            sample.values[row["pair_id"]] = to_number_or_none(row["value"], path)
        return found
    return {
        (row["metric"], row["class"]): Sample({"": to_number_or_none(row["value"], path)}, row["initial_weights"])
        for row in read_rows(path, ("metric", "class", "value", "initial_weights"))
    }


def read_run(folder: Path, sources: Sequence[str]) -> dict[Key, Sample]:
    """Read what there is of a run's files.

    Args:
        folder: results/{dataset}/{run}.
        sources: keys of `RUN_FILES`; a file that is not there is passed over.

    Raises:
        UserError: a file cannot be read as one of ours.
    """
    found: dict[Key, Sample] = {}
    for source in sources:
        path = folder / RUN_FILES[source] if source != EFFICIENCY else None
        if path and path.is_file():
            found |= read_samples(path, source)
    return found


def read_efficiency(path: Path, size_px: int = 256) -> dict[str, dict[Key, Sample]]:
    """Read results/efficiency.csv: "model channels" to what the network costs, in millions, billions and MB.

    Args:
        path: of `ssvif complexity --output`; nothing where it is not there.
        size_px: height and width that count; other rows are passed over.

    Raises:
        UserError: it cannot be read as one of ours.
    """
    columns = ("model", "channels", "height_px", "width_px", "quantity", "value")
    rows = read_rows(path, columns) if path.is_file() else []
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["height_px"] == row["width_px"] == str(size_px):
            costs = found.setdefault(f"{row['model']} {row['channels']}", {})
            costs[row["quantity"]] = to_number(row["value"], path)
    return {name: _in_paper_units(costs) for name, costs in found.items()}


def _in_paper_units(costs: Mapping[str, float]) -> dict[Key, Sample]:
    # released networks count what they carry and never use; the paper measures them so
    parameters = costs.get("released_parameters", costs.get("parameters"))
    macs = costs.get("macs")
    values = {
        "parameters_mparam": parameters / 1e6 if parameters is not None else None,
        "macs_gmac": macs / 1e9 if macs is not None else None,
        "peak_memory_mb": costs.get("peak_memory_mb"),
    }
    return {(name, ""): Sample({"": value}) for name, value in values.items()}


def average(samples: Sequence[Sample]) -> Mean:
    """Return the mean of one run's images, or of several seeds' means, with its 95 % interval.

    Of one run the interval is the bootstrap's over its images (`ssvif.ops.statistics.describe`); of several seeds
    it is Student's over their means. A single number has none.

    Args:
        samples: one a run; those without a value do not count.
    """
    notes = list(dict.fromkeys(sample.note for sample in samples if sample.note))
    note = "; ".join(notes)
    used = [sample for sample in samples if sample.known]
    if not used:
        return Mean(note=note)
    if 1 < len(samples) != len(used):
        note = "; ".join([*notes, f"{len(used)} of {len(samples)} seeds"])
    images = min(0 if "" in sample.known else len(sample.known) for sample in used)
    means = [mean_of(list(sample.known.values())) for sample in used]
    plain = Mean(mean_of(means), images=images, seeds=len(used), note=note)
    if not math.isfinite(plain.value or 0.0):
        return plain
    if len(used) > 1:
        low, high = student_interval(means)
        return Mean(plain.value, low, high, "seeds", images, len(used), note)
    if images < 2:
        return plain
    found = describe(list(used[0].known.values()))
    return Mean(found.mean, found.low, found.high, "images", images, 1, note)
