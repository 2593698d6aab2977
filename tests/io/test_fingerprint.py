import os
import re
import shutil
from pathlib import Path

import pytest

from ssvif.io import fingerprint as module
from ssvif.io.fingerprint import fingerprint

SOURCE = Path(__file__).parents[2] / "src"
LOOP = "ssvif.training.loop"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the package, fingerprinted instead of the real one."""
    shutil.copytree(SOURCE / "ssvif", tmp_path / "ssvif", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path / "ssvif"


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_depends_on_the_code_and_not_on_its_place(tree):
    copied = fingerprint(LOOP)
    module.ROOT = SOURCE
    assert fingerprint(LOOP) == copied
    assert len(copied) == 16
    assert copied != fingerprint("ssvif.fusing.packed")


def test_words_change_nothing(tree):
    before = fingerprint(LOOP)
    edit(tree / "training/options.py", 'description="', 'description="in other words: ')
    edit(tree / "training/assumed.py", "DWA's value", "the value of DWA")
    edit(tree / "ops/statistics.py", "CONFIDENCE = 0.95", "CONFIDENCE = 0.9")
    edit(tree / "training/loop.py", '"""The self-supervised training;', '"""Once upon a time,')
    edit(tree / "training/loop.py", "    recorder = Recorder()\n", "    # a remark\n\n    recorder  =  Recorder()\n")
    edit(tree / "losses/fusion.py", '"""Mean |fused', '"""The mean |fused')
    edit(tree / "models/seafusion.py", "class Encoder", "\n\n\nclass Encoder")
    edit(tree / "training/options.py", '"""Settings of the', '"""All settings of the')
    assert fingerprint(LOOP) == before


@pytest.mark.parametrize(
    ("module", "file", "old", "new"),
    [
        (LOOP, "training/loop.py", "shuffled_batches(len(view)", "shuffled_batches(-len(view)"),
        (LOOP, "losses/consistency.py", "DICE_EPSILON = 1.0", "DICE_EPSILON = 2.0"),
        (LOOP, "ops/filters.py", "sigma**2", "sigma**3"),
        (LOOP, "data/packed.py", "ssvif-pairs-1", "ssvif-pairs-2"),
        (LOOP, "training/stages.py", "done >= 2", "done >= 3"),
        (LOOP, "models/seafusion.py", "SLOPE = 0.2", "SLOPE = 0.3"),  # reached by a name in a string only
        ("ssvif.cli.app", "io/device.py", "LOCK_POLL_S = 2.0", "LOCK_POLL_S = 3.0"),  # imported inside functions
    ],
)
def test_changed_code_counts_however_far_away(tree, module, file, old, new):
    before = fingerprint(module)
    edit(tree / file, old, new)
    assert fingerprint(module) != before


@pytest.mark.parametrize(
    "file",
    ["cli/app.py", "config/runs.py", "fusing/packed.py", "judging/score.py", "report/tables.py", "metrics/edges.py"],
)
def test_code_that_training_does_not_use_does_not_count(tree, file):
    before = fingerprint(LOOP)
    with (tree / file).open("a", encoding="utf-8") as stream:
        stream.write("\nEXTRA = 1\n")
    assert fingerprint(LOOP) == before
    changed = "ssvif." + file.removesuffix(".py").replace("/", ".")
    edit(tree / file, "EXTRA = 1", "EXTRA = 2")
    with_two = fingerprint(changed)
    edit(tree / file, "EXTRA = 2", "EXTRA = 3")
    assert fingerprint(changed) != with_two


def test_of_the_schema_only_what_is_imported_counts(tree):
    before = fingerprint(LOOP)
    edit(tree / "schema.py", '"x_min_px"', '"left_px"')  # detection's
    assert fingerprint(LOOP) == before
    edit(tree / "schema.py", '"validation"', '"valid"')
    assert fingerprint(LOOP) != before
    before = fingerprint("ssvif.report.sheet")
    edit(tree / "schema.py", "return 100 if", "return 1000 if")  # in a class that it imports
    assert fingerprint("ssvif.report.sheet") != before


def test_order_and_repetition_do_not_matter():
    first, second = "ssvif.fusing.packed", "ssvif.judging.score"
    assert fingerprint(first, second) == fingerprint(second, first, first)


def test_the_rules_ask_for_modules_that_exist():
    rules = (Path(__file__).parents[2] / "workflow" / "rules").glob("*.smk")
    asked = {name for rule in rules for name in re.findall(r'fingerprint\("([\w.]+)"\)', rule.read_text())}
    assert len(asked) >= 6
    files = [SOURCE / name.replace(".", "/") for name in asked]
    assert [each for each in files if not (each.with_suffix(".py").is_file() or (each / "__init__.py").is_file())] == []


def test_code_is_walked_once_however_many_runs_ask_for_it(monkeypatch):
    fingerprint(LOOP)
    walked = []
    monkeypatch.setattr(module.ast, "walk", lambda node: walked.append(node) or [])
    assert fingerprint(LOOP, without={"ssvif.models.emma"})
    assert walked == []


def test_a_file_without_a_date_counts(tree):
    path = tree / "training/loop.py"
    os.utime(path, ns=(0, 0))
    before = fingerprint(LOOP)
    path.write_text("changed = 1\n")
    os.utime(path, ns=(1, 1))
    assert fingerprint(LOOP) != before != fingerprint("ssvif.nothing")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("x = Field(1)", 'x = Field(1, description="first")', True),
        ("def f():\n    return 1", 'def f():\n    """One."""\n    return 1  # always', True),
        ("x = 0", "x = ''", False),
        ("x = None", "x = False", False),
        ("def f(*, a, b=1): ...", "def f(*, a=1, b): ...", False),
        ("match x:\n    case None: y = 1", "match x:\n    case False: y = 1", False),
        ("class A(B, description='one'): ...", "class A(B, description='two'): ...", False),
        ("f(a, [])", "f(a)", False),
    ],
)
def test_what_counts_of_a_users_module(tmp_path, monkeypatch, one, other, alike):
    found = []
    for text in (one, other):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        monkeypatch.chdir(folder)
        Path("mine.py").write_text(text)
        found.append(fingerprint("mine"))
    assert (found[0] == found[1]) is alike
