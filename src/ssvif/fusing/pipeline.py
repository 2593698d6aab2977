"""Many pairs: read ahead, batched, fused, handed on; one that fails stops no other."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from ssvif.fusing.engine import AUTO, Image, batch_size, fuse_batch
from ssvif.fusing.fuser import Fuser
from ssvif.io.errors import UserError
from ssvif.io.images import RawImage
from ssvif.io.progress import track
from ssvif.pairs.pair import Pair, Rules, make_pair
from ssvif.pairs.sources import Job

log = logging.getLogger("ssvif")

READERS = 2
AHEAD = 8  # pairs
AHEAD_BYTES = 1 << 28


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """How pairs are fused.

    Attributes:
        rules: how two images become a pair.
        batch: pairs of one size that are fused at once; 0 leaves it to the device.
        tile: as `requested` of `engine.tile_side`.
        color: as of `engine.fuse_batch`.
        overwrite: fuse again what an output folder holds already.
        fps: frames per second of a video made of images.
    """

    rules: Rules = field(default_factory=Rules)
    batch: int = 0
    tile: int = AUTO
    color: str = ""
    overwrite: bool = False
    fps: float = 25.0


@dataclass
class Outcome:
    """What became of the pairs.

    Attributes:
        fused: how many were fused.
        failures: why each of the others was not.
    """

    fused: int = 0
    failures: list[UserError] = field(default_factory=list)


def fuse_jobs(
    jobs: Iterable[Job],
    total: int | None,
    fuser: Fuser,
    rules: Rules,
    options: FrameOptions,
    sink: Callable[[str, Image], None],
) -> Outcome:
    """Fuse pairs and hand the images on, those of one size in their order.

    Args:
        jobs: the pairs; iterating may raise UserError, which ends them and counts as a failure.
        total: how many, for the estimate; None if nobody knows.
        fuser: computes.
        rules: how two images become a pair, without "sequence".
        options: how pairs are fused; its rules do not count.
        sink: takes a name and an image (H,W,3) uint8; what it raises ends everything.
    """
    outcome = Outcome()
    read = track(_read_ahead(jobs, rules), "fusing", total, unit="frames")
    for batch in _batches(read, fuser, options, outcome):
        for name, image in _fuse(batch, fuser, options, outcome):
            sink(name, image)
            outcome.fused += 1
    return outcome


def _fuse(batch: list[Pair], fuser: Fuser, options: FrameOptions, outcome: Outcome) -> Iterator[tuple[str, Image]]:
    try:
        images = fuse_batch(fuser, batch, tile=options.tile, color=options.color)
        yield from zip((pair.name for pair in batch), images, strict=True)
    except UserError as error:
        if len(batch) == 1:
            outcome.failures.append(error)
            return
        for pair in batch:  # each by itself, so that it is told by name
            yield from _fuse([pair], fuser, options, outcome)


def _read_ahead(jobs: Iterable[Job], rules: Rules) -> Iterator[Pair | UserError]:
    """Yield pairs in order while threads read the next ones, within a bound of memory."""
    waiting: deque[Future[Pair | UserError]] = deque()
    ahead = AHEAD
    with ThreadPoolExecutor(READERS) as readers:
        try:
            for job in _until_damaged(jobs):
                waiting.append(readers.submit(_read, job, rules))
                while len(waiting) >= ahead:
                    read = waiting.popleft().result()
                    ahead = _pairs_in_memory(read)
                    yield read
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _until_damaged(jobs: Iterable[Job]) -> Iterator[Job]:
    try:
        yield from jobs
    except UserError as error:  # a video whose rest cannot be read
        yield Job("", _raiser(error))


def _raiser(error: UserError) -> Callable[[], tuple[RawImage, RawImage]]:
    def read() -> tuple[RawImage, RawImage]:
        raise error

    return read


def _read(job: Job, rules: Rules) -> Pair | UserError:
    try:
        return make_pair(job.name, *job.read(), rules)
    except UserError as error:
        return error
    except Exception as error:  # one strange file must not end a folder of thousands
        return UserError(f"The pair {job.name} cannot be read", got=f"{type(error).__name__}: {error}")


def _pairs_in_memory(read: Pair | UserError) -> int:
    if isinstance(read, UserError):
        return AHEAD
    return min(AHEAD, max(1, AHEAD_BYTES // (read.visible.nbytes + read.infrared.nbytes)))


def _say_once(pair: Pair, said: set[str]) -> None:
    for kind, sentence in pair.notes:
        if kind not in said:
            log.warning("%s (said once)", sentence)
            said.add(kind)


def _batches(
    read: Iterable[Pair | UserError], fuser: Fuser, options: FrameOptions, outcome: Outcome
) -> Iterator[list[Pair]]:
    """Yield full batches of pairs of one size, and at the end the others; failures go into the outcome."""
    open_batches: dict[tuple[int, int], list[Pair]] = {}
    said: set[str] = set()
    for pair in read:
        if isinstance(pair, UserError):
            outcome.failures.append(pair)
            continue
        _say_once(pair, said)
        batch = open_batches.setdefault(pair.size, [])
        batch.append(pair)
        if len(batch) >= batch_size(fuser, pair.size, options.batch):
            yield open_batches.pop(pair.size)
        elif sum(map(len, open_batches.values())) > 2 * AHEAD:  # many sizes: let the oldest go
            yield open_batches.pop(next(iter(open_batches)))
    yield from open_batches.values()
