"""The runs of a configuration without Snakemake: the commands of the workflow's rules, one after another.

Results lie where the workflow looks for them, below OUTPUT/results. A step whose result is there is left out, and a
training that was stopped goes on after its last epoch.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from gpu_rows import device_and_facts, tell

from ssvif.config.files import read_yaml
from ssvif.config.options import to_json
from ssvif.config.plan import Plan
from ssvif.schema import FUSION_METRICS, PROBE, RUN_FILES

ROOT = Path(__file__).parents[1]
Step = tuple[Path, list[str]]  # the result, and the words of the `ssvif` command that makes it


def make_runs(configuration: Path, output: Path, pairs: Mapping[str, Path]) -> int:
    """Make the runs of a configuration, first those of the first seed; return 0 if each is there at the end.

    Args:
        configuration: a file of config/; its paths are relative to the repository, the working directory.
        output: folder of the results.
        pairs: file of `ssvif pack` by dataset; a run without that of its dataset is left out.
    """
    device_and_facts(output)
    results = output / "results"
    values = read_yaml(configuration) | {"results": str(results), "device": "auto"}
    plan = Plan.load(values, source=str(configuration), folder=ROOT / "config")
    for line in plan.left_out:
        tell("%s", line)
    for dataset, file in pairs.items():
        packed = plan.packed(dataset)
        if not packed.is_file():
            packed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, packed)
    failed = [f"{dataset}/{run}" for dataset, run in in_order(plan) if not make_run(plan, dataset, run)]
    tell("runs that are not there: %s", ", ".join(failed) or "none")
    return min(len(failed), 1)


def in_order(plan: Plan) -> list[tuple[str, str]]:
    """Return (dataset, run) of all runs, those of a lower seed first, so that arms have as many seeds as each other."""
    found = [(dataset, run.name) for dataset, runs in plan.shown.items() for run in runs]
    return sorted(found, key=lambda each: int((re.search(r"_seed(\d+)$", each[1]) or [0, 0])[1]))


def make_run(plan: Plan, dataset: str, run: str) -> bool:
    """Make what is not there yet of a run; return whether it is all there."""
    needed = {plan.packed(dataset), plan.packed(dataset, run)}
    if missing := sorted(str(path.parents[1].name) for path in needed if not path.is_file()):
        tell("%s/%s is left out: no pairs of %s; pass --pairs %s=FILE", dataset, run, missing, missing[0])
        return False
    for result, words in steps(plan, dataset, run):
        if result.exists():
            continue
        tell("%s/%s: ssvif %s", dataset, run, words[0])
        if subprocess.run([sys.executable, "-m", "ssvif", *words]).returncode:
            return False
    return True


def steps(plan: Plan, dataset: str, run: str) -> Iterator[Step]:
    """Yield the steps of a run, as the rules `stage_one`, `train`, `fuse`, `score` and `probe` have them."""
    folder, device = plan.run_folder(dataset, run), ["--device", plan.settings.device]
    threads = ["--threads", str(plan.settings.threads)]
    fused = ["--pairs", str(plan.packed(dataset)), "--fused"]
    name = ["--dataset", dataset, "--run", run]
    if plan.runs[run].kind == "trained":
        yield from training_steps(plan, dataset, run, [*device, *threads])
    where = ["--pairs", str(plan.packed(dataset)), "--output", str(folder / "fused")]
    yield folder / "fused", ["fuse", *where, *plan.fuse_arguments(dataset, run), *device, *threads]
    scores = folder / RUN_FILES[FUSION_METRICS]
    yield scores, ["score", *fused, str(folder / "fused/test"), "--output", str(scores), *name, *device]
    if PROBE in plan.judges(dataset):
        settings = ["--settings", to_json(plan.judge_options(dataset, PROBE))]
        probed = ["--output", str(folder / "probe"), *name, *settings, *device, *threads]
        yield folder / RUN_FILES[PROBE], ["probe", *fused, str(folder / "fused"), *probed]


def training_steps(plan: Plan, dataset: str, run: str, how: list[str]) -> Iterator[Step]:
    """Yield the stage I of a run, if others may share it, and the training itself."""
    pairs = ["--pairs", str(plan.packed(dataset, run))]
    folder, states = plan.run_folder(dataset, run), plan.settings.results / ".state"
    words = [*pairs, "--output", str(folder), "--state", str(states / dataset / f"{run}.pt")]
    if stage_one := plan.stage_one(dataset, run):
        settings = ["--settings", to_json(plan.stages_one[stage_one.stem])]
        state = ["--state", str(states / f"stage_one_{stage_one.stem}.pt")]
        yield stage_one, ["stage-one", *pairs, "--output", str(stage_one), *state, *settings, *how]
        words += ["--stage-one", str(stage_one)]
    yield folder / "record.json", ["train", *words, "--settings", to_json(plan.training(run)), *how]
