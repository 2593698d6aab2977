"""`ssvif fuse VISIBLE INFRARED`: fuse pairs into a file, a folder or a video, and list failures."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from ssvif.fusing.fuser import FuseOptions, Fuser
from ssvif.fusing.outputs import open_output
from ssvif.fusing.pipeline import fuse_pairs
from ssvif.fusing.tiles import check_color
from ssvif.io.errors import UserError, counted, itemize
from ssvif.io.progress import rate, track
from ssvif.pairs.pair import Job, Rules
from ssvif.pairs.shard import WHOLE, Shard
from ssvif.pairs.sources import Source

log = logging.getLogger("ssvif")

REMEDIES = 3  # different ones
GIVE_UP = 50  # failures without a success, so that a long film of unfit frames is not decoded to its end
MOST_DENOMINATOR = 1001  # of NTSC's frame rates


def fuse_source(
    source: Source,
    rules: Rules,
    output: Path,
    fuser: Fuser,
    options: FuseOptions,
    identity: Mapping[str, Any],
    *,
    overwrite: bool = False,
    fps: float = 25.0,
    shard: Shard = WHOLE,
) -> None:
    """Fuse the pairs of two images, folders, patterns or videos.

    The output is an image or a video by its suffix, at `fps` frames per second if made of images; otherwise a folder of
    PNG, or with 16 bits of TIFF. A folder records all settings and the `identity` of the fuser, such as a digest of its
    network, and is completed only with the same ones; `overwrite` fuses again what it holds. Several processes may fill
    one, each with its `shard` of the pairs.

    Raises:
        UserError: nothing can be fused; or, after all others are done, some pairs could not be, each with its reason.
    """
    check_color(fuser, options.color)
    part = source.part(shard)
    rules = source.resolve(rules)  # of all pairs: a range of the sequence is theirs
    source = part
    texts = {name: value if isinstance(value, str) else repr(value) for name, value in vars(rules).items()}
    made_with = {**identity, **texts, "tile": options.tile, "color": options.color, "depth": options.depth}
    rate_of_images = Fraction(fps).limit_denominator(MOST_DENOMINATOR)
    start, fused, skipped = time.monotonic(), 0, 0
    failures: list[UserError] = []
    opened = open_output(
        output, source, made_with, overwrite=overwrite, rate=rate_of_images, depth=options.depth, shard=shard
    )
    with opened as (write, wanted):

        def left() -> Iterator[Job]:
            nonlocal skipped
            for name, read in source.jobs(rules):
                if wanted(name):
                    yield name, read
                else:
                    skipped += 1

        total = source.total if source.names is None else sum(map(wanted, source.names))
        for result in track(fuse_pairs(left(), fuser, options), "fusing", total, unit="frames"):
            if isinstance(result, UserError):
                failures.append(result)
                if len(failures) == GIVE_UP and not (fused or skipped):
                    raise _listed(f"Nothing could be fused; given up after {GIVE_UP} failures:", failures)
            else:
                write(*result)
                fused += 1
        failures += source.faults
        if not (fused or skipped):  # raised here, so that no video without frames is left
            if len(failures) == 1:
                raise failures[0]
            raise _listed("Nothing could be fused:" + ("" if failures else " there are no frames"), failures)
    there = f"; {skipped} were already there" if skipped else ""
    elapsed_s = time.monotonic() - start
    speed = rate(fused, elapsed_s, "frames")
    log.info("fused %s into %s in %.1f s (%s)%s", counted(fused, "pair"), output, elapsed_s, speed, there)
    if failures:
        done = counted(fused + skipped, "fused pair")
        raise _listed(f"{output} holds {done}; {len(failures)} failed:", failures)


def _listed(what: str, failures: Sequence[UserError]) -> UserError:
    """Return one error with the reason of each failure and the most frequent remedies."""
    remedies = Counter(error.remedy for error in failures if error.remedy).most_common(REMEDIES)
    what += itemize([each.reason for each in failures])
    return UserError(what, remedy="; ".join(text for text, _ in remedies))
