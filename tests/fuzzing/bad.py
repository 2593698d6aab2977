"""Readers that fail in every way, to see that the harness notices."""

import os
import signal
import time
from pathlib import Path

from fuzzing.mutations import Kind


def make(folder: Path) -> list[Path]:
    """Write a file that is good."""
    (folder / "file.txt").write_text("good")
    return [folder / "file.txt"]


def spin(path: Path) -> None:
    """Compute for a second."""
    while time.process_time() % 2 < 1:
        pass
    while time.process_time() % 2 >= 1:
        pass


def bad(read: object, **limits: float) -> Kind:
    """Return a kind of which every spoiled file makes a reader fail."""
    return Kind(
        make,
        lambda random, path: path.write_text("bad"),
        lambda path: path.read_text() == "good" or read(path),
        **limits,
    )


BAD = {
    "traceback": bad(lambda path: 1 / 0),
    "hang": bad(lambda path: time.sleep(60), hang_s=1),
    "slow": bad(spin, slow_s=0.5),
    "memory": bad(lambda path: len(b"x" * (1200 << 20))),
    "claim": bad(lambda path: len(b"x" * (1 << 50))),
    "breach": bad(lambda path: (path.parents[1] / "canary/secret").read_bytes()),
    "died": bad(lambda path: os.kill(os.getpid(), signal.SIGSEGV)),
}
