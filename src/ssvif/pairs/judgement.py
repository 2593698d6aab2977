"""What a chosen range makes of an image: a black, white or empty picture is told, with the values that are there."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.io.errors import counted
from ssvif.io.images import RawImage
from ssvif.pairs.ranges import Range, Rule, sample
from ssvif.schema import SIDES

log = logging.getLogger("ssvif")
Note = tuple[str, str]  # what was done to a pair, or is wrong with it: kind, sentence for the user

JUDGED_SIDE = 128  # of an image's pixels a grid of at most about so many rows and columns is judged
NEARLY_ALL, MOSTLY = 0.9, 0.5  # of the values
FEW_LEVELS = 8  # of 256
OUTER, FITTING = (0.005, 0.995), (0.01, 0.99)  # quantiles: of what is used of the levels, and of a range that fits
OUTCOMES = {  # kind → what such images have in common
    "empty": "without any value: all pixels are missing",
    "constant": "of one value throughout",
    "black": "black: nearly all their values are below the range",
    "white": "white: nearly all their values are above the range",
    "cut off": "cut off: half of their values or more are outside the range",
    "flat": f"nearly without contrast: they use fewer than {FEW_LEVELS} of 256 levels",
}
LOSSY = (".jpg", ".jpeg")
PECULIAR = {  # what a fused image may be, or have
    "gray": "gray; color metrics use them as they are",
    "alpha": "an alpha channel, which is dropped",
    "lossy": "JPEG, whose compression the metrics measure too",
}


def judge(
    image: NDArray[Any], limits: Range, side: str, rule: Rule, stored: np.dtype[Any] | None = None
) -> tuple[str, str] | None:
    """Return what is wrong with the picture that a range makes of an image: a key of `OUTCOMES`, and a sentence.

    Args:
        image: (H,W) or (H,W,3), uint8, uint16 or float32; NaN where a value is missing.
        limits: the values that become 0 and 1.
        side: "visible" or "infrared", whose option the remedy names.
        rule: by which the limits were chosen. Of visible images "full" is judged no further: night is dark.
        stored: the type that the file holds, where the image was converted.
    """
    values = sample(image, JUDGED_SIDE)
    if not values.size:
        return "empty", "holds no value: every pixel is missing (NaN or a fill value)"
    least, most = float(values.min()), float(values.max())
    if least == most and (image == image.flat[0]).all():
        return "constant", f"holds the value {least:.6g} in every pixel, and shows nothing"
    if side == "visible" and rule == "full":
        return None
    values = np.sort(
        values, kind="stable" if values.dtype.itemsize <= 2 else None
    )  # a radix sort, 8 to 23 times as fast
    beyond = {
        "black": float(np.searchsorted(values, limits.low, "left")) / values.size,
        "white": 1 - float(np.searchsorted(values, limits.high, "right")) / values.size,
    }
    kind = max(beyond, key=lambda each: beyond[each])
    used = float(np.ptp(_quantiles(values, OUTER))) / max(limits.high - limits.low, 1e-12) * 256
    if beyond[kind] >= NEARLY_ALL:
        what = f"is {kind}: {beyond[kind]:.0%} of its values are {'below' if kind == 'black' else 'above'} the range"
    elif sum(beyond.values()) >= MOSTLY:
        kind, what = "cut off", f"is cut off: {sum(beyond.values()):.0%} of its values are outside the range"
    elif used < FEW_LEVELS and limits.high > limits.low:
        kind, what = "flat", f"uses only {max(1, math.ceil(used))} of 256 levels of the range"
    else:
        return None
    stored = stored or image.dtype
    depth = "floats" if stored.kind == "f" else f"{stored.itemsize * 8} bits"
    return kind, f"{what} {limits}; it holds {least:.6g} to {most:.6g} ({depth}): pass {_fitting(values, side)}"


def _quantiles(ordered: NDArray[Any], shares: tuple[float, float]) -> NDArray[np.float64]:
    """Return the values (2) of sorted ones at two shares of them."""
    return ordered[[round(share * (len(ordered) - 1)) for share in shares]].astype(np.float64)


def _fitting(ordered: NDArray[Any], side: str) -> str:
    """Return the options that suit sorted values (N)."""
    low, high = map(float, _quantiles(ordered, FITTING))
    if high - low >= 10:
        low, high = math.floor(low), math.ceil(high)
    if ordered.dtype == np.uint8 and (high - low) * 256 >= FEW_LEVELS * 255:
        return f"--{side}-range full"
    fixed = f"--{side}-range={Range(low, high)} or " if low < high else ""
    return f"{fixed}--{side}-range percentile"


def peculiarities(fused: RawImage, path: Path) -> list[str]:
    """Return which keys of `PECULIAR` a fused image is of that was read from a file."""
    pixels = fused.pixels
    gray = pixels.ndim == 2 or bool((pixels == pixels[..., :1]).all())
    return (
        ["gray"] * gray
        + ["alpha"] * any(note in fused.notes for note in ("alpha", "fourth channel"))
        + ["lossy"] * (path.suffix.lower() in LOSSY)
    )


def log_peculiar(where: Path, counts: Mapping[str, int], total: int) -> None:
    """Log how many of a folder's fused images are of each key of `PECULIAR`."""
    for kind, text in PECULIAR.items():
        if count := counts.get(kind):
            log.info("%s: %d of %d images: %s", where, count, total, text)


class NoteLog:
    """Logs what was done to pairs: each kind once, and at the end how many images came out as no picture."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._pairs = 0
        self._lock = Lock()

    def add(self, notes: Iterable[Note]) -> None:
        """Log a pair's notes of the kinds that were not logged yet; threads may do so at once."""
        with self._lock:
            self._pairs += 1
            for kind, sentence in notes:
                if not self._counts[kind]:
                    log.warning("%s (reported once)", sentence)
                self._counts[kind] += 1

    def close(self) -> None:
        """Log of how many images, if more than one, each outcome is true."""
        for side in SIDES:
            for kind, meaning in OUTCOMES.items():
                count = self._counts[f"{side} {kind}"]
                if count > 1:
                    log.warning("%d of %s are %s", count, counted(self._pairs, f"{side} image"), meaning)
