"""Pairs from matched image files or from two videos."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from ssvif.io.ahead import map_ahead
from ssvif.io.errors import UserError
from ssvif.io.images import RawImage
from ssvif.pairs.files import check_one_depth, read_pair, read_side, split_sides
from ssvif.pairs.match import BY_NAME, Matching, kind_of_all, match_sources, refuse_same_file
from ssvif.pairs.pair import Job, Rules, make_pair
from ssvif.pairs.pairing import Pairing
from ssvif.pairs.paths import spelled
from ssvif.pairs.sequence import Images, with_sequence
from ssvif.pairs.shard import Shard
from ssvif.pairs.video import explain, facts_of, frames_of, paired_frames, time_of_both
from ssvif.schema import SIDES

log = logging.getLogger("ssvif")


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

    def part(self, shard: Shard) -> Source:
        """Return a part of the pairs; what could not be paired belongs to the first one.

        Raises:
            UserError: the source is a video, or has fewer pairs than shards.
        """
        if shard.total == 1:
            return self
        if self.names is None:
            raise UserError("--shard is not for videos", remedy="cut the videos by time, and fuse each part")
        names = shard.take(self.names)
        own = frozenset(names)
        return replace(
            self,
            jobs=lambda rules: (job for job in self.jobs(rules) if job[0] in own),
            total=len(names),
            names=tuple(names),
            faults=self.faults if shard.place == 1 else (),
        )

    def resolve(self, rules: Rules) -> Rules:
        """Replace "sequence" by one range for all images, found in a pass over them.

        "auto" is treated alike where a video holds more than 8 bits: stretched frame by frame it would flicker.

        Raises:
            UserError: one range is asked for images of several depths or units.
        """
        files = {name: dict(zip(SIDES, self.inputs(name), strict=True)) for name in self.names or ()}
        check_one_depth(rules, files)
        if self.rate is not None:
            for side in SIDES:
                first = islice(self.images(side), 1)
                if rules.range_of(side) == "auto" and any(image.pixels.dtype != np.uint8 for _, image in first):
                    rules = rules.with_range(side, "sequence")
        return with_sequence(rules, self.images, film=self.rate is not None)


def open_source(visible: str, infrared: str, pairing: Pairing = BY_NAME) -> Source:
    """Return the pairs of two images, folders, patterns or videos; "" for a source that `pairing` does without.

    Raises:
        UserError: a source does not exist or is empty, they are of different kinds, or nothing matches; or an option
            is given that has no meaning for them.
    """
    sources = pairing.sources(visible, infrared)
    if sources and kind_of_all(sources) == "video":
        _check_options(pairing)
        paths = {side: spelled(source) for side, source in sources.items()}
        if not pairing.both_in_one:
            refuse_same_file({"video": paths})
        return _from_videos(paths, pairing.both_in_one, pairing.offset)
    return _from_files(match_sources(sources, pairing), pairing.both_in_one)


def _check_options(pairing: Pairing) -> None:
    if pairing.by != "name":
        raise UserError(
            f"--pair-by {pairing.by} is not for videos, whose frames are paired by their times",
            remedy="leave it out; if the videos do not start at once, pass --offset SECONDS",
        )
    if pairing.both_in_one and pairing.offset:
        raise UserError("An offset in time is for two videos", remedy="leave out --offset")


def _from_files(matching: Matching, both_in_one: str) -> Source:
    for note in matching.notes():
        log.warning("%s", note)
    return Source(
        jobs=lambda rules: ((name, partial(read_pair, name, rules, **files)) for name, files in matching.pairs.items()),
        images=lambda side: _readable({name: files[side] for name, files in matching.pairs.items()}, side, both_in_one),
        inputs=lambda name: tuple(matching.pairs[name].values()),
        total=len(matching.pairs),
        names=tuple(matching.pairs),
        faults=tuple(fault.error() for fault in matching.faults),
    )


def _from_videos(paths: Mapping[str, Path], both_in_one: str, offset_s: float) -> Source:
    facts = {side: facts_of(path) for side, path in paths.items()}
    total = facts["visible"].frames
    if not both_in_one:
        for sentence in explain(facts["visible"], facts["infrared"], offset_s):
            log.warning("%s", sentence)
        start_s, stop_s = time_of_both(facts["visible"], facts["infrared"], offset_s)
        total = round((stop_s - start_s) * facts["visible"].rate)

    def both() -> Iterable[tuple[RawImage, RawImage]]:
        if both_in_one:
            return (split_sides(frame, both_in_one) for _, frame in frames_of(paths["visible"], gray=False))
        return paired_frames(paths["visible"], paths["infrared"], offset_s=offset_s)

    def jobs(rules: Rules) -> Iterator[Job]:
        for count, (visible, infrared) in enumerate(both(), start=1):
            yield f"{count:06d}", partial(make_pair, f"{count:06d}", visible, infrared, rules)

    def frames(side: str) -> Iterator[RawImage]:
        if both_in_one:
            return (images[SIDES.index(side)] for images in both())
        return (frame for _, frame in frames_of(paths[side], gray=side == "infrared"))

    return Source(
        jobs=jobs,
        images=lambda side: _until_damage(frames(side)),
        inputs=lambda name: tuple(paths.values()),
        total=total or None,
        rate=facts["visible"].rate,
    )


def _until_damage(frames: Iterable[RawImage]) -> Iterator[tuple[str, RawImage]]:
    try:
        for count, image in enumerate(frames, start=1):
            yield f"{count:06d}", image
    except UserError:  # reported when these frames are to be fused
        return


def _readable(paths: Mapping[str, Path], side: str, both_in_one: str) -> Iterator[tuple[str, RawImage]]:
    """Yield the images that can be read, with their names, while threads read the next ones."""

    def read(item: tuple[str, Path]) -> list[tuple[str, RawImage]]:
        name, path = item
        try:
            return [(name, read_side(path, side, both_in_one))]
        except UserError:  # reported when this image is to be fused
            return []

    for found in map_ahead(read, paths.items()):
        yield from found
