"""What jobs take: from measured times of a device to hours, memory and the clock."""

from __future__ import annotations

import heapq
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ssvif.config.jobs import Job, Work
from ssvif.io.errors import UserError
from ssvif.io.progress import format_seconds
from ssvif.io.terminal import render_table
from ssvif.report.runs import read_rows, to_number

YARDSTICK = "matrix product"  # whose time says how fast a processor is
YARDSTICK_SIDE = 512
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
SPEEDUP = 0.77  # a job on n cores is n^0.77 times as fast: 1.7 times on two (benchmarks/README.md)
SCATTER = 1.25  # of the yardstick on one machine
MEASURE = 'measure them by `make bench BENCH="--only times"`'


class Cost(NamedTuple):
    """Time and peak memory of one work, a fixed part and one in proportion to millions of pixels."""

    fixed_s: float = 0.0
    per_mpx_s: float = 0.0
    fixed_mib: float = 0.0
    per_mpx_mib: float = 0.0

    def slower(self, ratio: float) -> Cost:
        """Return the cost of what takes so many times as long, in the same memory."""
        return self._replace(fixed_s=self.fixed_s * ratio, per_mpx_s=self.per_mpx_s * ratio)


COLUMNS = ("device", "work", *Cost._fields)


def yardstick_s() -> float:
    """Return the time in seconds that one thread takes for a float32 product of two matrices, the least of several.

    It is measured in a process of its own: in this one the library may have its threads already, whose waiting counts.
    """
    command = [sys.executable, "-P", "-c", "from ssvif.config.forecast import _product_s; print(_product_s())"]
    return float(subprocess.run(command, env=os.environ | ONE_THREAD, check=True, stdout=subprocess.PIPE).stdout)


def _product_s() -> float:
    import numpy as np

    matrix = np.ones((YARDSTICK_SIDE, YARDSTICK_SIDE), np.float32)
    taken = []
    for _ in range(30):
        start = time.process_time()
        matrix @ matrix
        taken.append(time.process_time() - start)
    return min(taken)


class Times:
    """What works take on a device: the rows of config/times.csv.

    Args:
        path: of the table.
        gpu: name of the GPU that is used, "" for none. A work without a row of the GPU takes the CPU's, and so do all
            of a GPU without any, which `notes` says.
        cpu: name of the processor. Without rows of its own those of the first processor of the table are taken.
            Both are multiplied by how many times as long a matrix product takes here, because processors of one name
            differ in speed, too; `notes` says so where that is more than scatter.

    Raises:
        UserError: the table is missing or damaged.
    """

    def __init__(self, path: Path, *, cpu: str, gpu: str = "") -> None:
        rows = _read_costs(path)
        processors = [device for device, works in rows.items() if works.get(YARDSTICK, Cost()).fixed_s > 0]
        if not processors:
            raise UserError(f"{path} has no times of a processor", expected=" | ".join(rows), remedy=MEASURE)
        taken = cpu if cpu in processors else processors[0]
        self.device, self.notes = gpu if gpu in rows else taken, list[str]()
        self._on_cpu, self._on_gpu = rows[taken], rows.get(gpu, {})
        if gpu and gpu not in rows:
            self.notes.append(f"{path} has no times of {gpu}: this is what the processor would take; {MEASURE}")
        ratio = yardstick_s() / self._on_cpu[YARDSTICK].fixed_s
        self._on_cpu = {work: cost.slower(ratio) for work, cost in self._on_cpu.items()}
        if taken != cpu or not 1 / SCATTER < ratio < SCATTER:
            lacking = "" if taken == cpu else f"{path} has no times of {cpu or 'this processor'}. "
            self.notes.append(
                f"{lacking}The times of {taken} are multiplied by {ratio:.2f}: a matrix product takes so many times"
                f" as long here as where they were measured. For times of this machine, {MEASURE}"
            )

    def lacks(self, network: str) -> bool:
        """Whether there are no times of training a fusion network."""
        return f"train {network}" not in self._on_cpu

    def add_network(self, network: str, like: str, ratio: float) -> None:
        """Give a network the times of another one, so many times, where it has none."""
        for costs in (self._on_cpu, self._on_gpu):
            for kind in ("fuse", "train"):
                if cost := costs.get(f"{kind} {like}"):
                    scaled = cost.slower(ratio)._replace(per_mpx_mib=cost.per_mpx_mib * ratio)
                    costs.setdefault(f"{kind} {network}", scaled)

    def seconds(self, job: Job) -> float:
        """Return the time of a job: of one core, or of a GPU."""
        return sum(work.calls * (cost.fixed_s + cost.per_mpx_s * work.mpx) for work, cost in self._costs(job))

    def memory_mib(self, job: Job) -> float:
        """Return the peak memory of a job: of the machine, or of the GPU in its works that have rows of it."""
        return max(cost.fixed_mib + cost.per_mpx_mib * work.mpx for work, cost in self._costs(job))

    def uses_gpu(self, job: Job) -> bool:
        """Whether a job is run on a GPU here."""
        return job.on_gpu and bool(self._on_gpu)

    def _costs(self, job: Job) -> Iterator[tuple[Work, Cost]]:
        costs = self._on_cpu | self._on_gpu if self.uses_gpu(job) else self._on_cpu
        for work in job.works:
            if work.name not in costs:
                raise UserError(f"There are no times of {work.name!r} on {self.device}", remedy=MEASURE)
            yield work, costs[work.name]


def _read_costs(path: Path) -> dict[str, dict[str, Cost]]:
    costs: dict[str, dict[str, Cost]] = {}
    for row in read_rows(path, COLUMNS):
        numbers = (to_number(row[name], path, finite=True) for name in Cost._fields)
        costs.setdefault(row["device"], {})[row["work"]] = Cost(*numbers)
    return costs


def schedule(jobs: Sequence[Job], times: Times, cores: int, gpus: int = 1) -> tuple[float, float]:
    """Return when the last job ends, in seconds, and the most memory in MiB of jobs beside each other.

    Jobs start as soon as what they wait for is done and as cores are free, by priority. On several cores a job
    takes its time divided by cores^0.77: two make it 1.7 times as fast.
    """
    waiting = sorted(range(len(jobs)), key=lambda place: -jobs[place].priority)
    unmade, running = {job.output for job in jobs}, list[tuple[float, int]]()
    now = peak_mib = 0.0
    while waiting or running:
        for place in list(waiting):
            job, beside = jobs[place], [jobs[other] for _, other in running]
            taken = min(job.cores, cores)
            free = sum(min(each.cores, cores) for each in beside) + taken <= cores
            card = not times.uses_gpu(job) or sum(map(times.uses_gpu, beside)) < gpus
            if free and card and unmade.isdisjoint(job.after):
                waiting.remove(place)
                heapq.heappush(running, (now + times.seconds(job) / taken**SPEEDUP, place))
        peak_mib = max(peak_mib, sum(times.memory_mib(jobs[place]) for _, place in running))
        now, place = heapq.heappop(running)
        unmade.remove(jobs[place].output)
    return now, peak_mib


def describe(jobs: Sequence[Job], times: Times, cores: int, gpus: int = 1) -> str:
    """Return a table of the jobs by rule, with totals, the time by the clock and the disk that results take."""
    if not jobs:
        return "Nothing is missing: no job."
    rules: dict[str, list[Job]] = {}
    for job in jobs:
        rules.setdefault(job.rule, []).append(job)
    rows = []
    for rule, each in (*rules.items(), ("all", list(jobs))):
        taken = [[times.seconds(job) for job in each if times.uses_gpu(job) is gpu] for gpu in (False, True)]
        hours = [format_seconds(sum(part)) if part else "" for part in taken]
        memory = f"{max(map(times.memory_mib, each)) / 1024:.1f} GiB"
        rows.append((rule, str(len(each)), *hours, memory, _disk(each)))
    columns = zip(("rule", "jobs", "CPU time", "GPU time", "memory of a job", "disk"), *rows, strict=True)
    header, *shown = zip(*(column for column in columns if any(column[1:])), strict=True)
    wall_s, peak_mib = schedule(jobs, times, cores, gpus)
    return (
        f"{render_table(header, shown)}\n\n"
        f"On {cores} core{'s' if cores > 1 else ''}: about {format_seconds(wall_s)} by the clock,"
        f" {peak_mib / 1024:.1f} GiB of memory, {_disk(jobs) or 'under 1 MB'} of results.\n"
        f"Times as measured on {times.device}; half or twice as much is possible elsewhere.\n"
        "All epochs are counted, in stage I half of them without `stage_one_max_epochs`; `patience` may end it sooner."
    )


def _disk(jobs: Sequence[Job]) -> str:
    megabytes = sum(job.disk_mb for job in jobs)
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB" if megabytes >= 1 else ""
