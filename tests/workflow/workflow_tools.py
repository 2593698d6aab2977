import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TINY = """\
datasets: [scenes]
experiments: config/experiments/demo.tsv
device: cpu
scenes: {train: 10, test: 4, height_px: 64, width_px: 80}
training: {segmenter: b0, classes: 6, epochs: 2, stage_one_max_epochs: 1, batch_size: 4, crop_px: 48}
segmentation: {size: b0, epochs: 1, frozen_epochs: 0, batch_size: 4}
detection: {epochs: 1, batch_size: 4, image_size_px: 64}
report: {title: tiny, pairs: 2}
"""


def copy_project(folder: Path) -> Path:
    """A project folder of its own: workflow, configuration and package copied, a tiny configuration."""
    for name in ("workflow", "config", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "config/config.yaml").write_text(TINY)
    return folder


def check_out(folder: Path) -> Path:
    """A git repository of this one's files as they lie here, with a tiny configuration and an environment for make."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("these files are not in a git repository")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    (folder / "config/config.yaml").write_text(TINY)
    run_tool(folder, "git", "init", "-q")
    commit(folder, "the project")
    return with_environment(folder)


def with_environment(folder: Path) -> Path:
    """Give a checkout this environment as the one that `make setup` would make."""
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (folder / ".venv/.installed").touch()
    return folder


def commit(folder: Path, message: str) -> None:
    run_tool(folder, "git", "add", ".")
    run_tool(folder, "git", "commit", "-qm", message)


def clone(origin: Path, folder: Path) -> Path:
    run_tool(folder.parent, "git", "clone", "-q", origin, folder)
    return with_environment(folder)


def run_snakemake(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    # no environment is active: the workflow must find `ssvif` beside the Python that runs Snakemake
    return run_tool(folder, "snakemake", *arguments, **options)


def run_tool(
    folder: Path, tool: str, *arguments: object, check: bool = True, package: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool of the environment in a folder, with the package that lies there or in `package`."""
    environment = environment_of(folder, package)
    beside = Path(sys.executable).with_name(tool)
    command = [str(beside) if beside.exists() else tool, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    if asked := asked_of_others(folder):
        pytest.fail(f"asked of other machines: {asked}")
    return done


def environment_of(folder: Path, package: Path | None = None) -> dict[str, str]:
    """Variables for a tool: no active environment, the package in that folder, no network, nothing of the user's."""
    return {
        **os.environ,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "tests/offline", package or folder / "src"))),
        "OMP_NUM_THREADS": "1",
        "SSVIF_OFFLINE_LOG": str(offline_log(folder)),
        "DVC_SITE_CACHE_DIR": str(folder.with_name("dvc_site_cache")),
        **{f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }


def offline_log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}_offline.jsonl")


def asked_of_others(folder: Path) -> list[list[str]]:
    """What the processes run in a folder, or their children, asked of other machines: event, host, command line."""
    return [[*what, *line] for kind, line, *what in _read_offline_log(folder) if kind == "refused"]


def watched(folder: Path) -> list[list[str]]:
    """The command lines of Python's processes run in a folder, by names without folders."""
    return [[Path(word).name for word in line] for kind, line, *_ in _read_offline_log(folder) if kind == "began"]


def _read_offline_log(folder: Path) -> list[list[Any]]:
    log = offline_log(folder)
    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def jobs(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The job counts of a dry run's table; empty when there is nothing to do."""
    text = done.stdout + done.stderr
    if "Job stats:" not in text:
        assert "Nothing to be done" in text, text[-2000:]
        return {}
    table = text.split("Job stats:")[1].split("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}
