"""Pipeline from pairs to fused images: read ahead, batch by size, fuse, and write in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from ssvif.fusing.fuser import FuseOptions, Fuser, Image
from ssvif.fusing.tiles import batch_size, fuse_batch
from ssvif.io.ahead import map_ahead
from ssvif.io.errors import UserError
from ssvif.pairs.judgement import NoteLog
from ssvif.pairs.pair import Job, Pair

WRITERS = 2
AHEAD = 8  # pairs that are read before they are needed, at most
WAITING, WAITING_BYTES = 8, 1 << 28  # images that wait to be written
Write = Callable[[str, Image], None]  # takes a pair's name and its fused image (H,W,3)
Result = tuple[str, NDArray[Any]] | UserError


def fuse_pairs(jobs: Iterable[Job], fuser: Fuser, options: FuseOptions) -> Iterator[Result]:
    """Yield for each pair its name and fused image (H,W,3), or the reason why there is none, which stops no other.

    Pairs of one size keep their order. Iterating over `jobs` may raise UserError, which ends them.
    """
    for batch in _batches(_read_ahead(jobs), fuser, options.batch):
        if isinstance(batch, UserError):
            yield batch
        else:
            yield from _fuse(batch, fuser, options)


@contextmanager
def write_behind(write: Write) -> Iterator[Write]:
    """Yield a function that calls `write` in threads, since compressing a PNG takes as long as fusing it.

    What `write` raises is raised by a later call, or at the end.
    """
    waiting: deque[tuple[Future[None], int]] = deque()
    with ThreadPoolExecutor(WRITERS) as writers:

        def submit(name: str, image: Image) -> None:
            while len(waiting) >= WAITING or sum(size for _, size in waiting) > WAITING_BYTES:
                waiting.popleft()[0].result()
            waiting.append((writers.submit(write, name, image), image.nbytes))

        yield submit
        for each, _ in waiting:
            each.result()


def _read_ahead(jobs: Iterable[Job]) -> Iterator[Pair | UserError]:
    try:
        yield from map_ahead(lambda job: _read(*job), jobs, AHEAD, _bytes_of)
    except UserError as error:  # a video whose rest cannot be read
        yield error


def _bytes_of(pair: Pair | UserError) -> int:
    return pair.visible.nbytes + pair.infrared.nbytes if isinstance(pair, Pair) else 0


def _read(name: str, read: Callable[[], Pair]) -> Pair | UserError:
    try:
        return read()
    except UserError as error:
        return error
    except Exception as error:  # one strange file must not end a folder of thousands
        return UserError(f"The pair {name} cannot be read", got=f"{type(error).__name__}: {error}")


def _batches(read: Iterable[Pair | UserError], fuser: Fuser, most: int) -> Iterator[list[Pair] | UserError]:
    """Yield full batches of pairs of one size, at the end the others, and in between what failed."""
    open_batches: dict[tuple[int, int], list[Pair]] = {}
    notes = NoteLog()
    for pair in read:
        if isinstance(pair, UserError):
            yield pair
            continue
        notes.add(pair.notes)
        batch = open_batches.setdefault(pair.size, [])
        batch.append(pair)
        full = batch_size(fuser, pair.size, most)
        if len(batch) >= full:
            yield open_batches.pop(pair.size)
        elif sum(map(len, open_batches.values())) > max(2 * AHEAD, full):  # many sizes: fuse the oldest
            yield open_batches.pop(next(iter(open_batches)))
    yield from open_batches.values()
    notes.close()


def _fuse(batch: list[Pair], fuser: Fuser, options: FuseOptions) -> Iterator[Result]:
    try:
        images = fuse_batch(fuser, batch, options)
    except UserError as error:
        if len(batch) == 1:
            yield error
            return
        for pair in batch:  # one by one, so that only the pair at fault fails
            yield from _fuse([pair], fuser, options)
    else:
        yield from zip((pair.name for pair in batch), images, strict=True)
