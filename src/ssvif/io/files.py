"""Files that appear whole or not at all, and readers that name the file when they fail."""

from __future__ import annotations

import codecs
import csv
import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.io.errors import UserError, shorten
from ssvif.io.images import RawImage, read_raw
from ssvif.io.ownership import claim, part_of

MOST_COLUMNS = 10_000  # of a CSV: each row becomes a dictionary of them
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # full disk, full quota, limit on one file's size


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on failure removed.

    Raises:
        UserError: `path` is a folder or a device, no space is left, or a text to be written is no valid
            Unicode (whatever `path` held before is kept).
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file", remedy="name a file, for instance one in that folder")
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a file that could be replaced", remedy="choose another output file")
    make_folder(path.parent)
    try:
        with part_of(path) as aside, _named(aside, path), report_full_disk(path):
            yield aside
            aside.replace(path)
    except UnicodeEncodeError as error:
        wrong = next((line for line in error.object.splitlines() if printable(line) != line), error.object)
        raise UserError(
            f"{printable(path)} cannot hold: {printable(wrong.strip())}",
            expected="names in UTF-8",
            remedy="rename the file or the option that this text comes from",
        ) from error


@contextmanager
def write_folder_aside(folder: Path, owned: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; on success it takes the place of `folder`.

    `owned` are patterns of the names that a former result of the same kind holds, e.g. ["*.png"].

    Raises:
        UserError: `folder` holds something else, which replacing would delete; another process writes it; or no
            space is left on the device. Whatever `folder` held before is kept.
    """
    folder = folder.resolve()
    refuse_foreign(folder, owned)
    make_folder(folder.parent)
    with (
        claim(folder),
        part_of(folder) as aside,
        part_of(folder.with_name(f"{folder.name}.former")) as former,
        _named(aside, folder),
        report_full_disk(folder),
    ):
        aside.mkdir()
        yield aside
        if folder.exists():
            folder.replace(former)  # which, unlike deleting it, leaves no half of it if the process is killed
        try:
            aside.replace(folder)
        except BaseException:  # an interrupt, too
            if former.exists() and not folder.exists():
                former.replace(folder)
            raise


@contextmanager
def _named(aside: Path, path: Path) -> Iterator[None]:
    """Let the system's errors name `path`, which the user knows, and not the temporary path."""
    try:
        yield
    except OSError as error:
        if str(error.filename or "").startswith(str(aside)):
            error.filename = str(error.filename).replace(str(aside), str(path), 1)
        raise


def make_folder(folder: Path) -> None:
    """Create a folder for output, with its parents, unless it exists.

    Raises:
        UserError: something else has its name, or it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        taken = isinstance(error, FileExistsError)
        raise UserError(
            f"{folder} is not a folder" if taken else f"The folder {folder} cannot be created",
            got="" if taken else f"{error.filename}: {error.strerror}",
            remedy="choose another output folder",
        ) from error


def refuse_unwritable(folder: Path) -> None:
    """Check, before long work, that a folder can be written to, or be created.

    Raises:
        UserError: the folder, or the nearest above it that exists, is a file or may not be written to.
    """
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise UserError(f"{nearest} is not a folder that can be written to", remedy="choose another output")


def refuse_foreign(folder: Path, owned: Sequence[str]) -> None:
    """Check that a folder, if there is one, holds nothing but hidden files and names that match `owned`.

    Raises:
        UserError: it holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder", remedy="choose another output folder")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in names if not name.startswith(".") and not any(fnmatch(name, each) for each in owned)]
    if foreign:
        raise UserError(
            f"{folder} holds other files than a former result, which is replaced",
            expected="a new or empty folder, or one with nothing but " + ", ".join(owned),
            got=shorten(foreign),
            remedy="choose another output folder",
        )


@contextmanager
def report_full_disk(path: Path) -> Iterator[None]:
    """Turn the system's error of a full disk into a `UserError` that says how much is free where `path` lies."""
    try:
        yield
    except OSError as error:
        # h5py wraps the system's error in one of its own, without errno
        if error.errno not in NO_SPACE and "No space left" not in str(error):
            raise
        free_mb = shutil.disk_usage(path.parent).free / 2**20
        raise UserError(
            f"No space left while writing {path}",
            got=f"{free_mb:.0f} MB free there",
            remedy="free space or choose another results folder; nothing that was there before is lost",
        ) from error


def printable(name: Path | str) -> str:
    r"""Return a file's name with bytes that are no UTF-8 written as \udcXX, so that every stream takes it."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an 8-bit image as `read_raw` does: (H,W) uint8 if gray, (H,W,3) uint8 RGB if color.

    Raises:
        UserError: the file is missing, damaged, or not 8 bits per channel.
    """
    return require_8_bits(path, read_raw(path))


def read_label(path: Path, *, colors: bool = False) -> NDArray[Any]:
    """Read a label map as stored, (H,W) integers; a palette image gives its indices.

    With `colors` a pixel is the number 65536 R + 256 G + B of its color.

    Raises:
        UserError: the file is missing or damaged, or holds other than whole numbers (with `colors`: than 8 bits).
    """
    raw = read_raw(path, indices=not colors)
    stored, floats = raw.pixels, raw.pixels.dtype.kind == "f"
    whole = not floats or bool((np.isfinite(stored) & (abs(stored) < 2**24) & (np.rint(stored) == stored)).all())
    if not whole or "low bytes" in raw.notes or (colors and stored.dtype != np.uint8):
        raise UserError(
            f"{path} is not a label map",
            expected="colors of 8 bits per channel" if colors else "one channel of whole numbers",
            got="16 bits and alpha" if "low bytes" in raw.notes else f"{stored.dtype} values",
            remedy="save it as PNG of 8 bits" + ("" if colors else " or 16 bits without alpha"),
        )
    if colors:
        return np.broadcast_to(np.atleast_3d(stored), (*stored.shape[:2], 3)).astype(np.int32) @ (65536, 256, 1)
    if stored.ndim == 3 and not (stored[..., :1] == stored).all():
        raise UserError(
            f"{path} is a color image, not a label map",
            expected="one channel of class ids",
            remedy="point the dataset's `label` pattern at the folder of class ids, or write color_labels: true "
            "in its descriptor if the classes' colors stand for them",
        )
    return (stored if stored.ndim == 2 else stored[..., 0]).astype(np.int32 if floats else stored.dtype)


def require_8_bits(path: Path, image: RawImage) -> NDArray[np.uint8]:
    """Return the pixels (H,W) or (H,W,3) of an image that was read from a file.

    Raises:
        UserError: the file holds more than 8 bits per channel.
    """
    cut = "low bytes" in image.notes  # from 16 bits, by Pillow
    if cut or image.pixels.dtype != np.uint8:
        raise UserError(
            f"{path} is not an 8-bit image",
            expected="8 bits per channel",
            got="16 bits per channel" if cut else f"{image.pixels.dtype} values",
            remedy="convert it to 8 bits first, with one fixed range for the whole set",
        )
    return image.pixels


def write_png(path: Path, array: NDArray[np.uint8]) -> None:
    """Write (H,W) or (H,W,3) uint8 as PNG; equal arrays give equal bytes."""
    with write_aside(path) as aside:
        Image.fromarray(array).save(aside, format="PNG", compress_level=3)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON with sorted keys."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    with write_aside(path) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV; floats keep 10 significant digits, None is an empty cell."""
    with write_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="raise")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{each:.10g}" if isinstance(each, float) else each for key, each in row.items()})


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV with a header line into one dictionary per row; see `read_lines_of_csv`."""
    return [row for _, row in read_lines_of_csv(path)]


def read_lines_of_csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV with a header line into the number of the line and a dictionary for each row.

    Spreadsheets also write semicolons or tabs between cells, and UTF-16 with a mark at the start.

    Raises:
        UserError: the file is missing or is no text.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist", remedy="run the step that writes it first")
    try:
        data = path.read_bytes()
        is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        stream = io.StringIO(data.decode("utf-16" if is_utf_16 else "utf-8-sig"), newline="")
        header = stream.readline()
        stream.seek(0)
        delimiter = next((each for each in ",;\t" if each in header), ",")
        if (columns := header.count(delimiter) + 1) > MOST_COLUMNS:
            what = f"{path} has {columns} columns, more than {MOST_COLUMNS}"
            raise UserError(what, remedy="check that it is the right file")
        reader = csv.DictReader(stream, delimiter=delimiter)
        return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not CSV in UTF-8", got=str(error), remedy="save it as CSV UTF-8") from error
