"""What the runs of a ladder left: scores of every judge, and what training recorded of itself at its end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ssvif.ops.statistics import mean_of
from ssvif.report.ladder.declaration import Declaration, DeclaredArm
from ssvif.report.runs import read_rows, to_number, to_number_or_none
from ssvif.report.sheet import measure_of
from ssvif.report.training import read_history
from ssvif.schema import FUSION_METRICS, GRADIENT_RELATIONS, RUN_FILES

TRAINING = "training"  # stands for the kind of score where training itself measured
DIAGNOSTICS = ("live_classes", "pixel_agreement", "position_information", "nmi_color", "nmi_label")


class Key(NamedTuple):
    """What a number is about."""

    score: str  # of `RUN_FILES`, or `TRAINING`
    metric: str
    class_name: str = ""

    @property
    def scale(self) -> int:
        """What a stored value is multiplied by to be shown."""
        return measure_of(self.metric).scale

    @property
    def lower_is_better(self) -> bool:
        """The direction of the metric."""
        return measure_of(self.metric).arrow == "↓"


@dataclass(frozen=True)
class RunScores:
    """The scores of one run, in the shown units."""

    whole: dict[Key, float]  # of the whole test set; for fusion metrics, of which there are none, the mean over images
    images: dict[Key, dict[str, float]]  # of single images, by pair_id


@dataclass(frozen=True)
class Arm:
    """One arm and those of its runs that have the primary score."""

    declared: DeclaredArm
    runs: dict[str, RunScores]  # by seed
    folders: dict[str, Path]  # of these runs, by seed

    @property
    def title(self) -> str:
        """Its title in tables."""
        return self.declared.title

    def values(self, key: Key) -> list[float]:
        """Return one value a seed, of those seeds that have one."""
        return [run.whole[key] for run in self.runs.values() if key in run.whole]


@dataclass(frozen=True)
class Measured:
    """All arms of a ladder, in the order of the table."""

    declaration: Declaration
    primary: Key  # the score that decides
    arms: tuple[Arm, ...]

    def of(self, *roles: str) -> list[Arm]:
        """Return the arms of some roles that have been run."""
        return [arm for arm in self.arms if arm.declared.role in roles and arm.runs]

    @property
    def planned(self) -> int:
        """Number of declared arms of the role `arm`: one that is not there must not make the others' tests easier."""
        return sum(arm.declared.role == "arm" for arm in self.arms)

    @property
    def is_complete(self) -> bool:
        """Whether each run but those of the inputs, whose images not everybody has, has the primary score."""
        return all(arm.declared.role == "input" or arm.runs.keys() == arm.declared.runs.keys() for arm in self.arms)

    @property
    def missing(self) -> list[str]:
        """What was declared and has no primary score: titles, with the seeds where some of them have one."""
        found = []
        for arm in self.arms:
            lost = [seed for seed in arm.declared.runs if seed not in arm.runs]
            if lost:
                found.append(f"{arm.title} (seed {', '.join(lost)})" if arm.runs else arm.title)
        return found


def read_measured(results: Path, declaration: Declaration) -> Measured:
    """Read the scores of a ladder's runs from results/{dataset}/{run}/; runs without the primary score are left out.

    Raises:
        UserError: a file is not one of ours.
    """
    primary, arms = Key(*declaration.ladder.primary.split(".")), []
    for declared in declaration.arms:
        folders = {seed: results / declaration.dataset / run for seed, run in declared.runs.items()}
        scores = {seed: _read_run(folder) for seed, folder in folders.items()}
        runs = {seed: each for seed, each in scores.items() if math.isfinite(each.whole.get(primary, math.nan))}
        arms.append(Arm(declared, runs, {seed: folders[seed] for seed in runs}))
    return Measured(declaration, primary, tuple(arms))


def _read_run(folder: Path) -> RunScores:
    whole: dict[Key, float] = {}
    images: dict[Key, dict[str, float]] = {}
    for score, file in RUN_FILES.items():
        path = folder / file
        for row in read_rows(path, ("metric", "value")) if path.is_file() else []:
            key, value = Key(score, row["metric"], row.get("class", "")), to_number_or_none(row["value"], path)
            if value is None:
                continue
            if pair_id := row.get("pair_id", ""):
                images.setdefault(key, {})[pair_id] = value * key.scale
            else:
                whole[key] = value * key.scale
    whole |= {key: mean_of(list(each.values())) for key, each in images.items() if key.score == FUSION_METRICS}
    return RunScores(whole | _read_training(folder), images)


def _read_training(folder: Path) -> dict[Key, float]:
    """Return what training recorded in its last epoch, of whose weights the images are."""
    history, path = read_history(folder / "history.csv"), folder / "gradients.csv"
    found = {name: history.series(name)[1][-1:] for name in DIAGNOSTICS} if history else {}
    rows = read_rows(path, ("epoch", *GRADIENT_RELATIONS)) if path.is_file() else []
    epochs = [to_number(row["epoch"], path, finite=True) for row in rows]
    last = max(epochs, default=0.0)
    for name in GRADIENT_RELATIONS:
        values = [to_number_or_none(row[name], path) for row, epoch in zip(rows, epochs, strict=True) if epoch == last]
        found[name] = [value for value in values if value is not None and math.isfinite(value)]
    return {Key(TRAINING, name): mean_of(values) for name, values in found.items() if values}
