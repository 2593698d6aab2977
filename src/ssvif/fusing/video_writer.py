"""Write a video of fused frames; needs the extra `video` (PyAV)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssvif.fusing.fuser import Image
from ssvif.io.errors import UserError
from ssvif.io.files import write_aside
from ssvif.pairs.video import load_av

if TYPE_CHECKING:
    import av

FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".avi": "avi"}
BT601 = 6  # FFmpeg's number; stored in the file, or players take another matrix for large frames
QUALITY = "17"  # x264's constant rate factor: visually lossless
AVI_BITS_PER_PX = 4  # of MPEG-4, per frame


class VideoWriter:
    """Writes frames of one size: H.264 in .mp4 and .mkv, MPEG-4 in .avi.

    Args:
        path: of the video.
        container: PyAV's, open for writing.
        rate: frames per second.
    """

    def __init__(self, path: Path, container: av.container.OutputContainer, rate: Fraction) -> None:
        self._path, self._container, self._rate = path, container, rate
        self._stream: Any = None
        self._shape: tuple[int, ...] = ()

    def write(self, image: Image) -> None:
        """Append a frame (H,W,3).

        Raises:
            UserError: it has another size than the first.
        """
        if self._stream is None:
            self._shape, self._stream = image.shape, self._start(*image.shape[:2])
        if image.shape != self._shape:
            raise UserError(
                f"The frames of {self._path.name} would differ in size",
                expected=f"{self._shape[1]}×{self._shape[0]}",
                got=f"{image.shape[1]}×{image.shape[0]}",
                remedy="write images into a folder instead",
            )
        frame = load_av().VideoFrame.from_ndarray(image, format="rgb24")
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _start(self, height: int, width: int) -> Any:
        plain = self._path.suffix.lower() == ".avi"
        stream: Any = self._container.add_stream("mpeg4" if plain else "libx264", rate=self._rate)
        stream.width, stream.height = width, height
        odd = height % 2 or width % 2  # halved chroma needs even sides
        stream.pix_fmt = "yuv444p" if odd and not plain else "yuv420p"
        if plain:
            stream.bit_rate = math.ceil(height * width * AVI_BITS_PER_PX * self._rate)
        else:
            stream.options = {"crf": QUALITY}
        stream.codec_context.colorspace = BT601
        return stream


@contextmanager
def video_writer(path: Path, rate: Fraction) -> Iterator[VideoWriter]:
    """Yield a writer of a video that appears whole or not at all.

    Args:
        path: ending in a key of `FORMATS`.
        rate: frames per second.

    Raises:
        UserError: PyAV is missing, or the frames cannot be encoded.
    """
    av = load_av()
    with write_aside(path) as aside:
        try:
            # bitexact: no random identifiers
            with av.open(str(aside), "w", format=FORMATS[path.suffix.lower()], options={"fflags": "bitexact"}) as to:
                writer = VideoWriter(path, to, rate)
                yield writer
                writer.close()
        except av.error.FFmpegError as error:
            raise UserError(f"{path} cannot be written", got=str(error), remedy="write images into a folder") from error
