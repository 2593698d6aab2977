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


def run_snakemake(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    # no environment is active: the workflow must find `ssvif` beside the Python that runs Snakemake
    return run_tool(folder, "snakemake", *arguments, **options)


def run_tool(
    folder: Path, tool: str, *arguments: str, check: bool = True, package: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool of the environment in a folder, with the package that lies there or in `package`."""
    environment = {
        **os.environ,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(package or folder / "src"),
        "OMP_NUM_THREADS": "1",
    }
    beside = Path(sys.executable).with_name(tool)
    command = [str(beside) if beside.exists() else tool, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return done


def jobs(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The job counts of a dry run's table; empty when there is nothing to do."""
    text = done.stdout + done.stderr
    if "Job stats:" not in text:
        assert "Nothing to be done" in text, text[-2000:]
        return {}
    table = text.split("Job stats:")[1].split("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}
