"""The interface of everything that fuses batches of NumPy images, its options, and the baselines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ssvif.io.errors import UserError

Floats = NDArray[np.float32]
Image = NDArray[Any]  # uint8, or uint16 if asked for
AUTO = -1  # of `FuseOptions.tile`
MEMORY_BYTES = 3 * 2**29  # 1.5 GiB; constant, so that the same image is always cut into the same tiles
GPU_BATCH = 8  # pairs that a GPU fuses at once
MOST_REACH_PX = 4096  # that an exported network's file may claim
# visible (B,H,W,3), infrared (B,H,W,1) → fused (B,H,W,3); the keys are `schema.BASELINES`
FORMULAS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "average": lambda visible, infrared: (visible + infrared) / np.float32(2),
    "maximum": np.maximum,
    "visible": lambda visible, infrared: visible,
    "infrared": lambda visible, infrared: infrared.repeat(3, axis=3),
}


@dataclass(frozen=True, kw_only=True)
class FuseOptions:
    """How pairs are fused."""

    batch: int = 0  # pairs of one size that are fused at once; 0 leaves it to the device
    tile: int = AUTO  # side in pixels, 0 for whole images, AUTO for tiles where whole images do not fit into memory
    # "rgb" for the network's own colors, "ycbcr" for its luma with the visible image's chroma; "" is rgb for three
    # channels and ycbcr for one
    color: str = ""
    depth: int = 8  # bits of fused images: 8 or 16, which fill their range; 32 for floats in [0,1]


# of packed pairs: independent of the memory of the machine, as the scores of a run are
WHOLE_IMAGES = FuseOptions(batch=1, tile=0)


@dataclass(frozen=True)
class Reach:
    """Receptive field of a network."""

    # an output pixel depends on inputs up to this many rows and columns away
    radius_px: Annotated[int, Field(ge=0, le=MOST_REACH_PX)]
    # shifting the inputs by a multiple of this shifts the output alike: 1 for plain convolutions, otherwise the size of
    # the windows or the stride
    grid_px: Annotated[int, Field(ge=1, le=MOST_REACH_PX)] = 1


class Fuser(ABC):
    """Fuses batches of NumPy images."""

    channels: int = 3  # or 1 if only luma is fused and the chroma of the visible image is kept
    tileable: bool = True  # whether an image may be fused in tiles
    bytes_per_px: int = 48  # approximate working memory per pixel of a batch
    memory_bytes: int = MEMORY_BYTES  # working memory that may be used
    batch: int = 1  # number of pairs that suits the device
    least_px: int = 1  # shortest side accepted; smaller images are padded by repeating the border
    half: bool = False  # whether it computes in bfloat16
    finish: Callable[[Floats], Floats] | None = None  # applied to the whole fused image (H,W,3) in [0,1] at the end

    @property
    def reach(self) -> Reach | None:
        """Receptive field; None if every output pixel depends on the whole image."""
        return None

    @abstractmethod
    def __call__(self, visible: Floats, infrared: Floats) -> Floats:
        """Return fused images (B,H,W,3), about in [0,1], of visible (B,H,W,3) RGB and infrared (B,H,W) in [0,1].

        Raises:
            ValueError: the images have a size that the network does not accept.
        """


class BaselineFuser(Fuser):
    """Fusion without a network, pixel by pixel: "average", "maximum", "visible" or "infrared".

    Raises:
        UserError: the name is unknown.
    """

    reach = Reach(0)

    def __init__(self, name: str) -> None:
        if name not in FORMULAS:
            raise UserError(f"Unknown baseline {name!r}", expected=" | ".join(FORMULAS))
        self._formula = FORMULAS[name]

    def __call__(self, visible: Floats, infrared: Floats) -> Floats:
        """Return fused images (B,H,W,3) of visible (B,H,W,3) and infrared (B,H,W)."""
        return self._formula(visible, infrared[..., None])
