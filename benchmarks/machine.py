"""The machine that a benchmark runs on, the memory that it takes there, and a browser to look at pages with (Linux)."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TypeVar

from ssvif.io.record import git_commit, installed_versions

# beside those that records of results name; what is not installed is left out
RIVALS = ("scikit-image", "piq", "pytorch-msssim")  # of the metrics
LIBRARIES = ("numba", *RIVALS)
Made = TypeVar("Made")


def describe_machine() -> dict[str, str]:
    """Return processor, cores, memory, load just now, versions, and the commit of the source."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = installed_versions()
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f}",
        "load": f"{os.getloadavg()[0]:.1f}",
        "commit": git_commit(),
        **versions,
    }


def least_s(work: Callable[[], Made], repeats: int) -> tuple[float, Made]:
    """Return the least processor time of a first call, which fills caches, and so many more; and what work returned."""
    taken = []
    for _ in range(repeats + 1):
        start = time.process_time()
        made = work()
        taken.append(time.process_time() - start)
    return min(taken), made


def forget_peak() -> None:
    """Let the peak of this process's memory be what it holds now."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Return the largest resident set of this process since its start, or since `forget_peak`, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def find_chromium() -> str:
    """Return the path of a Chromium that playwright can drive, "" if one of the two is missing."""
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    return next(found, "") if importlib.util.find_spec("playwright") else ""
