"""Several processes that train one network: who has started them, and which one this is."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ssvif.io.errors import UserError

STORE = "SSVIF_STORE"  # names the file over which processes find each other that we have started
FIRST_SPEAKS_S = 10.0  # time for the first process to say what is wrong, and for the others to be ended
ENDED_S = 5.0  # time for an ended process to clean up
PR_SET_PDEATHSIG = 1  # prctl.h
PORTS = range(20_000, 32_768)  # for steps of SLURM jobs, below those that Linux gives to connections
STEP_PORTS = 101  # between those of two steps of one job


@dataclass(frozen=True)
class Place:
    """A process among those of one training."""

    rank: int = 0  # the first, 0, alone writes
    count: int = 1


_place = Place()


def place() -> Place:
    """Return which process this is, and of how many."""
    return _place


def take_part(devices: int, nodes: int) -> bool:
    """Find this process's place among devices × nodes processes, which torchrun or srun have started.

    Where nobody has, as many copies of this command are started on this machine. Returns whether there is something to
    do here; False where the copies have done it. A process that is not the first shows errors alone.

    Raises:
        UserError: other numbers of processes have been started, or they are to run on several machines.
    """
    global _place
    wanted, (found, by) = devices * nodes, _started()
    if by == "srun" and wanted == 1:
        found = Place()  # each of its processes runs a training of its own
    if found.count != wanted and (found.count > 1 or nodes > 1):
        raise UserError(
            f"A training on {nodes} × {devices} devices needs as many processes, started by torchrun or srun",
            expected=f"{wanted}: --nodes × --devices",
            got=f"{found.count}, started by {by or 'hand'}",
            remedy="give the numbers of machines, and of devices of each, that the processes are started with",
        )
    if found.count != wanted:
        _start(devices)
        return False
    _place = found
    if found.rank:
        logging.disable(logging.WARNING)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 (until the process ends)
    return True


def is_first() -> bool:
    """Whether this process is the one, or the only one, that writes."""
    return _place.rank == 0


def speaks() -> bool:
    """Whether this process says what a signal has ended: not one among several whose first, or whose starter, does."""
    return is_first() and STORE not in os.environ


def let_the_first_speak() -> None:
    """In a process that is not the first, wait for being ended, since the first most likely says the same."""
    if not is_first():
        time.sleep(FIRST_SPEAKS_S)


def rendezvous() -> str:
    """Return where the processes find each other, as torch's `init_method`; also sets what it reads."""
    if store := os.environ.get(STORE):
        return f"file://{store}"
    job, step = (int(os.environ.get(name, 0)) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    os.environ.setdefault("MASTER_ADDR", _first_host(os.environ.get("SLURM_STEP_NODELIST", "localhost")))
    os.environ.setdefault("MASTER_PORT", str(PORTS[(job + STEP_PORTS * step) % len(PORTS)]))
    return "env://"


def _started() -> tuple[Place, str]:
    """Return the place that a launcher has given this process, and the launcher's name."""
    for by, rank, count in (("torchrun", "RANK", "WORLD_SIZE"), ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        if rank in os.environ and (total := os.environ.get(count, "")).isdecimal():
            return Place(int(os.environ[rank]), int(total)), by
    return Place(), ""


def _first_host(hosts: str) -> str:
    """Return the first of SLURM's hosts: "node[03-05,7],login" is node03."""
    found = re.match(r"([^,\[]+)(?:\[(\d+)[^]]*\])?([^,]*)", hosts)
    return "".join(part or "" for part in found.groups()) if found else hosts


def _start(count: int) -> None:
    """Run this command in `count` processes on this machine.

    Raises:
        SystemExit: one of them failed, with its status; the others are ended.
    """
    with tempfile.TemporaryDirectory(prefix="ssvif-") as folder:
        shared = os.environ | {"WORLD_SIZE": str(count), STORE: f"{folder}/store"}
        shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
        with _running(shared, count) as processes:
            while None in (codes := [each.poll() for each in processes]) and not any(codes):
                time.sleep(0.1)
    if failed := next(filter(None, codes), 0):
        raise SystemExit(failed if failed > 0 else 128 - failed)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def _running(environment: Mapping[str, str], count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Yield processes of this command, in a session of their own, and end those that run when the block ends."""
    command, processes = [sys.executable, "-P", "-m", "ssvif", *sys.argv[1:]], list[subprocess.Popen[bytes]]()
    try:
        for rank in range(count):
            own = {**environment, "RANK": str(rank)}
            processes.append(subprocess.Popen(command, env=own, start_new_session=True, preexec_fn=_end_with_parent))
        yield processes
    finally:
        for each in processes:
            each.terminate()
        for each in processes:
            try:
                each.wait(ENDED_S)
            except subprocess.TimeoutExpired:
                each.kill()
