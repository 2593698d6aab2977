import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from workflow_tools import jobs, run_snakemake

from ssvif.config.files import read_yaml
from ssvif.config.jobs import Content, Counts, list_jobs
from ssvif.config.plan import Plan
from ssvif.io.files import write_png

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
CONFIGURATIONS = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_configuration_gives_a_graph_of_the_jobs_that_ssvif_plans(project, name, monkeypatch):
    (project / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    done = run_snakemake(project, "-n", "--configfile", f"config/{name}")
    counted = jobs(done)
    assert counted["report"] == counted["score_tables"] == counted["efficiency"] == 1
    assert counted["paper_table"] >= 9
    assert counted["score"] == counted["fuse"] >= 3
    monkeypatch.chdir(project)
    plan = Plan.load(read_yaml(project / "config" / name))
    content = Content(Counts(8, 2, 4), Counts(8, 2, 4), Counts(8, 2, 4), mpx=0.1)
    planned = Counter(job.rule for job in list_jobs(plan, dict.fromkeys(plan.descriptors, content)))
    assert planned == {rule: count for rule, count in counted.items() if rule not in ("all", "configuration", "total")}
    if name == "roadscene.yaml":
        assert "segment" not in counted
        assert "detect" not in counted


def test_fusing_and_scoring_are_divided_into_shards(project):
    counted = jobs(run_snakemake(project, "-n", "runs", "--config", "shards=3"))
    assert (counted["fuse"], counted["gather_fused"], counted["score"], counted["gather_scores"]) == (9, 3, 9, 3)


def test_a_training_may_have_several_processes(project):
    for cores, sums in (("4", "$(((4 - 1) / 2 + 1))"), ("1", "$(((1 - 1) / 2 + 1))")):  # 2 threads each; 1, not 0
        done = run_snakemake(project, "-n", "-p", "runs", "--cores", cores, "--config", "devices=2", "threads=2")
        text = done.stdout + done.stderr
        assert text.count(f"--devices 2 --nodes 1 --threads {sums}") == 3


def test_trainings_may_be_tracked(project):
    done = run_snakemake(project, "-n", "-p", "runs", "--config", "track=[tensorboard,dvclive]")
    assert (done.stdout + done.stderr).count(" --workers 0 --track tensorboard --track dvclive >") == 2


def test_a_table_of_the_paper_is_a_target(project):
    """Table III: three networks with and without SSVIF, four other weightings, one stage; on FMB alone.

    Stage I is trained once a network; the run of one stage has none.
    """
    done = run_snakemake(project, "-n", "table_3", "--configfile", "config/paper.yaml")
    assert jobs(done) == {
        "split": 1, "pack": 1, "stage_one": 3, "train": 11, "fuse": 11, "score": 11, "segment": 11,
        "paper_table": 1, "table_3": 1, "total": 51,
    }  # fmt: skip
    assert "results/paper/msrs" not in done.stdout + done.stderr
    assert "FMB is not there yet: no folder data/FMB" in done.stdout + done.stderr


def test_a_method_that_is_asked_for_by_name_must_be_there(project):
    target = "results/paper/fmb/cddfuse/fusion_metrics.csv"
    done = run_snakemake(project, "-n", target, "--configfile", "config/paper.yaml", check=False)
    assert done.returncode
    told = done.stdout + done.stderr
    assert "checkpoints/cddfuse_published.pth" in told.split("Missing input files for rule fuse")[1]
    assert "Traceback" not in told


def test_released_weights_and_images_are_runs_of_the_sample(project, shared):
    done = run_snakemake(
        project, "-n", "-p", "--configfile", "config/msrs_sample.yaml", "--config", f"data_root={shared / 'data'}"
    )
    counted, text = jobs(done), done.stdout + done.stderr
    assert (counted["fuse"], counted["score"]) == (6, 6)
    assert (counted["segment"], counted["detect"], counted["probe"]) == (5, 5, 5)
    assert "published/SeAFusion" in text
    assert "SeAFusion, released images is not segmented, detected or probed on MSRS" in text
    assert "left out" not in text


MODULE = """
configfile: "mine.yaml"
module fusion:
    snakefile: "{project}/workflow/Snakefile"
    config: config["fusion"]
use rule * from fusion as fusion_*
"""


def test_another_workflow_may_use_this_one_as_a_module(project, tmp_path_factory):
    """With a configuration and a table of its own; datasets and the paper's numbers come from this one's folder."""
    other = tmp_path_factory.mktemp("other")
    (other / "Snakefile").write_text(MODULE.format(project=project))
    (other / "mine.yaml").write_text(
        "fusion: {datasets: [scenes], experiments: mine.tsv, detection: false, probe: false}\n"
    )
    (other / "mine.tsv").write_text("run\tkind\tfusion_model\nmean\tbaseline\taverage\n")
    # what the command line says is for the other workflow
    done = run_snakemake(other, "-n", "-p", "fusion_all", "--config", "theirs=1", package=project / "src")
    assert jobs(done) == {
        "fusion_all": 1, "fusion_configuration": 1, "fusion_efficiency": 1, "fusion_figures": 1, "fusion_fuse": 1,
        "fusion_pack": 1, "fusion_paper_table": 9, "fusion_report": 1, "fusion_scenes": 1, "fusion_score": 1,
        "fusion_score_tables": 1, "fusion_segment": 1, "fusion_split": 1, "total": 21,
    }  # fmt: skip
    assert f"--published {project}/config/published" in done.stdout + done.stderr
    (other / "random.py").write_text("raise ImportError\n")  # no job takes it for Python's
    run_snakemake(other, "--cores", "1", "results/scenes/mean/fused", package=project / "src")
    assert list((other / "results/scenes/mean/fused/test").glob("*.png"))


def test_one_file_of_one_run_is_a_target(project):
    done = run_snakemake(project, "-n", "--cores", "2", "results/scenes/seafusion_ssvif/fusion_metrics.csv")
    assert jobs(done) == {
        "scenes": 1, "split": 1, "pack": 1, "stage_one": 1, "train": 1, "fuse": 1, "score": 1, "total": 7,
    }  # fmt: skip


def test_a_run_is_trained_on_another_dataset(project):
    table = "run\tkind\tfusion_model\ttrain_on\nfar\ttrained\t\tmsrs128\nmean\tbaseline\taverage\t\n"
    (project / "config/experiments/demo.tsv").write_text(table)
    done = run_snakemake(
        project, "-n", "-p", "runs", "--config", "segmentation=false", "detection=false", "probe=false"
    )
    assert jobs(done) == {
        "scenes": 1, "split": 2, "pack": 2, "stage_one": 1, "train": 1, "fuse": 2, "score": 2, "runs": 1, "total": 12,
    }  # fmt: skip
    text = " ".join((done.stdout + done.stderr).split())
    assert "ssvif stage-one --pairs results/msrs128/data/pairs.h5 --output results/msrs128/stage_one/" in text
    assert "ssvif train --pairs results/msrs128/data/pairs.h5 --stage-one results/msrs128/stage_one/" in text
    assert "ssvif fuse --pairs results/scenes/data/pairs.h5 --model results/scenes/far/model.safetensors" in text


def test_nothing_of_the_default_configuration_leaks_into_another(project):
    (project / "config/own.yaml").write_text("datasets: [scenes]\nexperiments: config/experiments/demo.tsv\n")
    done = run_snakemake(project, "-n", "-p", "--configfile", "config/own.yaml")
    assert '"segmenter": "b3"' in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("trainin: {epochs: 3}", "trainin: unknown key"),
        ("training: {epoch: 3}", "training.epoch: unknown key"),
        ("training: {fusion_model: seafuson}", "Unknown fusion model 'seafuson'"),
        ("datasets: [msr]", "config/datasets/msr.yaml does not exist"),
        ("experiments: config/experiments/none.tsv", "config/experiments/none.tsv does not exist"),
        ("experiments: nowhere.tsv", "theirs is left out on Scenes: no nowhere"),
        ("preset: fast", "Unknown preset 'fast'"),
    ],
)
def test_a_bad_configuration_is_refused_before_anything_runs(project, change, message):
    (project / "nowhere.tsv").write_text("run\tkind\timages\ntheirs\timages\tnowhere\n")
    values = {"datasets": ["scenes"], "experiments": "config/experiments/demo.tsv"} | yaml.safe_load(change)
    (project / "config/config.yaml").write_text(yaml.safe_dump(values))
    done = run_snakemake(project, "-n", check=False)  # dry, so that a check that is missing does not train for hours
    assert done.returncode
    told = done.stdout + done.stderr
    assert message in told
    assert len(told.splitlines()) < 25
    assert not (project / "results").exists()


def test_titles_and_folders_may_hold_anything(project):
    images = project / "their images" / "test"
    images.mkdir(parents=True)
    table = "run\tkind\ttitle\timages\nours\ttrained\tIt's {a} = \u03b1 $HOME\t\ntheirs\timages\t\ttheir images\n"
    (project / "config/experiments/demo.tsv").write_text(table)
    done = run_snakemake(project, "-n", "-p")
    assert jobs(done)["fuse"] == 2
    text = done.stdout + done.stderr
    assert "--images 'their images'" in text
    assert """'--run=scenes/ours=It'"'"'s {a} = \u03b1 $HOME'""" in text


def test_the_command_line_wins_over_a_preset(project):
    with (project / "config/config.yaml").open("a") as stream:
        stream.write("presets: {quick: {threads: 2, report: {title: quick}}}\n")
    done = run_snakemake(project, "-n", "-p", "--config", "preset=quick", "threads=1")
    text = done.stdout + done.stderr
    assert "--threads 1" in text
    assert "--threads 2" not in text
    assert "--title quick" in text


def test_the_page_names_a_configuration_that_outlives_it(project):
    run_snakemake(project, "--cores", "1", "out put/config.yaml", "--config", "results=out put")
    again = ("--configfile", "out put/config.yaml")
    text = run_snakemake(project, "-n", "-p", "out put/report", *again).stdout
    assert """--command 'snakemake --cores all --configfile '"'"'out put/config.yaml'"'"''""" in text
    assert jobs(run_snakemake(project, "-n", "out put/config.yaml", *again)) == {}


def test_a_score_that_is_left_out_is_no_target(project):
    target = "results/scenes/average/segmentation/iou.csv"
    done = run_snakemake(project, "-n", target, "--config", "segmentation=false", check=False)
    assert done.returncode
    assert "`segmentation: false` leaves segmentation out" in done.stdout + done.stderr


def test_the_first_lines_say_what_labels_were_found(project):
    image = np.zeros((8, 8), np.uint8)
    for folder in ("visible", "infrared", "Label"):
        write_png(project / f"data/mine/{folder}/0.png", image)
    layout = 'layouts: [{visible: "visible/{name}", infrared: "infrared/{name}", label: "labels/{name}"}]'
    classes = "classes: [{id: 0, name: ground, color: [0, 0, 0]}]"
    (project / "config/datasets/mine.yaml").write_text(f"name: mine\ntitle: Mine\nfolder: mine\n{layout}\n{classes}\n")
    done = run_snakemake(project, "-n", "--config", "datasets=[mine]")
    told = (done.stdout + done.stderr).split("SNAKEMAKE")[0]
    assert "Mine: labels 0 of 1" in told
    assert "did you mean Label/{name}?" in told


def test_gpu_jobs_do_not_share_a_device(project):
    # a dry run shows either a rule's message or its resources
    for path in (project / "workflow/rules").glob("*.smk"):
        path.write_text(re.sub(r'    message:\n        ".*"\n', "", path.read_text()))
    done = run_snakemake(project, "-n", "--config", "device=cuda")
    assert "gpu=1" in done.stdout + done.stderr
    # of this resource the profile that needs no flag has one: a second job waits
    assert "gpu=1" in (ROOT / "workflow/profiles/default/config.yaml").read_text()


def test_dvc_tracks_what_snakemake_makes(project):
    stages = {name: stage for name, stage in STAGES.items() if "do" not in stage}
    outs = [next(iter(out)) for stage in stages.values() for out in stage["outs"]]
    assert all(out[name]["persist"] for stage in stages.values() for out in stage["outs"] for name in out)
    done = run_snakemake(project, "--summary", check=False)
    made = {line.split("\t")[0] for line in done.stdout.splitlines()[1:]}
    assert made
    untracked = [file for file in made if not any(Path(file).is_relative_to(out) for out in outs)]
    assert untracked == []
    for stage in stages.values():
        for dependency in stage["deps"]:
            assert dependency.startswith("results/") or (ROOT / dependency).exists(), dependency


@pytest.mark.parametrize("name", [name for name, stage in STAGES.items() if "do" in stage])
def test_a_stage_of_real_data_names_its_files(name):
    """The raw folders it begins with, its configuration and table, and the folder of its results."""
    stage = STAGES[name]["do"]
    settings = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    raw = [
        yaml.safe_load((ROOT / f"config/datasets/{each}.yaml").read_text())["folder"] for each in settings["datasets"]
    ]
    given = {each for each in stage["deps"] if each.startswith("${item}/")}
    assert given == {f"${{item}}/{folder}" for folder in raw}
    assert {settings["experiments"], f"config/{name}.yaml"} < set(stage["deps"])
    assert all((ROOT / each).exists() for each in set(stage["deps"]) - given)
    assert stage["outs"] == [{settings["results"]: {"persist": True}}]
    assert stage["cmd"].endswith(f"--configfile config/{name}.yaml --config data_root=${{item}}")
