"""What fuses: the contract between the frames and whatever computes, and the fusions that need no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ssvif.io.errors import UserError

Floats = NDArray[np.float32]
MEMORY_BYTES = 3 * 2**29  # 1.5 GiB; constant, so that the same image is always cut into the same tiles


@dataclass(frozen=True)
class Reach:
    """How far an output pixel of a network sees.

    Attributes:
        radius_px: the output depends on inputs up to so many pixels away, in rows and in columns.
        grid_px: moving the images by a multiple of this moves the output alike; 1 for plain convolutions, the
            window of a network with windows, the stride of one that halves its maps.
    """

    radius_px: int
    grid_px: int = 1


class Fuser(Protocol):
    """Fuses batches of NumPy images.

    Attributes:
        channels: 3, or 1 if luma alone is fused and visible's chroma kept.
        reach: see `Reach`; None if every output pixel depends on the whole image.
        tileable: whether an image may be fused in parts at all.
        bytes_per_px: working memory per pixel of a batch, about.
        memory_bytes: working memory that may be used.
        batch: pairs at a time that suit the device.
        least_px: the shortest side it takes; shorter ones are widened by repeating the border.
        finish: what is to be done to the whole fused image (H,W,3) in [0,1] at the end, or None.
    """

    channels: int
    tileable: bool
    bytes_per_px: int
    memory_bytes: int
    batch: int
    least_px: int
    finish: Callable[[Floats], Floats] | None

    @property
    def reach(self) -> Reach | None:
        """How far an output pixel sees."""

    def __call__(self, visible: Floats, infrared: Floats) -> Floats:
        """Return fused images (B,H,W,3) of visible (B,H,W,3) and infrared (B,H,W), all about [0,1].

        Raises:
            ValueError: the images are of a size that the network cannot take.
        """


def _as_color(infrared: Floats) -> Floats:
    return np.repeat(infrared[..., None], 3, axis=3)


BASELINES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "average": lambda visible, infrared: (visible + infrared[..., None]) / np.float32(2),
    "maximum": lambda visible, infrared: np.maximum(visible, infrared[..., None]),
    "visible": lambda visible, infrared: visible,
    "infrared": lambda visible, infrared: _as_color(infrared),
}


class BaselineFuser:
    """A fusion pixel by pixel: "average", "maximum", "visible" or "infrared".

    Args:
        name: which.

    Raises:
        UserError: the name is unknown.
    """

    channels = 3
    tileable = True
    bytes_per_px = 48
    memory_bytes = MEMORY_BYTES
    batch = 1
    least_px = 1
    finish: Callable[[Floats], Floats] | None = None
    reach = Reach(0)

    def __init__(self, name: str) -> None:
        if name not in BASELINES:
            raise UserError(f"Unknown baseline {name!r}", expected=" | ".join(BASELINES))
        self._fuse = BASELINES[name]

    def __call__(self, visible: Floats, infrared: Floats) -> Floats:
        """Return fused images (B,H,W,3) of visible (B,H,W,3) and infrared (B,H,W)."""
        return self._fuse(visible, infrared)
