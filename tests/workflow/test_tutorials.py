"""The tutorials' commands run, in their order, in a folder of their own, and leave what the pages say."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from workflow_tools import ROOT, copy_project, environment_of

TUTORIALS = ROOT / "docs/tutorials"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"`([\w./]+)`.*:\n\n\Z")  # the line before a block that is a file's content
IN_SHELL = re.compile(r"[|<>*;&]|^(?!ssvif )")  # lines that only a shell runs
SHOWN = "text", ""  # languages of what is not typed: output, and commands that the page leaves to the reader
RESULTS = {  # what lies in the folder in the end, and of how many files if it is a folder
    "first_image": {"first.png": 1, "fused": 6, "accurate": 6, "average": 6, "fused.csv": 1, "average.csv": 1},
    "own_pairs": {"alignment.json": 1, "alignment.png": 1, "mine/model.safetensors": 1, "fused_mine": 6, "mine.csv": 1},
    "reproduce_a_table": {"results/tables/table_3.html": 1, "results/tables/table_4.tex": 1},
    "add_a_network": {
        "results/mine/report/index.html": 1,
        "results/mine/scenes/my_fusion_2/model.safetensors": 1,
        "results/mine/scenes/my_fusion/model.safetensors": 1,
        "results/mine/scenes/my_fusion/fused/test": 4,
        "my_fusion.onnx": 1,
        "fused_mine": 4,
    },
    "judge_another_method": {
        "results/judged/tables/table_2.html": 1,
        "results/theirs/msrs/theirs/fused/test": 12,
        "results/theirs/report/index.html": 1,
    },
}


def steps(page):
    """The blocks of a page in their order: language, content, and the file that it belongs into, if any."""
    text = (TUTORIALS / f"{page}.md").read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        named = FILE.search(text[: found.start()]) if found[1] != "sh" else None
        yield found[1], found[2], named[1] if named else ""


def follow(page, folder, call):
    """Do what a page says, as its reader would; only `ssvif` by itself is called without a shell, to save its start."""
    environment = environment_of(folder, ROOT / "src")
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
    for language, content, file in steps(page):
        if file:
            (folder / file).write_text(content)
        elif language == "python":
            subprocess.run([sys.executable, "-c", content], cwd=folder, env=environment, check=True)
        elif language == "sh":
            for line in content.replace("\\\n", " ").splitlines():
                if IN_SHELL.search(line):
                    command = ["bash", "-euo", "pipefail", "-c", line]
                    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
                    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
                else:
                    status, _, errors = call(*shlex.split(line)[1:])
                    assert status == 0, f"{line}\n{errors}"
        else:
            assert language in SHOWN, f"{page}: nothing is done with a block of {language}"


@pytest.mark.parametrize(
    "page",
    [
        "first_image",
        "own_pairs",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("reproduce_a_table", "add_a_network", "judge_another_method")
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_a_tutorial_can_be_followed(page, tmp_path, monkeypatch, call):
    folder = tmp_path / "clone"
    folder.mkdir()
    copy_project(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a network of one's own is looked for here, and never again
    follow(page, folder, call)
    sys.modules.pop("my_fusion", None)
    for name, count in RESULTS[page].items():
        found = folder / name
        assert len(list(found.glob("*.png")) if found.is_dir() else [found.stat().st_size]) == count, name


def test_every_tutorial_is_followed():
    assert {page.stem for page in TUTORIALS.glob("*.md")} == set(RESULTS)
