"""A ladder as a configuration and its experiments table declare it."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ssvif.cli.app import app
from ssvif.config.files import read_yaml
from ssvif.config.ladder import declare, ladder_inputs
from ssvif.config.plan import Plan
from ssvif.io.errors import UserError
from ssvif.schema import LADDER_ROLES
from ssvif.training.options import stage_one_key

ROOT = Path(__file__).parents[2]
COLUMNS = ("run", "kind", "title", "fusion_model", "framework", "seeds", "role", "note")
ROWS = (
    ("average", "baseline", "Average", "average", "", "", "input", ""),
    ("maximum", "baseline", "Maximum", "maximum", "", "", "", "no part of the ladder"),
    ("fusion_only", "trained", "Fusion only", "seafusion", "fusion_only", "0 1", "reference", ""),
    ("paper", "trained", "The paper", "seafusion", "ssvif", "0 1", "arm", "as the paper has it"),
)


def plan_of(folder, rows=ROWS, **settings):
    table = folder / "ladder.tsv"
    table.write_text("\n".join("\t".join(cells) for cells in (COLUMNS, *rows)) + "\n", "utf-8")
    values = {"datasets": ["scenes"], "experiments": str(table), "ladder": {"primary": "segmentation.miou"}}
    return Plan.load(values | settings, folder=ROOT / "config")


def test_a_row_with_a_role_is_an_arm_with_a_run_for_each_seed(tmp_path):
    declaration = declare(plan_of(tmp_path), "scenes")
    assert [(arm.name, arm.role, arm.title) for arm in declaration.arms] == [
        ("average", "input", "Average"),
        ("fusion_only", "reference", "Fusion only"),
        ("paper", "arm", "The paper"),
    ]
    assert [arm.runs for arm in declaration.arms] == [
        {"": "average"},
        {"0": "fusion_only_seed0", "1": "fusion_only_seed1"},
        {"0": "paper_seed0", "1": "paper_seed1"},
    ]
    assert declaration.arms[2].note == "as the paper has it"


@pytest.mark.parametrize(
    "changed", [{"ladder": {"margin": 1}}, {"training": {"gradient_share": 0.4}}, {"probe": {"shrinkage": 1}}]
)
def test_the_digest_is_of_all_that_is_declared(tmp_path, changed):
    assert declare(plan_of(tmp_path), "scenes").digest != declare(plan_of(tmp_path, **changed), "scenes").digest


def test_the_ladder_reads_scores_and_histories_of_its_runs_alone(tmp_path):
    plan = plan_of(tmp_path, detection=False)
    files = {path.relative_to(plan.settings.results / "scenes").as_posix() for path in ladder_inputs(plan, "scenes")}
    assert {"average/fusion_metrics.csv", "paper_seed1/segmentation/iou.csv", "paper_seed0/history.csv"} <= files
    assert not [name for name in files if name.startswith("maximum")]
    assert "average/history.csv" not in files


@pytest.mark.parametrize(
    ("rows", "settings", "says"),
    [
        (ROWS[:1], {}, "needs one reference.*got: +none"),
        ((*ROWS, ("two", "trained", "Two", "", "", "", "reference", "")), {}, "got: +fusion_only, two"),
        (ROWS[:3], {}, "`arm` in the column `role`"),
        (
            ROWS,
            {"ladder": {"order": [["average"], ["maximum"]]}},
            "names 'maximum', which is no run.*expected: +average",
        ),
        (ROWS, {"ladder": None}, "no section `ladder`.*--configfile config/ladder.yaml"),
    ],
)
def test_what_a_ladder_lacks_is_told(tmp_path, rows, settings, says):
    plan = plan_of(tmp_path, rows, **settings)
    with pytest.raises(UserError, match=f"(?s){says}"):
        declare(plan, "scenes")


def test_a_dataset_that_is_not_judged_on_is_told(tmp_path):
    with pytest.raises(UserError, match=r"(?s)judges nothing on 'msrs'.*expected: +scenes"):
        declare(plan_of(tmp_path), "msrs")


def test_the_command_takes_a_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = ["ladder", "--results", str(tmp_path), "--output", str(tmp_path / "ladder"), "--preset", "scenes"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert "A ladder of experiments on Scenes" in (tmp_path / "ladder/results.md").read_text("utf-8")


def test_the_score_that_decides_must_be_wanted(tmp_path):
    plan = plan_of(tmp_path, segmentation=False)
    with pytest.raises(UserError, match=r"decided by segmentation.miou, and no run of it is judged so"):
        ladder_inputs(plan, "scenes")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"primary": "probe.map"}, "ladder.primary.*'probe.mean_ap'"),
        ({"margin": 0}, "ladder.margin"),
        ({"level": 0.7}, "ladder.level"),
        ({"margins": 1}, "ladder.margins: unknown key"),
    ],
)
def test_a_wrong_setting_of_the_ladder_is_told(tmp_path, settings, says):
    with pytest.raises(UserError, match=says):
        plan_of(tmp_path, ladder=settings)


def test_an_unknown_role_is_told_with_those_there_are(tmp_path):
    with pytest.raises(UserError, match=r"(?s)unknown role 'judge'.*input \| reference \| arm \| negative \| positive"):
        plan_of(tmp_path, (("average", "baseline", "Average", "average", "", "", "judge", ""),))


def test_the_shipped_ladders_have_the_same_arms_on_real_pairs_and_on_scenes(monkeypatch):
    """But for the released network, whose weights a newcomer lacks, the dataset that trains the runs, and the seeds."""
    monkeypatch.chdir(ROOT)
    values = read_yaml(ROOT / "config/ladder.yaml")
    real, scenes = (
        {arm.name: arm for arm in declare(Plan.load(each, folder=ROOT / "config"), name).arms}
        for each, name in ((values, "msrs"), (values | {"preset": "scenes"}, "scenes"))
    )
    assert set(real) - set(scenes) == {"seafusion_released"}
    assert all(replace(arm, runs={}) == replace(real[name], runs={}) for name, arm in scenes.items())
    assert {arm.role for arm in real.values()} == set(LADDER_ROLES)
    for arms in (real, scenes):
        (seeds,) = {tuple(arm.runs) for arm in arms.values() if arm.role != "input"}
        assert len(seeds) >= 3


def test_the_probe_sees_halved_images_at_the_size_at_which_it_sees_whole_ones(monkeypatch):
    monkeypatch.chdir(ROOT)
    values = read_yaml(ROOT / "config/ladder.yaml")
    whole, halved = (Plan.load(values | {"preset": name}).judge_options("msrs", "probe") for name in ("", "halved"))
    assert halved == replace(whole, scale=2 * whole.scale, cell_px=whole.cell_px // 2)


def test_the_shipped_arms_of_a_seed_share_one_first_stage(monkeypatch):
    monkeypatch.chdir(ROOT)
    for preset in ("", "scenes"):
        plan = Plan.load(read_yaml(ROOT / "config/ladder.yaml") | {"preset": preset})
        trained = [run for run in plan.runs.values() if run.kind == "trained"]
        keys = {(run.training["seed"], stage_one_key(plan.training(run.name))) for run in trained}
        seeds = [seed for seed, _ in keys]
        assert len(seeds) == len(set(seeds)) >= 3
        assert {run.train_on for run in trained} == {"" if preset else "msrs128"}
