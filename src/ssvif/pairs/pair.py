"""A pair as the network will see it: infrared gray and of the visible image's size, both with a range."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.io.errors import UserError
from ssvif.io.images import RawImage
from ssvif.pairs.alignment import Alignment, check_size, coverage, warp
from ssvif.pairs.judgement import Note, judge
from ssvif.pairs.ranges import Range, Rule, fill_value, mark_missing, range_of, to_8_bits, to_unit
from ssvif.schema import LUMA_PER_MILLE, SIDES

log = logging.getLogger("ssvif")

ASPECT_TOLERANCE = 0.02
NEARLY_ALL = 0.99  # of the visible image, which an alignment's rounding leaves
MOSTLY, SAMPLED = 0.5, 4  # an image has color in most of its pixels, of which every fourth row and column is looked at
COLORED_SHARE = 1 / 16  # mean spread of a pixel's three values, of the whole range; JPEG's own is below 0.01
LEAST_UNIT, MOST_UNIT = -0.5, 1.5  # floats beyond were never meant as [0,1], overshoot of a resampling included
DARK_SHARE = 1 / 8  # of 16 bits: 13 bits or fewer
LEFT_OUT = {
    "alpha": "has an alpha channel, which is ignored",
    "fourth channel": "has an alpha channel that varies, which is ignored; if it is the infrared image, pass "
    "--both-in-one channels",
    "pages": "holds several images, of which only the first is read; if they are both sides, pass --both-in-one pages",
    "later pages": "is one of more than two images in its file, of which only the first two are read",
    "channels": "has more channels than those of its color, which are ignored",
    "white is zero": "is a TIFF that declares low values to be white; floats and the like are used as they are stored",
    "low bytes": "is 16-bit gray with alpha, of which only 8 bits are read",
    "radiometric": "is a radiometric JPEG: beside the 8-bit picture that is fused, it holds thermal data of 16 bits. "
    "Extract these with ExifTool (`exiftool -b -RawThermalImage` for FLIR, `-ThermalData` for DJI) or the software of "
    "the camera's maker, and fuse them instead (docs/thermal.md)",
}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How two images become a pair; the ranges are rules of `range_of`."""

    visible_range: Rule = "full"
    infrared_range: Rule = "auto"
    resize: str = "infrared"  # which of two sizes is brought to the other, of `RESIZES`; "error" refuses
    alignment: Alignment | None = None  # of the two cameras; then nothing is resized
    both_in_one: str = ""  # of `schema.BOTH_IN_ONE`, if one file holds both images

    def range_of(self, side: str) -> Rule:
        """Return the rule of "visible" or "infrared" images."""
        return self.visible_range if side == "visible" else self.infrared_range

    def with_range(self, side: str, rule: Rule) -> Rules:
        """Return the same with another rule for "visible" or "infrared" images."""
        return replace(self, visible_range=rule) if side == "visible" else replace(self, infrared_range=rule)


@dataclass(frozen=True)
class Pair:
    """Two images of one size as stored, uint8, uint16 or float32, with what becomes 0 and 1."""

    name: str  # what the fused image will be called, without suffix
    visible: NDArray[Any]  # (H,W) or (H,W,3) RGB
    infrared: NDArray[Any]  # (H,W)
    visible_range: Range
    infrared_range: Range
    notes: tuple[Note, ...] = ()
    coverage: NDArray[np.float32] | None = None  # (H,W): the infrared image's weight; None where it covers all

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        height, width = self.visible.shape[:2]
        return height, width

    def crop(self, rows: slice, columns: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a part as float32 in [0,1]: visible (H,W,3) and infrared (H,W)."""
        visible = to_unit(self.visible[rows, columns], self.visible_range)
        return _to_color(visible), to_unit(self.infrared[rows, columns], self.infrared_range)

    def to_8_bits(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return visible (H,W,3) and infrared (H,W) as uint8, rounded half up; 8 bits of full range are unchanged."""
        visible, infrared = to_8_bits(self.visible, self.visible_range), to_8_bits(self.infrared, self.infrared_range)
        return _to_color(visible), infrared


Job = tuple[str, Callable[[], Pair]]  # a pair's name, and what reads it


def make_pair(name: str, visible: RawImage, infrared: RawImage, rules: Rules) -> Pair:
    """Return the pair of two images as they were read; of a colored infrared image the luma is taken.

    Raises:
        UserError: the sizes differ and are not to be made equal, or do not fit the alignment; or floats of the
            range "full" lie far outside [0,1].
    """
    check_unit("visible", name, visible.pixels, rules.visible_range)
    check_unit("infrared", name, infrared.pixels, rules.infrared_range)
    color, visible_range, of_visible = measured_pixels(visible, "visible", rules)
    gray, infrared_range, of_infrared = measured_pixels(infrared, "infrared", rules)
    notes = _notes(name, visible, infrared, rules)
    for side, found in zip(SIDES, (of_visible, of_infrared), strict=True):
        notes += [(f"{side} {kind}", f"{name}: the {side} image {what}") for kind, what in found]
    if gray.dtype.kind == "f":  # a single missing value would spread when resampled
        gray = np.nan_to_num(gray, nan=infrared_range.low, posinf=infrared_range.high, neginf=infrared_range.low)
    weights = None
    if rules.alignment:
        check_size(rules.alignment, "visible", color, f"the visible image {name}")
        gray = warp(gray, rules.alignment, name=f"the infrared image {name}")
        weights = coverage(rules.alignment)
        if (covered := float((weights == 1).mean())) < NEARLY_ALL:
            notes.append(("coverage", f"{name}: the infrared camera sees {covered:.0%} of the visible image"))
        weights = weights if covered < 1 else None
    elif gray.shape != color.shape[:2]:
        color, gray, note = _equal_sizes(name, color, gray, rules.resize)
        notes.append(note)
    return Pair(name, color, gray, visible_range, infrared_range, tuple(notes), weights)


def measured_pixels(image: RawImage, side: str, rules: Rules) -> tuple[NDArray[Any], Range, list[Note]]:
    """Return an image as it is fused, its range, and what the user should know of both.

    The image is (H,W), visible also (H,W,3), with NaN where nothing was measured. The notes are a kind and the rest of
    a sentence about the image.
    """
    rule, notes = rules.range_of(side), []
    marked = mark_missing(image.pixels, image.nodata, heaps=rule != "full")
    if marked is not image.pixels and (fill := fill_value(image.pixels)):
        notes.append(("missing", f"holds {fill}, far from the others: these pixels count as missing and become black"))
    if image.pixels.dtype.kind == "f" and 0 < (share := float(np.isinf(image.pixels).mean())) < 1:
        notes.append(("infinite", f"holds infinite values ({share:.1%}), which count as missing and become black"))
    pixels = to_gray(marked) if side == "infrared" else marked
    # the luma of 16 bits is a float, as are marked pixels; "full" is what the file's type holds
    limits = range_of(image.pixels if rule == "full" else pixels, rule)
    if rule == "full" and image.most:
        limits = Range(0.0, image.most)
    if found := judge(pixels, limits, side, rule, image.pixels.dtype):
        notes.append(found)
    return pixels, limits, notes


def to_gray(infrared: NDArray[Any]) -> NDArray[Any]:
    """Return the luma (H,W) of an infrared image (H,W) or (H,W,3): 8 bits rounded half up, more bits as float32."""
    if infrared.ndim == 2:
        return infrared
    if (infrared == infrared[..., :1]).all():
        return np.ascontiguousarray(infrared[..., 0])
    if infrared.dtype == np.uint8:  # whole numbers, which float32 holds exactly and multiplies faster
        weighted = infrared.astype(np.float32) @ np.array(LUMA_PER_MILLE, np.float32)
        return ((weighted + 500) / 1000).astype(np.uint8)
    return infrared.astype(np.float32) @ (np.array(LUMA_PER_MILLE, np.float32) / 1000)


def looks_colored(infrared: NDArray[Any]) -> bool:
    """Return whether the channels of an infrared image (H,W) or (H,W,3) differ as a color map makes them differ."""
    if infrared.ndim == 2:
        return False
    some = infrared[:: max(1, infrared.shape[0] // 256), :: max(1, infrared.shape[1] // 256)].astype(np.float32)
    some = some[np.isfinite(some).all(axis=2)]
    if not some.size:
        return False
    whole = np.iinfo(infrared.dtype).max if infrared.dtype.kind == "u" else max(float(np.ptp(some)), 1e-12)
    return bool(np.ptp(some, axis=1).mean() > COLORED_SHARE * whole)


def has_color(image: NDArray[Any]) -> bool:
    """Return whether the channels of most pixels of an image (H,W) or (H,W,3) differ at all."""
    some = image[::SAMPLED, ::SAMPLED]
    return some.ndim == 3 and float((some != some[..., :1]).any(axis=2).mean()) > MOSTLY


def same_aspect(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Return whether two images (H,W) or (H,W,3) of these shapes have one aspect ratio within 2 %."""
    return abs((other[1] / shape[1]) / (other[0] / shape[0]) - 1) <= ASPECT_TOLERANCE


def resized(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return an image (H,W) or (H,W,3), uint8, uint16 or float32, in another size (height, width).

    The interpolation is bilinear and area-aware; integers are rounded.
    """
    if array.ndim == 3:
        return np.stack([resized(array[..., i], size) for i in range(array.shape[2])], axis=2)
    made = Image.fromarray(array.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)
    floats = np.asarray(made)
    return floats.copy() if array.dtype.kind == "f" else np.rint(floats).astype(array.dtype)


def _to_color(image: NDArray[Any]) -> NDArray[Any]:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _equal_sizes(
    name: str, visible: NDArray[Any], infrared: NDArray[Any], resize: str
) -> tuple[NDArray[Any], NDArray[Any], tuple[str, str]]:
    """Return both images in one size, visible (H,W) or (H,W,3) and infrared (H,W), and what was done."""
    height, width = visible.shape[:2]
    sizes = f"visible {width}×{height}, infrared {infrared.shape[1]}×{infrared.shape[0]}"
    same_shape = same_aspect(visible.shape, infrared.shape)
    if resize == "error" or not same_shape:
        resizing = "pass --resize infrared, or " if same_shape else ""
        raise UserError(
            f"The two images of {name} differ in size",
            expected="equal sizes" + ("" if resize == "error" else ", or equal aspect ratios within 2 %"),
            got=sizes,
            remedy=f"{resizing}estimate the cameras' alignment with `ssvif align` and pass its file as --alignment "
            f"(alignment= in Python), or crop the images{_hint_of_both(visible.shape, infrared.shape)}",
        )
    if resize == "visible":
        visible = resized(visible, (infrared.shape[0], infrared.shape[1]))
    else:
        infrared = resized(infrared, (height, width))
    other = "infrared" if resize == "visible" else "visible"
    done = f"the {resize} image is resized to the {other} one's size"
    return visible, infrared, ("resized", f"{name}: {sizes}; {done}")


def _hint_of_both(shape: Sequence[int], other: Sequence[int]) -> str:
    """Return what to try if one of two images has room for the other one: twice its width, or twice its height."""
    ratios = sorted((shape[axis] / other[axis] for axis in range(2)), key=lambda ratio: abs(ratio - 1))
    if ratios[0] != 1 or ratios[1] not in (0.5, 2):
        return ""
    axis = "columns" if shape[0] == other[0] else "rows"
    side = SIDES[0] if ratios[1] == 2 else SIDES[1]
    return f"; if the {side} files hold both images, pass them as --visible alone with --both-in-one {axis}"


def check_unit(side: str, name: str, image: NDArray[Any], rule: Rule) -> None:
    """Check that floats (H,W) or (H,W,3) whose range is from 0 to 1 do not lie far outside it.

    Raises:
        UserError: they do; the remedy names a range that fits.
    """
    if rule != "full" or image.dtype.kind != "f":
        return
    finite = image[np.isfinite(image)]
    if finite.size and (finite.min() < LEAST_UNIT or finite.max() > MOST_UNIT):
        low, high = float(finite.min()), float(finite.max())
        levels = low >= 0 and bool((finite == np.rint(finite)).all())
        most = next((most for most in (255, 65535) if levels and DARK_SHARE * most < high <= most), 0)
        fixed = f"0:{most}" if most else f"{math.floor(low)}:{max(math.ceil(high), math.floor(low) + 1)}"
        raise UserError(
            f"The {side} image {name} holds floats outside [0,1]",
            expected="floats in [0,1], or the values that become black and white",
            got=f"{low:.6g} to {high:.6g}",
            remedy=f"pass --{side}-range {fixed}, or --{side}-range percentile",
        )


def _notes(name: str, visible: RawImage, infrared: RawImage, rules: Rules) -> list[Note]:
    """Return what the user should know of two images as stored, each with its kind."""
    notes = [
        (f"{side} {note}", f"the {side} image {LEFT_OUT[note]}")
        for side, image in zip(SIDES, (visible, infrared), strict=True)
        for note in image.notes
        if note in LEFT_OUT and (side == "infrared" or note != "radiometric")
    ]
    if looks_colored(infrared.pixels) or "chroma" in infrared.notes:
        what = (
            "the infrared image looks color-mapped (its three channels differ strongly). Its luma is used, "
            "which does not increase with temperature in most color maps: export gray images from the camera instead"
        )
        notes.append(("colored", what))
    if has_color(infrared.pixels) and not has_color(visible.pixels):
        notes.append(
            ("swapped", "the infrared image has color and the visible one is gray: are the two sides swapped?")
        )
    pixels = visible.pixels
    if rules.visible_range == "full" and pixels.dtype == np.uint16 and 255 < int(pixels.max()) < DARK_SHARE * 65535:
        most, bits = int(pixels.max()), int(pixels.max()).bit_length()
        what = (
            f"the 16-bit visible image has no value above {most} and will be dark; "
            f"if the camera has {bits} bits, pass --visible-range 0:{2**bits - 1}"
        )
        notes.append(("shallow", what))
    return [(kind, f"{name}: {sentence}") for kind, sentence in notes]
