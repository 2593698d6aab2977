"""The verbs of results as they are typed: tables, compare; and what complexity gives them."""

from pathlib import Path

import pytest

from report.made_results import write_scores
from ssvif.io.files import read_csv

CONFIG = Path(__file__).parents[2] / "config"
PUBLISHED, DATASETS = CONFIG / "published", CONFIG / "datasets"


@pytest.fixture
def results(tmp_path):
    for place, run in enumerate(("sage", "mine")):
        values = [place + image / 10 for image in range(9)]
        write_scores(tmp_path / "msrs" / run, {"en": values, "mi": values})
    return tmp_path


RUNS = ("--run", "msrs/sage=SAGE", "--run", "msrs/mine=Mine", "--title", "msrs=MSRS")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_tables_of_scores_and_beside_them_the_papers(call, results, tmp_path):
    where = ("tables", "--results", results, "--output", tmp_path / "t", *RUNS)
    status, output, _ = call(*where)
    written = ["fusion_metrics_msrs.csv", "gradients_msrs.csv"]
    assert (status, output.split()) == (0, [str(tmp_path / "t" / name) for name in written])
    others = ["fusion_metrics_msrs.md", "fusion_metrics_msrs.tex", "means.json"]
    assert names(tmp_path / "t") == sorted([*written, *others])
    status, output, _ = call(*where, "--published", PUBLISHED)
    assert (status, len(output.split())) == (0, 11)
    assert "SAGE † | 0.40 ±" in (tmp_path / "t/table_2.md").read_text("utf-8").replace("**", "").replace("<u>", "")


def test_one_table_alone_even_without_a_run(call, results, tmp_path):
    where = ("--results", results, "--output", tmp_path / "t", "--published", PUBLISHED)
    assert call("tables", *where, "--table", "7", "--title", "fmb=FMB")[0] == 0
    assert names(tmp_path / "t") == [f"table_7{suffix}" for suffix in (".csv", ".html", ".json", ".md", ".tex")]
    assert "4.68" in (tmp_path / "t/table_7.md").read_text("utf-8")


def test_an_assumption_is_not_pinned_on_a_value_set_here(call, results, monkeypatch):
    told = {}
    monkeypatch.setattr("ssvif.report.page.site.make_page", lambda *_, assumed, **__: told.update(assumed))
    where = ("--results", results, "--tables", results, "--output", results / "page", "--source", "msrs=.")
    assert call("report", *where, *RUNS, "--datasets", DATASETS, "--settings", '{"crop_px": 32}')[0] == 0
    assert told["crop_px"].startswith("32, set here; otherwise 128 (")
    assert told["temperature"].startswith("2.0 (")


def test_what_is_wrong_is_told(call, results, tmp_path):
    where = ("--results", results, "--output", tmp_path / "t")
    assert "at least one --run" in call("tables", *where)[2]
    told = call("tables", *where, "--published", PUBLISHED, "--table", "X", *RUNS)[2]
    assert "There is no table 'X'" in told
    assert "extra" in told
    told = call("tables", *where, "--published", tmp_path / "none", *RUNS)[2]
    assert "none does not hold the paper's numbers" in told
    assert "--published" in told


def test_a_misspelt_run_is_told(call, results, tmp_path, caplog):
    where = ("tables", "--results", results, "--output", tmp_path / "t", "--published", PUBLISHED, "--table", "2")
    assert call(*where, "--run", "msrs/saeg")[0] == 0, "the rest of the table is made"
    assert f"{results}/msrs/saeg does not exist" in caplog.text


def test_runs_are_compared_on_the_screen(call, results):
    status, output, _ = call("compare", results / "msrs/sage", results / "msrs/mine")
    assert status == 0
    assert any(line.startswith("EN ↑ [bit]") for line in output.splitlines())
    assert output.count("better") == 3  # EN, MI, and what it means
    status, _, errors = call("compare", results / "msrs/sage")
    assert (status, "two runs or more" in errors) == (1, True)


def test_a_network_may_name_its_channels_and_one_that_cannot_be_counted_be_left_out(call, tmp_path):
    path = tmp_path / "efficiency.csv"
    small = ("--height", 32, "--width", 32, "--device", "cpu")
    networks = ("seafusion/3", "no.such:Net/1")
    status, _, errors = call("complexity", *networks, *small)
    assert (status, "no.such" in errors) == (1, True)
    status, _, errors = call("complexity", *networks, *small, "--keep-going", "--output", path)
    assert status == 0
    assert errors.startswith("skipped: ")
    assert {(row["model"], row["channels"]) for row in read_csv(path)} == {("seafusion", "3")}
