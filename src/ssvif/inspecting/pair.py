"""What is wrong with one pair: with its files, sizes, brightness, labels, boxes and shift."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.data.annotation import Notes, read_class_ids
from ssvif.data.boxes import read_boxes
from ssvif.data.descriptor import Descriptor
from ssvif.data.find import FoundPair
from ssvif.data.tally import count_classes
from ssvif.inspecting.edges import Gray, Peak, gray_of
from ssvif.inspecting.findings import Finding
from ssvif.inspecting.shifts import is_unlike, measure_shift
from ssvif.io.errors import UserError
from ssvif.pairs.alignment import check_size, warp
from ssvif.pairs.files import read_side
from ssvif.pairs.pair import Rules, check_unit, has_color, looks_colored, measured_pixels, same_aspect
from ssvif.pairs.ranges import INNER, Range, range_of
from ssvif.schema import SIDES

AS_FUSED = Rules()
DARK = 0.06  # of the range: the brightest twentieth of a nearly black image stays below
SATURATED_SHARE = 0.25
FLAT = 0.02  # of the range, between the first and the last hundredth of an 8-bit image
FLAT_DEEP = 8  # steps, in an image of more bits, which may use little of its range
THUMBNAIL_PX = 24
SAMPLED = 4  # every fourth row and column is enough for brightness
Pixels = NDArray[Any]


@dataclass(frozen=True)
class Side:
    """What is kept of one image."""

    size: tuple[int, int]  # width and height, pixels
    kind: str  # what it is, e.g. "8-bit color"
    digest: bytes  # equal for equal pixels
    thumbnail: Gray  # see `thumbnail_of`
    limits: Range  # of its values; of 8 bits not looked for

    @property
    def depth(self) -> str:
        """Its kind without color: "8-bit", "16-bit" or "float"."""
        return self.kind.split()[0]


@dataclass
class Seen:
    """What was found in one pair."""

    split: str  # the official split, or "all"
    pair: FoundPair  # its files; a side may be missing
    findings: list[Finding] = field(default_factory=list)  # in this pair alone
    sides: dict[str, Side] = field(default_factory=dict)  # "visible" and "infrared", as far as they could be read
    notes: Notes = field(default_factory=Notes)  # what reading its annotations converted or left out
    shift: Peak | None = None  # between the two, if it was measured
    classes: dict[str, Counter[int]] = field(default_factory=dict)  # "label" or "boxes" → what it holds

    @property
    def shows_nothing(self) -> bool:
        """Whether a side has one value everywhere, or none."""
        return any(each.kind in ("constant", "empty") for each in self.findings)

    def finding(self, kind: str, side: str, detail: str = "", value: float | None = None) -> Finding:
        """Return a finding about this pair."""
        return Finding(kind, self.pair.pair_id, side, getattr(self.pair, side, ""), detail, self.split, value)

    def add(self, kind: str, side: str, detail: str = "") -> None:
        """Add a finding about this pair."""
        self.findings.append(self.finding(kind, side, detail))

    @contextmanager
    def noting_errors(self, kind: str, side: str) -> Iterator[None]:
        """Add a finding for an error of the block, which ends there."""
        try:
            yield
        except UserError as error:
            parts = {"expected: ": error.expected, "got: ": error.got, "remedy: ": error.remedy}
            details = [error.what, *(name + text for name, text in parts.items() if text)]
            self.add(kind, side, "; ".join(" ".join(part.split()) for part in details))


@dataclass(frozen=True)
class Inspector:
    """Inspects the pairs of a dataset one by one."""

    descriptor: Descriptor
    root: Path  # the dataset's folder
    for_pack: bool = False  # whether the pairs shall be packed as they are: 8 bits, one size
    rules: Rules = AS_FUSED  # how two images become a pair; shifts are measured after the alignment

    def inspect(self, split: str, pair: FoundPair, *, with_shift: bool) -> Seen:
        """Decode a pair's files to the end and return what is found in them; a side may be missing."""
        seen = Seen(split, pair)
        images: dict[str, Pixels] = {}
        luma: dict[str, Gray] = {}
        for side in SIDES:
            if not getattr(pair, side):
                seen.add("unmatched", side, f"there is no {side} image")
                continue
            with seen.noting_errors("unreadable", side):
                images[side], luma[side] = self._look_at(seen, side)
        if len(images) == 2:
            digests = {each.digest for each in seen.sides.values()}
            if len(digests) == 1 and not seen.shows_nothing:
                seen.add("copied", "pair")
            if has_color(images["infrared"]) and not has_color(images["visible"]):
                seen.add("swapped", "pair")
            if self._fit(seen, images) and with_shift:
                self._measure(seen, luma)
        if "visible" in images:
            gives_way = self.rules.resize == "visible" and not (self.for_pack or self.rules.alignment)
            height, width, *_ = images.get("infrared" if gives_way else "visible", images["visible"]).shape
            self._look_at_annotation(seen, height, width)
        return seen

    def _look_at(self, seen: Seen, side: str) -> tuple[Pixels, Gray]:
        """Read an image (H,W) or (H,W,3) to its last pixel as fusing does, with its luma; note what is unusual."""
        raw = read_side(self.root / getattr(seen.pair, side), side, self.rules.both_in_one)
        pixels, gray = raw.pixels, gray_of(raw.pixels, raw.nodata)
        bits = 16 if "low bytes" in raw.notes else pixels.dtype.itemsize * 8
        depth = "float" if pixels.dtype.kind == "f" else f"{bits}-bit"
        kind = f"{depth} {'color' if pixels.ndim == 3 else 'gray'}"
        thumbnail = thumbnail_of(gray, deep=bits > 8)
        limits = range_of(gray, "percentile") if bits > 8 else Range(0.0, 0.0)
        seen.sides[side] = Side((gray.shape[1], gray.shape[0]), kind, digest_of(pixels), thumbnail, limits)
        with seen.noting_errors("range", side):
            check_unit(side, seen.pair.pair_id, pixels, self.rules.range_of(side))
        *_, notes = measured_pixels(raw, side, self.rules)
        for what, detail in (dict(notes) | dict(judge(pixels, gray, side))).items():
            seen.add(what, side, detail)
        if side == "infrared" and "radiometric" in raw.notes:
            seen.add("radiometric", side)
        if bits > 8:
            seen.add("depth" if self.for_pack else "16 bits", side, depth)
        if raw.orientation != 1:
            seen.add("rotated", side, "the stored pixels are turned or mirrored")
        return pixels, gray

    def _fit(self, seen: Seen, images: dict[str, Pixels]) -> bool:
        """Note what is wrong with the two sizes; return whether the shift can be measured."""
        if self.rules.alignment:
            with seen.noting_errors("size", "pair"):
                for side, pixels in images.items():
                    check_size(self.rules.alignment, side, pixels, f"the {side} image")
                return True
            return False
        visible, infrared = (seen.sides[side].size for side in SIDES)
        same_shape = same_aspect(images["visible"].shape, images["infrared"].shape)
        if visible != infrared:
            detail = "visible {}×{} px, infrared {}×{} px".format(*visible, *infrared)
            fits = same_shape and self.rules.resize != "error" and not self.for_pack
            hint = "; pass --resize infrared" if same_shape and not fits else ""
            seen.add("other size" if fits else "size", "pair", detail + hint)
        return same_shape

    def _measure(self, seen: Seen, luma: dict[str, Gray]) -> None:
        visible, infrared = (luma[side] for side in SIDES)
        aligned = warp(infrared, self.rules.alignment) if self.rules.alignment else infrared
        seen.shift = measure_shift(visible, aligned)
        if is_unlike(seen.shift) and not seen.shows_nothing:
            seen.add("unlike", "pair", f"correlation of edges {seen.shift.height:.2f}")

    def _look_at_annotation(self, seen: Seen, height: int, width: int) -> None:
        """Check the labels and boxes of a pair that becomes so high and wide."""
        pair, label_notes, box_notes = seen.pair, Notes(), Notes()
        if pair.label:
            with seen.noting_errors("label", "label"):
                label = read_class_ids(self.root / pair.label, self.descriptor, height, width, label_notes)
                seen.classes["label"] = count_classes("label", label)
                self._check_label(seen)
        if pair.boxes:
            with seen.noting_errors("boxes", "boxes"):
                boxes = read_boxes(self.root / pair.boxes, self.descriptor, width, height, box_notes)
                seen.classes["boxes"] = count_classes("boxes", boxes)
        for side, notes in (("label", label_notes), ("boxes", box_notes)):
            seen.notes.update(notes)
            for kind, detail in notes.details().items():
                if kind != "unknown name":  # an error already
                    seen.add(kind, side, detail)

    def _check_label(self, seen: Seen) -> None:
        """Note that a label map shows nothing but background."""
        ids = seen.classes["label"].keys() - {self.descriptor.ignore_index}
        if not ids or ids == {self.descriptor.background_id}:
            names = {info.id: info.name for info in self.descriptor.classes}
            seen.add("empty label", "label", f"only {names[min(ids)]}" if ids else "only the ignored value")


def judge(pixels: Pixels, gray: Gray, side: str) -> list[tuple[str, str]]:
    """Return the findings about the pixels of one side's image (H,W) or (H,W,3) with its luma (H,W): kind, detail."""
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).any():
        return [("empty", "NaN or a fill value")]
    if gray.min() == gray.max() and (pixels == pixels[:1, :1]).all():
        return [("constant", f"value {float(gray.flat[0]):g}")]
    floats = pixels.dtype.kind == "f"
    found: list[tuple[str, str]] = []
    if floats and (lost := float(np.isnan(pixels).mean())):
        found.append(("missing", f"{lost:.1%} of the pixels"))
    if side == "infrared" and looks_colored(pixels):
        found.append(("color map", "three channels that differ"))
    sample = gray[::SAMPLED, ::SAMPLED]
    shares = np.array([0.01, 0.95, 0.99]) * (sample.size - 1)
    low, top, high = map(float, np.interp(shares, np.arange(sample.size), np.sort(sample, axis=None)))
    if pixels.dtype != np.uint8:
        return [*found, ("flat", f"{high - low:g} steps")] if not floats and high - low < FLAT_DEEP else found
    if side == "visible" and top < DARK * 255:
        found.append(("dark", f"95 % of the pixels are at {top:.0f} of 255 or below"))
    elif high - low < FLAT * 255:
        found.append(("flat", f"98 % of the pixels lie within {high - low:.0f} of 255 levels"))
    saturated = float((sample >= 254.5).mean())
    if saturated >= SATURATED_SHARE:
        found.append(("saturated", f"{saturated:.0%} of the pixels are at 255"))
    return found


def digest_of(pixels: Pixels) -> bytes:
    """Return 16 bytes that equal images (H,W) or (H,W,3) share, whatever their files' format."""
    header = f"{pixels.shape} {pixels.dtype.str}".encode()
    return hashlib.blake2b(header + np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest()


def thumbnail_of(gray: Gray, *, deep: bool = False) -> Gray:
    """Return an image (H,W) as a 24×24 thumbnail, flattened (576,), of mean 0 and length 1; all 0 if constant.

    Of `deep` images, more than 8 bits, a few values far from the others would outweigh all else: they are cut off.
    """
    low, high = np.percentile(gray[::SAMPLED, ::SAMPLED], INNER) if deep else (0, 0)
    if low < high:
        gray = gray.clip(low, high)
    small = Image.fromarray(gray).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    values = np.frombuffer(small.tobytes(), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        centered = values - values.mean()
        length = math.sqrt(centered @ centered)
    if not math.isfinite(length):  # values near the largest float
        return np.zeros_like(centered)
    return np.asarray(centered / np.float32(max(length, 1e-6)))
