"""Results by Snakemake or by DVC are stored, and found again in a clone: nothing is computed twice."""

import json
import re
from fnmatch import fnmatch

import pytest
import yaml
from workflow_tools import TINY, check_out, clone, commit, jobs, run_snakemake, run_tool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # the workflow runs, on a busy machine for long
TABLE = "results/tables/probe_scenes.csv"
RUN = "results/scenes/seafusion_ssvif"
RECORDED = ("git_commit", "peak_memory_mb", "wall_time_s")  # in a record, what tells of the job and not of its result
SHOWN = rb"<dt>(git commit|peak memory|wall time)</dt><dd>[^<]*</dd>"


@pytest.fixture(scope="module")
def stored(finished, tmp_path_factory):
    """The checkout in which Snakemake has run, its results committed, and pushed to a folder."""
    run_tool(finished, "dvc", "commit", "--force")
    run_tool(finished, "dvc", "remote", "add", "--default", "store", tmp_path_factory.mktemp("store"))
    run_tool(finished, "dvc", "push")
    commit(finished, "results")
    return finished


@pytest.fixture(scope="module")
def changed(stored, tmp_path_factory):
    """A clone in which one setting was changed, what depends on it was made again, and all of it was stored."""
    second = clone(stored, tmp_path_factory.mktemp("changed") / "project")
    run_tool(second, "make", "pull")
    assert jobs(run_snakemake(second, "-n")) == {}
    (second / "config/config.yaml").write_text(f"{TINY}probe: {{shrinkage: 0.5}}\n")
    counted = jobs(run_snakemake(second, "-n"))
    assert counted.pop("total") == sum(counted.values())
    assert counted == {"probe": 3, "configuration": 1, "score_tables": 1, "figures": 1, "report": 1, "all": 1}
    run_snakemake(second, "--cores", "2")
    run_tool(second, "dvc", "commit", "--force")
    run_tool(second, "dvc", "push")
    commit(second, "another shrinkage")
    return second


@pytest.fixture
def third(changed, tmp_path):
    """A clone of the other clone, without results."""
    return clone(changed, tmp_path / "third")


def made(folder, *outs):
    """The files of results in a folder, or below some paths in it, without what git holds."""
    files = (path for out in outs or ("results",) for path in (folder / out, *(folder / out).rglob("*")))
    kept = {"results/README.md", "results/.gitignore"}
    return {str(path.relative_to(folder)) for path in files if path.is_file()} - kept


def logged(folder):
    """The names of the logs in which jobs have written; `--touch` makes empty ones."""
    return {path.name for path in (folder / "results/logs").rglob("*.log") if path.stat().st_size}


def test_what_snakemake_made_is_up_to_date_for_dvc(stored):
    assert jobs(run_snakemake(stored, "-n")) == {}
    assert "up to date" in run_tool(stored, "dvc", "status").stdout
    assert run_tool(stored, "dvc", "repro").stdout.count("didn't change, skipping") == 2
    assert jobs(run_snakemake(stored, "-n")) == {}


def test_both_doors_give_the_same_bytes(finished, tmp_path):
    """Snakemake in one folder and `dvc repro` in another: what DVC stores is equal, but for what tells of the job."""
    other = check_out(tmp_path / "project")
    run_tool(other, "dvc", "repro")
    stages = yaml.safe_load((other / "dvc.yaml").read_text())["stages"]
    outs = [path for name in ("runs", "report") for out in stages[name]["outs"] for path in out]
    names = made(other, *outs)
    assert names == made(finished, *outs)
    assert len(names) > 300
    for name in sorted(names):
        one, another = ((folder / name).read_bytes() for folder in (finished, other))
        if name.endswith("record.json") or fnmatch(name, "results/scenes/stage_one/*.json"):
            one, another = ({**json.loads(each), **dict.fromkeys(RECORDED)} for each in (one, another))
        elif fnmatch(name, "results/report/runs/*.html"):  # which show these records
            one, another = (re.sub(SHOWN, b"", each) for each in (one, another))
        assert one == another, name
    assert jobs(run_snakemake(other, "-n")) == {}


def test_a_pulled_clone_knows_what_made_its_files(changed):
    """Not by times alone: files that nothing precedes, as the generated scenes, are made again for other settings."""
    path = changed / "config/config.yaml"
    before = path.read_text()
    path.write_text(before.replace("train: 10", "train: 12"))
    try:
        assert jobs(run_snakemake(changed, "-n"))["scenes"] == 1
    finally:
        path.write_text(before)
    assert jobs(run_snakemake(changed, "-n")) == {}


def test_pulling_what_other_code_has_made_is_told(third):
    assert "Warning" not in run_tool(third, "make", "pull").stdout
    with (third / "src/ssvif/ops/color.py").open("a") as stream:
        stream.write("# changed\n")
    said = run_tool(third, "make", "pull").stdout
    assert re.search(r"modified:\s+src\n", said)
    assert "Warning: what is named here has changed" in said


def test_one_checkpoint_or_one_run_is_pulled_alone(third):
    assert made(third) == set()
    run_tool(third, "dvc", "pull", f"{RUN}/model.safetensors")
    assert made(third) == {f"{RUN}/model.safetensors"}
    run_tool(third, "dvc", "pull", "results/scenes/average")
    run = made(third, "results/scenes/average")
    assert {f"results/scenes/average/{name}" for name in ("fusion_metrics.csv", "probe/scores.csv")} < run
    assert made(third) == {f"{RUN}/model.safetensors", *run}


def test_a_clone_has_the_table_without_computing_and_shows_what_changed(stored, changed, third):
    run_tool(third, "make", "pull")
    assert jobs(run_snakemake(third, "-n")) == {}
    assert logged(third) == set(), "no job has run"
    assert (third / TABLE).read_bytes() == (changed / TABLE).read_bytes()
    assert (third / TABLE).read_bytes() != (stored / TABLE).read_bytes()
    assert (third / RUN / "model.safetensors").read_bytes() == (stored / RUN / "model.safetensors").read_bytes()
    metrics = json.loads(run_tool(third, "dvc", "metrics", "diff", "HEAD~1", "--json").stdout)
    assert set(metrics["results/tables/means.json"]) == {
        f"scenes.{run}.probe.{metric}"
        for run in ("average", "seafusion_fusion_only", "seafusion_ssvif")
        for metric in ("log_loss", "mean_ap", "miou")
    }
    settings = json.loads(run_tool(third, "dvc", "params", "diff", "HEAD~1", "--json").stdout)
    assert settings["config/config.yaml"] == {"probe.shrinkage": {"old": None, "new": 0.5}}
    run_tool(third, "dvc", "plots", "diff", "HEAD~1")
    assert "validation_fusion" in (third / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert run_tool(third, "git", "status", "--short").stdout == ""


def test_an_experiment_is_run_shown_and_undone(third):
    run_tool(third, "make", "pull")
    run_tool(third, "dvc", "exp", "run", "--name", "other", "--set-param", "config/config.yaml:report.title=Other")
    assert "Other" in (third / "results/report/index.html").read_text(encoding="utf-8")
    assert logged(third) == {"report.log"}
    assert jobs(run_snakemake(third, "-n")) == {}
    settings = json.loads(run_tool(third, "dvc", "params", "diff", "--json").stdout)
    assert settings["config/config.yaml"]["report.title"]["new"] == "Other"
    assert "other" in run_tool(third, "dvc", "exp", "show", "--csv").stdout
    run_tool(third, "git", "restore", "config", "dvc.lock")
    run_tool(third, "make", "pull")
    assert jobs(run_snakemake(third, "-n")) == {}
    assert "Other" not in (third / "results/report/index.html").read_text(encoding="utf-8")
