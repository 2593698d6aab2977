"""Where fused images go: one file, a folder that can be completed later, or a video."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import write_aside, write_png
from ssvif.pairs.sources import Source
from ssvif.pairs.video import FORMATS, video_writer
from ssvif.schema import IMAGE_SUFFIXES, VIDEO_SUFFIXES

RECORD = ".ssvif-fuse.jsonl"  # in an output folder: what each image was made of and with
# known as files to everybody, though neither Pillow nor we write them
OTHER_SUFFIXES = (".heic", ".heif", ".flv", ".wmv", ".mpg", ".mpeg")
WRITERS = 2
WAITING_IMAGES, WAITING_BYTES = 8, 1 << 28
JPEG_QUALITY = 95
Sink = Callable[[str, NDArray[np.uint8]], None]
Wanted = Callable[[str], bool]


def target_of(output: Path) -> str:
    """Return what is to be written: "image", "video" or "folder", by suffix; a folder that exists is one.

    Raises:
        UserError: it is called like a video of a kind that is not written.
    """
    suffix = output.suffix.lower()
    if output.is_dir():
        return "folder"
    if suffix in VIDEO_SUFFIXES and suffix not in FORMATS:
        raise UserError(f"{output} is no kind of video that is written", expected=" | ".join(FORMATS))
    if suffix not in IMAGE_SUFFIXES and (suffix in OTHER_SUFFIXES or suffix in Image.registered_extensions()):
        raise UserError(f"{output} is no kind of image that is written", expected=" | ".join(IMAGE_SUFFIXES))
    return "video" if suffix in FORMATS else "image" if suffix in IMAGE_SUFFIXES else "folder"


def refuse_inputs(output: Path, *sources: Path) -> None:
    """Check that an output is none of the sources.

    Raises:
        UserError: it is one.
    """
    for source in sources:
        if source.exists() and output.resolve() == source.resolve():
            raise UserError(f"{output} is read and would be replaced", remedy="choose another output")


@contextmanager
def open_sink(
    output: Path, source: Source, made_with: Mapping[str, Any], *, overwrite: bool, rate: Fraction
) -> Iterator[tuple[Sink, Wanted]]:
    """Yield what takes fused images by name, and what says whether one is still wanted.

    Args:
        output: see `target_of`. Every image appears whole or not at all; so does a video.
        source: of the pairs.
        made_with: all that decides what the images look like, as JSON knows it; a folder remembers it.
        overwrite: images that a folder holds already are wanted again.
        rate: frames per second, of a video made of images.

    Raises:
        UserError: one image is not enough, or a folder holds images that were made otherwise.
    """
    target = target_of(output)
    if target == "video":
        with video_writer(output, source.rate or rate) as writer:
            yield lambda name, image: writer.write(image), lambda name: True
    elif target == "image":
        if source.total != 1:
            count = source.total or "many"
            raise UserError(f"{output} is one image, for {count} pairs", remedy="name a folder, or a video")
        refuse_inputs(output, *_files_of(source))
        yield lambda name, image: save_image(output, image), lambda name: True
    else:
        folder = _open_folder(output, _Origin(source, made_with), overwrite)
        with _write_behind(folder.write) as sink:
            yield sink, lambda name: not folder.holds(name) or overwrite


def save_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image (H,W,3) in the format of its suffix."""
    if path.suffix.lower() == ".png":
        write_png(path, image)
        return
    Image.init()
    form = Image.EXTENSION[path.suffix.lower()]
    with write_aside(path) as aside:
        Image.fromarray(image).save(aside, format=form, **({"quality": JPEG_QUALITY} if form == "JPEG" else {}))


class _Origin:
    """What fused images are made of and with, as digests, which tell nobody a folder's name.

    Args:
        source: of the pairs.
        made_with: all else that decides what the images look like.
    """

    def __init__(self, source: Source, made_with: Mapping[str, Any]) -> None:
        self.source, self._settings = source, json.dumps(made_with, sort_keys=True)
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, name: str) -> tuple[str, str]:
        """Return a digest of the settings and the files' names, and one of the files' state when first asked for."""
        if name not in self._known:
            self._known[name] = self._look(name)
        return self._known[name]

    def _look(self, name: str) -> tuple[str, str]:
        files = self.source.inputs(name)
        found = [each.stat() if each.exists() else None for each in files]
        return (
            _digest(self._settings, *(str(each.resolve()) for each in files)),
            _digest(*(f"{each.st_size} {each.st_mtime_ns}" if each else "" for each in found)),
        )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _files_of(source: Source) -> set[Path]:
    return {path for name in source.names or ("",) for path in source.inputs(name)}


class _Folder:
    """A folder of fused images that remembers what each was made of and with.

    Args:
        path: the folder.
        origin: of the images to be made.
    """

    def __init__(self, path: Path, origin: _Origin) -> None:
        self.path, self._origin, self._lock = path, origin, Lock()
        self._known = dict(_read_record(path / RECORD))

    def image(self, name: str) -> Path:
        return self.path / f"{name}.png"

    def holds(self, name: str) -> bool:
        """Whether the image is there as it would be made now."""
        wanted = self._origin.of(name)  # first: before the sources are read
        return self.image(name).is_file() and self._known.get(name) == wanted

    def is_foreign(self, name: str) -> bool:
        """Whether the image is of other files or settings, or of somebody else; changed files alone do not count."""
        return self._known.get(name, ("",))[0] != self._origin.of(name)[0]

    def write(self, name: str, image: NDArray[np.uint8]) -> None:
        """Write an image; at no moment does the record say of another one that it is this."""
        self.drop(name)
        line = json.dumps([name, *self._origin.of(name)])
        with self._lock, (self.path / RECORD).open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")
        write_png(self.image(name), image)

    def drop(self, name: str) -> None:
        self.image(name).unlink(missing_ok=True)


def _read_record(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            name, settings, state = json.loads(line)
        except ValueError:  # the last line of a killed process, or none of ours
            continue
        yield str(name), (str(settings), str(state))


def _open_folder(output: Path, origin: _Origin, overwrite: bool) -> _Folder:
    """Prepare a folder.

    Raises:
        UserError: an image to be written would replace a source, or one that was made of something else or otherwise
            and is not to be overwritten.
    """
    folder, names = _Folder(output, origin), origin.source.names
    if names is None:  # a video's frames are numbered
        names = tuple(each.stem for each in output.glob("[0-9]*.png")) if output.is_dir() else ()
    held = [name for name in names if folder.image(name).exists()]
    sources = {path.resolve() for path in _files_of(origin.source)}
    if read := next((name for name in held if folder.image(name).resolve() in sources), None):
        refuse_inputs(folder.image(read), folder.image(read))
    foreign = list(filter(folder.is_foreign, held))
    if foreign and not overwrite:
        raise UserError(
            f"{output} holds {counted(len(foreign), 'image')} of these names already, made of other images, with "
            "other settings or by something else",
            expected="a new folder, or one that the same command with the same network has begun",
            got=shorten([f"{name}.png" for name in foreign]),
            remedy="pass --overwrite, or choose another output",
        )
    output.mkdir(parents=True, exist_ok=True)
    if origin.source.names is None:  # of a longer video some would stay
        for name in held:
            if not folder.holds(name):
                folder.drop(name)
    return folder


@contextmanager
def _write_behind(write: Sink) -> Iterator[Sink]:
    """Yield a sink that writes in threads and lets a bounded number of images wait."""
    waiting: deque[tuple[Future[None], int]] = deque()
    with ThreadPoolExecutor(WRITERS) as writers:

        def sink(name: str, image: NDArray[np.uint8]) -> None:
            while len(waiting) >= WAITING_IMAGES or sum(size for _, size in waiting) > WAITING_BYTES:
                waiting.popleft()[0].result()
            waiting.append((writers.submit(write, name, image), image.nbytes))

        yield sink
        for each, _ in waiting:
            each.result()
