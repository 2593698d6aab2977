"""The paper's tables, made from small results."""

import math
from pathlib import Path

import pytest

from reference.files import digests_of
from report.made_results import write, write_judged, write_scores
from ssvif.config.files import load_sheet_specs
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.report.formats import read_sheets
from ssvif.report.paper_tables import make_sheets
from ssvif.report.runs import RunLabel, parse_runs
from ssvif.report.sheet import Cell, Row, Sheet, Table
from ssvif.schema import EFFICIENCY_COLUMNS, drop_seed

PUBLISHED = Path(__file__).parents[2] / "config/published"
SPECS = load_sheet_specs(PUBLISHED / "tables.yaml")
METRICS = ("en", "mi", "vif", "qabf", "ssim", "ms_ssim", "delta_e76")
NINE = [str(number) for number in range(1, 10)]


def score(results: Path, dataset: str, run: str, value: float, images: int = 3, **only) -> None:
    means = [value + image / 10 for image in range(images)]
    write_scores(results / dataset / run, {name: [only[name]] * images if name in only else means for name in METRICS})


def segment(results: Path, dataset: str, run: str, miou: float, **classes) -> None:
    write_judged(results / dataset / run / "segmentation/iou.csv", "iou", miou, **classes)


def make(folder: Path, *runs: str, table: str = "", titles=None) -> dict[str, Sheet]:
    make_sheets(
        folder,
        folder / "tables",
        parse_runs(runs),
        specs=SPECS,
        published=PUBLISHED,
        tables=[table] if table else [],
        titles=titles,
    )
    return {sheet.name.removeprefix("table_"): sheet for sheet in read_sheets(folder / "tables")}


def row_of(table: Table, label: str) -> dict[str, Cell]:
    return {head.text: cell for head, cell in zip(table.headings, line_of(table, label).cells, strict=True)}


def line_of(table: Table, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)


def test_nothing_was_run_and_all_nine_tables_print_the_papers_numbers(tmp_path):
    sheets = make(tmp_path)
    assert list(sheets) == NINE
    assert [sheet.number for sheet in sheets.values()] == ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
    for sheet in sheets.values():
        for table in sheet.tables:
            assert table.compares
            assert not any(row.runs or cell.value is not None for row in table.rows for cell in row.cells)
            assert any(note.startswith("Not run here: ") for note in table.notes)
            # a wrong key between tables.yaml and the files of numbers would leave a gap
            gaps = [row.label for row in table.rows if not all(cell.published for cell in row.cells)]
            assert gaps == [], table.name
    assert [table.title for table in sheets["2"].tables] == ["fmb", "msrs"]
    assert row_of(sheets["2"].tables[1], "SeAFusion †")["ΔE76"].published == "2.48"
    # best and second among the published, as the paper's text says of SSVIF: first in SSIM on both datasets
    for table in sheets["2"].tables:
        assert row_of(table, "SSVIF (SwinFusion)")["SSIM (L=1)"].published_rank == 1
    assert row_of(sheets["2"].tables[1], "CDDFuse")["VIF"].published_rank == 1
    assert row_of(sheets["3"].tables[0], "UCW")["ΔE76"].published_rank == 0


def test_measured_published_and_difference(tmp_path):
    score(tmp_path, "msrs", "swinfusion_ssvif", 4.3, mi=4.4567)
    segment(tmp_path, "msrs", "swinfusion_ssvif", 0.75, bike=0.7)
    sheets = make(tmp_path, "msrs/swinfusion_ssvif", titles={"msrs": "MSRS"})
    (table,) = sheets["2"].tables
    assert (table.dataset, table.title, table.caption) == ("msrs", "MSRS", "3 test images.")
    cell = row_of(table, "SSVIF (SwinFusion)")["MI"]
    assert (cell.text, cell.value, cell.published, cell.difference) == ("4.46", 4.4567, "4.33", "+0.13")
    assert row_of(table, "SSVIF (SwinFusion)")["EN"].difference == "−2.25"
    iou = row_of(sheets["1"].tables[0], "SSVIF (SwinFusion)")
    assert (iou["bike"].text, iou["bike"].published, iou["bike"].difference) == ("70.00", "70.11", "−0.11")
    assert iou["car"] == Cell(published="91.23", published_rank=iou["car"].published_rank, decimals=2)
    assert "361 test pairs of MSRS with human labels" in sheets["1"].tables[0].notes[-1]
    assert "361 test pairs of MSRS;" in table.notes[-1]


def test_a_difference_has_no_more_digits_than_the_paper(tmp_path):
    score(tmp_path, "fmb", "segmif", 14.0, images=1, delta_e76=14.87)
    cell = row_of(make(tmp_path, "fmb/segmif")["2"].tables[0], "SegMiF †")["ΔE76"]
    assert (cell.published, cell.text, cell.difference) == ("14.9", "14.87", "0.0")


def test_one_run_has_an_interval_over_images(tmp_path):
    score(tmp_path, "fmb", "sage", 1.0, images=8)
    cell = row_of(make(tmp_path, "fmb/sage")["2"].tables[0], "SAGE †")["EN"]
    assert (cell.over, cell.images, cell.seeds) == ("images", 8, 1)
    assert cell.low < cell.value < cell.high
    assert float(cell.interval[1:]) == pytest.approx(max(cell.high - cell.value, cell.value - cell.low), abs=0.005)


def test_several_seeds_are_one_line_with_students_interval(tmp_path):
    for seed, value in enumerate((4.0, 4.2, 4.7)):
        score(tmp_path, "fmb", f"swinfusion_ssvif_seed{seed}", value, mi=value)
        segment(tmp_path, "fmb", f"swinfusion_ssvif_seed{seed}", value / 10)
    runs = [f"fmb/swinfusion_ssvif_seed{seed}=SSVIF (seed {seed})" for seed in range(3)]
    (table,) = make(tmp_path, *runs)["3"].tables
    for label in ("SwinFusion, SSVIF", "GDWA (SSVIF)", "all of it (SSVIF)"):
        cell = row_of(table, label)["MI"]
        assert (cell.text, cell.over, cell.seeds, cell.images) == ("4.30", "seeds", 3, 3)
        # t of two degrees of freedom at 97.5 % is 4.3027; the deviation of 4.0, 4.2, 4.7 is 0.36056
        assert cell.high - cell.value == pytest.approx(4.302653 * 0.3605551 / math.sqrt(3), rel=1e-5)
    assert row_of(table, "all of it (SSVIF)")["mIoU"].over == "seeds"
    assert "FMB" not in table.caption
    assert table.caption == "3 test images. Initial weights: scratch."


def test_a_seed_without_results_is_told(tmp_path):
    score(tmp_path, "fmb", "sage_seed0", 1.0)
    (tmp_path / "fmb/sage_seed1").mkdir()
    table = make(tmp_path, "fmb/sage_seed0", "fmb/sage_seed1")["2"].tables[0]
    assert row_of(table, "SAGE †")["EN"].seeds == 1
    assert any("1 of 2 seeds" in note for note in table.notes)


def test_other_runs_stand_below_where_their_table_takes_them(tmp_path):
    for run in ("mine_seed0", "mine_seed1", "sage"):
        score(tmp_path, "fmb", run, 1.0)
    runs = ["fmb/mine_seed0=My own (seed 0)", "fmb/mine_seed1=My own (seed 1)", "fmb/sage"]
    sheets = make(tmp_path, *runs)
    *lines, last = sheets["2"].tables[0].rows
    assert (last.label, last.runs, bool(last.group)) == ("My own", ("mine_seed0", "mine_seed1"), True)
    assert [row.label for row in lines].count("SAGE †") == 1
    assert "My own" not in {row.label for row in sheets["3"].tables[0].rows}
    asked = make(tmp_path, *runs, table="3")["3"].tables[0]
    assert [row.label for row in asked.rows[-2:]] == ["My own", "sage"]


def test_a_stand_in_says_so_and_gives_way_to_the_real_one(tmp_path):
    score(tmp_path, "fmb", "emma_fusion_only", 2.0)
    for real in ((), ("fmb/emma",)):  # one without results does not push out one that has some
        table = make(tmp_path, *real, "fmb/emma_fusion_only")["3"].tables[0]
        assert line_of(table, "EMMA, original").runs == ("emma_fusion_only",)
        assert any(note.startswith("EMMA, original: trained here") for note in table.notes)
    score(tmp_path, "fmb", "emma", 1.0)
    table = make(tmp_path, "fmb/emma_fusion_only", "fmb/emma=EMMA")["3"].tables[0]
    assert line_of(table, "EMMA, original").runs == ("emma",)
    assert not any("trained here" in note for note in table.notes)


def test_a_run_without_such_results_is_named(tmp_path):
    score(tmp_path, "fmb", "sage", 1.0)
    notes = make(tmp_path, "fmb/sage")["1"].tables[0].notes
    assert "Run, but without these results: SAGE †." in notes
    assert not any("SAGE" in note for note in notes if note.startswith("Not run here"))


def test_another_dataset_gets_the_same_tables_without_the_papers_numbers(tmp_path):
    score(tmp_path, "scenes", "average", 1.0)
    segment(tmp_path, "scenes", "average", 0.5, sky=0.6, road=0.4)
    sheets = make(tmp_path, "scenes/average=Average", titles={"scenes": "Scenes"})
    assert list(sheets) == NINE
    for name, sheet in sheets.items():
        assert [table.dataset for table in sheet.tables] == ([""] if name == "4" else ["scenes"])
        assert name == "4" or not sheet.tables[0].compares
    (table,) = sheets["1"].tables
    assert [head.text for head in table.headings] == ["sky", "road", "mIoU"]
    assert row_of(table, "Average")["mIoU"].text == "50.00"


def test_the_dataset_of_another_table_of_the_paper_is_shown_only_where_nothing_else_is(tmp_path):
    assert SPECS.datasets_of("1", ["fmb", "msrs", "m3fd"]) == ["fmb", "msrs"]
    assert SPECS.datasets_of("5", ["fmb", "msrs", "m3fd"]) == ["m3fd"]
    assert SPECS.datasets_of("3", ["msrs"]) == ["msrs"]
    assert SPECS.datasets_of("3", ["fmb", "mine"]) == ["fmb", "mine"]


def test_which_tables_a_run_stands_in():
    assert SPECS.tables_of("average", ()) == ["1", "2", "4", "5", "9"]
    assert SPECS.tables_of("seafusion_ssvif_seed3", ()) == ["1", "2", "3", "4", "5", "9"]
    assert SPECS.tables_of("swinfusion_classes_9", ("6",)) == ["6"]
    assert SPECS.tables_of("gradnorm", ("extra",)) == ["extra"]
    assert [drop_seed(name)[0] for name in ("a_seed12", "a_seed", "_seed1")] == ["a", "a_seed", "_seed1"]


def test_efficiency_is_counted_in_the_papers_units(tmp_path):
    rows = [
        ("seafusion", 3, 256, 256, "parameters", 167523),
        ("seafusion", 3, 256, 256, "released_parameters", 167753),
        ("seafusion", 3, 256, 256, "macs", 10935600000),
        ("seafusion", 3, 256, 256, "peak_memory_mb", 90.1),
        ("seafusion", 1, 512, 512, "macs", 7),
        ("my.own:Net", 3, 256, 256, "macs", 5e9),
    ]
    write(tmp_path / "efficiency.csv", EFFICIENCY_COLUMNS, rows)
    (table,) = make(tmp_path)["4"].tables
    line = next(row for row in table.rows if row.runs == ("seafusion 3",))
    assert [cell.text for cell in line.cells] == ["0.17", "10.94", "90.1"]
    assert [cell.difference for cell in line.cells] == ["0.00", "0.00", "−16.1"]
    assert next(row.runs for row in table.rows if row.group == "SeAFusion") == ()
    own = row_of(table, "my.own:Net, 3 channels")
    assert (own["MACs"].text, own["parameters"].text) == ("5.00", "–")
    (table,) = make(tmp_path, titles={"my.own:Net/3": "Mine and Mine, long"})["4"].tables
    assert row_of(table, "Mine and Mine, long, 3 channels")["MACs"].text == "5.00"


def test_nan_is_shown_and_its_image_named(tmp_path):
    score(tmp_path, "fmb", "sage", 1.0, en="nan")
    table = make(tmp_path, "fmb/sage")["2"].tables[0]
    cell = row_of(table, "SAGE †")["EN"]
    assert (cell.text, cell.rank, cell.interval, cell.difference) == ("NaN", 0, "", "")
    assert "EN of SAGE †: NaN for 000, 001, 002." in table.notes


def test_the_csv_is_long_with_full_digits(tmp_path):
    score(tmp_path, "msrs", "sage", 1 / 3, images=2)
    make(tmp_path, "msrs/sage=SAGE", titles={"msrs": "MSRS"})
    rows = read_csv(tmp_path / "tables/table_2.csv")
    row = next(row for row in rows if row["runs"] == "sage" and row["metric"] == "mi")
    assert (row["measured"], row["unit"]) == ("0.3833333333", "bit")
    assert (row["table"], row["dataset"], row["row"], row["images"], row["seeds"]) == ("II", "msrs", "SAGE †", "2", "1")
    assert (row["published"], row["difference"], row["interval_over"]) == ("3.22", "-2.836666667", "images")
    missing = next(row for row in rows if row["row"] == "CDDFuse" and row["metric"] == "mi")
    assert (missing["measured"], missing["published"], missing["note"]) == ("", "4.71", "not run here")
    assert len(rows) == 9 * 7


def test_equal_results_give_equal_bytes_and_every_format(tmp_path):
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        score(folder, "fmb", "sage", 1.0)
        make(folder, "fmb/sage=SAGE")
        contents.append(digests_of(folder / "tables"))
    assert contents[0] == contents[1]
    assert sorted(contents[0]) == sorted(
        f"table_{name}{suffix}" for name in NINE for suffix in (".csv", ".md", ".tex", ".html", ".json")
    )


def test_what_cannot_be_made_is_named(tmp_path):
    with pytest.raises(UserError, match="There is no table '12'"):
        make(tmp_path, table="12")
    with pytest.raises(UserError, match=r"ablations\.csv does not exist"):
        make_sheets(tmp_path, tmp_path / "t", {"fmb": [RunLabel("a")]}, specs=SPECS, published=tmp_path, tables=["3"])


def test_the_published_numbers_are_the_papers():
    numbers = {
        (row["dataset"], row["method"], row["metric"], row["class"]): row["value"]
        for name in ("fusion_metrics", "segmentation", "detection", "ablations")
        for row in read_csv(PUBLISHED / f"{name}.csv")
    }
    assert numbers["msrs", "SeAFusion", "delta_e76", ""] == "2.48"
    assert numbers["fmb", "SSVIF", "ssim", ""] == "1.02"
    assert numbers["fmb", "iv", "mi", ""] == "4.72"
    assert numbers["fmb", "viii one", "miou", ""] == "0.6116"
    shares = {key: float(value) for key, value in numbers.items() if key[2] in ("iou", "miou", "ap50", "map50")}
    assert len(shares) > 150
    assert all(0 < value < 1 for value in shares.values())
