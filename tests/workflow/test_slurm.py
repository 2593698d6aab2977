"""The workflow through a real SLURM, which the tests start on this machine; what it must survive there."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from slurm_cluster import Cluster, slurm, why_not
from workflow_tools import copy_project, environment_of, run_snakemake

from ssvif.io.files import read_csv

pytest.importorskip("snakemake_executor_plugin_slurm", reason="snakemake-executor-plugin-slurm is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(1800),
]
CONFIGURATION = """\
datasets: [scenes]
experiments: config/experiments/demo.tsv
device: cpu
threads: 2
scenes: {train: 12, test: 4, height_px: 64, width_px: 80}
training: {segmenter: b0, classes: 6, epochs: 14, stage_one_min_epochs: 11, stage_one_max_epochs: 11, batch_size: 4,
  crop_px: 48}
segmentation: false
detection: false
probe: false
report: {title: tiny, pairs: 2}
"""
TABLE = "run\tkind\tfusion_model\naverage\tbaseline\taverage\nlite\ttrained\tlite\n"
PROFILE = ("--workflow-profile", "workflow/profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")
# there is no GPU here: the jobs ask SLURM for one, and do without
GPUS = ("--set-resources", "stage_one:gpu=1", "train:gpu=1")
MODEL = Path("results/scenes/lite/model.safetensors")


class Run(NamedTuple):
    """A workflow that SLURM ran, and what was seen meanwhile: jobs by rule, with their state at the end."""

    project: Path
    told: str
    jobs: dict[str, tuple[str, str]]
    asked: dict[str, dict[str, str]]


def tiny_project(folder: Path) -> Path:
    project = copy_project(folder)
    (project / "config/config.yaml").write_text(CONFIGURATION)
    (project / "config/experiments/demo.tsv").write_text(TABLE)
    return project


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 600) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if found := what():
            return found
        time.sleep(0.1)
    raise RuntimeError(f"waited in vain; snakemake's status is {process.poll()}")


def caught(cluster: Cluster, rule: str, state: Path, process: subprocess.Popen[str]) -> str:
    """The number of the rule's job as soon as its training has saved its state."""
    return wait_for(lambda: any(state.parent.glob(state.name)) and cluster.running(rule), process)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Iterator[Run]:
    """One training is cancelled and one preempted, both after the first epoch that they saved."""
    project = tiny_project(tmp_path_factory.mktemp("project"))
    states, asked = project / "results/.state/scenes", {}
    with slurm(tmp_path_factory.mktemp("slurm")) as cluster, (project / "told.txt").open("w+") as told:
        environment = environment_of(project) | cluster.environment
        command = [str(Path(sys.executable).with_name("snakemake")), *PROFILE, *GPUS]
        with subprocess.Popen(command, cwd=project, env=environment, stdout=told, stderr=told, text=True) as process:
            try:
                number = caught(cluster, "rule_stage_one", states / "stage_one_*.pt", process)
                asked["stage_one"] = cluster.details(number)
                cluster.ask("scancel", number)
                number = caught(cluster, "rule_train", states / "lite.pt", process)
                cluster.ask("sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
                wait_for(lambda: cluster.details(number)["JobState"] != "RUNNING", process)
                asked["train"] = cluster.details(number)
                process.wait(timeout=900)
            finally:
                process.kill()  # which is nothing where all went well; SIGTERM would wait for running jobs
        told.seek(0)
        yield Run(project, told.read(), cluster.jobs(), asked)


def test_everything_is_there(finished):
    assert "(100%) done" in finished.told, finished.told[-6000:]
    for name in ("average", "lite"):
        assert len(read_csv(finished.project / f"results/scenes/{name}/fusion_metrics.csv")) > 0
    assert (finished.project / "results/report/index.html").is_file()


def test_the_cancelled_job_was_tried_again_and_went_on(finished):
    states = [state for state, what in finished.jobs.values() if "rule_stage_one" in what]
    assert sorted(states) == ["CANCELLED", "COMPLETED"]
    [log] = (finished.project / "results/logs/scenes/stage_one").glob("*.log")
    assert "resuming after epoch" in log.read_text()
    assert "ended by SIGTERM; no half-written file is left" in finished.told
    assert "Trying to restart job" in finished.told


def test_the_preempted_job_was_started_again_by_slurm_and_went_on(finished):
    assert finished.asked["train"]["Requeue"] == "1"
    assert [state for state, what in finished.jobs.values() if "rule_train" in what] == ["COMPLETED"]
    assert "resuming after epoch" in (finished.project / "results/logs/scenes/lite/train.log").read_text()


def test_interruptions_change_no_byte(finished, tmp_path):
    project = tiny_project(tmp_path)
    run_snakemake(project, "--cores", "2", MODEL)
    assert (project / MODEL).read_bytes() == (finished.project / MODEL).read_bytes()


def test_slurm_was_asked_for_what_the_rules_say(finished):
    asked = finished.asked["stage_one"]
    assert (asked["CPUs/Task"], asked["MinMemoryNode"], asked["TimeLimit"]) == ("2", "8000M", "1-00:00:00")
    assert asked["TresPerJob"] == "gres:gpu:1"


def test_logs_are_kept(finished):
    logs = finished.project / "results/logs"
    rules = {what.removeprefix("rule_").split("_wildcards")[0] for _, what in finished.jobs.values() if "rule" in what}
    assert rules >= {"scenes", "split", "pack", "stage_one", "train", "fuse", "score", "figures", "report"}
    for name in ("scenes/scenes", "scenes/split", "scenes/lite/train", "scenes/average/fuse", "figures", "report"):
        assert (logs / f"{name}.log").is_file()


def test_one_training_on_two_machines(tmp_path):
    """Which are two nodes of this one, of four cores each; srun starts two processes on each."""
    project, folder = tiny_project(tmp_path / "project"), tmp_path / "slurm"
    folder.mkdir()
    two = ("--config", "nodes=2", "devices=2", "threads=1")
    with slurm(folder, ("node1", "node2")) as cluster:
        environment = environment_of(project) | cluster.environment
        command = [str(Path(sys.executable).with_name("snakemake")), *PROFILE, MODEL, *two]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        [number] = [number for number, (_, what) in cluster.jobs().items() if "rule_train" in what]
        asked = cluster.details(number)
    assert (asked["NumNodes"], asked["NumTasks"], asked["CPUs/Task"]) == ("2", "4", "1")
    log = (project / "results/logs/scenes/lite/train.log").read_text()
    assert "4 processes: 16 pairs a step, 4 in each" in log
    assert log.count("epoch 14/14") == 1
    assert json.loads((project / MODEL).with_name("record.json").read_text())["processes"] == 4
