"""Write a video of fused frames; needs the extra `video` (PyAV)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from ssvif.fusing.fuser import Image
from ssvif.io.errors import UserError
from ssvif.io.files import write_aside
from ssvif.pairs.video import load_av

FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".avi": "avi"}
BT601 = 6  # FFmpeg's number; stored in the file, or players take another matrix for large frames
QUALITY = "17"  # x264's constant rate factor: visually lossless
AVI_BITS_PER_PX = 4  # of MPEG-4, per frame


@contextmanager
def video_writer(path: Path, rate: Fraction) -> Iterator[Callable[[Image], None]]:
    """Yield a function that appends a frame (H,W,3) to a video, which appears whole or not at all.

    It is H.264 in .mp4 and .mkv, MPEG-4 in .avi.

    Args:
        path: ending in a key of `FORMATS`.
        rate: frames per second.

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
                f"The frames of {path.name} would differ in size",
                expected=f"{stream.width}×{stream.height}",
                got=f"{width}×{height}",
                remedy="write images into a folder instead",
            )
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))

    with write_aside(path) as aside:
        options = {"fflags": "bitexact"}  # no random identifiers
        try:
            with av.open(str(aside), "w", format=FORMATS[path.suffix.lower()], options=options) as container:
                yield write
                if stream:
                    container.mux(stream.encode(None))  # what the encoder still holds
        except av.error.FFmpegError as error:
            raise UserError(f"{path} cannot be written", got=str(error), remedy="write images into a folder") from error


def _add_stream(container: Any, suffix: str, height: int, width: int, rate: Fraction) -> Any:
    plain = suffix == ".avi"
    stream = container.add_stream("mpeg4" if plain else "libx264", rate=rate)
    stream.width, stream.height = width, height
    odd = height % 2 or width % 2  # halved chroma needs even sides
    stream.pix_fmt = "yuv444p" if odd and not plain else "yuv420p"
    if plain:
        stream.bit_rate = math.ceil(height * width * AVI_BITS_PER_PX * rate)
    else:
        stream.options = {"crf": QUALITY}
    stream.codec_context.colorspace = BT601
    return stream
