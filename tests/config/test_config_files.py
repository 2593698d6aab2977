from pathlib import Path

import pytest

from ssvif.config.files import load_sheet_specs, read_yaml
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


BOMB = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGED = "a: &a0 {x: 1}\n" + "".join(f"b{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "more than 100000 values"),
        (MERGED, "more than 100000 values"),
        ("a: &a [*a]", "more than 100000 values"),
        ("a: &a {b: *a}", "more than 100000 values"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 40 deep"),
        ("a: " + "[" * 5000, "nested more than 40 deep"),
        ("a: " + "{b: " * 60 + "1" + "}" * 60, "nested more than 40 deep"),
        ("a: 2024-02-30", "line 1: 2024-02-30 cannot be read as timestamp; in quotes it is text"),
        ("a: 2024-02-03", "2024-02-03 is read as a date; in quotes it is text"),
        ("a: 2024-02-03 10:00:00", "is read as a datetime"),
        ("x: 1\na: !!timestamp yesterday", "line 2: yesterday cannot be read as timestamp"),
        ("a: !!int ''", "cannot be read as int"),
        ("a: !!float x", "cannot be read as float"),
        ("a: !!binary aGk=", "is read as a bytes"),
        ("a: !!set {x}", "is read as a set"),
        ("a: " + "9" * 5000, "cannot be read as int"),
        ("a: 0x" + "f" * 5000, "an integer of 20000 bits"),
        ("no: 5", "False"),
        ("1: 5", "1"),
        ("? [1, 2]\n: 5", "found unhashable key"),
        ("a: !!python/object/apply:os.system ['touch RAN']", "could not determine a constructor"),
        ("a: \x00", "special characters are not allowed"),
    ],
)
def test_yaml_of_a_stranger_is_refused_in_one_line(tmp_path, monkeypatch, text, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        read_yaml(tmp_path / "settings.yaml")
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not (tmp_path / "RAN").exists()


def test_aliases_and_merged_mappings_are_read(tmp_path):
    (tmp_path / "settings.yaml").write_text("a: &a {x: 1, y: [1, 2]}\nb: {<<: *a, x: 3}\nc: *a\n")
    values = read_yaml(tmp_path / "settings.yaml")
    assert values == {"a": {"x": 1, "y": [1, 2]}, "b": {"x": 3, "y": [1, 2]}, "c": {"x": 1, "y": [1, 2]}}
