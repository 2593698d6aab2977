"""The device that a job computes on; two jobs do not share a GPU."""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch

from ssvif.io.errors import UserError
from ssvif.io.launch import place
from ssvif.schema import DEVICES

LOCK_FOLDER = Path(tempfile.gettempdir())
LOCK_POLL_S = 2.0
GPU_WAIT_S = 10.0  # for a former job to free its GPU
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # malloc.h


@contextmanager
def lease_device(setting: str = "auto") -> Iterator[torch.device]:
    """Yield the device to compute on and, for a GPU, hold it alone until the block ends.

    Every visible GPU has a lock file; the first free one is taken, and when all are busy the job waits for the first to
    become free. The lock goes with the process, so a killed job leaves nothing behind. One of several processes of a
    training does not wait: each of two such trainings could hold a GPU that the other waits for.

    Args:
        setting: "auto" (a GPU if there is one), "cpu" or "cuda".

    Raises:
        UserError: an unknown setting, "cuda" on a machine without a usable GPU, or not a GPU for each process of one
            training.
    """
    if setting not in DEVICES:
        raise UserError(f"Unknown device {setting!r}", expected=" | ".join(DEVICES))
    count = torch.cuda.device_count() if setting != "cpu" else 0
    if setting == "cuda" and not count:
        raise UserError(
            "No GPU can be used here", remedy="pass --device cpu, or set `device: cpu` in the configuration"
        )
    if not count:
        yield torch.device("cpu")
        return
    index, stream = _lock_one(count)
    with stream:
        torch.cuda.set_device(index)
        yield torch.device("cuda", index)


def _lock_one(count: int) -> tuple[int, IO[str]]:
    processes, given_up = place().count, time.monotonic() + GPU_WAIT_S
    while processes == 1 or time.monotonic() < given_up:
        for index in range(count):
            stream = _lock_file(index)
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return index, stream
            except BlockingIOError:
                stream.close()
        time.sleep(LOCK_POLL_S)
    raise UserError(
        f"No GPU is free for process {place().rank + 1} of {processes} of this training",
        expected="one for each process on a machine",
        got=f"{count} visible, all in use",
        remedy="wait for other jobs (`snakemake --resources gpu=N` starts no more than N GPUs allow), or train in "
        "fewer processes (--devices, or the setting `devices`)",
    )


def _lock_file(index: int) -> IO[str]:
    # by UUID: the index of a card differs from job to job; the slices of a card (MIG) may share its UUID
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    is_slice = visible.startswith("MIG-")
    card = visible.split(",")[index].strip() if is_slice else str(torch.cuda.get_device_properties(index).uuid)
    path = LOCK_FOLDER / f"ssvif-gpu-{card.replace('/', '-')}.lock"
    try:
        return path.open("a")
    except PermissionError:  # another user's file: a lock needs no right to write
        return path.open()


def prepare_cpu(threads: int) -> None:
    """Set torch's CPU threads (0 leaves the choice to torch) and let the process keep freed memory.

    A feature map of a large image is returned to the system when freed, and its pages are zeroed
    again for the next one; with glibc that doubled the time to fuse a 640×480 pair. One arena serves all threads: what
    one freed the others use, which saves SwinFusion's training a third of its memory.
    """
    if threads:
        torch.set_num_threads(threads)
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_ARENA_MAX, 1)


def device_name(device: torch.device) -> str:
    """Return "cpu", or the name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
