"""Where fused images go: one file, a folder that can be completed later, or a video."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.frames.match import VIDEO_SUFFIXES
from ssvif.frames.sources import Source
from ssvif.frames.video import FORMATS, video_writer
from ssvif.ops.errors import UserError
from ssvif.ops.files import IMAGE_SUFFIXES, write_aside, write_json, write_png

RECORD = ".ssvif-fuse.json"  # in an output folder: what its images were made with
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
    return "video" if suffix in FORMATS else "image" if suffix in IMAGE_SUFFIXES else "folder"


def refuse_inputs(output: Path, *sources: str) -> None:
    """Check that an output is none of the sources.

    Raises:
        UserError: it is one.
    """
    for source in map(Path, sources):
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
        yield lambda name, image: save_image(output, image), lambda name: True
    else:
        resumes = _open_folder(output, source, made_with, overwrite)
        with _write_behind(lambda name, image: write_png(output / f"{name}.png", image)) as sink:
            yield sink, lambda name: not (resumes and _is_done(output / f"{name}.png", source.inputs(name)))


def save_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image (H,W,3) in the format of its suffix."""
    if path.suffix.lower() == ".png":
        write_png(path, image)
        return
    Image.init()
    form = Image.EXTENSION[path.suffix.lower()]
    with write_aside(path) as aside:
        Image.fromarray(image).save(aside, format=form, **({"quality": JPEG_QUALITY} if form == "JPEG" else {}))


def _open_folder(output: Path, source: Source, made_with: Mapping[str, Any], overwrite: bool) -> bool:
    """Prepare a folder; return whether the images that it holds may stay."""
    path = output / RECORD
    same = _read_record(path) == json.loads(json.dumps(made_with))
    held = [] if source.names is None else [name for name in source.names if (output / f"{name}.png").exists()]
    if source.names is None and output.is_dir():
        held = [each.stem for each in output.glob("[0-9]*.png")]
    if held and not (same or overwrite):
        raise UserError(
            f"{output} holds {len(held)} of these images already, made with other settings or by something else",
            expected="a new folder, or one that the same command with the same network has begun",
            remedy="pass --overwrite, or choose another output",
        )
    output.mkdir(parents=True, exist_ok=True)
    write_json(path, made_with)
    return same and not overwrite


def _read_record(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or none of ours
        return None


def _is_done(path: Path, inputs: Iterable[Path]) -> bool:
    if not path.is_file():
        return False
    made = path.stat().st_mtime_ns
    return all(made >= each.stat().st_mtime_ns for each in inputs if each.exists())


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
