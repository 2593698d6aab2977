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
    assert counted["report"] == counted["score_tables"] == counted["table_1"] == 1
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


NINE = [f"table_{number}" for number in range(1, 10)]
NEEDED = {
    ("paper.yaml", "table_1"): {"train": 2, "fuse": 2, "segment": 2},
    ("paper.yaml", "table_4"): {"efficiency": 1},
    ("paper.yaml", "table_9"): {"train": 1, "fuse": 1, "detect": 1},
    ("tiny.yaml", "table_2"): {"train": 2, "fuse": 3, "score": 3},
    ("tiny.yaml", "table_3"): {"train": 2, "fuse": 2, "score": 2, "segment": 2},
    ("tiny.yaml", "table_8"): {},
}


@pytest.mark.parametrize(("name", "table"), NEEDED)
def test_a_table_needs_its_own_runs_alone(project, name, table):
    (project / "config/tiny.yaml").write_text((project / "config/config.yaml").read_text())
    found = jobs(run_snakemake(project, "-n", table, "--configfile", f"config/{name}"))
    found = {rule: count for rule, count in found.items() if rule not in ("scenes", "split", "pack", "total")}
    assert found == {table: 1, **NEEDED[name, table]}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_nine_tables_are_targets_of_every_configuration(project, name):
    (project / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    counted = jobs(run_snakemake(project, "-n", *NINE, "--configfile", f"config/{name}"))
    assert [counted[table] for table in NINE] == [1] * 9
    assert counted["efficiency"] == 1
    assert "report" not in counted


def test_the_nine_tables_and_one_beyond_the_paper_are_part_of_all_of_it(project):
    done = run_snakemake(project, "-n", "tables", "--configfile", "config/paper.yaml")
    counted = jobs(done)
    assert all(counted[name] == 1 for name in (*NINE, "table_extra"))
    assert counted["tables"] == counted["score_tables"] == counted["efficiency"] == 1
    assert "table_extra" not in jobs(run_snakemake(project, "-n", "tables"))


def test_a_configuration_may_show_a_table_of_another_dataset(project):
    path = project / "config/paper.yaml"
    path.write_text(path.read_text() + '\ntables: {"8": [msrs]}\n')
    done = run_snakemake(project, "-n", "-p", "table_8", "--configfile", "config/paper.yaml")
    assert jobs(done)["segment"] == 2
    text = done.stdout + done.stderr
    assert "--run=msrs/swinfusion_one_channel_seed0=" in text
    assert "results/paper/fmb" not in text


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


def test_a_method_whose_files_are_not_there_is_left_out_and_told(project):
    """Of the paper's compared methods one has images on one dataset, and one checkpoint is there."""
    (project / "data/MSRS/published/CDDFuse").mkdir(parents=True)
    (project / "checkpoints").mkdir()
    (project / "checkpoints/sage_published.pt").touch()
    done = run_snakemake(project, "-n", "-p", "table_2", "--configfile", "config/paper.yaml")
    counted = jobs(done)
    text = done.stdout + done.stderr
    assert (counted["train"], counted["fuse"], counted["score"]) == (2, 5, 5)  # SSVIF and SAGE twice, CDDFuse once
    assert "--images data/MSRS/published/CDDFuse" in text
    assert "--checkpoint data/../checkpoints/sage_published.pt --network sage --inference sage" in text
    told = [line for line in text.splitlines() if "is left out on" in line]
    assert "CDDFuse is left out on FMB, M3FD: no data/FMB/published/CDDFuse, data/M3FD/published/CDDFuse;" in told[0]
    assert "config/experiments/README.md" in told[0]
    assert (project / "config/experiments/README.md").is_file()
    assert [line.split()[0] for line in told] == [
        "CDDFuse",
        "TIMFusion",
        "SwinFusion",
        "EMMA",
        "MRFS",
        "SeAFusion",
        "SegMiF",
    ]
    assert "CDDFuse is not segmented or detected on MSRS." in text


def test_a_method_that_is_asked_for_by_name_must_be_there(project):
    target = "results/paper/fmb/cddfuse/fusion_metrics.csv"
    done = run_snakemake(project, "-n", target, "--configfile", "config/paper.yaml", check=False)
    assert done.returncode
    told = done.stdout + done.stderr
    assert "data/FMB/published/CDDFuse" in told.split("Missing input files for rule fuse")[1]
    assert "Traceback" not in told


def test_images_of_the_training_pairs_are_judged_downstream_too(project):
    """Where there is no official split, in one folder."""
    (project / "data/M3FD/published/MRFS/all").mkdir(parents=True)
    (project / "data/M3FD/published/SegMiF").mkdir()
    done = run_snakemake(project, "-n", "table_5", "--configfile", "config/paper.yaml")
    counted = jobs(done)
    assert (counted["fuse"], counted["detect"]) == (2, 2)  # SegMiF has none to train a detector on
    assert "score" not in counted


def test_released_weights_and_images_are_runs_of_the_sample(project, shared):
    done = run_snakemake(
        project, "-n", "-p", "--configfile", "config/msrs_sample.yaml", "--config", f"data_root={shared / 'data'}"
    )
    counted, text = jobs(done), done.stdout + done.stderr
    assert (counted["fuse"], counted["score"], counted["segment"], counted["detect"]) == (6, 6, 5, 5)
    assert "published/SeAFusion" in text
    assert "SeAFusion, released images is not segmented or detected on MSRS" in text
    assert "left out" not in text


def test_a_configuration_with_nothing_to_run_says_so(project):
    table = "run\tkind\timages\ntheirs\timages\tnowhere\n"
    (project / "config/experiments/demo.tsv").write_text(table)
    done = run_snakemake(project, "-n", check=False)
    assert done.returncode
    assert "theirs is left out on Scenes: no nowhere" in done.stdout + done.stderr


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
