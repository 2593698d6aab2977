"""Who writes an output: one process at a time, with temporary files that no later run finds in its way."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from ssvif.io.errors import UserError

log = logging.getLogger("ssvif")

HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
PART = re.compile(r"\.(.+)\.(\d+)(?:-([0-9a-f]{8}))?\.part", re.DOTALL)  # name, process, host; older ones had no host
LONGEST = 100  # bytes of a name that a temporary one holds whole
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
JOINED_S = 1.0  # for joining others that hold an output
ABANDONED_S = 86_400  # age of another machine's temporary files, whose process cannot be asked for
_claims: dict[Path, IO[str]] = {}  # what this process holds, and its lock
_swept: set[Path] = set()  # folders whose abandoned temporary files are removed
_parts: set[Path] = set()  # temporary files and folders that this process is writing


@contextmanager
def claim(output: Path, sharers: str = "") -> Iterator[None]:
    """Hold a file or folder alone until the block ends or the process dies; first remove what killed ones left there.

    With `sharers`, the name of a group, others of the same group may hold it too. A hidden file beside the output is
    locked, or one inside where nothing can be written beside it. On a file system without locks the work goes on, and
    the log says so. A claim within one of the same output does nothing.

    Raises:
        UserError: another process, or one of another group, holds it.
    """
    output = Path(os.path.realpath(output))
    missing = [each for each in output.parents if not each.exists()]
    if output in _claims or (stream := _lock(output, sharers)) is None:
        yield
        return
    _claims[output] = stream
    try:
        _sweep(output.parent, output.name)
        if output.is_dir():
            _sweep(output)
        yield
    finally:
        if _claims.pop(output, None):  # not in a process that was forked meanwhile
            _unlock(stream)
            with suppress(OSError):  # it is in use now
                for folder in missing:
                    folder.rmdir()


def _lock(output: Path, sharers: str) -> IO[str] | None:
    beside = output.parent / f".{_shorten(output.name)}.lock"
    for place in [beside, output / ".ssvif.lock"] if output.is_dir() else [beside]:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            return _open_locked(place, output, sharers)
        except OSError as error:
            if error.errno in NO_LOCKS:
                log.info("%s is on a file system without locks: let no other process write it meanwhile", output)
                _remove(place)
            # where nothing can be written, the command itself says so
    return None


def _open_locked(place: Path, output: Path, sharers: str) -> IO[str]:
    given_up = time.monotonic() + (JOINED_S if sharers else 0)  # whoever joins or leaves others is alone for a moment
    while True:
        refuse_link(place)
        with ExitStack() as opened:
            stream = opened.enter_context(place.open("a+"))
            if not _is_locked(stream, sharers):
                if time.monotonic() >= given_up:
                    raise _taken(output, stream)
                time.sleep(JOINED_S / 50)
            elif _is_there(stream):  # else its owner has just removed it, and another file is to be locked
                opened.pop_all()
                return stream


def _is_locked(stream: IO[str], sharers: str) -> bool:
    """Lock a file and write into it by whom it is held, or join those who hold it under the same name."""
    try:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which a forked process does not inherit
        stream.truncate(0)
        stream.write(sharers or f"process {os.getpid()} on {platform.node()}")
        stream.flush()
        if sharers:
            fcntl.lockf(stream, fcntl.LOCK_SH)
    except (BlockingIOError, PermissionError):
        if not sharers:
            return False
        with suppress(BlockingIOError, PermissionError):
            fcntl.lockf(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            stream.seek(0)
            return stream.read() == sharers
        return False
    return True


def _is_there(stream: IO[str]) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(stream.fileno()), Path(stream.name).stat())
    return False


def _unlock(stream: IO[str]) -> None:
    """Unlock a file, and remove it unless others hold it: the last one of them does so then."""
    with stream, suppress(OSError):
        fcntl.lockf(stream, fcntl.LOCK_UN)
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_there(stream):
            Path(stream.name).unlink()


def refuse_link(path: Path) -> None:
    """Check that a hidden file of ours, which is to be written in place, is no link to a file of somebody's own.

    Raises:
        UserError: it is one.
    """
    if path.is_symlink():
        raise UserError(f"{path} is a link, and what it points to would be written", remedy="remove the link")


def _taken(output: Path, stream: IO[str]) -> UserError:
    stream.seek(0)
    return UserError(
        f"{output} is being written by {stream.read(300) or 'a process that has just begun'}",
        expected="no other command that writes there",
        remedy="wait until that has ended, or choose another output",
    )


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and remove what is there when the block ends.

    What killed processes left in the folder is removed at first.
    """
    if path.parent not in _swept:  # once: a folder may hold a hundred thousand images
        _sweep(path.parent, path.name)
        _swept.add(path.parent)
    part = path.with_name(f".{_shorten(path.name)}.{os.getpid()}-{HOST}.part")
    _parts.add(part)
    try:
        yield part
    finally:
        if part in _parts:  # not in a process that was forked meanwhile
            _remove(part)
            _parts.discard(part)


def remove_parts() -> None:
    """Remove what this process has not written to its end, and its locks; for a process that has to end now."""
    for part in [*_parts]:
        _remove(part)
    while _claims:
        _unlock(_claims.popitem()[1])


def _remove(part: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)


def _sweep(folder: Path, name: str = "") -> None:
    """Remove temporary files and folders that no process can be writing; of older versions only those of `name`."""
    with suppress(OSError):  # the folder cannot be listed
        for part in folder.iterdir():
            if (found := PART.fullmatch(part.name)) and (found[3] or found[1] == name) and _is_abandoned(part, found):
                _remove(part)


def _is_abandoned(part: Path, found: re.Match[str]) -> bool:
    process, host = int(found[2]), found[3]
    if host not in (None, HOST):
        return time.time() - part.lstat().st_mtime > ABANDONED_S
    return part not in _parts and (process == os.getpid() or not _is_running(process))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (OSError, OverflowError) as error:  # with any other error it runs: another user's process, for instance
        return not isinstance(error, ProcessLookupError | OverflowError)
    return True


def _shorten(name: str) -> str:
    """Return a name, or the start and a digest of a long one, so that a temporary name is never too long."""
    coded = os.fsencode(name)
    return name if len(coded) <= LONGEST else f"{name[:30]}~{hashlib.sha256(coded).hexdigest()[:12]}"


def _forget() -> None:
    """Forget in a new process what the one that it was forked from holds and writes."""
    _claims.clear()
    _parts.clear()


os.register_at_fork(after_in_child=_forget)
