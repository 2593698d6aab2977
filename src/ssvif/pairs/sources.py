"""Pairs from matched image files or from two videos."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from ssvif.io.errors import UserError
from ssvif.io.images import RawImage, read_raw
from ssvif.pairs.match import Matching, kind_of_all, match_sources
from ssvif.pairs.pair import Images, Job, Pair, Rules, make_pair, with_sequence
from ssvif.pairs.video import explain, facts_of, frames_of, paired_frames
from ssvif.schema import SIDES

log = logging.getLogger("ssvif")

READERS = 2


@dataclass(frozen=True, kw_only=True)
class Source:
    """Pairs to be fused."""

    jobs: Callable[[Rules], Iterable[Job]]  # rules without "sequence" → the pairs in order, read when needed
    images: Images  # of a side, each with a name, for a pass before fusing
    inputs: Callable[[str], tuple[Path, ...]]  # name of a pair → the files that it is made of
    total: int | None  # number of pairs; None if a video does not say
    names: tuple[str, ...] | None = None  # of all pairs; None of a video, whose frames are numbered from 000001
    faults: tuple[UserError, ...] = ()  # errors about files that are in no pair
    rate: Fraction | None = None  # frames per second of a video

    def resolve(self, rules: Rules) -> Rules:
        """Replace "sequence" by one range for all images, found in a pass over them.

        "auto" is treated alike where a video holds more than 8 bits: stretched frame by frame it would flicker.
        """
        if self.rate is not None:
            for side in SIDES:
                first = islice(self.images(side), 1)
                if rules.range_of(side) == "auto" and any(image.pixels.dtype != np.uint8 for _, image in first):
                    rules = rules.with_range(side, "sequence")
        return with_sequence(rules, self.images)


def open_source(visible: str, infrared: str) -> Source:
    """Return the pairs of two images, folders, patterns or videos.

    Raises:
        UserError: a source does not exist or is empty, they are of different kinds, or nothing matches.
    """
    sources = {"visible": visible, "infrared": infrared}
    if kind_of_all(sources) == "video":
        return _from_videos(Path(visible), Path(infrared))
    return _from_files(match_sources(sources))


def _from_files(matching: Matching) -> Source:
    for note in matching.notes():
        log.warning("%s", note)
    return Source(
        jobs=lambda rules: (
            (name, partial(_read_pair, name, rules, **files)) for name, files in matching.pairs.items()
        ),
        images=lambda side: _readable({name: files[side] for name, files in matching.pairs.items()}),
        inputs=lambda name: tuple(matching.pairs[name].values()),
        total=len(matching.pairs),
        names=tuple(matching.pairs),
        faults=tuple(fault.error() for fault in matching.faults),
    )


def _from_videos(visible: Path, infrared: Path) -> Source:
    facts = facts_of(visible)
    for sentence in explain(facts, facts_of(infrared)):
        log.warning("%s", sentence)
    paths = dict(zip(SIDES, (visible, infrared), strict=True))

    def jobs(rules: Rules) -> Iterator[Job]:
        for count, images in enumerate(paired_frames(visible, infrared), start=1):
            yield f"{count:06d}", partial(make_pair, f"{count:06d}", *images, rules)

    return Source(
        jobs=jobs,
        images=lambda side: _until_damage(frames_of(paths[side], gray=side == "infrared")),
        inputs=lambda name: (visible, infrared),
        total=facts.frames or None,
        rate=facts.rate,
    )


def _read_pair(name: str, rules: Rules, visible: Path, infrared: Path) -> Pair:
    return make_pair(name, read_raw(visible), read_raw(infrared), rules)


def _until_damage(frames: Iterable[tuple[float, RawImage]]) -> Iterator[tuple[str, RawImage]]:
    try:
        for count, (_, image) in enumerate(frames, start=1):
            yield f"{count:06d}", image
    except UserError:  # reported when these frames are to be fused
        return


def _readable(paths: Mapping[str, Path]) -> Iterator[tuple[str, RawImage]]:
    """Yield the images that can be read, with their names, while threads read the next ones."""

    def read(name: str, path: Path) -> list[tuple[str, RawImage]]:
        try:
            return [(name, read_raw(path))]
        except UserError:  # reported when this image is to be fused
            return []

    waiting: deque[Future[list[tuple[str, RawImage]]]] = deque()
    with ThreadPoolExecutor(READERS) as readers:
        for name, path in paths.items():
            waiting.append(readers.submit(read, name, path))
            if len(waiting) > READERS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
