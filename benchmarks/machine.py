"""The machine that a benchmark runs on, time and memory that works and commands take there, and its browser (Linux)."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ssvif.io.installation import cpu_name
from ssvif.io.record import git_commit, installed_versions

if TYPE_CHECKING:
    import torch

# beside those that records of results name; what is not installed is left out
RIVALS = ("scikit-image", "piq", "pytorch-msssim")  # of the metrics
LIBRARIES = ("numba", *RIVALS)
SSVIF = (sys.executable, "-P", "-m", "ssvif")
ENOUGH_S = 20.0
# a command as the child of a bare Python: memory of the process that starts it counts as the command's own
LAUNCH = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
told = process.stderr.read()
_, status, usage = os.wait4(process.pid, 0)
if status:
    sys.exit(told)
found = {"seconds": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024}
print(json.dumps(found | {"wall_s": time.perf_counter() - start}))
"""
Made = TypeVar("Made")


def describe_machine() -> dict[str, str]:
    """Return processor, cores, memory, load just now, versions, and the commit of the source."""
    versions = installed_versions()
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": cpu_name(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f}",
        "load": f"{os.getloadavg()[0]:.1f}",
        "commit": git_commit(),
        **versions,
    }


def least_s(
    work: Callable[[], Made], calls: int = 3, clock: Callable[[], float] = time.process_time
) -> tuple[float, Made]:
    """Return the least time of some calls, fewer if these take more than 20 s, and what the last one returned."""
    taken: list[float] = []
    while len(taken) < calls and sum(taken) < ENOUGH_S:
        start = clock()
        made = work()
        taken.append(clock() - start)
    return min(taken), made


def clock_of(device: torch.device) -> Callable[[], float]:
    """Return this process's own time of a CPU; of a GPU the clock, once it has done what it was asked for."""
    import torch

    def finished() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return finished if device.type == "cuda" else time.process_time


def measure_command(command: Sequence[str], folder: Path | None = None) -> dict[str, float]:
    """Return a command's seconds of processor time, `wall_s`, and the MiB of its largest resident set (Linux).

    Those of its children are included. What it says is shown if it fails, which ends this process.
    """
    done = subprocess.run([sys.executable, "-c", LAUNCH, *command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def forget_peak() -> None:
    """Let the peak of this process's memory be what it holds now, without what it has freed and not returned."""
    ctypes.CDLL(None).malloc_trim(0)  # else what is made next would take the place of weights that are gone
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Return the largest resident set of this process since its start, or since `forget_peak`, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def find_chromium() -> str:
    """Return the path of a Chromium that playwright can drive, "" if one of the two is missing."""
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    return next(found, "") if importlib.util.find_spec("playwright") else ""
