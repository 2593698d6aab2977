"""One call of `ssvif fuse`: sources in, a file, a folder or a video out, and a list of what was not fused."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from ssvif.fusing.engine import check_color
from ssvif.fusing.fuser import Fuser
from ssvif.fusing.pipeline import FrameOptions, Outcome, fuse_jobs
from ssvif.fusing.sinks import Wanted, open_sink, refuse_inputs, target_of
from ssvif.io.errors import UserError, counted
from ssvif.io.progress import rate
from ssvif.pairs.match import kind_of_both
from ssvif.pairs.pair import Rules
from ssvif.pairs.sources import Job, Source, open_source, resolve_sequence
from ssvif.schema import COLORS, RESIZES

log = logging.getLogger("ssvif")

LISTED = 20
REMEDIES = 3  # of different kinds
MOST_DENOMINATOR = 1001  # of NTSC's rates


def fuse_sources(
    visible: str, infrared: str, output: Path, fuser: Fuser, options: FrameOptions, identity: Mapping[str, Any]
) -> None:
    """Fuse two images, folders, patterns or videos.

    Args:
        visible: a path, or a pattern with wildcards.
        infrared: the same.
        output: an image's or a video's name by its suffix, otherwise a folder of PNG.
        fuser: computes.
        options: how.
        identity: what else the result depends on, such as the network's digest; an output folder remembers it, so
            that a half-done one is completed only with the same settings.

    Raises:
        UserError: nothing can be fused; or, when all else is done, some pairs were not, each with its reason.
    """
    check_call(visible, infrared, output, options)
    check_color(fuser, options.color)
    source = open_source(visible, infrared)
    rules = resolve_sequence(options.rules, source)
    made_with = {**identity, **_as_text(rules), "tile": options.tile, "color": options.color}
    fps = Fraction(options.fps).limit_denominator(MOST_DENOMINATOR)
    start = time.monotonic()
    with open_sink(output, source, made_with, overwrite=options.overwrite, rate=fps) as (sink, wanted):
        left = _Left(source, wanted)
        try:
            outcome = fuse_jobs(left, left.total, fuser, rules, options, sink)
        except KeyboardInterrupt:
            if target_of(output) == "folder":
                log.warning("stopped; what is done stays, and the same command goes on")
            raise
        if not (outcome.fused or left.skipped):  # a video without frames would be left behind
            raise _nothing([*outcome.failures, *source.faults])
    _conclude(outcome, source.faults, output, time.monotonic() - start, left.skipped)


def check_call(visible: str, infrared: str, output: Path, options: FrameOptions) -> None:
    """Check what can be checked at once, before a network is loaded.

    Args and errors as of `fuse_sources`.
    """
    for name, value, known in (("--resize", options.rules.resize, RESIZES), ("--color", options.color, COLORS)):
        if value not in known:
            raise UserError(f"Unknown {name} {value!r}", expected=" | ".join(filter(None, known)))
    kind_of_both(visible, infrared)
    refuse_inputs(output, Path(visible), Path(infrared))
    target_of(output)


class _Left:
    """The jobs that are still to be done.

    Attributes:
        total: how many, or None if nobody knows.
        skipped: how many were passed over so far.
    """

    def __init__(self, source: Source, wanted: Wanted) -> None:
        self._source, self._wanted = source, wanted
        self.skipped = 0
        self.total = source.total if source.names is None else sum(map(wanted, source.names))

    def __iter__(self) -> Iterator[Job]:
        for job in self._source.jobs():
            if self._wanted(job.name):
                yield job
            else:
                self.skipped += 1


def _as_text(rules: Rules) -> dict[str, str]:
    return {name: value if isinstance(value, str) else repr(value) for name, value in vars(rules).items()}


def _nothing(failures: Sequence[UserError]) -> UserError:
    if len(failures) == 1:
        return failures[0]
    return UserError(
        f"Nothing could be fused:{_listed(failures) or ' there are no frames'}", remedy=_remedies(failures)
    )


def _listed(failures: Sequence[UserError]) -> str:
    reasons = [f"{each.what} ({each.got})" if each.got else each.what for each in failures]
    more = [f"and {len(reasons) - LISTED} more"] if len(reasons) > LISTED else []
    return "".join(f"\n  - {each}" for each in reasons[:LISTED] + more)


def _remedies(failures: Sequence[UserError]) -> str:
    """Return the remedies of failures, each once, the most needed first."""
    counts = Counter(error.remedy for error in failures if error.remedy)
    return "; ".join(remedy for remedy, _ in counts.most_common(REMEDIES))


def _conclude(outcome: Outcome, faults: Sequence[UserError], output: Path, elapsed_s: float, skipped: int) -> None:
    """Say what was done.

    Raises:
        UserError: some pairs were not fused, or some images are in no pair.
    """
    there = f"; {skipped} were there already" if skipped else ""
    speed, done = rate(outcome.fused, elapsed_s, "frames"), counted(outcome.fused, "pair")
    log.info("fused %s into %s in %.1f s (%s)%s", done, output, elapsed_s, speed, there)
    if failures := [*outcome.failures, *faults]:
        whole, count = outcome.fused + skipped, len(failures)
        most = f"All is in {output} but" if whole >= count else f"Only {counted(whole, 'pair')} in {output}, not"
        these = "this one" if count == 1 else f"these {count}"
        raise UserError(f"{most} {these}:{_listed(failures)}", remedy=_remedies(failures))
