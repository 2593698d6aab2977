"""An HDF5 file to write into that survives a full disk.

HDF5 itself does not: a write that fails leaves its caches in a state that ends in a segmentation
fault at the next close (seen with h5py 3.16). So HDF5 writes through a Python file here, which
remembers the first failure, lets HDF5 believe that all went well, and reports it afterwards.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py


class _Sink(io.RawIOBase):
    """A file that swallows the first failed write and all later ones; `check` raises it."""

    def __init__(self, path: Path) -> None:
        self._file = io.FileIO(path, "w+")
        self._failure: OSError | None = None

    def check(self) -> None:
        """Raise the failure that was swallowed, if there is one."""
        if self._failure:
            raise self._failure

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._file.readinto(buffer) or 0

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        rest = memoryview(data)
        while rest and not self._failure:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._failure = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return size or 0

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._failure = self._failure or error
        super().close()


@contextmanager
def create_hdf5(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Create an HDF5 file; yield it and a function that raises what went wrong with its writes.

    Args:
        path: the file; replaced when it exists.

    Yields:
        The open file, and `check`, to be called now and then so that a full disk ends the work
        early; it is called once more at the end.

    Raises:
        OSError: the file cannot be created, or a write failed (no space left, quota, size limit).
    """
    sink = _Sink(path)
    try:
        with h5py.File(sink, "w") as file:
            yield file, sink.check
    finally:
        sink.close()
        sink.check()
