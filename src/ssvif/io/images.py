"""How image files are opened, and pixels read in the depth they were stored in."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from ssvif.io.errors import UserError

ORIENTATION = 0x0112  # EXIF's tag
# TIFF's tags
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLES_PER_PIXEL, PLANAR_CONFIGURATION = 258, 262, 277, 284
EXTRA_SAMPLES, SAMPLE_FORMAT, GDAL_NODATA = 338, 339, 42113
WHITE_IS_ZERO, SIGNED = 0, 2  # values of PHOTOMETRIC and SAMPLE_FORMAT
TIFF_SUFFIXES = (".tif", ".tiff")
# EXIF's orientations that ask for each step, in this order
TRANSPOSED, ROWS_FLIPPED, COLUMNS_FLIPPED = (5, 6, 7, 8), (3, 4, 7, 8), (2, 3, 6, 7)
REFUSED = ("EPS", "FITS")  # Pillow has Ghostscript draw the one, and unpacks the other before its size is known
# no decoder makes more of a byte: deflate repeats 258 bytes by 2 bits, and a byte may hold 8 pixels of 1 bit
LEAST_CLAIM_PX, MOST_PX_PER_BYTE = 2**20, 10_000
BY_TIFFFILE = ("raw", "tiff_adobe_deflate")  # compressions that it decodes without a package of codecs
WITH_ALPHA = ("LA", "La", "RGBA", "RGBa", "PA")
# JPEG's segments in which thermal cameras store their 16 bits; APP2 and those above 9 hold profiles and the like
RAW_SEGMENTS, LEAST_RAW_BYTES = frozenset(f"APP{i}" for i in range(3, 10)), 1 << 14
OTHER_BYTE = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}


@dataclass(frozen=True)
class RawImage:
    """An image in the depth it was stored in, upright."""

    pixels: NDArray[Any]  # (H,W) or (H,W,3) RGB; uint8, uint16 or float32
    # left out: "alpha", "fourth channel" (alpha that varies), "channels" (beyond four), "pages" (that follow the one
    # read), "low bytes" (8 of 16), "radiometric" (thermal data), "chroma" (of a deep video that is color-mapped),
    # "white is zero" (what a TIFF of floats says)
    notes: tuple[str, ...] = ()
    orientation: int = 1  # EXIF's, by which the stored pixels were turned; 1 leaves them as they are
    nodata: float | None = None  # the value by which the file marks missing pixels; in floats they are NaN already
    most: float | None = None  # the largest value of its depth, of a video of 9 to 14 bits


@contextmanager
def open_image(path: Path) -> Iterator[ImageFile]:
    """Open an image with Pillow; what goes wrong while it is open names the file.

    Raises:
        UserError: the file is missing or damaged, or claims to be too large.
    """
    with _guarded(path), Image.open(path) as opened:
        if opened.format in REFUSED:
            raise UnidentifiedImageError
        check_claim(path, opened.width * opened.height)
        yield opened


def check_claim(path: Path, pixels: int, *, stored: bool = True) -> None:
    """Check the number of pixels that a file claims to hold, before memory is taken for them.

    Raises:
        UserError: they are more than Pillow's limit, or, of pixels that are `stored` one by one, than its bytes can be.
    """
    if Image.MAX_IMAGE_PIXELS and pixels > 2 * Image.MAX_IMAGE_PIXELS:
        raise _too_large(path, f"{pixels / 1e6:.0f} megapixels")
    size = path.stat().st_size
    if stored and pixels > LEAST_CLAIM_PX + MOST_PX_PER_BYTE * size:
        raise _unreadable(path, f"{pixels / 1e6:.0f} megapixels claimed by {size} bytes")


def _too_large(path: Path, got: str) -> UserError:
    return UserError(
        f"{path} is too large",
        expected=f"at most {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels, Pillow's limit",
        got=got,
        remedy="cut it into parts; in a program of yours set PIL.Image.MAX_IMAGE_PIXELS",
    )


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a `UserError` that names the file."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist", remedy="check the folder and its name") from error
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error).partition(",")[0]) from error
    except MemoryError as error:
        raise UserError(
            f"{path} does not fit into memory", got=str(error), remedy="cut it into parts, or export it again"
        ) from error
    except UnidentifiedImageError as error:  # whose text repeats the path
        raise _unreadable(path, "no format of images that is known") from error
    # on damaged files the decoders raise anything: TypeError, zlib.error, ZeroDivisionError ...
    except Exception as error:
        said = isinstance(error, OSError | SyntaxError | ValueError)
        raise _unreadable(path, str(error) if said else f"{type(error).__name__}: {error}") from error


def _unreadable(path: Path, got: str) -> UserError:
    remedy = "copy or export the file again"
    if "imagecodecs" in got:  # tifffile has no codec for its compression
        remedy = "pip install imagecodecs, or save the file without compression or with Deflate"
    return UserError(
        f"{path} cannot be read as an image", expected="a whole PNG, JPEG, BMP or TIFF", got=got, remedy=remedy
    )


def stored_form(opened: ImageFile) -> str:
    """Return how pixels lie in a file that is not loaded yet, in Pillow's words, e.g. "L;4" or "RGB;16B"."""
    if not opened.tile:
        return ""
    arguments = opened.tile[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def depth_of(path: Path) -> str:
    """Return by its header whether an image is read as "8-bit", "16-bit" or "float" values.

    Raises:
        UserError: the file is missing, damaged, or of a kind that only its pixels tell.
    """
    with open_image(path) as opened:
        if opened.mode == "F" or (opened.mode == "I" and opened.format != "PNG") or _is_signed(opened):
            return "float"
        return "16-bit" if opened.mode.startswith("I") or ";16" in stored_form(opened) else "8-bit"


def expand(image: Image.Image) -> Image.Image:
    """Return a palette, CMYK, YCbCr, Lab or HSV image as RGB (with alpha where it has one), others as they are."""
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    if image.mode == "La":  # TIFF's gray, multiplied by its alpha
        return image.convert("LA")
    return image.convert("RGB") if image.mode in ("CMYK", "YCbCr", "LAB", "HSV") else image


def drop_alpha(array: NDArray[Any]) -> NDArray[Any]:
    """Return (H,W) or (H,W,3) of an array that may have a last channel of alpha, or one channel alone."""
    if array.ndim == 3 and array.shape[2] in (2, 4):
        array = array[..., :-1]
    return array[..., 0] if array.shape[2:] == (1,) else array


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn an image (H,W) or (H,W,3) as its EXIF orientation says; 1 and what EXIF does not define leave it alone."""
    array = array.swapaxes(0, 1) if orientation in TRANSPOSED else array
    return array[:: -1 if orientation in ROWS_FLIPPED else 1, :: -1 if orientation in COLUMNS_FLIPPED else 1]


def read_raw(path: Path, *, indices: bool = False, page: int = 0, all_channels: bool = False) -> RawImage:
    """Read an image of any depth: 8 bits, 16 bits, or floats such as temperatures; alpha is dropped.

    `page` chooses one of several images in a file. With `all_channels` alpha is kept as the last of (H,W,2|4).

    Palettes, CMYK and the like become RGB; 1-bit images 0 and 255; integers that are neither 8 nor 16 bits
    without sign become floats. The EXIF orientation is followed. With `indices`, as label maps need it, a palette
    image gives its indices, and values of 1, 2 and 4 bits stay as they are.

    Raises:
        UserError: the file is missing or damaged.
    """
    with _guarded(path):
        return _read_raw(path, indices, page, all_channels)


def _read_raw(path: Path, indices: bool, page: int, all_channels: bool) -> RawImage:
    chosen = np.asarray if all_channels else drop_alpha
    by_tifffile = path.suffix.lower() in TIFF_SUFFIXES and _pillow_loses(path, page)
    stored = _read_tiff(path, page) if by_tifffile else _read_with_pillow(path, page, indices)
    array, notes, white = chosen(stored.array), stored.notes, stored.tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    if white and not indices and (by_tifffile or array.dtype != np.uint8):  # Pillow inverts 8 bits
        array = _inverted(array)
    pixels = upright(_plain_type(array, stored.is_png), stored.turn)
    image = _mark_floats(pixels, None if indices else stored.tags.get(GDAL_NODATA))
    if white and image.pixels.dtype.kind == "f":
        notes = (*notes, "white is zero")
    elif white and image.nodata is not None:
        image = replace(image, nodata=np.iinfo(image.pixels.dtype).max - image.nodata)
    return replace(image, notes=notes, orientation=stored.orientation)


@dataclass(frozen=True)
class _Stored:
    """An image as a library reads it."""

    array: NDArray[Any]  # (H,W) or (H,W,2|3|4)
    tags: Mapping[int, Any]  # of a TIFF
    notes: tuple[str, ...]
    orientation: int  # EXIF's
    turn: int  # the orientation that the array still has to be turned by
    is_png: bool = False  # where 16 bits may come as 32


def _read_with_pillow(path: Path, page: int, indices: bool) -> _Stored:
    with _opened_page(path, page) as opened:
        form, tags, is_tiff = stored_form(opened), dict(getattr(opened, "tag_v2", {})), opened.format == "TIFF"
        orientation, signed = opened.getexif().get(ORIENTATION, 1), _is_signed(opened)
        if is_tiff and orientation in TRANSPOSED:
            opened.filename = ""  # or Pillow maps the file into memory with height and width exchanged
        has_alpha = opened.mode in WITH_ALPHA or "transparency" in opened.info
        notes = ["channels"] * (tags.get(SAMPLES_PER_PIXEL, 1) > len(opened.getbands()))
        notes += ["radiometric"] * _is_radiometric(opened)
        opened.load()
        array = _indices_of(opened, form) if indices else np.asarray(expand(opened))
        is_followed = _is_followed(opened, page)
    if ";16" in form and array.dtype == np.uint8:  # Pillow keeps the upper byte of 16-bit color
        if form.startswith("RGB"):
            array = array.astype(np.uint16) << 8 | _lower_bytes(path, page)
        else:
            notes.append("low bytes")
    elif form.startswith("I;32N") or (signed and not indices):  # Pillow takes 32 bits as signed, 8 as unsigned
        array = array.view(np.int8 if signed else np.uint32)
    notes = [*_kept_out(array, has_alpha, is_followed), *notes]
    turn = 1 if is_tiff else orientation  # Pillow turns TIFF itself
    return _Stored(array, tags, tuple(notes), orientation, turn, opened.format == "PNG")


@contextmanager
def _opened_page(path: Path, page: int) -> Iterator[ImageFile]:
    """Open an image of a file with Pillow, and mend how it takes the pixels of some TIFFs."""
    with open_image(path) as opened:
        if page:
            try:
                opened.seek(page)
            except EOFError as error:
                raise _too_few(path, page) from error
            check_claim(path, opened.width * opened.height)
        form = stored_form(opened)
        if form.startswith("RGBX") and getattr(opened, "tag_v2", {}).get(EXTRA_SAMPLES) == (0,):
            opened._mode = "RGBA"  # the fourth channel, whose meaning the file does not say, is kept
            _take_as(opened, form.replace("X", "A"))
        elif form.endswith(("BS", "BF")) and opened.tile[0][0] == "libtiff":
            _take_as(opened, f"{form[:-2]}N{form[-1]}")  # the library has brought them into this machine's order
        yield opened


def _take_as(opened: ImageFile, form: str) -> None:
    """Have Pillow take the pixels of a file that is not loaded yet as if they lay in another form."""
    opened.tile = [  # plain tuples: Pillow named them only later
        (*each[:3], (form, *each[3][1:]) if isinstance(each[3], tuple) else form)  # type: ignore[misc]
        for each in opened.tile
    ]


def _is_followed(opened: ImageFile, page: int) -> bool:
    """Return whether images come after a page of a loaded file; `n_frames` would look for all of thousands."""
    if not page:
        return bool(getattr(opened, "is_animated", False))
    try:
        opened.seek(page + 1)
    except EOFError:
        return False
    except Exception:  # it is there, damaged or of another kind
        return True
    return True


def _too_few(path: Path, page: int) -> UserError:
    return UserError(f"{path} holds too few images", expected=f"{page + 1} pages or more")


def _kept_out(array: NDArray[Any], has_alpha: bool, is_followed: bool) -> list[str]:
    """Return notes about the last channel of an array, if it is alpha, and the pages that follow."""
    varies = array.shape[2:] in ((2,), (4,)) and np.ptp(array[..., -1])
    return ["fourth channel" if varies else "alpha"] * has_alpha + ["pages"] * is_followed


def _is_signed(opened: ImageFile) -> bool:
    """Return whether a TIFF holds 8 bits with sign, which Pillow reads as if they had none."""
    return opened.mode == "L" and getattr(opened, "tag_v2", {}).get(SAMPLE_FORMAT) == (SIGNED,)


def _inverted(array: NDArray[Any]) -> NDArray[Any]:
    """Return gray pixels whose 0 is white with black at 0, up to 16 bits; deeper ones are quantities, as in GDAL."""
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        return array
    return np.dstack([~array[..., 0], array[..., 1:]]) if array.ndim == 3 else ~array


def _mark_floats(pixels: NDArray[Any], nodata: Any) -> RawImage:
    """Return pixels (H,W) or (H,W,3) with the value by which their file marks missing ones, a text; floats get NaN."""
    if nodata is None:
        return RawImage(np.ascontiguousarray(pixels))
    try:
        with np.errstate(over="ignore"):  # the least number of 64 bits is -inf in 32
            value = np.float32(str(nodata).strip(" \0"))
    except ValueError:  # no number
        return RawImage(np.ascontiguousarray(pixels))
    if pixels.dtype.kind == "f":
        pixels = np.where(pixels == value, np.float32(np.nan), pixels)
    return RawImage(np.ascontiguousarray(pixels), nodata=float(value))


def _is_radiometric(opened: ImageFile) -> bool:
    """Return whether a JPEG of a thermal camera holds raw data beside its picture.

    FLIR marks its segments by name (ExifTool's documentation, "FLIR Tags"); DJI, InfiRay and others fill segments that
    hardly anybody else uses ("DJI ThermalParams", "InfiRay Tags").
    """
    segments: list[tuple[str, bytes]] = getattr(opened, "applist", [])
    flir = any(name == "APP1" and data.startswith(b"FLIR\0") for name, data in segments)
    return flir or sum(len(data) for name, data in segments if name in RAW_SEGMENTS) >= LEAST_RAW_BYTES


def _indices_of(opened: Image.Image, form: str) -> NDArray[Any]:
    array = np.asarray(opened if opened.mode in ("P", "PA") else expand(opened))
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if packed := re.search("L;([24])", form):  # Pillow stretches these to 0..255
        return array // np.uint8(255 // (2 ** int(packed[1]) - 1))
    return array


def pixels_of(image: Image.Image) -> NDArray[Any]:
    """Return a Pillow image's pixels as `read_raw` does a file's, (H,W) or (H,W,3), but not turned upright."""
    return np.ascontiguousarray(_plain_type(drop_alpha(np.asarray(expand(image))), unsigned=image.format == "PNG"))


def _pillow_loses(path: Path, page: int) -> bool:
    """Return whether a TIFF's page is of a kind that Pillow does not know, or loses planes or bits of."""
    try:
        with Image.open(path) as opened:
            opened.seek(page)
            tags = getattr(opened, "tag_v2", {})
            if tags.get(PLANAR_CONFIGURATION, 1) != 2:
                return False
            if 0 in tags.get(EXTRA_SAMPLES, ()) and opened.info.get("compression") in BY_TIFFFILE:
                return True
            return opened.mode in ("RGB", "RGBA") and max(tags.get(BITS_PER_SAMPLE, (8,))) > 8
    except (UnidentifiedImageError, SyntaxError):
        return True
    except (Image.DecompressionBombError, OSError, EOFError, ValueError):
        return False  # too large or damaged: the reader raises the error


def _read_tiff(path: Path, index: int) -> _Stored:
    """Read an image of a TIFF with tifffile."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        try:
            page: Any = file.pages[index]
        except IndexError as error:
            raise _too_few(path, index) from error
        check_claim(path, page.size // (page.samplesperpixel if page.samplesperpixel in (2, 3, 4) else 1))
        tags = {code: page.tags[code].value for code in (ORIENTATION, PHOTOMETRIC, GDAL_NODATA) if code in page.tags}
        array: NDArray[Any] = page.asarray()
        is_followed = len(file.pages) > index + 1
    if array.ndim == 3 and page.axes.startswith("S"):  # colors in planes
        array = np.moveaxis(array, 0, -1)
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (2,), (3,), (4,)) or array.dtype.kind not in "uif":
        raise _unreadable(path, f"{array.dtype} values of shape {array.shape}")
    notes = tuple(_kept_out(array, array.shape[2:] in ((2,), (4,)), is_followed))
    orientation = tags.get(ORIENTATION, 1)
    return _Stored(array, tags, notes, orientation, orientation)


def _lower_bytes(path: Path, page: int) -> NDArray[np.uint8]:
    """Return the lower bytes of a 16-bit color image, (H,W,3|4): what Pillow keeps of swapped bytes."""
    with _opened_page(path, page) as opened:
        form = stored_form(opened)
        _take_as(opened, form[:-4] + OTHER_BYTE[form[-4:]])
        opened.load()
        return np.asarray(opened)


def _plain_type(array: NDArray[Any], unsigned: bool) -> NDArray[Any]:
    """Return pixels as uint8, uint16 or float32."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.int32 and unsigned:
        return array.astype(np.uint16)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return array.astype(np.uint16)  # in this machine's order of bytes
    with np.errstate(over="ignore"):  # fill values of 64 bits become infinite
        return array if array.dtype == np.uint8 else array.astype(np.float32)
