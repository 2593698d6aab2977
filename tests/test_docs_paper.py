"""What docs/paper_to_code.md and docs/architecture.md name exists, and the former leaves nothing of the paper out."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from ssvif.config.runs import load_runs
from ssvif.config.settings import load_settings
from ssvif.schema import drop_seed
from ssvif.training.assumed import ASSUMED
from ssvif.training.options import TrainingOptions

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/paper_to_code.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("|")]
LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+)[^)]*\)")
SETTING = re.compile(r"`(\w+(?:\.\w+)?): ([^`]+)`|`((?:training|segmentation|detection|report|split)\.\w+)`")
CONFIGURATION = (ROOT / "config/paper.yaml").read_text(encoding="utf-8")
PAPER = load_settings(yaml.safe_load(CONFIGURATION))
RUNS = {drop_seed(run.name)[0] for run in load_runs(ROOT / "config/experiments/paper.tsv", TrainingOptions())}
TABLES = yaml.safe_load((ROOT / "config/published/tables.yaml").read_text(encoding="utf-8"))["tables"]


def names_in(path):
    """Names that a module defines: functions, classes, constants, and "Class.method"."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
        found |= {each.id for each in targets if isinstance(each, ast.Name)} | {getattr(node, "name", "")}
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


SOURCES = [(label, target) for page in (PAGE, ARCHITECTURE) for label, target in LINK.findall(page) if "src/" in target]


@pytest.mark.parametrize(("label", "target"), sorted(set(SOURCES)))
def test_the_code_that_a_link_names_is_there(label, target):
    path = ROOT / "docs" / target
    named, _, name = label.partition(" ")
    assert path.exists()
    if named.endswith((".py", "/")):
        assert target.endswith(named.removesuffix("/"))
    if name.startswith("`"):
        assert name.strip("`") in names_in(path)


@pytest.mark.parametrize("found", list(SETTING.finditer(PAGE)), ids=lambda found: found[0])
def test_settings_exist_and_have_the_value_of_the_papers_configuration(found):
    section, _, key = (found[1] or found[3]).rpartition(".")
    options = getattr(PAPER, section) if section else PAPER
    assert hasattr(options, key)
    if found[2]:
        assert getattr(options, key) == yaml.safe_load(found[2])


def test_the_page_has_every_equation_table_and_figure_of_the_paper():
    named = [line.split("|")[1] for line in ROWS]
    for number, roman in enumerate(("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"), start=1):
        assert any(re.search(rf"Eq\. {number}\b", cell) for cell in named)
        assert any(re.search(rf"Table {roman}\b", cell) for cell in named)
    assert all(any(f"Fig. {number}" in cell for cell in named) for number in range(1, 8))
    assert {number for number in TABLES if number.isdigit()} == set(re.findall(r"`table_(\d)`", "".join(ROWS)))


def test_all_that_is_assumed_is_marked_so():
    for setting in ASSUMED:
        lines = [line for line in PAGE.splitlines() if re.search(rf"`training\.{setting}[`:]", line)]
        assert lines, setting
        in_rows = [line for line in lines if line.startswith("|")]
        assert all("**assumed**" in line or "**ours**" in line for line in in_rows), setting
    marked = re.findall(r"^  (\w+): .*# assumed", CONFIGURATION, re.MULTILINE)
    assert set(marked) >= {"classes", "crop_px", "unfrozen_learning_rate"}
    for key in marked:
        assert any(f".{key}: " in line and "**assumed**" in line for line in ROWS), key


def test_the_runs_on_the_page_are_rows_and_all_rows_are_on_the_page():
    rows = "\n".join(ROWS)
    named = set(re.findall(r"`((?:swinfusion|emma|seafusion)\w*)`", rows))
    assert named <= RUNS
    trained = {name for name in RUNS if "_" in name}
    stand_ins = {"emma_fusion_only", "seafusion_fusion_only"}  # "the `fusion_only` run"
    assert trained - set(re.findall(r"`(\w+)`", PAGE)) == stand_ins


def test_every_folder_is_described():
    parts = {path.parent.name for path in (ROOT / "src/ssvif").glob("*/__init__.py")}
    described = set(re.findall(r"^### `(?:src/ssvif/)?(\w+)`?/?", ARCHITECTURE, re.MULTILINE))
    assert parts <= described
