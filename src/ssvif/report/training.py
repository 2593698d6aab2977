"""What a training left in its run's folder: its history, the gradients of the two tasks, and the pseudo labels."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ssvif.io.files import write_csv
from ssvif.ops.statistics import mean_of, student_interval
from ssvif.report.runs import RunLabel, color_of, read_rows, to_number
from ssvif.report.sheet import print_number
from ssvif.schema import GRADIENT_RELATIONS, LIVE_SHARE, PSEUDO_LABEL_CUES

PRINTED = ("projection of consistency on fusion", "projection of fusion on consistency", "cosine")
QUANTITIES = dict(zip(GRADIENT_RELATIONS, PRINTED, strict=True))
COLUMNS = ("dataset", "run", "label", "quantity", "mean", "low", "high", "steps")
PRINTED_CUES = ("visible luma", "infrared intensity", "height in the image", "distance to the border")
CUES = dict(zip(PSEUDO_LABEL_CUES, PRINTED_CUES, strict=True))
# of the last epoch; see `diagnose`
LEAST_AGREEMENT = 0.5  # share of the pixels on which the branches agree
MOST_POSITION = 0.4  # share of the classes' entropy that the position explains; 0.1 to 0.25 for masks of real scenes
MOST_COLOR = 0.5  # NMI with clusters of color and heat; masks of real scenes have 0.05, two clusterings 0.7 to 0.9


@dataclass(frozen=True)
class History:
    """A training's history, one value an epoch."""

    stages: list[str]  # "fusion" or "joint"
    columns: dict[str, list[float]]  # the numeric columns of history.csv; NaN where a cell is empty

    @property
    def switch(self) -> float | None:
        """The first joint epoch; None when training stayed in one stage."""
        first = self.stages.index("joint") if "joint" in self.stages else 0
        return self.columns["epoch"][first] if first else None

    @property
    def collapsed(self) -> list[int]:
        """The epochs in which the pseudo label had collapsed into too few classes."""
        flags = self.columns.get("collapsed", [])
        return [int(epoch) for epoch, flag in zip(self.columns["epoch"], flags, strict=False) if flag == 1]

    def series(self, column: str) -> tuple[list[float], list[float]]:
        """Return (epochs, values) of a column's finite values; two empty lists where there are none."""
        pairs = zip(self.columns["epoch"], self.columns.get(column, []), strict=False)
        kept = [(epoch, value) for epoch, value in pairs if math.isfinite(value)]
        return [epoch for epoch, _ in kept], [value for _, value in kept]


@dataclass(frozen=True)
class Training:
    """A run that was trained: its title, its history, and its place among all runs, which gives it its color."""

    title: str
    history: History
    place: int


@dataclass(frozen=True)
class Diagnosis:
    """What the last epoch of stage II says of the pseudo label."""

    verdict: str  # collapsed, branches disagree, follows the border, only color, or healthy
    sentences: list[str]  # one a diagnostic


def diagnose(history: History) -> Diagnosis | None:
    """Judge the pseudo label by the last epoch; None without a stage II or its diagnostics, or with given labels.

    The first that applies: "collapsed", at most one live class; "branches disagree", on more than half of the pixels;
    "follows the border", position explains more than 40 % of the classes' entropy; "only color", an NMI with clusters
    of color and heat above 0.5; else "healthy". The limits are ours.
    """
    last = {name: values[-1] for name, values in history.columns.items()}
    needed = ("live_classes", "class_entropy", "pixel_agreement", "position_information", "nmi_color")
    # `collapsed` stays empty where the branches learn labels that they are given
    if not all(math.isfinite(last.get(name, math.nan)) for name in (*needed, "collapsed")):
        return None
    live, entropy, agreed, information, color = (last[name] for name in needed)
    position = information / entropy if entropy else 0.0
    findings = {
        "collapsed": live <= 1,
        "branches disagree": agreed < LEAST_AGREEMENT,
        "follows the border": position > MOST_POSITION,
        "only color": color > MOST_COLOR,
        "healthy": True,
    }
    sentences = [
        f"{live:.0f} {'class is' if live == 1 else 'classes are'} live, above {LIVE_SHARE:.1%} of the pixels; a pseudo "
        "label of one class has collapsed.",
        f"The branches agree on {agreed:.0%} of the pixels; below {LEAST_AGREEMENT:.0%} they disagree.",
        f"The position in the image explains {position:.0%} of the classes' entropy ({information:.2f} of "
        f"{entropy:.2f} nats); above {MOST_POSITION:.0%} they follow the border rather than the scene.",
        f"With clusters of color and heat the classes share a normalized mutual information of {color:.2f} (1: they "
        f"are the same); above {MOST_COLOR:g} they say little but color.",
    ]
    if math.isfinite(label := last.get("nmi_label", math.nan)):
        sentences.append(f"With the true labels, never used for training, they share {label:.2f}.")
    return Diagnosis(next(name for name, applies in findings.items() if applies), sentences)


def read_history(path: Path) -> History | None:
    """Read history.csv; None when the file is missing or has no epochs (a run that was not trained).

    Raises:
        UserError: the file lacks `epoch` or `stage`, or a value is not a number.
    """
    rows = read_rows(path, ("epoch", "stage")) if path.is_file() else []
    if not rows:
        return None
    columns = {name: [to_number(row[name] or "nan", path) for row in rows] for name in rows[0] if name != "stage"}
    columns["epoch"] = [to_number(row["epoch"], path, finite=True) for row in rows]
    return History([row["stage"] for row in rows], columns)


def read_trainings(results: Path, runs: Sequence[RunLabel]) -> list[Training]:
    """Return those of the runs below results/{dataset} that were trained here.

    Raises:
        UserError: a history.csv cannot be read as one of ours.
    """
    found = [(run.title, read_history(results / run.name / "history.csv"), place) for place, run in enumerate(runs)]
    return [Training(title, history, place) for title, history, place in found if history]


def tell_apart(trainings: Sequence[Training]) -> list[list[Training]]:
    """Return the trainings in groups, one a figure, within which no two have the same color."""
    groups: list[list[Training]] = []
    for training in trainings:
        taken = {color_of(each.place) for each in groups[-1]} if groups else set()
        if not groups or color_of(training.place) in taken:
            groups.append([])
        groups[-1].append(training)
    return groups


@dataclass(frozen=True)
class GradientMean:
    """How far the gradients of the two tasks agree, as in the paper's section IV-F: a mean over the measured steps.

    The 95 % interval is Student's, as if each step were independent; both ends are the mean of a single step.
    """

    run: str  # its name
    label: str  # its title when the tables were made
    quantity: str  # a key of `QUANTITIES`
    mean: float
    low: float
    high: float
    steps: int  # how many were measured

    @property
    def text(self) -> str:
        """The mean with its sign, as printed."""
        return print_number(self.mean, "+.3g")

    @property
    def interval(self) -> str:
        """The interval's ends, as printed."""
        return f"{print_number(self.low, '+.3g')} to {print_number(self.high, '+.3g')}"


def write_gradient_table(results: Path, output: Path, dataset: str, runs: Sequence[RunLabel]) -> Path:
    """Write gradients_{dataset}.csv from the runs' gradients.csv; a header alone where no run has measured any.

    Raises:
        UserError: a file is not one of ours.
    """
    rows = []
    for run in runs:
        path = results / dataset / run.name / "gradients.csv"
        steps = read_rows(path, tuple(QUANTITIES)) if path.is_file() else []
        for quantity in QUANTITIES if steps else ():
            values = [to_number(step[quantity], path) for step in steps]
            mean = GradientMean(run.name, run.title, quantity, mean_of(values), *student_interval(values), len(values))
            rows.append({"dataset": dataset, **vars(mean)})
    table = output / f"gradients_{dataset}.csv"
    write_csv(table, rows, COLUMNS)
    return table


def read_gradient_table(path: Path) -> list[GradientMean]:
    """Read a file of `write_gradient_table`; nothing where there is none.

    Raises:
        UserError: it is not one of ours.
    """
    means = []
    for row in read_rows(path, COLUMNS) if path.is_file() else []:
        mean, low, high = (to_number(row[column], path) for column in ("mean", "low", "high"))
        steps = to_number(row["steps"], path, finite=True)
        means.append(GradientMean(row["run"], row["label"], row["quantity"], mean, low, high, int(steps)))
    return means


@dataclass(frozen=True)
class PseudoLabels:
    """A run's pseudo labels as the page shows them: pictures, and the image cues that the classes follow."""

    classes: int  # how many cover more than `LIVE_SHARE` of the pixels of these pictures
    largest: str  # the share of the largest, in percent
    # how much of each cue's variance the classes explain, "infrared intensity 62 %, height in the image 3 %"
    follows: str
    pictures: list[tuple[str, str]]  # pair and address of each strip


def collect_pseudo_labels(run: Path, folder: Path) -> PseudoLabels | None:
    """Copy the pseudo labels of results/{dataset}/{run} into the report's folder; None where there are none.

    Raises:
        UserError: a file is not one of ours.
    """
    source = run / "pseudo_labels"
    paths = sorted(source.glob("*.png"))
    if not paths:
        return None
    target = folder / "pictures" / run.parent.name / "pseudo_labels" / run.name
    target.mkdir(parents=True)
    for path in paths:
        shutil.copyfile(path, target / path.name)
    classes, follows = source / "classes.csv", source / "follows.csv"
    shares = [to_number(row["share"], classes, finite=True) for row in read_rows(classes, ("share",))]
    cues = {
        row["cue"]: to_number(row["explained"], follows, finite=True)
        for row in read_rows(follows, ("cue", "explained"))
    }
    return PseudoLabels(
        classes=sum(share > LIVE_SHARE for share in shares),
        largest=f"{max(shares, default=0):.0%}",
        follows=", ".join(f"{CUES.get(cue, cue)} {share:.0%}" for cue, share in cues.items()),
        pictures=[(path.stem, quote((target / path.name).relative_to(folder).as_posix())) for path in paths],
    )
