"""The file of packed pairs, HDF5: written by one process, read by any number of them, however they are started.

A group `/{split}/{pair_id}` holds `visible` (H,W,3) uint8, `infrared` (H,W) uint8 and, where there are some, `label`
(H,W) uint8 and `boxes` (N,5) float64; its attributes hold the SHA-256 and the name of each input file. The root's
attributes hold the format, the descriptor, and digests of the inputs and of splits.csv. Images lie as they are, with a
CRC-32 among the group's attributes; earlier versions deflated them and had none, which is read as well.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ssvif.data.boxes import draw_boxes
from ssvif.data.descriptor import Descriptor, descriptor_from_json
from ssvif.io.documents import parse_mapping
from ssvif.io.errors import UserError, shorten
from ssvif.io.validation import invalid
from ssvif.schema import SPLITS

FORMAT = "ssvif-pairs-1"
AXES = {"visible": 3, "infrared": 2, "label": 2, "boxes": 2}
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
MOST_INFLATED = 1100  # bytes that deflate makes of one, which are at most 1032
_REMEDY = "name the pairs.h5 of `ssvif pack`; if this is one, pack the pairs again"


class ImageReader:
    """The two images of each pair in a file of `ssvif pack`, and nothing else.

    The file is opened at the first read of each process, so an object can be handed to worker
    processes however they are started, and a pickled one holds a path only. Files are opened
    without a lock, so a new file can be written in its place at any time.

    Raises:
        UserError: at any read, where the file is missing or damaged, or has no such split or pair.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._pid = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_file": None, "_pid": 0}

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None

    @property
    def digest(self) -> str:
        """SHA-256 over the names and contents of all files that were packed, 64 hexadecimal digits."""
        with self._named("its digest"):
            return _text(self._open(), "digest")

    @property
    def dataset(self) -> str:
        """The dataset's title."""
        with self._named("its dataset's title"):
            return str(parse_mapping(_text(self._open(), "descriptor"))["title"])

    def splits(self) -> list[str]:
        """Return the splits that hold pairs, in the order train, validation, test."""
        with self._named("its list of splits"):
            file = self._open()
            return [split for split in SPLITS if _has(file, split) and len(_group(file, split))]

    @property
    def validation(self) -> str:
        """The split that a training is validated on: "train" where there is no validation split."""
        return "validation" if "validation" in self.splits() else "train"

    def names(self, split: str) -> list[str]:
        """Return the names of a split's pairs, sorted."""
        with self._named(f"the names of {split}"):
            return sorted(self._split(split))

    def size(self, split: str, name: str) -> tuple[int, int]:
        """Return a pair's height and width in pixels."""
        with self._named(f"{split}/{name}"):
            return _size(self._pair(split, name))

    def visible(self, split: str, name: str) -> NDArray[np.uint8]:
        """Return the visible image, (H,W,3) uint8 RGB."""
        return self._image(split, name, "visible")

    def infrared(self, split: str, name: str) -> NDArray[np.uint8]:
        """Return the infrared image, (H,W) uint8."""
        return self._image(split, name, "infrared")

    def _image(self, split: str, name: str, side: str) -> NDArray[np.uint8]:
        with self._named(f"the {side} image of {split}/{name}"):
            return self._read(split, name, side)

    def _split(self, split: str) -> h5py.Group:
        file = self._open()
        if split not in SPLITS or not _has(file, split) or not len(found := _group(file, split)):
            raise self._missing(f"split {split!r}", self.splits())
        return found

    def _pair(self, split: str, name: str) -> h5py.Group:
        pairs = self._split(split)
        # HDF5 would follow a path, so "" or "a/visible" must not get through
        if not name or "/" in name or name == "." or not _has(pairs, name):
            raise self._missing(f"pair {name!r} in {split}", self.names(split))
        return _group(pairs, name)

    def _read(self, split: str, name: str, kind: str) -> NDArray[Any]:
        """Return a part of a pair, checked before it is read: kind, type, shape, claimed size and storage."""
        pair = self._pair(split, name)
        found = _dataset(pair, kind, AXES[kind])
        if kind == "boxes":
            if found.shape[1] != 5 or found.dtype != np.float64:
                raise ValueError(f"{found.dtype} of shape {found.shape} instead of float64 of shape (N, 5)")
            boxes: NDArray[np.float64] = found[()]
            if not np.isfinite(boxes).all():
                raise ValueError("a box that is not a number")
            return boxes
        size = _size(pair)
        if found.dtype != np.uint8 or found.shape[:2] != size or found.shape[2:] not in ((), (3,)):
            raise ValueError(f"{found.dtype} of shape {found.shape}, beside an infrared image of shape {size}")
        pixels: NDArray[np.uint8] = found[()]
        expected = pair.attrs.get(f"crc32_{kind}")
        if expected is not None and zlib.crc32(pixels.data) != expected:
            raise ValueError("its CRC-32 is not the one it was packed with")
        return pixels

    def _missing(self, what: str, there: list[str]) -> UserError:
        remedy = "name one of these, or split and pack the dataset again"
        return UserError(f"{self.path} has no {what}", expected=f"one of {shorten(there)}", remedy=remedy)

    def _open(self) -> h5py.File:
        if self._file is not None and self._pid == os.getpid():
            return self._file
        self.close()  # after a fork the parent's handle is of no use here; its own copy stays open
        try:
            file = h5py.File(self.path, "r", locking=False)
        except FileNotFoundError as error:
            raise UserError(f"{self.path} does not exist", remedy="write it with `ssvif pack`") from error
        except OSError as error:  # it is cut short, damaged or no HDF5 file
            may_be_one = isinstance(error, PermissionError) or h5py.is_hdf5(self.path)
            got = "a folder" if self.path.is_dir() else str(error) if may_be_one else "another kind of file"
            raise self._unreadable(got) from error
        found = file.attrs.get("format", "no format")
        if not isinstance(found, str) or found != FORMAT:
            file.close()
            raise self._unreadable(f"{found!s:.60}")
        self._file, self._pid = file, os.getpid()
        return file

    def _unreadable(self, got: str) -> UserError:
        expected = f"a whole HDF5 file of the format {FORMAT}, written by `ssvif pack`"
        return UserError(f"{self.path} is not a packed-pairs file", expected=expected, got=got, remedy=_REMEDY)

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, MemoryError) as error:
            raise UserError(f"{self.path} is damaged: {what} cannot be read", got=str(error), remedy=_REMEDY) from error


class PairsFile(ImageReader):
    """Everything in a packed file: the images, the labels and boxes where there are some, the descriptor."""

    @property
    def descriptor(self) -> Descriptor:
        """The dataset's descriptor, as it was when the pairs were packed."""
        with self._named("its descriptor"):
            text = _text(self._open(), "descriptor")
        try:
            return descriptor_from_json(text)
        except ValidationError as error:
            what = f"{self.path} holds a descriptor that this version cannot read"
            raise invalid(what, error, remedy=_REMEDY) from error

    def has_label(self, split: str, name: str) -> bool:
        """Return whether a pair has a label map."""
        with self._named(f"{split}/{name}"):
            return _has(self._pair(split, name), "label")

    def label(self, split: str, name: str) -> NDArray[np.uint8] | None:
        """Return the label map, (H,W) uint8 class ids, or None where there is none."""
        return self._part(split, name, "label")

    def boxes(self, split: str, name: str) -> NDArray[np.float64] | None:
        """Return the boxes, (N,5) float64, or None where there are none.

        A row is (class index, x_center, y_center, width, height), the last four as fractions of the
        image's width and height. A pair that was annotated and shows nothing has N = 0.
        """
        return self._part(split, name, "boxes")

    def mask(self, split: str, name: str) -> NDArray[np.uint8] | None:
        """Return the label map, (H,W) uint8 with 255 for ignored pixels, or the boxes drawn as one, or None.

        Of boxes 0 is the background and 1 + i the i-th detection class; smaller boxes lie over larger ones.
        """
        if (label := self.label(split, name)) is not None:
            return np.where(label == self.descriptor.ignore_index, np.uint8(255), label)
        boxes = self.boxes(split, name)
        return None if boxes is None else draw_boxes(boxes, *self.size(split, name))

    def _part(self, split: str, name: str, kind: str) -> NDArray[Any] | None:
        with self._named(f"the {kind} of {split}/{name}"):
            return self._read(split, name, kind) if _has(self._pair(split, name), kind) else None


def _text(file: h5py.File, name: str) -> str:
    if not isinstance(text := file.attrs[name], str):
        raise TypeError(f"the attribute {name} is no text")
    return text


def _has(group: h5py.Group, name: str) -> bool:
    return group.get(name, getlink=True) is not None  # `in` would follow a link


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    """Return a group that lies in this file itself, or raise a ValueError."""
    if isinstance(parent.get(name, getlink=True), h5py.HardLink) and isinstance(found := parent[name], h5py.Group):
        return found
    raise ValueError(f"{name} is a link or an array instead of a group of this file")


def _dataset(parent: h5py.Group, name: str, axes: int) -> h5py.Dataset:
    """Return an array that this file itself holds as `ssvif pack` writes it, and that is no larger than it can be.

    HDF5 would follow links and storage into any file of the machine, and load a library for an unknown filter.

    Raises:
        KeyError: there is none.
        ValueError: it is of another kind, stored elsewhere or in another way, or claims to be far too large.
    """
    link = parent.get(name, getlink=True)
    found = parent[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{name} is missing, or is a link or a group instead of an array of this file")
    made = found.id.get_create_plist()
    filters = {made.get_filter(i)[0] for i in range(made.get_nfilters())}
    if found.is_virtual or made.get_external_count() or not filters <= FILTERS:
        raise ValueError(f"{name} is stored in another file, or in a way that `ssvif pack` does not use")
    shape = found.shape or ()
    if not found.size and name != "boxes":
        raise ValueError(f"{name} is empty, of shape {shape}")
    if len(shape) != axes or any(np.greater(found.chunks or 0, shape)):
        raise ValueError(f"{name} has the shape {shape} in chunks of {found.chunks}")
    held = min(found.id.get_storage_size(), Path(parent.file.filename).stat().st_size)
    if found.nbytes > MOST_INFLATED * held:
        raise ValueError(f"{name} claims {found.nbytes} bytes, of which {held} are stored")
    return found


def _size(pair: h5py.Group) -> tuple[int, int]:
    height, width = _dataset(pair, "infrared", 2).shape
    return int(height), int(width)


def write_part(group: h5py.Group, kind: str, array: NDArray[Any], *, source: str, digest: str) -> None:
    """Write one part of a pair, of the shape that the module's docstring gives, with its file's name and SHA-256."""
    # of an image deflate gains an eighth to a third, and inflating takes three quarters of the time of loading a crop
    storage = {"chunks": array.shape, "compression": "gzip", "compression_opts": 1} if kind == "label" else {}
    group.create_dataset(kind, data=array, **storage)
    if kind != "boxes":
        group.attrs[f"crc32_{kind}"] = zlib.crc32(np.ascontiguousarray(array).data)
    group.attrs[f"sha256_{kind}"] = digest
    group.attrs[f"source_{kind}"] = source


class _FailureKeepingFile(io.FileIO):
    """A file that keeps the first failure of writing for `check` to raise, and ignores all later writes.

    HDF5 itself does not survive a full disk: a write that fails leaves its caches in a state that ends in a
    segmentation fault at the next close (seen with h5py 3.16). So it writes through this file, which never fails.
    """

    failure: OSError | None = None

    def check(self) -> None:
        """Raise the failure that was kept, if there is one."""
        if self.failure:
            raise self.failure

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest and not self.failure:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.failure = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:
            self.failure = self.failure or error


@contextmanager
def create_hdf5(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Create or replace an HDF5 file; yield it and a function that raises what went wrong with its writes.

    The function is to be called now and then, so that a full disk ends the work early; it is called once more at the
    end.

    Raises:
        OSError: the file cannot be created, or a write failed (no space left, quota, size limit).
    """
    sink = _FailureKeepingFile(path, "w+")
    try:
        with h5py.File(sink, "w") as file:
            yield file, sink.check
    finally:
        sink.close()
        sink.check()
