"""Where pairs come from: files that were matched, or two videos."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.io.errors import UserError
from ssvif.io.images import RawImage, read_raw
from ssvif.pairs.match import Matching, kind_of_both, match_sources
from ssvif.pairs.pair import Rules, with_sequence
from ssvif.pairs.video import explain, facts_of, frames_of, paired_frames
from ssvif.schema import SIDES

log = logging.getLogger("ssvif")

READERS = 2


@dataclass(frozen=True)
class Job:
    """A pair to be fused.

    Attributes:
        name: of the fused image.
        read: returns the visible and the infrared image; may raise UserError.
    """

    name: str
    read: Callable[[], tuple[RawImage, RawImage]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Pairs to be fused.

    Attributes:
        jobs: makes them, in order.
        pixels: "visible" or "infrared" → the images of that side, one by one, for a look before fusing.
        inputs: name of a pair → the files it is made of.
        total: how many pairs; None if a video does not say.
        names: of all pairs; None of a video, whose frames are numbered from 000001.
        faults: why other files are in no pair.
        rate: frames per second, of a video.
    """

    jobs: Callable[[], Iterable[Job]]
    pixels: Callable[[str], Iterable[NDArray[Any]]]
    inputs: Callable[[str], tuple[Path, ...]]
    total: int | None
    names: tuple[str, ...] | None = None
    faults: tuple[UserError, ...] = ()
    rate: Fraction | None = None


def open_source(visible: str, infrared: str) -> Source:
    """Return the pairs of two images, folders, patterns or videos.

    Raises:
        UserError: a source does not exist or holds nothing, or nothing matches.
    """
    if kind_of_both(visible, infrared) == "video":
        return _from_videos(Path(visible), Path(infrared))
    return _from_files(match_sources({"visible": visible, "infrared": infrared}))


def resolve_sequence(rules: Rules, source: Source) -> Rules:
    """Return rules with one range for all images in the place of "sequence", found in a first pass over them.

    So it is with "auto" where a video holds more than 8 bits: stretched frame by frame it would flicker.
    """
    if source.rate is not None:
        for side in SIDES:
            if rules.range_of(side) == "auto" and _is_deep(source.pixels(side)):
                rules = rules.with_range(side, "sequence")
    return with_sequence(rules, source.pixels)


def _is_deep(images: Iterable[NDArray[Any]]) -> bool:
    return any(image.dtype != np.uint8 for image in islice(images, 1))


def _from_files(matching: Matching) -> Source:
    for note in matching.notes():
        log.warning("%s", note)
    return Source(
        jobs=lambda: (Job(name, partial(_read_both, **files)) for name, files in matching.pairs.items()),
        pixels=lambda side: _readable(files[side] for files in matching.pairs.values()),
        inputs=lambda name: tuple(matching.pairs[name].values()),
        total=len(matching.pairs),
        names=tuple(matching.pairs),
        faults=tuple(fault.error() for fault in matching.faults),
    )


def _from_videos(visible: Path, infrared: Path) -> Source:
    for sentence in explain(visible, infrared):
        log.warning("%s", sentence)
    facts = facts_of(visible)
    paths = dict(zip(SIDES, (visible, infrared), strict=True))
    return Source(
        jobs=lambda: (
            Job(f"{count:06d}", partial(_as_it_is, pair))
            for count, pair in enumerate(paired_frames(visible, infrared), start=1)
        ),
        pixels=lambda side: _until_damage(frames_of(paths[side], gray=side == "infrared")),
        inputs=lambda name: (visible, infrared),
        total=facts.frames or None,
        rate=facts.rate,
    )


def _as_it_is(pair: tuple[RawImage, RawImage]) -> tuple[RawImage, RawImage]:
    return pair


def _until_damage(frames: Iterable[tuple[float, RawImage]]) -> Iterator[NDArray[Any]]:
    try:
        for _, image in frames:
            yield image.pixels
    except UserError:  # told when these frames are to be fused
        return


def _read_both(visible: Path, infrared: Path) -> tuple[RawImage, RawImage]:
    return read_raw(visible), read_raw(infrared)


def _readable(paths: Iterable[Path]) -> Iterator[NDArray[Any]]:
    """Yield the pixels of those images that can be read; threads read the next ones meanwhile."""
    waiting: deque[Future[NDArray[Any] | None]] = deque()
    with ThreadPoolExecutor(READERS) as readers:
        for path in paths:
            waiting.append(readers.submit(_pixels_or_none, path))
            if len(waiting) > READERS:
                yield from _one(waiting.popleft())
        while waiting:
            yield from _one(waiting.popleft())


def _pixels_or_none(path: Path) -> NDArray[Any] | None:
    try:
        return read_raw(path).pixels
    except UserError:  # told when this image is to be fused
        return None


def _one(read: Future[NDArray[Any] | None]) -> Iterator[NDArray[Any]]:
    pixels = read.result()
    if pixels is not None:
        yield pixels
