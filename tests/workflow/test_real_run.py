"""One real run of the whole workflow, and what must hold afterwards. Slow: it trains, if only a little."""

import pytest
from workflow_tools import copy_project, jobs, run_snakemake

from ssvif.io.files import read_csv

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # the workflow runs, on a busy machine for long


@pytest.fixture
def table(finished):
    path = finished / "config/experiments/demo.tsv"
    before = path.read_text()
    yield path
    path.write_text(before)


@pytest.fixture
def source(finished):
    path = finished / "src/ssvif/losses/consistency.py"
    before = path.read_text()
    yield path
    path.write_text(before)


def test_everything_is_there(finished):
    for name in ("average", "seafusion_fusion_only", "seafusion_ssvif"):
        run = finished / "results/scenes" / name
        assert len(list((run / "fused/test").glob("*.png"))) == 4
        rows = read_csv(run / "fusion_metrics.csv")
        assert {row["pair_id"] for row in rows} == {path.stem for path in (run / "fused/test").glob("*.png")}
        assert read_csv(run / "segmentation/iou.csv")
        assert read_csv(run / "detection/ap.csv")
        assert read_csv(run / "probe/scores.csv")
    assert (finished / "results/report/index.html").is_file()
    assert (finished / "results/tables/fusion_metrics_scenes.tex").is_file()
    assert not [path for path in (finished / "results/.state").rglob("*") if path.is_file()]


def test_shards_give_the_same_images_and_scores(finished, tmp_path):
    project, target = copy_project(tmp_path), "results/scenes/average/fusion_metrics.csv"
    run_snakemake(project, "--cores", "2", target, "--config", "shards=3")
    run = project / "results/scenes/average"
    assert sorted(path.name for path in run.iterdir()) == ["fused", "fusion_metrics.csv"]
    assert (project / target).read_bytes() == (finished / target).read_bytes()
    for path in (finished / "results/scenes/average/fused").rglob("*.png"):
        assert (run / path.relative_to(finished / "results/scenes/average")).read_bytes() == path.read_bytes()


def test_snakemakes_own_report_holds_tables_and_figures(finished, tmp_path):
    run_snakemake(finished, "--report", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for each in ("Tables of the paper", "table_9.html", "fusion_metrics_scenes.csv", "fusion_scenes.png"):
        assert each in text


def test_a_second_run_has_nothing_to_do(finished):
    assert jobs(run_snakemake(finished, "-n")) == {}


def test_a_lost_intermediate_is_made_again(finished):
    # as after a failed job, whose old output Snakemake deletes while it remembers the new settings as done
    pairs = finished / "results/scenes/data/pairs.h5"
    aside = pairs.rename(pairs.with_suffix(".aside"))
    try:
        assert jobs(run_snakemake(finished, "-n"))["pack"] == 1
    finally:
        aside.rename(pairs)


def test_another_weighting_reruns_that_run_alone(finished, table):
    table.write_text(table.read_text().replace("gdwa", "fixed"))
    counted = jobs(run_snakemake(finished, "-n"))
    assert {counted[rule] for rule in ("train", "fuse", "score", "segment", "detect", "probe")} == {1}
    assert not {"pack", "stage_one"} & counted.keys()


def test_a_comment_reruns_nothing_and_a_changed_loss_both_trainings(finished, source):
    source.write_text(source.read_text() + "\n# a remark\n")
    assert jobs(run_snakemake(finished, "-n")) == {}
    source.write_text(source.read_text().replace("DICE_EPSILON = 1.0", "DICE_EPSILON = 2.0"))
    counted = jobs(run_snakemake(finished, "-n"))
    assert counted["train"] == 2
    assert "stage_one" not in counted
