"""Read an image of any kind whole, and say what kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from ssvif.inspecting.structure import Grey, to_grey
from ssvif.io.images import ORIENTATION, read_raw

UPRIGHT = 1


@dataclass(frozen=True)
class Picture:
    """An image and what its file says of it.

    Attributes:
        pixels: (H,W) or (H,W,3), upright; uint8, uint16 or float32.
        bits: of one value in the file, 8, 16 or 32.
        rotated: whether EXIF asks for another orientation than the stored one.
    """

    pixels: NDArray[Any]
    bits: int
    rotated: bool

    @property
    def floats(self) -> bool:
        """Whether the values are floating point."""
        return self.pixels.dtype.kind == "f"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])

    @property
    def depth(self) -> str:
        """The kind of values in words: "8-bit", "16-bit", "float"."""
        return "float" if self.floats else f"{self.bits}-bit"


def read_picture(path: Path) -> Picture:
    """Decode an image file to the last pixel, as fusing reads it.

    Raises:
        UserError: the file is missing, empty, damaged or cut off.
    """
    raw = read_raw(path)
    bits = 16 if "low bytes" in raw.notes else raw.pixels.dtype.itemsize * 8
    return Picture(raw.pixels, bits, _is_rotated(path))


def _is_rotated(path: Path) -> bool:
    try:
        with Image.open(path) as opened:
            return bool(opened.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # a TIFF that Pillow does not know
        return False


def read_grey(path: Path) -> tuple[Grey, tuple[int, int]]:
    """Return an image's brightness (H,W) float32, in its own unit, and its width and height.

    Raises:
        UserError: the file cannot be read.
    """
    picture = read_picture(path)
    return to_grey(picture.pixels), picture.size
