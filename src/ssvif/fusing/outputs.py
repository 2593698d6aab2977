"""Write fused images to one file, a folder that can be completed later, or a video."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cache
from os.path import realpath  # unlike Path.resolve, it does not mind links in a loop
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as Pillow

from ssvif.fusing.fuser import Image
from ssvif.fusing.pipeline import Write, write_behind
from ssvif.io.documents import parse_json
from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import make_folder, refuse_unwritable, write_aside, write_png
from ssvif.io.images import TIFF_SUFFIXES
from ssvif.io.ownership import refuse_link
from ssvif.pairs.shard import WHOLE, Shard
from ssvif.pairs.sources import Source
from ssvif.pairs.video import load_av
from ssvif.schema import IMAGE_SUFFIXES, VIDEO_SUFFIXES

RECORD = ".ssvif-fuse.jsonl"  # in an output folder: sources and settings of each image
RECORDS = ".ssvif-fuse*.jsonl"
OTHER_SUFFIXES = (".heic", ".heif", ".flv")  # not written, but no names of folders
SUFFIXES = {8: ".png", 16: ".tif"}  # of the images in a folder, by their depth in bits
JPEG_QUALITY = 95
VIDEO_FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".avi": "avi"}
BT601 = 6  # FFmpeg's number; stored in the file, or players take another matrix for large frames
X264_QUALITY = "17"  # constant rate factor: visually lossless
AVI_BITS_PER_PX = 4  # of MPEG-4, per frame
Wanted = Callable[[str], bool]


def check_output(output: Path, *sources: str, depth: int = 8) -> str:
    """Return the kind of an output by its suffix: "image", "video", or "folder" (also for an existing folder).

    Raises:
        UserError: this format cannot be written, or not with so many bits; the output cannot be created, or is one of
            the sources.
    """
    if output.exists() and realpath(output) in map(realpath, sources):
        raise _would_replace(output)
    suffix = "" if output.is_dir() else output.suffix.lower()
    kind = "video" if suffix in VIDEO_FORMATS else "image" if suffix in IMAGE_SUFFIXES else "folder"
    if kind == "folder" and suffix in VIDEO_SUFFIXES:
        raise UserError(f"{output}: videos of this format cannot be written", expected=" | ".join(VIDEO_FORMATS))
    if kind == "folder" and (suffix in OTHER_SUFFIXES or suffix in Pillow.registered_extensions()):
        raise UserError(f"{output}: images of this format cannot be written", expected=" | ".join(IMAGE_SUFFIXES))
    if depth == 16 and kind != "folder" and suffix not in TIFF_SUFFIXES:
        raise UserError(
            f"{output}: 16 bits can only be written as TIFF",
            expected="a folder, or a file ending in " + " | ".join(TIFF_SUFFIXES),
            remedy="name one of these, or leave out --depth 16",
        )
    refuse_unwritable(output if kind == "folder" else output.parent)
    return kind


@contextmanager
def open_output(
    output: Path,
    source: Source,
    made_with: Mapping[str, Any],
    *,
    overwrite: bool,
    rate: Fraction,
    depth: int = 8,
    shard: Shard = WHOLE,
) -> Iterator[tuple[Write, Wanted]]:
    """Yield a function that writes fused images by name, and one that tells whether a name is still to be fused.

    Every image, and a video, appears whole or not at all. `made_with` is all that the images depend on besides the
    source: a folder records it, in a file for each shard. In a folder, 8 bits are written as PNG and 16 as TIFF. `rate`
    is in frames per second, of a video made of images.

    Raises:
        UserError: there are several pairs or shards for one file, or a folder holds images that were made otherwise.
    """
    target = check_output(output, depth=depth)
    if shard.total > 1 and target != "folder":
        raise UserError(f"{output} is one file, which shards cannot share", remedy="choose a folder")
    if target == "video":
        with video_writer(output, source.rate or rate) as write:
            yield lambda name, image: write(image), lambda name: True
    elif target == "image":
        if source.total != 1:
            count = source.total or "many"
            raise UserError(f"{output} is one image, but there are {count} pairs", remedy="pass a folder or a video")
        check_output(output, *map(str, _files_of(source)), depth=depth)
        yield lambda name, image: save_image(output, image), lambda name: True
    else:
        folder = _Folder(output, source, json.dumps(made_with, sort_keys=True), SUFFIXES[depth], shard)
        folder.prepare(overwrite)
        with write_behind(folder.write) as write:
            yield write, lambda name: not folder.holds(name) or overwrite


def save_image(path: Path, image: Image) -> None:
    """Write an image (H,W,3) in the format of its suffix, which is a TIFF's for 16 bits."""
    form = Pillow.registered_extensions()[path.suffix.lower()]
    if form == "PNG":
        write_png(path, image)
        return
    with write_aside(path) as aside:
        if image.dtype == np.uint16:
            import tifffile

            tifffile.imwrite(aside, image, photometric="rgb", compression="zlib", predictor=True, metadata=None)
            return
        Pillow.fromarray(image).save(aside, format=form, **({"quality": JPEG_QUALITY} if form == "JPEG" else {}))


class Made(NamedTuple):
    """What an image of a folder was made from: digests of the settings and sources' names, and of the files' state."""

    settings: str
    state: str
    generation: int = 0  # one more than the folder's records had when the command began


UNKNOWN = Made("", "")


class _Folder:
    """A folder of fused images with a record of each image's source and `settings`, all else that it depends on."""

    def __init__(self, path: Path, source: Source, settings: str, suffix: str, shard: Shard) -> None:
        self._path, self._source, self._settings, self._suffix, self._lock = path, source, settings, suffix, Lock()
        self._record = path / (RECORD if shard.total == 1 else f".ssvif-fuse.{shard}.jsonl")
        self._recorded = _read_records(path)
        self._generation = 1 + max((each.generation for each in self._recorded.values()), default=0)
        # of the same files once, before they are read: they may change meanwhile
        digests = cache(self._digests)
        self._origin: Callable[[str], tuple[str, str]] = lambda name: digests(source.inputs(name))

    def _digests(self, files: tuple[Path, ...]) -> tuple[str, str]:
        """Return a digest of the settings and the files' names, and one of the files' state."""
        states = [each.stat() if each.exists() else None for each in files]
        return (
            _digest(self._settings, *map(realpath, files)),
            _digest(*(f"{each.st_size} {each.st_mtime_ns}" if each else "" for each in states)),
        )

    def _image(self, name: str) -> Path:
        return self._path / f"{name}{self._suffix}"

    def _forms(self, name: str) -> list[Path]:
        """Return the files that may hold an image, of which there is one at most: readers go by the name."""
        return [self._path / f"{name}{suffix}" for suffix in SUFFIXES.values()]

    def prepare(self, overwrite: bool) -> None:
        """Create the folder, and check that no source and no image made otherwise would be replaced."""
        names = self._source.names
        if names is None:  # frames of a video are numbered
            found = self._path.glob("[0-9]*") if self._path.is_dir() else ()
            names = tuple(sorted({each.stem for each in found if each.suffix in SUFFIXES.values()}))
        there = [(name, path) for name in names for path in self._forms(name) if path.exists()]
        files = set(map(realpath, _files_of(self._source)))
        if read := [path for _, path in there if realpath(path) in files]:
            raise _would_replace(read[0])
        held = dict(there)
        # another state of the same files does not count: their images are simply made again
        foreign = [name for name in held if self._recorded.get(name, UNKNOWN).settings != self._origin(name)[0]]
        if foreign and not overwrite:
            raise UserError(
                f"{self._path} already holds {counted(len(foreign), 'image')} of these names, made from other images, "
                "with other settings or by another program",
                expected="a new folder, or one that the same command with the same network has written",
                got=shorten([held[name].name for name in foreign]),
                remedy="pass --overwrite, or choose another output",
            )
        make_folder(self._path)
        refuse_link(self._record)
        if self._source.names is None:  # or frames of a longer video would stay
            for name in held:
                if not self.holds(name):
                    self._remove(name)

    def holds(self, name: str) -> bool:
        """Whether the image is there as it would be made now."""
        return self._image(name).is_file() and self._recorded.get(name, UNKNOWN)[:2] == self._origin(name)

    def _remove(self, name: str) -> None:
        for path in self._forms(name):
            path.unlink(missing_ok=True)

    def write(self, name: str, image: Image) -> None:
        """Write an image (H,W,3); the record never describes another image than the one that is there."""
        self._remove(name)
        line = json.dumps([name, *Made(*self._origin(name), self._generation)])
        with self._lock, self._record.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")
        save_image(self._image(name), image)


def _would_replace(output: Path) -> UserError:
    return UserError(f"{output} is an input and would be overwritten", remedy="choose another output")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _files_of(source: Source) -> set[Path]:
    return {path for name in source.names or ("",) for path in source.inputs(name)}


def _read_records(folder: Path) -> dict[str, Made]:
    """Return what each image was made from last, by the records of a folder, those of shards included."""
    found: dict[str, Made] = {}
    for path in sorted(folder.glob(RECORDS)) if folder.is_dir() else ():
        for name, made in _read_record(path).items():
            known = found.setdefault(name, made)
            if made.generation > known.generation:
                found[name] = made
            elif made.generation == known.generation and made != known:  # which is later?
                found[name] = Made(known.settings if known.settings == made.settings else "", "", made.generation)
    return found


def _read_record(path: Path) -> dict[str, Made]:
    """Return what each image was made from last, as `_Folder.write` recorded it."""
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        with suppress(ValueError, TypeError, OverflowError):  # the last line of a killed process, or somebody else's
            name, settings, state, *generation = parse_json(line)
            found[str(name)] = Made(str(settings), str(state), int(*generation))
    return found


@contextmanager
def video_writer(path: Path, rate: Fraction) -> Iterator[Callable[[Image], None]]:
    """Yield a function that appends a frame (H,W,3) to a video, which appears whole or not at all.

    It is H.264 in .mp4 and .mkv, MPEG-4 in .avi; `rate` is in frames per second.

    Raises:
        UserError: PyAV is missing, the frames cannot be encoded, or differ in size.
    """
    av = load_av()
    stream: Any = None

    def write(image: Image) -> None:
        nonlocal stream
        height, width = image.shape[:2]
        stream = stream or _add_stream(container, path.suffix.lower(), height, width, rate)
        if (height, width) != (stream.height, stream.width):
            raise UserError(
                f"The frames of {path.name} differ in size",
                expected=f"{stream.width}×{stream.height}",
                got=f"{width}×{height}",
                remedy="write images into a folder instead",
            )
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))

    with write_aside(path) as aside:
        options = {"fflags": "bitexact"}  # no random identifiers
        try:
            with av.open(str(aside), "w", format=VIDEO_FORMATS[path.suffix.lower()], options=options) as container:
                yield write
                if stream:
                    container.mux(stream.encode(None))  # what the encoder still holds
        except av.error.FFmpegError as error:
            raise UserError(f"{path} cannot be written", got=str(error), remedy="write images into a folder") from error


def _add_stream(container: Any, suffix: str, height: int, width: int, rate: Fraction) -> Any:
    mpeg4 = suffix == ".avi"
    stream = container.add_stream("mpeg4" if mpeg4 else "libx264", rate=rate)
    stream.width, stream.height = width, height
    odd = height % 2 or width % 2  # halved chroma needs even sides
    stream.pix_fmt = "yuv444p" if odd and not mpeg4 else "yuv420p"
    if mpeg4:
        stream.bit_rate = math.ceil(height * width * AVI_BITS_PER_PX * rate)
    else:
        stream.options = {"crf": X264_QUALITY}
    stream.codec_context.colorspace = BT601
    return stream
