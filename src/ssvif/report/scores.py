"""Scores of runs: read them, average them over images or seeds, compare two runs image by image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssvif.io.errors import UserError, shorten
from ssvif.ops.statistics import Summary, describe, mean_of, student_interval, wilcoxon_p
from ssvif.report.runs import read_rows, to_number, to_number_or_none
from ssvif.report.sheet import Cell
from ssvif.schema import COSTS, EFFICIENCY_COLUMNS, FUSION_METRICS, LEFT_OUT, MEASURES, NOTE, PROBE, PROBE_COLUMNS

TOO_SMALL = "not defined at this image size"
ABSENT = "absent from the test labels"
SIGNIFICANT = 0.05
SIZE_PX = 256  # height and width of the pair whose cost is shown, as in the paper's Table IV
PROBE_IMAGE_METRICS = ("log_loss", "ap", "mean_ap")  # that runs are compared by, image by image
Key = tuple[str, str]  # metric and class, "" where it is about none


@dataclass(frozen=True)
class Sample:
    """One metric of one run."""

    values: dict[str, float | None]  # by pair_id, or one value of the whole test set by ""; None for an empty cell
    initial_weights: str = ""  # of the network that was trained on the fused images
    labels: str = ""  # what the probe's classes are from: "masks" or "boxes"
    pooled: int = 0  # images that the one value of the whole test set is about; 0 where the file does not give them

    @property
    def known(self) -> dict[str, float]:
        """The values that are there, NaN included."""
        return {pair_id: value for pair_id, value in self.values.items() if value is not None}

    @property
    def images(self) -> int:
        """How many images are behind the mean; 0 where that is not known."""
        return self.pooled if "" in self.known else len(self.known)

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


Scores = Mapping[str, Sample]  # by metric


def read_scores(path: Path, *, may_be_empty: bool = False) -> dict[str, Sample]:
    """Read one run's fusion_metrics.csv, or another file with the columns pair_id, metric and value.

    Raises:
        UserError: the file is missing or damaged, holds no scores where it must, or an image and metric occur twice.
    """
    found: dict[str, Sample] = {}
    for row in read_rows(path, ("pair_id", "metric", "value")):
        if row["metric"] == LEFT_OUT:
            continue
        values = found.setdefault(row["metric"], Sample({})).values
        if row["pair_id"] in values:
            raise UserError(
                f"{path}: {row['metric']} of {row['pair_id']} occurs twice",
                expected="the scores of one run",
                remedy="split the file, or score the run again (`ssvif score`)",
            )
        values[row["pair_id"]] = to_number_or_none(row["value"], path)
    if not found and not may_be_empty:
        raise UserError(
            f"{path} holds no scores", got=read_left_out(path), remedy="score the run again (`ssvif score`)"
        )
    return found


def read_left_out(path: Path) -> str:
    """Return why a file of scores has none; "" where it does not say.

    Raises:
        UserError: the file is missing or cannot be read as one of ours.
    """
    return next((row.get(NOTE, "") for row in read_rows(path, ("metric",)) if row["metric"] == LEFT_OUT), "")


def read_samples(path: Path, source: str) -> dict[Key, Sample]:
    """Read one of a run's `RUN_FILES`: (metric, class) to what was measured; nothing where a score was left out.

    Raises:
        UserError: the file is missing or cannot be read as one of ours.
    """
    if source == FUSION_METRICS:
        return {(metric, ""): sample for metric, sample in read_scores(path, may_be_empty=True).items()}
    rows = read_rows(path, PROBE_COLUMNS if source == PROBE else ("metric", "class", "value", "initial_weights"))
    images = len({row.get("pair_id", "") for row in rows} - {""})
    return {
        (row["metric"], row["class"]): Sample(
            {"": to_number_or_none(row["value"], path)}, row.get("initial_weights", ""), row.get("labels", ""), images
        )
        for row in rows
        if not row.get("pair_id") and row["metric"] != LEFT_OUT
    }


def read_probe_images(path: Path) -> dict[str, Sample]:
    """Read the log-loss and the average precisions of each image from the probe's scores.csv.

    They are named "log_loss", "mean_ap" and, of a class, "ap person", and are in the unit that they are shown in.

    Raises:
        UserError: the file is missing or cannot be read as one of ours.
    """
    found: dict[str, Sample] = {}
    for row in read_rows(path, PROBE_COLUMNS):
        if row["pair_id"] and row["metric"] in PROBE_IMAGE_METRICS:
            name = f"{row['metric']} {row['class']}".strip()
            sample = found.setdefault(name, Sample({}, labels=row["labels"]))
            sample.values[row["pair_id"]] = to_number(row["value"], path) * MEASURES[row["metric"]].scale
    order = PROBE_IMAGE_METRICS.index  # the first image may lack a class
    return dict(sorted(found.items(), key=lambda item: order(item[0].partition(" ")[0])))


def read_efficiency(path: Path) -> dict[str, dict[Key, Sample]]:
    """Read results/efficiency.csv: "model channels" to what the network costs, in millions, billions and MB.

    Rows of other sizes than `SIZE_PX` × `SIZE_PX` are passed over. A missing file gives nothing.

    Raises:
        UserError: it cannot be read as one of ours.
    """
    found: dict[str, dict[str, float]] = {}
    for row in read_rows(path, EFFICIENCY_COLUMNS) if path.is_file() else []:
        if row["height_px"] == row["width_px"] == str(SIZE_PX):
            costs = found.setdefault(f"{row['model']} {row['channels']}", {})
            costs[row["quantity"]] = to_number(row["value"], path)
    return {name: _in_paper_units(costs) for name, costs in found.items()}


def _in_paper_units(costs: Mapping[str, float]) -> dict[Key, Sample]:
    return {
        (metric, ""): Sample({"": next((costs[name] / unit for name in names if name in costs), None)})
        for metric, (names, unit) in COSTS.items()
    }


def average(samples: Sequence[Sample], *, interval: bool = True) -> Cell:
    """Return the mean of one run's images, or of several seeds' means, in the unit that it is stored in.

    Samples without a value do not count. The 95 % interval of one run is the bootstrap's over its images
    (`ssvif.ops.statistics.describe`), of several seeds Student's over their means. A single number has none.
    """
    notes = list(dict.fromkeys(sample.note for sample in samples if sample.note))
    weights = tuple(sorted({sample.initial_weights for sample in samples if sample.initial_weights}))
    used = [sample for sample in samples if sample.known]
    if not used:
        return Cell(initial_weights=weights, note="; ".join(notes))
    if len(used) < len(samples) > 1:
        notes.append(f"{len(used)} of {len(samples)} seeds")
    images = min(sample.images for sample in used)
    means = [mean_of(list(sample.known.values())) for sample in used]
    value, low, high, over = mean_of(means), None, None, ""
    if interval and math.isfinite(value) and len(used) > 1:
        (low, high), over = student_interval(means), "seeds"
    elif interval and math.isfinite(value) and len(used[0].known) > 1:
        summary = describe(list(used[0].known.values()))
        low, high, over = summary.low, summary.high, "images"
    return Cell(value, low, high, over, images, len(used), weights, "; ".join(notes))


@dataclass(frozen=True)
class Comparison:
    """One metric of two runs on the images where both have a value."""

    difference: Summary  # of this − other, image by image; NaN if a value of either run is not finite
    p_value: float  # two-sided, of the Wilcoxon signed-rank test
    undefined: tuple[list[str], list[str]]  # the images where the value of this run, or of the other, is not finite

    def evidence(self) -> int:
        """Return 1 if this run is higher, −1 if it is lower, 0 if the difference may be chance.

        Both the interval of the mean difference must exclude 0 and p must be below 0.05.
        """
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or not self.p_value < SIGNIFICANT:
            return 0
        return (low > 0) - (high < 0)


def compare_scores(this: Scores, other: Scores) -> dict[str, Comparison]:
    """Return this − other for each metric of `this` that both have scored on the same images, on these images."""
    comparisons = {}
    for metric in (each for each in this if each in other):
        ours, theirs = this[metric].known, other[metric].known
        if images := sorted(ours.keys() & theirs.keys()):
            differences = [ours[name] - theirs[name] for name in images]
            # ∞ − ∞ is undefined, and with ∞ − 1 there is no mean
            differences = [each if math.isfinite(each) else math.nan for each in differences]
            undefined = [[name for name in images if not math.isfinite(each[name])] for each in (ours, theirs)]
            comparisons[metric] = Comparison(
                describe(differences), wilcoxon_p(differences), (undefined[0], undefined[1])
            )
    return comparisons


def check_overlap(scores: Mapping[str, Scores]) -> None:
    """Check that two runs, given by their names, have values of the same image and metric.

    Raises:
        UserError: they have not.
    """
    this, other = scores.values()
    shared = [metric for metric in this if metric in other]
    if any(this[metric].known.keys() & other[metric].known.keys() for metric in shared):
        return
    if shared:
        images = [{image for metric in shared for image in each[metric].known} for each in (this, other)]
        expected, got = "values of the same images", [sorted(each) for each in images]
    else:
        expected, got = "values of the same metrics", [list(this), list(other)]
    raise UserError(
        f"{' and '.join(scores)} have no score of the same image and metric",
        expected=expected,
        got="; and ".join(shorten(each) or "none" for each in got),
        remedy="score both runs on the same images with the same metrics (`ssvif score --metrics`)",
    )


def check_comparable(path: Path, metrics: Sequence[str], images: Sequence[str]) -> None:
    """Check that a file has scores of some of the metrics and images that are about to be measured.

    Raises:
        UserError: it has not, or it cannot be read (`read_scores`).
    """
    measured = Sample(dict.fromkeys(images, 0.0))
    check_overlap({str(path): read_scores(path), "the images to be measured": dict.fromkeys(metrics, measured)})
