import re
from pathlib import Path

import pytest
from workflow_tools import jobs, run_snakemake

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_configuration_gives_a_graph(project, name):
    (project / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    done = run_snakemake(project, "-n", "--configfile", f"config/{name}")
    counted = jobs(done)
    assert counted["report"] == counted["tables"] == 1
    assert counted["score"] == counted["fuse"] >= 3
    if name == "roadscene.yaml":
        assert "segment" not in counted
        assert "detect" not in counted


def test_a_table_of_the_paper_is_a_target(project):
    """Table III: three networks with and without SSVIF, four other weightings, one stage; on FMB alone."""
    done = run_snakemake(project, "-n", "table_3", "--configfile", "config/paper.yaml")
    assert jobs(done) == {
        "split": 1, "pack": 1, "train": 11, "fuse": 11, "score": 11, "segment": 11, "table_3": 1, "total": 47,
    }  # fmt: skip
    assert "results/paper/msrs" not in done.stdout + done.stderr


def test_several_seeds_of_a_row_are_several_runs(project):
    path = project / "config/experiments/paper.tsv"
    text = path.read_text()
    path.write_text(text.replace("\t\t1\t0\t8\t", "\t\t1\t0 1 2\t8\t"))
    assert path.read_text() != text
    done = run_snakemake(project, "-n", "table_8", "--configfile", "config/paper.yaml")
    assert jobs(done)["train"] == 4


def test_a_released_checkpoint_is_a_run(project):
    (project / "their net.pth").touch()
    table = "run\tkind\tfusion_model\tcheckpoint\ntheirs\tpublished\tseafusion\ttheir net.pth\n"
    (project / "config/experiments/demo.tsv").write_text(table)
    done = run_snakemake(project, "-n", "-p")
    assert "train" not in jobs(done)
    text = done.stdout + done.stderr
    assert "--checkpoint 'their net.pth' --network seafusion --inference seafusion" in text


def test_one_file_of_one_run_is_a_target(project):
    done = run_snakemake(project, "-n", "--cores", "2", "results/scenes/seafusion_ssvif/fusion_metrics.csv")
    assert jobs(done) == {
        "scenes": 1, "split": 1, "pack": 1, "train": 1, "fuse": 1, "score": 1, "total": 6,
    }  # fmt: skip


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
        ("preset: fast", "Unknown preset 'fast'"),
    ],
)
def test_a_bad_configuration_is_refused_before_anything_runs(project, change, message):
    base = "" if change.startswith(("datasets", "experiments")) else "experiments: config/experiments/demo.tsv\n"
    base += "" if change.startswith("datasets") else "datasets: [scenes]\n"
    base += "experiments: config/experiments/demo.tsv\n" if change.startswith("datasets") else ""
    (project / "config/config.yaml").write_text(base + change + "\n")
    done = run_snakemake(project, "-n", check=False)  # dry, so that a check that is missing does not train for hours
    assert done.returncode
    told = done.stdout + done.stderr
    assert message in told
    assert len(told.splitlines()) < 25
    assert not (project / "results").exists()


def test_detection_can_be_left_out(project):
    done = run_snakemake(project, "-n", "--config", "detection=false")
    assert "detect" not in jobs(done)


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


def test_gpu_jobs_do_not_share_a_device(project):
    # a dry run shows either a rule's message or its resources
    for path in (project / "workflow/rules").glob("*.smk"):
        path.write_text(re.sub(r'    message:\n        ".*"\n', "", path.read_text()))
    done = run_snakemake(project, "-n", "--config", "device=cuda")
    assert "gpu=1" in done.stdout + done.stderr
    # of this resource the profile that needs no flag has one: a second job waits
    assert "gpu=1" in (ROOT / "workflow/profiles/default/config.yaml").read_text()


def test_dvc_tracks_what_snakemake_makes(project):
    import yaml

    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
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
