from __future__ import annotations

import math
from pathlib import Path

import pytest

from report.made_results import IOU, write, write_iou, write_metrics
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.report.runs import RunLabel, parse_runs
from ssvif.report.tables import make_tables, read_table

RUNS = {"toy": [RunLabel("average"), RunLabel("ours", "Ours & 100 %")]}


def cells(path: Path, label: str) -> dict[str, str]:
    table = read_table(path, "Toy")
    row = next(row for row in table.rows if row.label == label)
    return {head.text: cell.text for head, cell in zip(table.headings, row.cells, strict=True)}


def ranks(path: Path, heading: str) -> list[int]:
    table = read_table(path, "Toy")
    column = [head.text for head in table.headings].index(heading)
    return [row.cells[column].rank for row in table.rows]


def test_means_keep_full_digits_in_csv_and_round_in_print(results, tmp_path):
    write_metrics(results, "average", {"en": [1 / 3, 2 / 3, 1 / 3]})
    fusion = make_tables(results, tmp_path / "t", RUNS)[0]
    row = next(row for row in read_csv(fusion) if row["run"] == "average" and row["metric"] == "en")
    assert (row["mean"], row["images"], row["class"]) == ("0.4444444444", "3", "")
    assert cells(fusion, "average")["EN"] == "0.444"


def test_rows_and_columns_follow_the_given_runs_and_the_metrics_order(results, tmp_path):
    fusion, segmentation = make_tables(results, tmp_path, {"toy": list(reversed(RUNS["toy"]))})
    table = read_table(fusion, "Toy")
    assert [row.label for row in table.rows] == ["Ours & 100 %", "average"]
    assert [head.text for head in table.headings] == ["EN", "MS-SSIM (L=1)", "ΔE76"]
    # as in the paper's tables: classes before their mean, each with its direction
    heads = [head.shown for head in read_table(segmentation, "Toy").headings]
    assert heads == ["sky ↑", "person ↑", "bike ↑", "mIoU (%) ↑"]


@pytest.mark.parametrize(("metric", "heading", "best"), [("en", "EN", 1), ("delta_e76", "ΔE76", 0)])
def test_best_is_bold_in_the_metrics_direction(results, tmp_path, metric, heading, best):
    write_metrics(results, "average", {metric: [3.0]})
    write_metrics(results, "ours", {metric: [4.0]})
    fusion = make_tables(results, tmp_path, RUNS)[0]
    assert ranks(fusion, heading) == [int(place == best) for place in range(2)]
    bold = ("3", "4")[best]
    assert f"**{bold}." in fusion.with_suffix(".md").read_text()
    assert f"\\textbf{{{bold}." in fusion.with_suffix(".tex").read_text()


def test_second_is_underlined_among_three_and_what_prints_alike_ranks_alike(results, tmp_path):
    for run, value in {"average": 0.70001, "ours": 0.70002, "third": 0.6, "fourth": 0.5}.items():
        write_metrics(results, run, {"vif": [value]})
    runs = {"toy": [RunLabel(run) for run in ("average", "third", "ours", "fourth")]}
    fusion = make_tables(results, tmp_path, runs)[0]
    assert ranks(fusion, "VIF") == [1, 2, 1, 0]
    assert "<u>0.600</u>" in fusion.with_suffix(".md").read_text()
    assert "\\underline{0.600}" in fusion.with_suffix(".tex").read_text()


def test_a_metric_that_no_image_allows_is_a_dash_with_a_note(results, tmp_path):
    fusion = make_tables(results, tmp_path, RUNS)[0]
    assert cells(fusion, "average")["MS-SSIM (L=1)"] == "–"
    assert "MS-SSIM (L=1): not defined at this image size." in read_table(fusion, "Toy").notes


def test_empty_values_are_skipped_and_counted(results, tmp_path):
    write_metrics(results, "ours", {"ms_ssim": [0.5, "", 1.0]})
    fusion = make_tables(results, tmp_path, RUNS)[0]
    assert cells(fusion, "Ours & 100 %")["MS-SSIM (L=1)"] == "0.750"
    assert any("mean over 2 of 3 images" in note for note in read_table(fusion, "Toy").notes)


def test_nan_makes_the_mean_nan_and_names_the_image(results, tmp_path, caplog):
    write_metrics(results, "ours", {"en": [7.0, "nan"]})
    fusion = make_tables(results, tmp_path, RUNS)[0]
    row = next(row for row in read_csv(fusion) if row["run"] == "ours" and row["metric"] == "en")
    assert math.isnan(float(row["mean"]))
    assert cells(fusion, "Ours & 100 %")["EN"] == "NaN"
    assert ranks(fusion, "EN") == [0, 0]
    assert "EN of Ours & 100 %: NaN for 002." in read_table(fusion, "Toy").notes
    assert "NaN for 002" in caplog.text


def test_titles_with_commas_are_told_apart_in_notes(results, tmp_path):
    for run in ("average", "ours"):
        write_metrics(results, run, {"en": ["nan", 7.0], "vif": ["nan", 0.5]})
    write_metrics(results, "third", {"en": [7.0, 7.0]})
    runs = {"toy": [RunLabel("average", "Net, plain"), RunLabel("ours", "Net, ours"), RunLabel("third")]}
    notes = read_table(make_tables(results, tmp_path, runs)[0], "Toy").notes
    assert "EN, VIF of Net, plain; Net, ours: NaN for 001." in notes


def test_segmentation_is_in_percent_and_says_how_it_started(results, tmp_path):
    segmentation = make_tables(results, tmp_path, RUNS)[1]
    assert cells(segmentation, "average") == {"mIoU": "70.00", "sky": "90.00", "person": "50.00", "bike": "–"}
    table = read_table(segmentation, "Toy")
    assert table.caption.endswith("from scratch.")
    assert "bike: absent from the test labels." in table.notes


def test_a_judge_that_saw_nothing_is_told(results, tmp_path):
    """Its scores are equal for all runs, whatever their images are."""

    def notes():
        return [note for note in read_table(make_tables(results, tmp_path, RUNS)[1], "Toy").notes if "found" in note]

    def judged(run, score):
        row = ("toy", run, "miou_without_background", "", score, "scratch")
        write(results / f"toy/{run}/segmentation/iou.csv", IOU, [row])

    judged("average", 0.0)
    judged("ours", 0.2)
    says = "SegFormer found nothing but background in {} images: after so short a training, or with so few labels, it "
    assert notes() == [says.format("average's") + "judges no fusion."]
    judged("ours", 0.0)
    assert notes() == [says.format("any run's") + "judges no fusion."]


def test_different_initial_weights_are_told_apart(results, tmp_path):
    write_iou(results, "ours", 0.7, weights="segmif.safetensors")
    table = read_table(make_tables(results, tmp_path, RUNS)[1], "Toy")
    assert "scratch" not in table.caption
    note = "The runs differ in initial weights: average: scratch; Ours & 100 %: segmif.safetensors."
    assert note in table.notes


def test_different_numbers_of_images_are_noted(results, tmp_path):
    write_metrics(results, "ours", {"en": [7.0]})
    table = read_table(make_tables(results, tmp_path, RUNS)[0], "Toy")
    assert "The runs differ in images: average: 2; Ours & 100 %: 1." in table.notes


def test_absent_parts_are_left_out_and_old_tables_of_theirs_removed(results, tmp_path, caplog):
    caplog.set_level("INFO", logger="ssvif")
    make_tables(results, tmp_path / "t", RUNS)
    write(results / "toy/average/segmentation/iou.csv", IOU, [])
    (results / "toy/ours/segmentation/iou.csv").unlink()
    (tmp_path / "t/notes.txt").write_text("mine")
    written = make_tables(results, tmp_path / "t", RUNS)
    names = sorted(path.name for path in (tmp_path / "t").iterdir())
    assert names == [f"fusion_metrics_toy{suffix}" for suffix in (".csv", ".md", ".tex")] + ["notes.txt"]
    assert [path.name for path in written] == ["fusion_metrics_toy.csv"]
    assert "no run has segmentation results" in caplog.text


def test_latex_is_escaped_and_balanced(results, tmp_path):
    for path in make_tables(results, tmp_path, RUNS):
        text = path.with_suffix(".tex").read_text()
        assert "Ours \\& 100 \\%" in text
        bare = text.replace("\\%", "").replace("\\{", "").replace("\\}", "")
        assert bare.count("{") == bare.count("}")
        assert text.count("\\begin{") == text.count("\\end{") >= 2
        body = [line for line in text.splitlines() if line.endswith("\\\\")]
        assert len({line.replace("\\&", "").count("&") for line in body}) == 1


def test_markdown_rows_have_one_width(results, tmp_path):
    runs = {"toy": [RunLabel("average", "a|b"), RunLabel("ours")]}
    text = make_tables(results, tmp_path, runs)[0].with_suffix(".md").read_text()
    lines = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1


def test_two_runs_with_one_label_keep_their_own_numbers(results, tmp_path):
    runs = {"toy": [RunLabel("average", "same"), RunLabel("ours", "same")]}
    table = read_table(make_tables(results, tmp_path, runs)[0], "Toy")
    assert [row.cells[0].text for row in table.rows] == ["6.500", "7.250"]


def test_equal_inputs_give_equal_bytes(results, tmp_path):
    for folder in ("first", "second"):
        make_tables(results, tmp_path / folder, RUNS)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_bad_files_are_named(results, tmp_path):
    path = results / "toy/ours/fusion_metrics.csv"
    write(path, ("pair_id", "metric", "value"), [("001", "en", "six")])
    with pytest.raises(UserError, match=r"ours/fusion_metrics\.csv holds a value that is not a number"):
        make_tables(results, tmp_path, RUNS)
    write(path, ("pair_id", "value"), [("001", "6")])
    with pytest.raises(UserError, match=r"ours/fusion_metrics\.csv cannot be read, line 2"):
        make_tables(results, tmp_path, RUNS)
    path.unlink()
    with pytest.raises(UserError, match=r"ours/fusion_metrics\.csv does not exist"):
        make_tables(results, tmp_path, RUNS)


def test_runs_are_read_from_their_command_line_form():
    runs = parse_runs(["msrs/average", "fmb/x=EMMA = 1", "msrs/ours=Ours"])
    assert runs == {
        "msrs": [RunLabel("average"), RunLabel("ours", "Ours")],
        "fmb": [RunLabel("x", "EMMA = 1")],
    }


@pytest.mark.parametrize("text", ["average", "msrs/", "/average", "a/b/c", ""])
def test_what_is_no_run_is_refused(text):
    with pytest.raises(UserError, match="does not name a run"):
        parse_runs([text])


def test_a_run_given_twice_is_refused():
    with pytest.raises(UserError, match="given twice"):
        parse_runs(["msrs/a", "msrs/a=again"])
