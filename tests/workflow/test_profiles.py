"""The profiles for clusters, as far as they can be tried without one (`test_slurm.py` has one)."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from workflow_tools import ROOT, copy_project, jobs, run_snakemake

PROFILES = ROOT / "workflow/profiles"
PLUGINS = {
    "default": (),
    "gpu": (),
    "slurm": ("snakemake_executor_plugin_slurm",),
    "kubernetes": ("snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_fs"),
}


@pytest.fixture(scope="module")
def whole_graph(tmp_path_factory):
    return jobs(run_snakemake(copy_project(tmp_path_factory.mktemp("whole")), "-n"))


@pytest.mark.parametrize("profile", sorted(path.name for path in PROFILES.iterdir()))
def test_every_profile_gives_the_whole_graph(project, whole_graph, profile):
    missing = [name for name in PLUGINS[profile] if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    arguments = ["--workflow-profile", f"workflow/profiles/{profile}"]
    if profile == "kubernetes":  # what lies on this machine where pods have the volume does not count
        arguments += ["--default-storage-prefix", str(project)]
    assert jobs(run_snakemake(project, "-n", *arguments)) == whole_graph


def asked_for(project: Path, *arguments: str) -> list[str]:
    """What a dry run shows of each job with a benchmark, resources included."""
    for path in (project / "workflow/rules").glob("*.smk"):  # with messages it shows these alone
        path.write_text(re.sub(r'    message:\n        ".*"\n', "", path.read_text()))
    done = run_snakemake(project, "-n", *arguments)
    return [block for block in (done.stdout + done.stderr).split("\n[") if "benchmark: " in block]


def test_each_job_says_what_it_needs_of_a_cluster(project):
    shown = asked_for(project)
    assert len(shown) > 20
    assert "nodes=" not in "".join(shown)
    assert [block for block in shown if not re.search(r"\bruntime=\d+, .*\bmem_mb=\d+", block)] == []


def test_a_training_asks_for_all_that_its_processes_need(project):
    settings = ("--config", "device=cuda", "devices=2", "nodes=3", "threads=4")
    shown = asked_for(project, "--cores", "8", *settings)
    trainings = [block for block in shown if re.search("rule (train|stage_one):", block)]
    assert len(trainings) == 3
    for block in trainings:
        assert "threads: 8" in block
        asked = dict(re.findall(r"(\w+)=([\w-]+)", block))
        wanted = {"gpu": "0", "nodes": "3", "tasks": "6", "cpus_per_task": "4", "mem_mb": "16000", "mpi": "srun"}
        assert wanted.items() <= asked.items()
        assert "gres=gpu:2" in block
        assert "slurm_extra=--ntasks-per-node=2" in block


def test_several_machines_without_slurm_are_refused(project):
    done = run_snakemake(project, "--cores", "2", "--config", "nodes=2", "--until", "stage_one", check=False)
    assert done.returncode
    assert "\nnodes: 2 needs SLURM: pass --workflow-profile" in done.stderr  # and not the shell command alone


def kubernetes() -> dict:
    return yaml.safe_load((PROFILES / "kubernetes/config.yaml").read_text())


def test_pods_find_project_and_results_on_the_volume():
    profile = kubernetes()
    mount = profile["kubernetes-persistent-volumes"][0].partition(":")[2]
    project = profile["default-storage-prefix"]
    assert Path(project).is_relative_to(mount)
    words = shlex.split(profile["precommand"].replace("&&", " "))
    assert f"{project}/config" in words
    assert words.count(f"{project}/results/.state") == 2  # made, and linked to
    # where the storage plugin puts copies of what lies below the prefix
    assert words.count(f".snakemake/storage/fs{project}/results") == 2
