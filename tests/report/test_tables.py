import json
import re

import pytest

from report.made_results import write, write_iou, write_metrics, write_probe
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.report.runs import RunLabel, parse_runs
from ssvif.report.tables import UNMARKED, make_tables, read_table
from ssvif.schema import JUDGE_COLUMNS, LEFT_OUT, METRIC_COLUMNS, NOTE, PROBE_COLUMNS, RUN_FILES

RUNS = {"toy": [RunLabel("average"), RunLabel("ours", "Ours & 100 %")]}


@pytest.fixture
def make(results, tmp_path):
    """Make the tables of the results; return one as it is read again."""

    def run(kind="fusion_metrics", *labels: RunLabel):
        make_tables(results, tmp_path / "t", {"toy": labels} if labels else RUNS)
        return read_table(tmp_path / f"t/{kind}_toy.csv", "Toy")

    return run


def column(table, heading):
    """The cells under a heading, by the labels of their rows."""
    place = [head.text for head in table.headings].index(heading)
    return {row.label: row.cells[place] for row in table.rows}


def test_means_keep_full_digits_in_csv_and_round_in_print(results, make, tmp_path):
    write_metrics(results, "average", {"en": [1 / 3, 2 / 3, 1 / 3]})
    assert column(make(), "EN")["average"].text == "0.444"
    rows = read_csv(tmp_path / "t/fusion_metrics_toy.csv")
    row = next(row for row in rows if row["run"] == "average" and row["metric"] == "en")
    assert (row["mean"], row["images"], row["class"]) == ("0.4444444444", "3", "")


def test_means_are_in_one_file_by_dataset_run_and_kind(results, make, tmp_path):
    write_metrics(results, "average", {"en": [1.0, 2.0]})
    make()
    means = json.loads((tmp_path / "t/means.json").read_text())["toy"]
    assert list(means) == ["average", "ours"]
    assert means["average"]["fusion_metrics.en"] == 1.5
    assert "segmentation.miou" in means["average"]
    assert not [name for name in means["average"] if name.endswith((".iou", ".ap", ".left_out"))], "means alone"


def test_rows_and_columns_follow_the_given_runs_and_the_metrics_order(make):
    table = make("fusion_metrics", *reversed(RUNS["toy"]))
    assert [row.label for row in table.rows] == ["Ours & 100 %", "average"]
    assert [head.text for head in table.headings] == ["EN", "MS-SSIM (L=1)", "ΔE76"]
    # as in the paper's tables: classes before their mean, each with its direction
    assert [head.shown for head in make("segmentation").headings] == ["sky ↑", "person ↑", "bike ↑", "mIoU (%) ↑"]


@pytest.mark.parametrize(
    ("metric", "heading", "ranks"), [("vif", "VIF", [1, 2, 1, 0]), ("delta_e76", "ΔE76", [0, 2, 0, 1])]
)
def test_best_and_second_are_marked_in_the_metrics_direction_and_alike_where_they_print_alike(
    results, make, tmp_path, metric, heading, ranks
):
    for run, value in {"average": 0.70001, "third": 0.6, "ours": 0.70002, "fourth": 0.5}.items():
        write_metrics(results, run, {metric: [value]})
    table = make("fusion_metrics", *map(RunLabel, ("average", "third", "ours", "fourth")))
    assert [cell.rank for cell in column(table, heading).values()] == ranks
    assert "<u>0.60" in (tmp_path / "t/fusion_metrics_toy.md").read_text()
    assert "\\underline{0.60" in (tmp_path / "t/fusion_metrics_toy.tex").read_text()


def test_empty_values_are_skipped_and_counted(results, make):
    table = make()
    assert column(table, "MS-SSIM (L=1)")["average"].text == "–"
    assert "MS-SSIM (L=1): not defined at this image size." in table.notes
    write_metrics(results, "ours", {"ms_ssim": [0.5, "", 1.0]})
    table = make()
    assert column(table, "MS-SSIM (L=1)")["Ours & 100 %"].text == "0.750"
    assert any("mean over 2 of 3 images" in note for note in table.notes)


def test_nan_makes_the_mean_nan_and_names_the_image(results, make, tmp_path, caplog):
    write_metrics(results, "ours", {"en": [7.0, "nan"]})
    table = make()
    assert [(cell.text, cell.rank) for cell in column(table, "EN").values()] == [("6.500", 0), ("NaN", 0)]
    assert {row["mean"] for row in read_csv(tmp_path / "t/fusion_metrics_toy.csv") if row["run"] == "ours"} == {"nan"}
    assert "EN of Ours & 100 %: NaN for 002." in table.notes
    assert "NaN for 002" in caplog.text


def test_titles_with_commas_are_told_apart_in_notes(results, make):
    for run in ("average", "ours"):
        write_metrics(results, run, {"en": ["nan", 7.0], "vif": ["nan", 0.5]})
    write_metrics(results, "third", {"en": [7.0, 7.0]})
    table = make("fusion_metrics", RunLabel("average", "Net, plain"), RunLabel("ours", "Net, ours"), RunLabel("third"))
    assert "EN, VIF of Net, plain; Net, ours: NaN for 001." in table.notes


def test_segmentation_is_in_percent_and_says_how_it_started(make):
    table = make("segmentation")
    assert [cell.text for cell in table.rows[0].cells] == ["90.00", "50.00", "–", "70.00"]
    assert table.caption.endswith("from scratch.")
    assert "bike: absent from the test labels." in table.notes


def test_the_probes_table_has_scores_over_all_cells_and_names_the_labels(results, make):
    write_probe(results / "toy/average", [1.0, 1.5], [0.25, 0.5])
    write_probe(results / "toy/ours", [1.0, 1.0], [0.5, 0.5])
    table = make("probe")
    assert [head.shown for head in table.headings] == [
        "log-loss ↓", "person ↑", "bus ↑", "mean AP (cells) (%) ↑", "mIoU (%) ↑"
    ]  # fmt: skip
    assert [cell.text for cell in column(table, "log-loss").values()] == ["1.250", "1.000"]
    assert [cell.text for cell in column(table, "person").values()] == ["37.50", "50.00"]
    assert [cell.rank for cell in column(table, "log-loss").values()] == [0, 1]
    assert "classes from boxes, 2 images" in table.caption
    assert table.notes == ("bus: absent from the test labels.",)
    write_probe(results / "toy/ours", [1.0], [0.5], labels="masks")
    other = make("probe")
    assert "classes from boxes and masks" in other.caption
    assert f"The runs differ in images: average: 2; Ours & 100 %: 1{UNMARKED}." in other.notes


def test_a_judge_that_saw_nothing_is_told(results, make):
    """Its scores are equal for all runs, whatever their images are."""
    says = "SegFormer found next to nothing but background in {} images: after so short a training, or with so few "
    for ours, whose in ((0.2, "average's"), (0.0, "any run's")):
        for run, score in (("average", 0.009), ("ours", ours)):
            row = ("toy", run, "miou_without_background", "", score, "scratch")
            write(results / f"toy/{run}/segmentation/iou.csv", JUDGE_COLUMNS, [row])
        assert make("segmentation").notes == (says.format(whose) + "labels, it judges no fusion.",)


def test_what_was_not_measured_alike_is_noted(results, make):
    write_iou(results, "ours", 0.7, weights="segmif.safetensors")
    table = make("segmentation")
    assert "scratch" not in table.caption
    assert "The runs differ in initial weights: average: scratch; Ours & 100 %: segmif.safetensors." in table.notes
    write_metrics(results, "ours", {"en": [7.0]})
    table = make()
    assert f"The runs differ in images: average: 2; Ours & 100 %: 1{UNMARKED}." in table.notes
    assert [cell.rank for cell in column(table, "EN").values()] == [0, 0], "means over different images do not compare"
    alike = make("fusion_metrics", RunLabel("average", "same"), RunLabel("ours", "same"))
    assert f"The runs differ in images: same: 2; same: 1{UNMARKED}." in alike.notes
    assert [row.cells[0].text for row in alike.rows] == ["6.500", "7.000"], "each has its own numbers"


def test_absent_parts_are_left_out_and_old_tables_of_theirs_removed(results, tmp_path, log):
    make_tables(results, tmp_path / "t", RUNS)
    for run in ("average", "ours"):
        (results / f"toy/{run}/segmentation/iou.csv").unlink()
    (tmp_path / "t/notes.txt").write_text("mine")
    written = make_tables(results, tmp_path / "t", RUNS)
    names = sorted(path.name for path in (tmp_path / "t").iterdir())
    scores = [f"fusion_metrics_toy{suffix}" for suffix in (".csv", ".md", ".tex")]
    assert names == [*scores, "gradients_toy.csv", "means.json", "notes.txt"]
    assert [path.name for path in written] == ["fusion_metrics_toy.csv", "gradients_toy.csv"]
    assert "no run has segmentation results" in log.text


@pytest.mark.parametrize(
    ("kind", "columns"), [("fusion_metrics", METRIC_COLUMNS), ("segmentation", JUDGE_COLUMNS), ("probe", PROBE_COLUMNS)]
)
def test_what_was_left_out_has_a_row_and_its_reason(results, make, tmp_path, kind, columns):
    """A dataset may have nothing to judge; Snakemake has been promised the table all the same."""
    if kind == "probe":
        write_probe(results / "toy/average", [1.0], [0.5])
    reasons = {"ours": "no labels in test", "average": "no labels"}
    row = dict.fromkeys(columns, "") | {"dataset": "toy", "metric": LEFT_OUT}
    write(results / "toy/ours" / RUN_FILES[kind], (*columns, NOTE), [(*row.values(), reasons["ours"])])
    table = make(kind)
    assert [(row.label, row.empty) for row in table.rows] == [("average", False), ("Ours & 100 %", True)]
    assert table.notes[-1] == "Ours & 100 %: left out, no labels in test."
    assert not any("differ" in note for note in table.notes)
    write(results / "toy/average" / RUN_FILES[kind], (*columns, NOTE), [(*row.values(), reasons["average"])])
    table = make(kind)
    assert len(table.headings) == 1
    assert table.caption == f"{table.title}: no scores."
    assert table.notes == ("average: left out, no labels.", "Ours & 100 %: left out, no labels in test.")
    assert "average: left out, no labels." in (tmp_path / f"t/{kind}_toy.md").read_text()
    assert "left out, no labels in test." in (tmp_path / f"t/{kind}_toy.tex").read_text()


@pytest.mark.parametrize("kind", ["fusion_metrics", "segmentation"])
def test_a_file_with_a_header_only_has_a_row_too(results, make, log, kind):
    write(results / "toy/ours" / RUN_FILES[kind], METRIC_COLUMNS if kind == "fusion_metrics" else JUDGE_COLUMNS, [])
    table = make(kind)
    assert [row.empty for row in table.rows] == [False, True]
    assert table.notes[-1] == "Ours & 100 %: left out, no scores in its file."
    assert f"toy/ours: no {kind} results" in log.text


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("fusion_metrics.csv", "pair_id,value\n001,6\n", " cannot be read, line 2"),
        ("fusion_metrics.csv", None, " does not exist"),
        ("segmentation/iou.csv", "metric,class,value,initial_weights\niou,sky,six,\n", " holds a value that"),
        ("segmentation/iou.csv", "metric,value\niou,0.5\n", " cannot be read, line 2"),
    ],
)
def test_bad_files_are_named(results, make, file, text, says):
    path = results / "toy/ours" / file
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=re.escape(f"ours/{file}{says}")):
        make()


def test_a_table_whose_images_are_no_number_is_named(make, tmp_path):
    make()
    path = tmp_path / "t/fusion_metrics_toy.csv"
    path.write_text(path.read_text().replace(",6.5,2,", ",6.5,nan,"))
    with pytest.raises(UserError, match=r"fusion_metrics_toy\.csv holds a value that is not a number"):
        read_table(path, "Toy")


def test_runs_are_read_from_their_command_line_form():
    runs = parse_runs(["msrs/average", "fmb/x=EMMA = 1", "msrs/ours=Ours"])
    assert runs == {
        "msrs": [RunLabel("average"), RunLabel("ours", "Ours")],
        "fmb": [RunLabel("x", "EMMA = 1")],
    }


@pytest.mark.parametrize("text", ["average", "msrs/", "/average", "a/b/c", ""])
def test_what_is_no_run_or_given_twice_is_refused(text):
    with pytest.raises(UserError, match="does not name a run"):
        parse_runs([text])
    with pytest.raises(UserError, match="given twice"):
        parse_runs(["msrs/a", "msrs/a=again"])
