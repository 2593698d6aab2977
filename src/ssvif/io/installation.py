"""What is installed and what the machine has, for `ssvif doctor` and `ssvif plan`. Imports nothing heavy."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from packaging.requirements import Requirement

from ssvif.io.ahead import core_count
from ssvif.io.record import git_commit, installed_versions

HERE = Path(__file__).parents[1]
LEAST_FREE_GB = 2  # the demo takes less
PURPOSES = {  # of the optional parts in pyproject.toml
    "torch": "training, scoring, GPUs, networks that are not .onnx files",
    "figures": "ssvif figures and ladder, curves in the report",
    "detection": "ssvif detect, and the workflow without detection=false",
    "probe": "ssvif probe, and the workflow without probe=false",
    "onnx": "exporting networks to .onnx files",
    "app": "ssvif app",
    "video": "fusing videos",
    "tensorboard": "ssvif train --track tensorboard",
    "workflow": "whole experiments with Snakemake and DVC",
    "cluster": "the workflow on SLURM",
    "bench": "benchmarks against other libraries",
    "docs": "the documentation site: make docs",
    "dev": "tests of this project",
}


class Finding(NamedTuple):
    """One line of `ssvif doctor`."""

    part: str
    state: Literal["ok", "missing", "warning", "broken"]
    what: str


def examine() -> Iterator[Finding]:
    """Yield what is there and what is broken, then for each missing extra what it is for."""
    versions = installed_versions()
    if "ssvif" not in versions:
        yield Finding("ssvif", "broken", f"{HERE} is not installed: `make setup`, or `pip install .`")
        return
    commit = git_commit()
    yield Finding("ssvif", "ok", f"{versions['ssvif']}{f', commit {commit[:12]}' if commit else ''}, {HERE}")
    yield Finding("Python", "ok", f"{versions['python']}, {sys.executable}")
    faults = {part: list(_faults(part)) for part in ("", *PURPOSES)}
    if needed := ", ".join(faults.pop("")):
        yield Finding("packages", "broken", f"{needed}: `make setup`, or `pip install .` again")
    else:
        extras = ", ".join(part for part, wrong in faults.items() if not wrong)
        yield Finding("ready", "ok", f"fuse, check, align, report{f'; extras: {extras}' if extras else ''}")
    if "torch" in versions:
        yield Finding("PyTorch", "ok", versions["torch"])
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    yield Finding("processor", "ok", f"{cpu_name()}, {core_count()} cores, {memory_gib:.0f} GiB of memory")
    yield _examine_gpu()
    yield from _examine_disk()
    for part, wrong in faults.items():
        old = [each for each in wrong if " " in each]  # of another version; names alone are not told
        what = f"{PURPOSES[part]}{'; of the wrong version: ' if old else ''}{', '.join(old)}"
        if wrong:
            yield Finding(part, "missing", f"{what}: pip install 'ssvif[{part}]'")


def _faults(part: str) -> Iterator[str]:
    """Yield what is wrong with the packages of an optional part, or of "" with those that are always needed."""
    for requirement in map(Requirement, metadata.requires("ssvif") or []):
        marker = requirement.marker
        if bool(part) != ("extra" in str(marker)) or (marker and not marker.evaluate({"extra": part})):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield requirement.name
        else:
            if not requirement.specifier.contains(version, prereleases=True):
                yield f"{requirement.name} {version} (needs {requirement.specifier})"


def _examine_gpu() -> Finding:
    gpu = gpu_name()
    if not gpu:
        return Finding("GPU", "ok", "no NVIDIA GPU: everything runs on the processor")
    try:
        import torch  # for what it alone knows
    except ImportError:
        return Finding("GPU", "warning", f"{gpu}, not used: there is no PyTorch")
    if torch.cuda.is_available():
        return Finding("GPU", "ok", f"{gpu}, {torch.cuda.get_device_properties(0).total_memory / 2**30:.0f} GiB")
    remedy = "install its build for CUDA, and a driver that is new enough (pytorch.org/get-started)"
    return Finding("GPU", "warning", f"{gpu}, not used: PyTorch {torch.__version__} cannot; {remedy}")


def _examine_disk() -> Iterator[Finding]:
    here = Path.cwd()
    free_gb, writable = shutil.disk_usage(here).free / 1e9, os.access(here, os.W_OK)
    what = f"{free_gb:.0f} GB free in {here}{'' if writable else ', which cannot be written to'}"
    yield Finding("disk", "ok" if writable and free_gb >= LEAST_FREE_GB else "warning", what)
    # as numba chooses
    folders = (os.environ.get("NUMBA_CACHE_DIR"), HERE / "metrics", os.environ.get("XDG_CACHE_HOME"), Path.home())
    if cache := next((str(each) for each in folders if each and os.access(each, os.W_OK)), ""):
        yield Finding("cache", "ok", f"compiled loops are kept below {cache}")
    else:
        yield Finding("cache", "warning", "loops are compiled each time: set NUMBA_CACHE_DIR to a folder to write to")


def cpu_name() -> str:
    """Return the processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def gpu_name() -> str:
    """Return the name of the first NVIDIA GPU, "" where there is none."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0].strip()
