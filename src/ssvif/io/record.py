"""`record.json`: where a result came from. Nothing in the workflow depends on it."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from ssvif.io.files import write_json

PACKAGES = ("ssvif", "torch", "transformers", "numpy", "h5py", "ultralytics", "snakemake")


class Recorder:
    """Times a job from its construction and writes its record at the end."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def write(self, path: Path, *, settings: Mapping[str, Any], device: str, **facts: Any) -> None:
        """Write the record: settings, versions, git commit, device, wall time, peak memory, and other `facts`."""
        write_json(
            path,
            {
                **facts,
                "settings": dict(settings),
                "device": device,
                "versions": installed_versions(),
                "git_commit": git_commit(),
                "platform": platform.platform(),
                "wall_time_s": round(time.monotonic() - self._start, 1),
                "peak_memory_mb": peak_memory_mb(),
            },
        )


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result, where installed."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_commit() -> str:
    """Return the commit of the source tree, '+changes' if it differs from it, '' outside git."""
    describe = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"]
    try:
        done = subprocess.run(describe, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def peak_memory_mb() -> int:
    """Return the peak resident memory of this process in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
