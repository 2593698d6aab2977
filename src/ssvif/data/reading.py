"""How pairs of any depth and of two sizes become 8-bit arrays of one size, by the rules of `ssvif fuse`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.data.find import FoundPair
from ssvif.io.images import read_raw
from ssvif.pairs.pair import Pair, Rules, make_pair, to_gray
from ssvif.pairs.ranges import Range, Rule, sequence_range, to_8_bits
from ssvif.schema import SIDES


@dataclass(frozen=True)
class Reading:
    """Rules of a whole set of pairs, with the ranges that were found by looking at all of them.

    Attributes:
        rules: as asked for. "auto" leaves 8 bits as they are and takes deeper images as "sequence" does.
        found: side → the one range of all its images.
    """

    rules: Rules
    found: dict[str, Range] = field(default_factory=dict)

    def look_at(self, root: Path, pairs: Sequence[FoundPair]) -> Reading:
        """Return the same with the ranges of "auto" and "sequence", found in a pass over the pairs.

        Args:
            root: the dataset's folder.
            pairs: all that will be packed.

        Raises:
            UserError: a file is missing or damaged.
        """
        found = {}
        for side in SIDES:
            rule = self.rules.range_of(side)
            if rule in ("auto", "sequence"):
                files = (root / getattr(pair, side) for pair in pairs)
                limits = sequence_range(_deep(files, side) if rule == "auto" else _pixels(files, side))
                if limits != Range(0.0, 0.0):  # else there was none
                    found[side] = limits
        return replace(self, found=found)

    def make(self, root: Path, pair: FoundPair) -> Pair:
        """Return a pair as the rules make it.

        Raises:
            UserError: a file is missing or damaged, or the two do not fit each other or the alignment.
        """
        visible, infrared = read_raw(root / pair.visible), read_raw(root / pair.infrared)
        rules = self.rules
        for side, image in zip(SIDES, (visible, infrared), strict=True):
            rules = rules.with_range(side, self._rule_of(side, image.pixels))
        return make_pair(pair.pair_id, visible, infrared, rules)

    def describe(self) -> str:
        """Return the policy as one line of JSON, as it is kept among the attributes of a packed file."""
        ranges = {f"{side}_range": _text(self.rules.range_of(side)) for side in SIDES}
        found = {f"{side}_found": _text(limits) for side, limits in self.found.items()}
        return json.dumps({**ranges, **found, "resize": self.rules.resize}, sort_keys=True)

    def sentences(self) -> list[str]:
        """Return what was found, for the user: what fusing should be told so that it sees the same."""
        return [
            f"{side}: {_text(limits)} became black and white; fuse with --{side}-range {_text(limits)}"
            for side, limits in self.found.items()
        ]

    def _rule_of(self, side: str, pixels: NDArray[Any]) -> Rule:
        rule = self.rules.range_of(side)
        if rule == "sequence" or (rule == "auto" and pixels.dtype != np.uint8):
            return self.found.get(side, rule if rule == "auto" else "percentile")
        return rule


def to_arrays(pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return visible (H,W,3) and infrared (H,W) as 8 bits, rounded half up; 8 bits of full range stay what they are."""
    visible, infrared = to_8_bits(pair.visible, pair.visible_range), to_8_bits(pair.infrared, pair.infrared_range)
    return visible if visible.ndim == 3 else np.repeat(visible[..., None], 3, axis=2), infrared


def _pixels(files: Iterable[Path], side: str) -> Iterator[NDArray[Any]]:
    for file in files:
        pixels = read_raw(file).pixels
        yield to_gray(pixels) if side == "infrared" else pixels


def _deep(files: Iterable[Path], side: str) -> Iterator[NDArray[Any]]:
    return (pixels for pixels in _pixels(files, side) if pixels.dtype != np.uint8)


def _text(rule: Rule) -> str:
    return f"{rule.low:.7g}:{rule.high:.7g}" if isinstance(rule, Range) else rule
