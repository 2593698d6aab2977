"""Everything there is to see in one pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssvif.data.boxes import read_boxes
from ssvif.data.descriptor import Descriptor
from ssvif.data.find import FoundPair
from ssvif.data.pack import check_ids
from ssvif.inspecting.appearance import digest_of, has_color, judge, thumbnail_of
from ssvif.inspecting.correlation import Peak
from ssvif.inspecting.findings import Finding
from ssvif.inspecting.images import Picture, read_picture
from ssvif.inspecting.shifts import is_unlike, measure_shift
from ssvif.inspecting.structure import Grey, to_grey
from ssvif.io.errors import UserError
from ssvif.io.files import read_label
from ssvif.pairs.alignment import Alignment, check_size, warp

SAME_SHAPE = 0.02  # aspect ratios that differ by less are one


@dataclass(frozen=True)
class Rules:
    """What is asked of a pair.

    Attributes:
        descriptor: the dataset's.
        root: the dataset's folder.
        for_pack: whether the pairs shall be packed as they are: 8 bits, one size.
        alignment: of the two cameras, where there is one; shifts are measured after it.
    """

    descriptor: Descriptor
    root: Path
    for_pack: bool
    alignment: Alignment | None = None


@dataclass
class Side:
    """What is kept of one image.

    Attributes:
        size: width and height, pixels.
        kind: what it is, e.g. "8-bit RGB".
        digest: equal for equal pixels.
        thumbnail: see `thumbnail_of`.
    """

    size: tuple[int, int]
    kind: str
    digest: bytes
    thumbnail: Grey


@dataclass
class Seen:
    """What was seen of one pair.

    Attributes:
        split: the official split, or "all".
        pair: its files.
        findings: what is wrong with it, as far as it alone says.
        sides: "visible" and "infrared", as far as they could be read.
        shift: between the two, if it was measured.
    """

    split: str
    pair: FoundPair
    findings: list[Finding] = field(default_factory=list)
    sides: dict[str, Side] = field(default_factory=dict)
    shift: Peak | None = None

    def add(self, kind: str, side: str, detail: str) -> None:
        """Add a finding about this pair."""
        file = "" if side == "pair" else getattr(self.pair, side)
        self.findings.append(Finding(kind, self.pair.pair_id, side, file, detail, self.split))


def inspect_pair(split: str, pair: FoundPair, rules: Rules, *, with_shift: bool) -> Seen:
    """Decode a pair's files to the end and look at everything that they say by themselves.

    Args:
        split: the official split, or "all".
        pair: its files; a side may be missing.
        rules: what is asked of it.
        with_shift: whether to measure the shift between the two sides.
    """
    seen = Seen(split, pair)
    pictures: dict[str, Picture] = {}
    greys: dict[str, Grey] = {}
    for side in ("visible", "infrared"):
        if not getattr(pair, side):
            seen.add("unmatched", side, f"there is no {side} image")
            continue
        try:
            pictures[side] = read_picture(rules.root / getattr(pair, side))
        except UserError as error:
            seen.add("unreadable", side, _reason(error))
            continue
        greys[side] = to_grey(pictures[side].pixels)
        _look_at(seen, side, pictures[side], greys[side], rules)
    if len(pictures) == 2 and has_color(pictures["infrared"]) and not has_color(pictures["visible"]):
        seen.add("swapped", "pair", "")
    if len(pictures) == 2 and _fit(seen, pictures, rules) and with_shift:
        _measure(seen, greys, rules)
    if "visible" in pictures:
        _look_at_annotation(seen, pictures["visible"], rules)
    return seen


def _look_at(seen: Seen, side: str, picture: Picture, grey: Grey, rules: Rules) -> None:
    kind = "colour" if picture.pixels.ndim == 3 else "grey"
    seen.sides[side] = Side(picture.size, f"{picture.depth} {kind}", digest_of(picture.pixels), thumbnail_of(grey))
    for what, detail in judge(picture, grey, side):
        seen.add(what, side, detail)
    if picture.bits > 8:
        seen.add("depth" if rules.for_pack else "16 bits", side, picture.depth)
    if picture.rotated:
        seen.add("rotated", side, "the stored pixels are turned or mirrored")


def _fit(seen: Seen, pictures: dict[str, Picture], rules: Rules) -> bool:
    """Say what is wrong with the two sizes; return whether the shift can be measured."""
    visible, infrared = pictures["visible"].size, pictures["infrared"].size
    if rules.alignment:
        try:
            for side, picture in pictures.items():
                check_size(rules.alignment, side, picture.pixels, f"the {side} image")
        except UserError as error:
            seen.add("size", "pair", _reason(error))
            return False
        return True
    if visible == infrared:
        return True
    detail = "visible {}×{} px, infrared {}×{} px".format(*visible, *infrared)
    ratio = (visible[0] * infrared[1]) / (visible[1] * infrared[0])
    same_shape = abs(ratio - 1) <= SAME_SHAPE
    seen.add("other size" if same_shape and not rules.for_pack else "size", "pair", detail)
    return same_shape


def _measure(seen: Seen, greys: dict[str, Grey], rules: Rules) -> None:
    infrared = warp(greys["infrared"], rules.alignment) if rules.alignment else greys["infrared"]
    seen.shift = measure_shift(greys["visible"], infrared)
    constant = any(each.kind == "constant" for each in seen.findings)
    if is_unlike(seen.shift) and not constant:
        seen.add("unlike", "pair", f"correlation of edges {seen.shift.height:.2f}")


def _look_at_annotation(seen: Seen, visible: Picture, rules: Rules) -> None:
    pair, (width, height) = seen.pair, visible.size
    if pair.label:
        try:
            label = read_label(rules.root / pair.label)
            _check_label(seen, label, (width, height), rules)
        except UserError as error:
            seen.add("label", "label", _reason(error))
    if pair.boxes:
        try:
            read_boxes(rules.root / pair.boxes, rules.descriptor.detection_classes, width, height)
        except UserError as error:
            seen.add("boxes", "boxes", _reason(error))


def _check_label(seen: Seen, label: Any, size: tuple[int, int], rules: Rules) -> None:
    if label.shape != (size[1], size[0]):
        seen.add("label", "label", "{}×{} px, its image {}×{} px".format(*label.shape[::-1], *size))
        return
    check_ids(rules.root / seen.pair.label, label, rules.descriptor)
    ids = {int(value) for value in np.unique(label)} - {rules.descriptor.ignore_index}
    background = rules.descriptor.background_id
    if not ids or ids == {background}:
        names = {info.id: info.name for info in rules.descriptor.classes}
        seen.add("empty label", "label", f"only {names[ids.pop()]}" if ids else "only the ignored value")


def _reason(error: UserError) -> str:
    """Return an error on one line, without its remedy."""
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    return "; ".join(line for line in lines if not line.startswith("remedy:"))
