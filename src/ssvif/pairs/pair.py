"""A pair as the network will see it: infrared gray and of the visible image's size, both with a range."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.io.errors import UserError
from ssvif.io.images import RawImage
from ssvif.pairs.alignment import Alignment, check_size, warp
from ssvif.pairs.ranges import Range, Rule, range_of, sequence_range, to_unit
from ssvif.schema import SIDES

log = logging.getLogger("ssvif")

ASPECT_TOLERANCE = 0.02
COLORED_SHARE = 1 / 16  # mean spread of a pixel's three values, of the whole range; JPEG's own is below 0.01
LUMA = (299, 587, 114)
LEAST_UNIT, MOST_UNIT = -0.5, 1.5  # floats beyond were never meant as [0,1], overshoot of a resampling included
DARK_SHARE = 1 / 8  # of 16 bits: 13 bits or fewer


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How two images become a pair.

    Attributes:
        visible_range: rule of `range_of` for visible images.
        infrared_range: rule of `range_of` for infrared images.
        resize: which of two sizes is brought to the other, of `RESIZES`; "error" refuses.
        alignment: of the two cameras; then nothing is resized.
    """

    visible_range: Rule = "full"
    infrared_range: Rule = "auto"
    resize: str = "infrared"
    alignment: Alignment | None = None

    def range_of(self, side: str) -> Rule:
        """Return the rule of "visible" or "infrared" images."""
        return self.visible_range if side == "visible" else self.infrared_range

    def with_range(self, side: str, rule: Rule) -> Rules:
        """Return the same with another rule for "visible" or "infrared" images."""
        return replace(self, visible_range=rule) if side == "visible" else replace(self, infrared_range=rule)


@dataclass(frozen=True)
class Pair:
    """Two images of one size as stored, with what becomes 0 and 1.

    Attributes:
        name: what the fused image will be called, without suffix.
        visible: (H,W) or (H,W,3) RGB; uint8, uint16 or float32.
        infrared: (H,W); uint8, uint16 or float32.
        visible_range: of the visible values.
        infrared_range: of the infrared values.
        notes: what was done to them, in words for the user: (kind, sentence).
    """

    name: str
    visible: NDArray[Any]
    infrared: NDArray[Any]
    visible_range: Range
    infrared_range: Range
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        height, width = self.visible.shape[:2]
        return height, width

    def crop(self, rows: slice, columns: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a part as floats in [0,1]: visible (h,w,3) and infrared (h,w)."""
        visible = to_unit(self.visible[rows, columns], self.visible_range)
        if visible.ndim == 2:
            visible = np.repeat(visible[..., None], 3, axis=2)
        return visible, to_unit(self.infrared[rows, columns], self.infrared_range)


def make_pair(name: str, visible: RawImage, infrared: RawImage, rules: Rules) -> Pair:
    """Return the pair of two images as they were read.

    Args:
        name: of the fused image.
        visible: as stored.
        infrared: as stored; a colored one counts as its luma.
        rules: ranges, resizing, alignment.

    Raises:
        UserError: the sizes differ and are not to be made equal, or do not fit the alignment; or floats that are
            to be taken as they are lie beyond 0 and 1.
    """
    notes = [*_left_out("visible", name, visible), *_left_out("infrared", name, infrared)]
    warm, bright = to_gray(infrared.pixels), visible.pixels
    if looks_colored(infrared.pixels):
        notes.append(_colored_note(name))
    _check_unit("visible", name, bright, rules.visible_range)
    _check_unit("infrared", name, warm, rules.infrared_range)
    limits = range_of(bright, rules.visible_range), range_of(warm, rules.infrared_range)
    if rules.visible_range == "full" and _looks_shallow(bright):
        notes.append(_shallow_note(name, int(bright.max())))
    if warm.dtype.kind == "f":  # a single missing value would spread when resampled
        warm = np.nan_to_num(warm, nan=limits[1].low, posinf=limits[1].high, neginf=limits[1].low)
    if rules.alignment:
        check_size(rules.alignment, "visible", bright, f"the visible image {name}")
        warm = warp(warm, rules.alignment, name=f"the infrared image {name}")
    elif warm.shape != bright.shape[:2]:
        bright, warm, note = _equal_sizes(name, bright, warm, rules.resize)
        notes.append(note)
    return Pair(name, bright, warm, *limits, tuple(notes))


def with_sequence(rules: Rules, pixels: Callable[[str], Iterable[NDArray[Any]]]) -> Rules:
    """Return rules with one range for all images in the place of "sequence", found in a pass over them.

    Args:
        rules: as asked for.
        pixels: "visible" or "infrared" → the images of that side, one by one.
    """
    for side in SIDES:
        if rules.range_of(side) == "sequence":
            images = map(to_gray, pixels(side)) if side == "infrared" else pixels(side)
            found = sequence_range(images)
            log.info("%s: %.7g becomes black, %.7g white, throughout", side, found.low, found.high)
            rules = rules.with_range(side, found)
    return rules


def to_gray(infrared: NDArray[Any]) -> NDArray[Any]:
    """Return an infrared image's luma (H,W); of 8 bits rounded as everywhere in ssvif, of more bits as float32."""
    if infrared.ndim == 2:
        return infrared
    if (infrared == infrared[..., :1]).all():
        return np.ascontiguousarray(infrared[..., 0])
    if infrared.dtype == np.uint8:
        weighted = infrared.astype(np.uint32) @ np.array(LUMA, np.uint32)
        return ((weighted + 500) // 1000).astype(np.uint8)
    return infrared.astype(np.float32) @ (np.array(LUMA, np.float32) / 1000)


def looks_colored(infrared: NDArray[Any]) -> bool:
    """Return whether an infrared image's channels differ as a color map makes them differ.

    Args:
        infrared: (H,W) or (H,W,3).
    """
    if infrared.ndim == 2:
        return False
    some = infrared[:: max(1, infrared.shape[0] // 256), :: max(1, infrared.shape[1] // 256)].astype(np.float32)
    whole = np.iinfo(infrared.dtype).max if infrared.dtype.kind == "u" else max(float(np.ptp(some)), 1e-12)
    return bool(np.ptp(some, axis=2).mean() > COLORED_SHARE * whole)


def resized(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return an image brought to another size by area-aware bilinear interpolation, integers rounded.

    Args:
        array: (H,W) or (H,W,3), uint8, uint16 or float32.
        size: the new height and width, pixels.
    """
    if array.ndim == 3:
        return np.stack([resized(array[..., i], size) for i in range(array.shape[2])], axis=2)
    made = Image.fromarray(array.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)
    floats = np.asarray(made)
    return floats.copy() if array.dtype.kind == "f" else np.rint(floats).astype(array.dtype)


def _equal_sizes(
    name: str, bright: NDArray[Any], warm: NDArray[Any], resize: str
) -> tuple[NDArray[Any], NDArray[Any], tuple[str, str]]:
    height, width = bright.shape[:2]
    stretch = (warm.shape[1] / width) / (warm.shape[0] / height)
    sizes = f"visible {width}×{height}, infrared {warm.shape[1]}×{warm.shape[0]}"
    if resize == "error" or abs(stretch - 1) > ASPECT_TOLERANCE:
        raise UserError(
            f"The two images of {name} differ in size",
            expected="one size" + ("" if resize == "error" else ", or one aspect ratio within 2 %"),
            got=sizes,
            remedy="estimate the cameras' alignment with `ssvif align` and pass it with --alignment, or crop first",
        )
    if resize == "visible":
        bright = resized(bright, (warm.shape[0], warm.shape[1]))
        return bright, warm, ("resized", f"{name}: {sizes}; the visible image is resized to the infrared one's size")
    warm = resized(warm, (height, width))
    return bright, warm, ("resized", f"{name}: {sizes}; the infrared image is resized to the visible one's size")


def _check_unit(side: str, name: str, image: NDArray[Any], rule: Rule) -> None:
    """Refuse floats that the range from 0 to 1 would turn into white or black."""
    if rule != "full" or image.dtype.kind != "f":
        return
    finite = image[np.isfinite(image)]
    if finite.size and (finite.min() < LEAST_UNIT or finite.max() > MOST_UNIT):
        low, high = float(finite.min()), float(finite.max())
        most = 255 if 1 < high <= 255 and low >= 0 else 65535 if 255 < high <= 65535 and low >= 0 else 0
        fixed = f"0:{most}" if most else f"{low:.6g}:{high:.6g}"
        raise UserError(
            f"The {side} image {name} holds floats beyond 0 and 1",
            expected="floats from 0 to 1, or a range that says what becomes black and white",
            got=f"{low:.6g} to {high:.6g}",
            remedy=f"pass --{side}-range {fixed}, or --{side}-range percentile",
        )


def _left_out(side: str, name: str, image: RawImage) -> list[tuple[str, str]]:
    sentences = {
        "alpha": "has an alpha channel, which is left out",
        "pages": "holds several images, of which the first is read",
        "low bytes": "is 16-bit gray with alpha, of which 8 bits are read",
    }
    return [(f"{side} {note}", f"{name}: the {side} image {sentences[note]}") for note in image.notes]


def _looks_shallow(bright: NDArray[Any]) -> bool:
    return bright.dtype == np.uint16 and 255 < int(bright.max()) < DARK_SHARE * 65535


def _colored_note(name: str) -> tuple[str, str]:
    return (
        "colored",
        f"{name}: the infrared image looks color-mapped (its three channels differ strongly). Its luma is taken, "
        "which does not rise with temperature in most color maps: better export the camera's gray images",
    )


def _shallow_note(name: str, most: int) -> tuple[str, str]:
    bits = most.bit_length()
    return (
        "shallow",
        f"{name}: the 16-bit visible image goes up to {most} only and will be dark; "
        f"if the camera gives {bits} bits, pass --visible-range 0:{2**bits - 1}",
    )
