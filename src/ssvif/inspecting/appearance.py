"""What one image looks like: dark, saturated, flat, colour-mapped; and what it is recognised by."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.inspecting.images import Picture
from ssvif.inspecting.structure import Grey

DARK = 0.06  # of the range: the brightest twentieth of a nearly black image stays below
SATURATED_SHARE = 0.25
FLAT = 0.02  # of the range, between the first and the last hundredth of an 8-bit image
FLAT_DEEP = 8  # steps, in an image of more bits, whose range says nothing
COLORFUL = 0.15  # mean difference between the largest and the smallest channel, as a share of the range
MOSTLY = 0.5  # of the pixels
THUMBNAIL_PX = 24
SAMPLED = 4  # every so many rows and columns are enough for brightness


def judge(picture: Picture, grey: Grey, side: str) -> list[tuple[str, str]]:
    """Return what an image's look gives reason to say, as (kind of finding, detail).

    Args:
        picture: the image.
        grey: its brightness, (H,W).
        side: "visible" or "infrared".
    """
    if grey.min() == grey.max() and (picture.pixels == picture.pixels[:1, :1]).all():
        return [("constant", f"value {float(grey.flat[0]):g}")]
    found = [("color map", "three channels that differ")] if side == "infrared" and _colored(picture) else []
    sample = grey[::SAMPLED, ::SAMPLED]
    low, bright, high = (float(value) for value in np.quantile(sample, [0.01, 0.95, 0.99]))
    if picture.pixels.dtype != np.uint8:
        return [*found, ("flat", f"{high - low:g} steps")] if not picture.floats and high - low < FLAT_DEEP else found
    top = float((sample >= 254.5).mean())
    if side == "visible" and bright < DARK * 255:
        found.append(("dark", f"95 % of the pixels are at {bright:.0f} of 255 or below"))
    elif high - low < FLAT * 255:
        found.append(("flat", f"98 % of the pixels lie within {high - low:.0f} of 255 levels"))
    if top >= SATURATED_SHARE:
        found.append(("saturated", f"{top:.0%} of the pixels are at 255"))
    return found


def _colored(picture: Picture) -> bool:
    if picture.pixels.ndim == 2:
        return False
    return float(_spread(picture).mean()) > COLORFUL * (1 if picture.floats else np.iinfo(picture.pixels.dtype).max)


def has_color(picture: Picture) -> bool:
    """Whether the channels of most pixels differ, if ever so little."""
    return picture.pixels.ndim == 3 and float((_spread(picture) > 0).mean()) > MOSTLY


def _spread(picture: Picture) -> Grey:
    """Return, of some pixels, the difference between the largest and the smallest channel."""
    sample = picture.pixels[::SAMPLED, ::SAMPLED].astype(np.float32)
    return np.asarray(sample.max(axis=2) - sample.min(axis=2))


def digest_of(pixels: NDArray[Any]) -> bytes:
    """Return 16 bytes that equal images share, whatever their files' format."""
    header = f"{pixels.shape} {pixels.dtype}".encode()
    return hashlib.blake2b(header + np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest()


def thumbnail_of(grey: Grey) -> Grey:
    """Return an image's brightness at 24×24, flattened, of mean 0 and length 1; all 0 if it is constant."""
    small = np.asarray(Image.fromarray(grey).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX))
    centred = (small - small.mean()).ravel()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32)


def near_duplicates(thumbnails: Grey, threshold: float, at_once: int = 1024) -> list[tuple[int, int, float]]:
    """Find images that are almost the same as an earlier one.

    Args:
        thumbnails: (N,D) of `thumbnail_of`.
        threshold: correlation from which two are almost the same.
        at_once: rows to compare at once.

    Returns:
        For each image that has one, its place, that of the earlier image it is most like, and their correlation.
    """
    found = []
    for start in range(0, len(thumbnails), at_once):
        stop = min(start + at_once, len(thumbnails))
        likeness = thumbnails[start:stop] @ thumbnails[:stop].T
        likeness[np.arange(stop)[None] >= np.arange(start, stop)[:, None]] = -1
        best = likeness.argmax(axis=1)
        heights = likeness[np.arange(stop - start), best]
        found += [(start + int(i), int(best[i]), float(heights[i])) for i in np.flatnonzero(heights >= threshold)]
    return found
