"""The real runs in DVC: raw folders, a stage that begins with them, and parts of it pulled alone; on made data."""

import numpy as np
import pytest
from workflow_tools import check_out, clone, commit, jobs, run_snakemake, run_tool

from ssvif.io.files import write_png

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # the workflow runs, on a busy machine for long
RUNS = """\
run	kind	fusion_model	framework	stages	epochs
average	baseline	average
lite	trained	lite	fusion_only	one	1
"""
SETTINGS = """\
datasets: [msrs]
experiments: config/experiments/msrs_sample.tsv
data_root: data
results: results/msrs_sample
device: cpu
training: {batch_size: 2, crop_px: 32}
segmentation: false
detection: false
probe: false
"""
SAMPLE = ("--configfile", "config/msrs_sample.yaml", "--config", "data_root=data")
RUN = "results/msrs_sample/msrs/lite"


def write_dataset(folder):
    """Write a dataset in MSRS's folders: 6 training and 2 test pairs, with labels and boxes."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 2)):
        for number in range(count):
            name = f"{number:05d}{'DN'[number % 2]}"
            write_png(folder / split / f"vi/{name}.png", random.integers(0, 255, (48, 64, 3), np.uint8))
            write_png(folder / split / f"ir/{name}.png", random.integers(0, 255, (48, 64), np.uint8))
            write_png(folder / split / f"Segmentation_labels/{name}.png", random.integers(0, 9, (48, 64), np.uint8))
            boxes = folder / split / f"detection_labels/{name}.txt"
            boxes.parent.mkdir(exist_ok=True)
            boxes.write_text("0 0.5 0.5 0.25 0.5\n")


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """A checkout with the raw folders of MSRS, in which DVC has run the sample's stage and stored all of it."""
    project = check_out(tmp_path_factory.mktemp("sampled") / "project")
    (project / "config/msrs_sample.yaml").write_text(SETTINGS)
    (project / "config/experiments/msrs_sample.tsv").write_text(RUNS)
    write_dataset(project / "data/MSRS")
    run_tool(project, "dvc", "add", "data/MSRS")
    stages = project / "dvc.yaml"
    stages.write_text(stages.read_text().replace("msrs_sample: []", "msrs_sample: [data]"))
    run_tool(project, "dvc", "repro", "msrs_sample@data")
    run_tool(project, "dvc", "remote", "add", "--default", "store", tmp_path_factory.mktemp("store"))
    for what in ("msrs_sample@data", "data/MSRS"):  # of both at once DVC pushes the first alone
        run_tool(project, "dvc", "push", what)
    commit(project, "the sample")
    return project


def files(folder):
    """The files in a folder but for Snakemake's own."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.endswith(".snakemake_timestamp")}


def test_git_holds_what_finds_the_data_and_not_the_data(sampled):
    listed = run_tool(sampled, "git", "ls-files", "data", "results", "dvc.lock").stdout.split()
    assert listed == ["data/MSRS.dvc", "dvc.lock", "results/.gitignore", "results/README.md"]
    assert run_tool(sampled, "git", "status", "--short").stdout == ""


def test_snakemake_has_nothing_to_do_after_dvc(sampled):
    assert jobs(run_snakemake(sampled, "-n", *SAMPLE)) == {}
    assert "up to date" in run_tool(sampled, "dvc", "status", "msrs_sample@data").stdout


def test_one_checkpoint_one_run_then_all_of_it_and_last_the_data(sampled, tmp_path):
    folder = clone(sampled, tmp_path / "project")
    run_tool(folder, "dvc", "pull", f"{RUN}/model.safetensors")
    assert files(folder / "results/msrs_sample") == {"msrs/lite/model.safetensors"}
    run_tool(folder, "dvc", "pull", RUN)
    assert files(folder / RUN) == files(sampled / RUN)
    assert files(folder / "results/msrs_sample") == {f"msrs/lite/{name}" for name in files(sampled / RUN)}
    run_tool(folder, "dvc", "pull", "msrs_sample@data")
    run_snakemake(folder, "--cores", "1", "--touch", "--forceall", *SAMPLE)
    assert jobs(run_snakemake(folder, "-n", *SAMPLE)) == {}
    assert not (folder / "data/MSRS").exists()
    run_tool(folder, "dvc", "pull", "data/MSRS")
    assert files(folder / "data/MSRS") == files(sampled / "data/MSRS")
    assert "up to date" in run_tool(folder, "dvc", "status", "msrs_sample@data", "data/MSRS.dvc").stdout


def test_results_of_another_configuration_are_added_by_themselves(sampled):
    (sampled / "results/mine").mkdir()
    (sampled / "results/mine/scores.csv").write_text("1\n")
    run_tool(sampled, "dvc", "add", "results/mine")
    run_tool(sampled, "dvc", "push", "results/mine")
    assert run_tool(sampled, "git", "status", "--short").stdout == "?? results/mine.dvc\n"
