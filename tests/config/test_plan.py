"""What a configuration asks for, planned without Snakemake."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ssvif.config.files import read_yaml
from ssvif.config.plan import Plan
from ssvif.config.settings import load_settings, to_yaml
from ssvif.io.errors import UserError
from ssvif.models import names
from ssvif.schema import RUN_FILES

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
NINE = [str(number) for number in range(1, 10)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory with the project's configuration."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan_of(name, **changes):
    return Plan.load(read_yaml(Path(f"config/{name}.yaml")) | changes)


def plan_rows(folder, columns, *rows, **changes):
    (folder / "runs.tsv").write_text("\n".join(line.replace("|", "\t") for line in (columns, *rows)) + "\n")
    training = read_yaml(Path("config/config.yaml"))["training"] | {"initialization": "default"}  # for any network
    return plan_of("config", experiments="runs.tsv", **{"training": training, **changes})


def runs_and_files(plan, table):
    """The (dataset, run) that a table needs, and their files, without results/efficiency.csv."""
    paths = [path.relative_to(plan.settings.results) for path in plan.table_scores(table)]
    parts = [path.parts for path in paths if path.name != "efficiency.csv"]
    return {(dataset, run) for dataset, run, *_ in parts}, {"/".join(file) for _, _, *file in parts}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_has_runs_scores_and_the_nine_tables(path):
    plan = plan_of(path.stem)
    beyond = ["extra"] if path.stem == "paper" else []  # a table of ours, only where a run names it
    assert plan.tables == [*NINE, *beyond]
    assert plan.scores
    assert len(plan.fused) == len([file for file in plan.scores if file.name == "fusion_metrics.csv"]) >= 3
    costs = plan.settings.results / "efficiency.csv"
    assert all({*plan.table_scores(table)} <= {*plan.scores, costs} for table in plan.tables)
    assert load_settings(yaml.safe_load(to_yaml(plan.settings))) == replace(plan.settings, preset="")


@pytest.mark.parametrize(
    ("name", "table", "trained", "scores"),
    [
        ("paper", "1", 2, {"segmentation"}),
        ("paper", "3", 11, {"fusion_metrics", "segmentation"}),
        ("paper", "4", 0, set()),
        ("paper", "9", 1, {"detection"}),
        ("config", "2", 2, {"fusion_metrics"}),
        ("config", "3", 2, {"fusion_metrics", "segmentation"}),
        ("config", "8", 0, set()),
    ],
)
def test_a_table_needs_its_own_runs_and_scores_alone(name, table, trained, scores):
    plan = plan_of(name)
    runs, files = runs_and_files(plan, table)
    assert len([run for run in runs if plan.runs[run[1]].kind == "trained"]) == trained
    assert files == {RUN_FILES[score] for score in scores}
    assert (plan.settings.results / "efficiency.csv" in plan.table_scores(table)) == (table == "4")


def test_a_configuration_may_show_a_table_of_another_dataset():
    plan = plan_of("paper", tables={"8": ["msrs"]})
    assert {argument.split("/")[0] for argument in plan.run_arguments("8")} == {"--run=msrs"}
    assert "--run=msrs/swinfusion_one_channel_seed0=" in " ".join(plan.run_arguments("8"))
    assert {path.parts[2] for path in plan.table_scores("8")} == {"msrs"}


def test_tables_of_runs_and_of_the_configuration_must_exist(folder):
    with pytest.raises(UserError, match="run 'b': there is no table '44'"):
        plan_rows(folder, "run|tables", "a|3", "b|44")
    with pytest.raises(UserError, match=r"`tables` in the configuration: there is no table '33'"):
        plan_rows(folder, "run|tables", "a|3", tables={"33": ["scenes"]})
    with pytest.raises(UserError, match="msrs is not among the datasets"):
        plan_rows(folder, "run|tables", "a|3", tables={"3": ["msrs"]})


def test_what_each_kind_of_run_is_fused_from(folder):
    (folder / "their net.pth").touch()
    (folder / "theirs/test").mkdir(parents=True)
    plan = plan_rows(
        folder,
        "run|kind|fusion_model|checkpoint|images",
        "ours|trained|emma||",
        "released|published|seafusion|their net.pth|",
        "theirs|images|||theirs",
        "mean|baseline|average||",
    )
    model = Path("results/scenes/ours/model.safetensors")
    expected = {
        "ours": ((model,), ["--model", str(model), "--inference", "plain"]),
        "released": (
            (Path("their net.pth"),),
            ["--checkpoint", "their net.pth", "--network", "seafusion", "--inference", "seafusion"],
        ),
        "theirs": ((Path("theirs"),), ["--images", "theirs"]),
        "mean": ((), ["--baseline", "average"]),
    }
    found = {run: (plan.fuse_inputs("scenes", run), plan.fuse_arguments("scenes", run)) for run in plan.runs}
    assert found == expected
    assert plan.trained == [model.parent]
    assert plan.networks == ["swinfusion", "emma", "seafusion", "emma/3", "seafusion/1"]
    assert [each for each in plan.figure_arguments() if "network" in each] == [
        "--network=scenes/ours=emma/3",
        "--network=scenes/released=seafusion/1",
    ]
    assert len({plan.fuse_code(run) for run in plan.runs}) == 4
    assert model in plan.products


def test_each_file_of_a_released_checkpoint_is_an_input(folder):
    """Snakemake looks at a folder's own time alone, not at that of the files in it."""
    rows = ("released|published|timfusion|theirs", "mean|baseline|average|")
    plan = plan_rows(folder, "run|kind|fusion_model|checkpoint", *rows)
    assert plan.fuse_inputs("scenes", "released") == (
        Path("theirs/weights_1_1059.pt"),
        Path("theirs/weights_2_1059.pt"),
    )
    assert plan.fuse_arguments("scenes", "released")[:2] == ["--checkpoint", "theirs"]


def test_the_table_names_the_class_of_an_own_network_and_not_the_file(folder):
    (folder / "my").mkdir()
    (folder / "my/module.py").write_text("class Net: ...\n")
    plan = plan_rows(folder, "run|kind|fusion_model", "mine|trained|my.module:Net")
    words = plan.fuse_arguments("scenes", "mine")
    assert words[2:4] == ["--network", "my.module:Net"]
    assert plan.table_titles("4") == ["--title=my.module:Net/3=mine"]
    assert plan.table_titles("2") == ["--title=scenes=Scenes"]


def test_a_training_does_not_depend_on_the_code_of_another_network(folder):
    plan = plan_rows(folder, "run|fusion_model|seed", "a|emma|0", "b|emma|1", "c|seafusion|0")
    assert plan.training_code("a") == plan.training_code("b") != plan.training_code("c")


def test_a_run_may_be_trained_on_a_dataset_that_judges_nothing(folder):
    rows = (
        "run|kind|fusion_model|train_on|seeds",
        "far|trained||msrs128|0 1",
        "near|trained|||",
        "mean|baseline|average||",
    )
    plan = plan_rows(folder, *rows, datasets=["msrs", "fmb"])
    results = plan.settings.results
    assert [*plan.descriptors] == ["msrs", "fmb", "msrs128"]
    assert [*plan.shown] == ["msrs", "fmb"]
    assert plan.packed("msrs", "far_seed1") == plan.packed("msrs128") == results / "msrs128/data/pairs.h5"
    assert plan.packed("msrs", "near") == plan.packed("msrs") == results / "msrs/data/pairs.h5"
    assert results / "msrs/far_seed0/model.safetensors" in plan.products
    below = [path for path in (*plan.products, *plan.scores, *plan.fused) if path.is_relative_to(results / "msrs128")]
    assert [path.name for path in below] == ["pairs.h5", "splits.csv"]
    assert not any("msrs128" in each for each in (*plan.run_arguments(), *plan.source_arguments()))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a|trained||nowhere", "config/datasets/nowhere.yaml does not exist"),
        ("a|trained||../fmb", "run 'a': `train_on` names no dataset: '../fmb'"),
        ("a|baseline|average|msrs128", "a run of kind 'baseline' does not use train_on"),
    ],
)
def test_what_a_run_is_trained_on_must_exist(folder, row, message):
    with pytest.raises(UserError, match=message):
        plan_rows(folder, "run|kind|fusion_model|train_on", row)


def test_a_training_depends_on_the_content_of_the_weights_that_it_starts_from(folder, tmp_path, monkeypatch):
    shutil.copytree(names.WEIGHTS, tmp_path / "weights")
    monkeypatch.setattr(names, "WEIGHTS", tmp_path / "weights")
    table = "run|fusion_model|initialization", "a|lite|scaled", "b|lite|fast"
    plan = plan_rows(folder, *table)
    before = [plan.training_code(run) for run in "ab"]
    shutil.copy(tmp_path / "weights/accurate.safetensors", tmp_path / "weights/fast.safetensors")
    assert [plan.training_code(run) == old for run, old in zip("ab", before, strict=True)] == [True, False]
    with pytest.raises(UserError, match=r"run 'b': `initialization: fast` does not fit lite(?s:.*)seafusion"):
        plan_rows(folder, *table)


def test_fusion_only_does_not_depend_on_what_a_second_task_reads(folder):
    head, rows = "run|framework|gradient_share|classes|learning_rate", ("a|fusion_only|{}", "b|ssvif|{}")
    one, two, three = (
        plan_rows(folder, head, *(row.format(cells) for row in rows)) for cells in ("0.5|15|", "0.7|9|", "0.5|15|0.01")
    )
    assert one.training("a") == two.training("a") != three.training("a")
    assert one.training("b") != two.training("b")


def test_runs_that_differ_in_stage_two_alone_share_stage_one(folder):
    plan = plan_rows(
        folder,
        "run|framework|weighting|stages|classes|train_on|seeds",
        "a|ssvif|gdwa|two|||0 1",
        "b|ssvif|fixed|two|5||0",
        "c|fusion_only|||||0",
        "d|||one|||0",
        "e|||||msrs128|0",
    )
    stage_one = {run: plan.stage_one("scenes", run) for run in plan.runs}
    assert stage_one["a_seed0"] == stage_one["b_seed0"] == stage_one["c_seed0"] != stage_one["a_seed1"]
    assert stage_one["d_seed0"] is None
    assert stage_one["e_seed0"] == plan.settings.results / "msrs128/stage_one" / stage_one["a_seed0"].name
    assert {path.stem for path in stage_one.values() if path} == {*plan.stages_one}
    assert sorted(options.seed for options in plan.stages_one.values()) == [0, 1]
    inputs = plan.train_inputs("scenes", "a_seed1")
    assert inputs == {"pairs": plan.packed("scenes"), "stage_one": stage_one["a_seed1"]}
    assert plan.train_inputs("scenes", "d_seed0") == {"pairs": plan.packed("scenes")}


def test_one_row_serves_several_datasets(folder):
    plan = plan_rows(
        folder,
        "run|kind|fusion_model|images|checkpoint",
        "a|images||{data_root}/{folder}/published/A|",
        "b|published|sage||{data_root}/{dataset}.pt",
        "c|images||images of c|",
        "d|baseline|average||",
        datasets=["msrs", "fmb"],
        data_root="raw",
    )
    assert plan.located("msrs", "a").images == "raw/MSRS/published/A"
    assert plan.located("fmb", "b").checkpoint == "raw/fmb.pt"
    assert plan.located("fmb", "c") == plan.runs["c"]
    assert {dataset: [run.name for run in runs] for dataset, runs in plan.shown.items()} == {
        "msrs": ["d"],
        "fmb": ["d"],
    }
    (folder / "raw/MSRS/published/A").mkdir(parents=True)
    (folder / "raw/fmb.pt").touch()
    plan = plan_of("config", experiments="runs.tsv", datasets=["msrs", "fmb"], data_root="raw")
    assert plan.missing == {
        ("fmb", "a"): "raw/FMB/published/A",
        ("msrs", "b"): "raw/msrs.pt",
        ("msrs", "c"): "images of c",
        ("fmb", "c"): "images of c",
    }
    assert "a is left out on FMB: no raw/FMB/published/A; config/experiments/README.md" in "\n".join(plan.left_out)
    assert (ROOT / "config/experiments/README.md").is_file()


def paper_with_images(folder, **titles):
    """The paper's configuration, for somebody who has images of some methods instead of their checkpoints."""
    lines = (ROOT / "config/experiments/paper.tsv").read_text(encoding="utf-8").splitlines()
    columns = lines[0].split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=False)) for line in lines[1:] if not line.startswith("#")]
    for row in rows:
        if title := titles.get(row["run"]):
            row |= {"kind": "images", "fusion_model": "", "checkpoint": ""}
            row["images"] = f"{{data_root}}/{{folder}}/published/{title}"
    cells = ["\t".join(row.get(column, "") for column in columns) for row in rows]
    (folder / "images.tsv").write_text("\n".join([lines[0], *cells, ""]), encoding="utf-8")
    return plan_of("paper", experiments=str(folder / "images.tsv"))


def test_of_the_compared_methods_those_are_shown_whose_files_are_there(folder):
    (folder / "data/MSRS/published/CDDFuse").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/sage_published.pt").touch()
    plan = paper_with_images(folder, cddfuse="CDDFuse")
    assert {run for _, run in runs_and_files(plan, "2")[0]} == {"swinfusion_ssvif_seed0", "sage", "cddfuse"}
    told = [line for line in plan.left_out if "is left out on" in line]
    assert "CDDFuse is left out on FMB, M3FD: no data/FMB/published/CDDFuse, data/M3FD/published/CDDFuse;" in told[0]
    names = ["CDDFuse", "TIMFusion", "SwinFusion", "EMMA", "MRFS", "SeAFusion", "SegMiF"]
    assert [line.split()[0] for line in told] == names
    assert "CDDFuse is not segmented, detected or probed on MSRS." in "\n".join(plan.left_out)


def test_images_of_the_training_pairs_are_judged_downstream_too(folder):
    """Where there is no official split, in one folder."""
    (folder / "data/M3FD/published/MRFS/all").mkdir(parents=True)
    (folder / "data/M3FD/published/SegMiF").mkdir()
    plan = paper_with_images(folder, mrfs="MRFS", segmif="SegMiF")
    runs = [run for _, run in runs_and_files(plan, "5")[0]]
    assert "mrfs" in runs
    assert "segmif" not in runs  # it has none to train a detector on


def test_a_judge_that_nobody_wants_or_that_lacks_labels_is_left_out():
    assert plan_of("config").judges("scenes") == ["segmentation", "detection", "probe"]
    assert plan_of("config", detection=False, probe=False).judges("scenes") == ["segmentation"]
    assert plan_of("paper").judges("m3fd") == ["detection"]
    assert plan_of("paper", probe={}).judges("m3fd") == ["detection", "probe"]  # boxes will do
    assert plan_of("paper", probe={"labels": "masks"}).judges("m3fd") == ["detection"]
    plan = plan_of("roadscene", segmentation={}, detection=False)
    assert plan.judges("roadscene") == []
    assert any(line == "RoadScene: no labels, so segmentation is left out." for line in plan.left_out)
    with pytest.raises(UserError, match="`detection: false` leaves detection out"):
        plan.judge_options("roadscene", "detection")
    with pytest.raises(UserError, match="segmentation needs labels, and the dataset 'roadscene' has none"):
        plan.judge_options("roadscene", "segmentation")


@pytest.mark.parametrize(
    ("pairs", "arguments"), [(5, ["--pairs=5"]), (["scenes/1U", "scenes/2U"], ["--pair=scenes/1U", "--pair=scenes/2U"])]
)
def test_figures_show_a_number_of_pairs_or_those_named(pairs, arguments):
    assert plan_of("config", report={"figure_pairs": pairs}).figure_arguments()[: len(arguments)] == arguments


@pytest.mark.parametrize("pairs", [-1, "many", ["50001U"], ["scenes/a/b"]])
def test_figure_pairs_are_a_number_or_names_with_their_dataset(pairs):
    with pytest.raises(UserError, match=r"report\.figure_pairs"):
        plan_of("config", report={"figure_pairs": pairs})
