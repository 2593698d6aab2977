"""Read an image of any kind whole, and say what kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ssvif.inspection.structure import Grey, to_grey
from ssvif.ops.errors import UserError

ORIENTATION = 274  # the EXIF tag
UPRIGHT = 1


@dataclass(frozen=True)
class Picture:
    """An image and what its file says of it.

    Attributes:
        pixels: (H,W) or (H,W,3), of the type stored: uint8, uint16, int32 or float32.
        bits: bits of one value, as stored; 32 with `floats` for floating point.
        floats: whether the values are floating point.
        mode: Pillow's name of the file's own mode, e.g. "RGB", "L", "I;16".
        rotated: whether EXIF asks for another orientation than the stored one; `pixels` are upright.
    """

    pixels: NDArray[Any]
    bits: int
    floats: bool
    mode: str
    rotated: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])

    @property
    def depth(self) -> str:
        """The kind of values in words: "8-bit", "16-bit", "32-bit float"."""
        return f"{self.bits}-bit float" if self.floats else f"{self.bits}-bit"


def read_picture(path: Path) -> Picture:
    """Decode an image file to the last pixel.

    Palettes are expanded, transparency is dropped, and EXIF's rotation is applied.

    Raises:
        UserError: the file is missing, empty, damaged or cut off.
    """
    try:
        with Image.open(path) as opened:
            stored = str(opened.tile[0][3]) if opened.tile else ""  # how pixels lie in the file, e.g. "RGB;16B"
            mode, rotated = opened.mode, opened.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT
            opened.load()
            pixels = np.asarray(_expand(ImageOps.exif_transpose(opened)))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist", remedy="check the folder and its name") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path} cannot be read as an image",
            expected="a whole PNG, JPEG, BMP or TIFF",
            got=str(error) or type(error).__name__,
            remedy="copy or export the file again",
        ) from error
    deep = ";16" in stored  # Pillow cuts 16-bit colour to 8 bits, and widens 16-bit grey to 32
    bits = 16 if deep else pixels.dtype.itemsize * 8
    return Picture(pixels, bits, pixels.dtype.kind == "f", mode, rotated)


def read_grey(path: Path) -> tuple[Grey, tuple[int, int]]:
    """Return an image's brightness (H,W) float32, in its own unit, and its width and height.

    Raises:
        UserError: the file cannot be read.
    """
    picture = read_picture(path)
    return to_grey(picture.pixels), picture.size


def _expand(image: Image.Image) -> Image.Image:
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("LA", "La"):
        return image.convert("LA").getchannel("L")
    if image.mode in ("I", "F", "L", "RGB") or image.mode.startswith("I;16"):
        return image
    return image.convert("RGB")
