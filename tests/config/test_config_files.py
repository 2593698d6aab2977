from pathlib import Path

import pytest

from ssvif.config.files import load_sheet_specs
from ssvif.config.runs import load_runs
from ssvif.io.errors import UserError
from ssvif.schema import MEASURES
from ssvif.training.options import TrainingOptions

CONFIG = Path(__file__).parents[2] / "config"
SPECS = load_sheet_specs(CONFIG / "published/tables.yaml")


def test_columns_are_metrics_that_tables_know():
    for spec in SPECS.tables.values():
        for columns in spec.columns.values():
            assert {column.partition(".")[0] for column in columns} <= set(MEASURES)


def test_rows_of_the_papers_experiments_stand_where_their_column_says():
    """A run named in tables.yaml that no experiment has would stay empty without a word."""
    runs = load_runs(CONFIG / "experiments/paper.tsv", TrainingOptions())
    named = {base for spec in SPECS.tables.values() for row in spec.rows for base in row.runs if " " not in base}
    known = {run.name.removesuffix("_seed0") for run in runs}
    assert named - known == {"swinfusion_released", "emma_released", "sage_released", "seafusion_released"}
    for run in runs:
        for table in run.tables:
            assert table in SPECS.tables_of(run.name, ["extra"]), (run.name, table)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tabels: {}", r"tabels: unknown key; did you mean tables\?"),
        (
            "tables: {a: {title: x, caption: y, sources: [nosuch], columns: {}}}",
            r"tables\.a\.sources\.0: .*'efficiency', got 'nosuch'",
        ),
        ("tables: {a: {title: x, sources: [], columns: {}}}", r"tables\.a\.caption: Field required"),
        ("tables: {a: {title: x, caption: y, sources: [], columns: {}, rows: [{lable: z}]}}", "lable: unknown key"),
        ("tables: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, text, says):
    path = tmp_path / "tables.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        load_sheet_specs(path)
    assert str(path) in str(caught.value)


def test_what_begins_with_a_dot_is_for_other_places_of_the_file(tmp_path):
    path = tmp_path / "tables.yaml"
    path.write_text(".shared: &shared [en]\ntables: {a: {title: x, caption: y, sources: [], columns: {'': *shared}}}\n")
    assert load_sheet_specs(path).tables["a"].columns[""] == ("en",)
