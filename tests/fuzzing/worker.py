"""Hands spoiled inputs to the project, in a process with limits of time and memory, and keeps a journal.

`python -m fuzzing.worker FOLDER KIND FIRST LAST SEED`
"""

import ctypes
import faulthandler
import json
import logging
import os
import re
import resource
import struct
import sys
import time
import traceback
from pathlib import Path
from random import Random

from fuzzing.mutations import Kind
from ssvif.io.record import Recorder

ROOM, MOST_GROWN = 4 << 30, 1 << 30  # bytes of addresses beyond those at the start, and of memory
IN_ISDIR, IN_IGNORED = 0x40000000, 0x8000
IN_ACCESS, IN_MODIFY, IN_OPEN, IN_CREATE, IN_DELETE = 0x1, 0x2, 0x20, 0x100, 0x200


class Formatting(logging.Handler):
    """Formats every message, as a terminal's handler would, and shows none."""

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage().encode("utf-8", "backslashreplace")


class Canary:
    """A folder in which nothing may be opened, made or removed, by whatever library; the kernel tells (Linux)."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._stream = libc.inotify_init1(os.O_NONBLOCK)
        mask = IN_ACCESS | IN_MODIFY | IN_OPEN | IN_CREATE | IN_DELETE
        assert self._stream >= 0
        for each in (folder, folder / "vi", folder / "ir"):
            assert libc.inotify_add_watch(self._stream, os.fsencode(each), mask) >= 0

    def touched(self) -> list[str]:
        """Return the names of the files that were touched since the last call; to list the folder is allowed."""
        try:
            data = os.read(self._stream, 1 << 16)
        except BlockingIOError:
            return []
        names, at = [], 0
        while at < len(data):
            _, mask, _, length = struct.unpack_from("iIII", data, at)
            name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode()
            names += [] if mask & (IN_ISDIR | IN_IGNORED) else [name]
            at += 16 + length
        return sorted({*names})


def make_canary(folder: Path) -> Canary:
    """Write files that nothing may read: data, an image, HDF5, and a module that could be imported."""
    import h5py
    import numpy as np
    from PIL import Image

    for side in ("vi", "ir"):
        (folder / side).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(folder / side / "a.png")
    (folder / "secret").write_bytes(b"secret" * 1000)
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(folder / "secret.png")
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.zeros((24, 32), np.uint8)
        other.create_group("g")["infrared"] = np.zeros((24, 32), np.uint8)
    (folder / "canary.py").write_text("class Network: pass\n")
    sys.path.append(str(folder))
    return Canary(folder)


def outcome_of(kind: Kind, path: Path) -> tuple[str, str]:
    """Return "ok", "refused", "memory" or "traceback", and what is to be told of it."""
    from ssvif.io.errors import UserError

    start = time.process_time()
    try:
        kind.read(path)
        outcome, told = "ok", ""
    except UserError as error:
        outcome, told = "refused", str(error)
        cause = error.__cause__
        if isinstance(cause, MemoryError) and not type(cause).__module__.startswith("av"):  # FFmpeg has a limit itself
            outcome = "memory"
    except OSError as error:  # the command tells those that name a file
        outcome, told = "refused" if error.filename else "traceback", traceback.format_exc()
    except BaseException as error:
        outcome, told = ("memory" if isinstance(error, MemoryError) else "traceback"), traceback.format_exc()
    return ("slow" if time.process_time() - start > kind.slow_s else outcome), told


def peak_bytes() -> int:
    """Return the most memory that this process has had; that of `getrusage` begins with the parent's."""
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) << 10


def put(path: Path, data: bytes) -> None:
    """Write a file in the place of one that may still be open."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def run(folder: Path, name: str, first: int, last: int, seed: str) -> None:
    """Hand inputs of one kind, by their numbers, to what reads it; write a line of the journal for each."""
    from fuzzing.bad import BAD

    if not (kind := BAD.get(name)):
        from fuzzing.kinds import KINDS

        kind = KINDS[name]
    Recorder.write = lambda *_, **__: None  # asks git and the installed packages each time
    own = folder / name
    logging.getLogger().addHandler(Formatting())
    logging.getLogger("ssvif").setLevel(logging.INFO)
    canary = make_canary(folder / "canary")
    own.mkdir(parents=True, exist_ok=True)
    given = {path: path.read_bytes() for path in sorted(kind.make(own))}
    for path, data in given.items():
        kind.read(path)  # as it is, it must be taken
        put(path, data)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM,) * 2)
    canary.touched()
    with (folder / f"{name}.journal").open("a", buffering=1) as journal:
        for number in range(first, last):
            random = Random(f"{seed} {name} {number}")
            path, peak = random.choice([*given]), peak_bytes()
            current = folder / f"{name}{path.suffix}"
            current.write_bytes(given[path])
            kind.mutate(random, current)
            put(path, current.read_bytes())
            journal.write(json.dumps({"number": number}) + "\n")
            faulthandler.dump_traceback_later(kind.hang_s, exit=True)
            outcome, told = outcome_of(kind, path)
            faulthandler.cancel_dump_traceback_later()
            grown = peak_bytes() - peak
            outcome = "breach" if (touched := canary.touched()) else "memory" if grown > MOST_GROWN else outcome
            told = f"touched {touched}" if touched else told
            journal.write(json.dumps({"number": number, "outcome": outcome, "told": told, "file": path.name}) + "\n")
            if outcome not in ("ok", "refused"):
                current.rename(folder / f"{name}-{number}{path.suffix}")
            put(path, given[path])


if __name__ == "__main__":
    faulthandler.enable()
    place, kind_name, start, end, chosen = sys.argv[1:]
    run(Path(place), kind_name, int(start), int(end), chosen)
