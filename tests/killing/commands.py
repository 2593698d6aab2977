"""Run `ssvif` commands in processes that `warm.py` forks, and tell what folders hold."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
RECORDS = ("record.json", "one.json")  # provenance, which differs between runs
FUSED_BY = ".ssvif-fuse.jsonl"  # what a folder of fused images remembers of them


@dataclass
class Started:
    """A command that runs, or has run."""

    process: int
    log: Path
    answers: IO[str]
    status: int | None = None

    def wait(self) -> int:
        """Return its exit status once it has ended, negative that of a signal."""
        if self.status is None:
            self.status = int(self.answers.readline())
        return self.status

    @property
    def said(self) -> str:
        """What it has logged, without what a library says of its own leaks when a process that was forked ends."""
        return self.log.read_text(encoding="utf-8").partition("nanobind: ")[0] if self.log.exists() else ""

    def wait_until_said(self, text: str, limit_s: float = 120) -> None:
        """Wait for a text in the log; for so long at most, because the command may end without it."""
        deadline = time.monotonic() + limit_s
        while text not in self.said and time.monotonic() < deadline:
            time.sleep(0.002)

    def wait_until_stopped(self) -> None:
        """Wait until the process has stopped itself."""
        status, deadline = Path(f"/proc/{self.process}/stat"), time.monotonic() + 120
        while status.read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @property
    def operations(self) -> int:
        """The number of file operations, once it has ended by itself."""
        return int(self.log.with_suffix(".operations").read_text())


class Commands:
    """Starts `ssvif` commands in processes that `warm.py` forks, one at a time."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder), "PYTHONPATH": str(ROOT / "src")}
        self._warm = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=folder,
        )
        self._last: Started | None = None
        assert self._warm.stdout.readline() == "ready\n"

    def start(self, folder: Path, *arguments: object, **more: object) -> Started:
        """Start a command in a folder."""
        if self._last and self._last.status is None:  # a test has failed before it ended
            os.killpg(self._last.process, signal.SIGKILL)
            self._last.wait()
        folder.mkdir(exist_ok=True)
        log = folder.with_suffix(".log")
        log.unlink(missing_ok=True)
        order = {"arguments": [str(each) for each in arguments], "folder": str(folder), "log": str(log), **more}
        self._warm.stdin.write(json.dumps(order) + "\n")
        self._warm.stdin.flush()
        self._last = Started(int(self._warm.stdout.readline()), log, self._warm.stdout)
        return self._last

    def run(self, folder: Path, *arguments: object, **more: object) -> Started:
        """Run a command to its end, which has to be a good one."""
        started = self.start(folder, *arguments, **more)
        assert started.wait() == 0, started.said
        return started

    def fail(self, folder: Path, *arguments: object, **more: object) -> str:
        """Run a command that has to fail as it does where the user can help it; return what it said."""
        started = self.start(folder, *arguments, **more)
        assert started.wait() == 1, started.said
        assert "Traceback" not in started.said
        return started.said

    def close(self) -> None:
        self._warm.stdin.close()
        self._warm.wait()
        self._warm.stdout.close()


def contents(folder: Path) -> dict[str, str]:
    """Every path below a folder, hidden ones too, with the digest of its file; records have to be whole JSON."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[name] = "folder"
        elif path.name in RECORDS:
            json.loads(path.read_text())
            found[name] = "record"
        else:
            found[name] = "" if path.name == FUSED_BY else hashlib.sha256(path.read_bytes()).hexdigest()
    return found
