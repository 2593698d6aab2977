"""Read the videos of two cameras frame by frame; needs the extra `video` (PyAV)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssvif.io.errors import UserError
from ssvif.io.images import RawImage, check_claim
from ssvif.pairs.pair import looks_colored

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

log = logging.getLogger("ssvif")

LENGTH_TOLERANCE = 0.05  # of the number of frames, which some containers only let us guess
SAME_RATE = 0.001  # relative; 29.97 against 30 is not the same
USUAL_RATE = 25  # frames per second, of a video that does not say
MICROSECONDS = 1_000_000
# whatever the suffix says; playlists and the like, which name other files, are not read
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,mxf,nut,ivf,dv,gif,apng,wtv,rm,"
    "h263,h264,hevc,m4v,mjpeg,obu,vc1,yuv4mpegpipe"
)
COLOR_SIDE = 32  # of a deep frame, reduced to see whether it is color-mapped


def load_av() -> Any:
    """Return the module `av`, or raise a UserError that says how to install it."""
    try:
        import av
    except ImportError as error:
        raise UserError(
            "Videos need PyAV, which is not installed", remedy="pip install 'ssvif[video]', or pass folders of frames"
        ) from error
    return av


@dataclass(frozen=True)
class VideoFacts:
    """What the header of a video says."""

    rate: Fraction  # frames per second
    frames: int  # 0 if it does not say


def facts_of(path: Path) -> VideoFacts:
    """Return the frame rate and length of a video.

    Raises:
        UserError: it cannot be read, or has no video stream.
    """
    with _opened(path) as (container, stream):
        return _read_facts(container, stream)


def _read_facts(container: Any, stream: Any) -> VideoFacts:
    rate = Fraction(stream.average_rate or stream.guessed_rate or USUAL_RATE)
    # some containers know how long they are, not how many frames they hold
    return VideoFacts(rate, stream.frames or round((container.duration or 0) / MICROSECONDS * rate))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    av = load_av()
    try:
        options = {"format_whitelist": CONTAINERS}
        with av.open(str(path), options=options, metadata_errors="replace") as container:  # titles in any encoding
            stream = next(iter(container.streams.video), None)
            if stream is None or stream.codec_context is None:
                raise _unreadable(path, "it has no video stream, or one in a code that is not known")
            check_claim(path, stream.width * stream.height, stored=False)
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.error.FFmpegError, OSError, ValueError, ArithmeticError, MemoryError) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, got: str) -> UserError:
    return UserError(
        f"{path} cannot be read as a video", expected="a complete video file", got=got, remedy="copy or export it again"
    )


def frames_of(path: Path, *, gray: bool) -> Iterator[tuple[float, RawImage]]:
    """Yield the frames of a video, (H,W,3), with their time in seconds since the first.

    `gray` keeps gray videos gray, (H,W), and the depth of those of more than 8 bits: of luma and chroma the luma (H,W),
    of RGB (H,W,3), both uint16 (9 to 14 bits scaled to 16, limited luma to its full range); gray floats as float32.
    Gray videos of 9 to 14 bits keep their values.

    Raises:
        UserError: it is damaged or ends too early; the frames that could be read have been yielded. Or `gray` is asked
            of a color sensor's unprocessed pixels.
    """
    times: list[float] = []
    lasting_s = 0.0
    with _opened(path) as (container, stream):
        facts = _read_facts(container, stream)
        for frame in container.decode(stream):
            times.append(float(frame.time if frame.time is not None else len(times) / facts.rate))
            lasting_s = float((getattr(frame, "duration", 0) or 0) * (frame.time_base or 0))  # PyAV 12 has none
            yield times[-1] - times[0], _read_frame(path, frame, gray)
    _check_whole(path, times, lasting_s, facts)


def _check_whole(path: Path, times: Sequence[float], lasting_s: float, facts: VideoFacts) -> None:
    """Check the times of a video's frames, in seconds, of which the last one lasts `lasting_s`.

    Raises:
        UserError: it ends too early. A gap is only noted: most containers let the number of frames be guessed from the
            length, and where the rate varies, as in recordings that follow an event, nothing is missing.
    """
    rate, enough = float(facts.rate), (1 - LENGTH_TOLERANCE) * facts.frames - 1
    lasted_s = times[-1] - times[0] + max(lasting_s, 1 / rate) if times else 0.0
    if lasted_s * rate < enough and len(times) < enough:
        raise _unreadable(path, f"it ends after {len(times)} of about {facts.frames} frames")
    if len(times) < enough:
        at_s = times[int(np.diff(times).argmax())] - times[0] if len(times) > 1 else 0.0
        missing = (
            f"{facts.frames - len(times)} of about {facts.frames} frames are missing, most of them after {at_s:.2f} s"
        )
        _tell_once(f"{path}: {missing}; if its frame rate varies, this is a pause")


@cache
def _tell_once(sentence: str) -> None:
    """Warn of a video, which is read several times."""
    log.warning("%s", sentence)


def _read_frame(path: Path, frame: VideoFrame, gray: bool) -> RawImage:
    # rotation is what a camera held upright writes; PyAV below 14 does not know it
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    name = frame.format.name
    if gray and name.startswith("bayer") and "16" in name:
        raise UserError(
            f"{path} holds the unprocessed pixels of a color sensor ({name})",
            expected="gray infrared frames",
            remedy="convert it with the camera's software, or with `ffmpeg -i IN -pix_fmt gray16le -c:v ffv1 OUT.mkv`",
        )
    array: NDArray[Any] = frame.to_ndarray(format=_form(frame) if gray else "rgb24")
    notes: tuple[str, ...] = ()
    if gray and array.ndim == 2 and not name.startswith(("gray", "ya")):  # the luma alone does not show a color map
        small = frame.to_ndarray(width=COLOR_SIDE, height=COLOR_SIDE, format="rgb24")
        notes = ("chroma",) if looks_colored(small) else ()
    array, first = np.ascontiguousarray(np.rot90(array, turns)), frame.format.components[0]
    if array.dtype == np.uint16 and name.startswith("gray") and first.bits < 16:  # FFmpeg's 16 bits begin with these
        return RawImage(array >> (16 - first.bits), notes, most=float(2**first.bits - 1))
    return RawImage(array, notes)


def _form(frame: VideoFrame) -> str:
    """Return the pixel format in which an infrared frame keeps its depth, of those that become arrays."""
    first = frame.format.components[0]
    floats = "f32" in frame.format.name or "f16" in frame.format.name
    if first.is_luma and (first.bits > 8 or frame.format.name.startswith("gray")):
        return "grayf32le" if floats else "gray16le" if first.bits > 8 else "gray"
    return "rgb48le" if max(each.bits for each in frame.format.components) > 8 else "rgb24"


def paired_frames(visible: Path, infrared: Path, *, offset_s: float = 0.0) -> Iterator[tuple[RawImage, RawImage]]:
    """Yield every visible frame with the infrared one nearest in time, while both videos run.

    The infrared video starts `offset_s` after the visible one, or before it if negative.

    Raises:
        UserError: a video is damaged; the pairs before that have been yielded. Or with this offset there is no pair.
    """
    gray_frames = ((time_s + offset_s, image) for time_s, image in frames_of(infrared, gray=True))
    current, following = next(gray_frames, None), next(gray_frames, None)
    if current is None:
        return
    lasting_s, found = 1 / float(facts_of(infrared).rate), False
    for time_s, image in frames_of(visible, gray=False):
        while following and abs(following[0] - time_s) <= abs(current[0] - time_s):
            current, following = following, next(gray_frames, None)
        if not following and time_s >= current[0] + lasting_s:
            break
        if time_s < offset_s - lasting_s / 2:
            continue
        found = True
        yield image, current[1]
    if offset_s and not found:
        raise UserError(
            f"With --offset {offset_s:g} no frame of {visible} has an infrared frame of its time",
            expected="an offset in seconds with which the two videos overlap",
            got=f"the videos last {_duration(visible)} (visible) and {_duration(infrared)} (infrared)",
            remedy="pass another offset: it is how much later the infrared video starts, negative if it starts first",
        )


def _duration(path: Path) -> str:
    facts = facts_of(path)
    return f"{facts.frames / float(facts.rate):.2f} s" if facts.frames else "an unknown time"


def time_of_both(left: VideoFacts, right: VideoFacts, offset_s: float) -> tuple[float, float]:
    """Return from when to when two videos both run, in seconds of the left one; the right one starts `offset_s` later.

    (0, 0) if a video does not say how long it is, or they do not overlap.
    """
    lengths = [each.frames / float(each.rate) for each in (left, right)]
    start, stop = max(0.0, offset_s), min(lengths[0], lengths[1] + offset_s)
    return (start, stop) if min(lengths) and start < stop else (0.0, 0.0)


def explain(left: VideoFacts, right: VideoFacts, offset_s: float = 0.0) -> list[str]:
    """Return sentences about how the rates and lengths of a visible and an infrared video differ.

    The infrared video starts `offset_s` after the visible one.
    """
    said = []
    if abs(float(right.rate / left.rate) - 1) > SAME_RATE:
        said.append(
            f"visible has {float(left.rate):.4g} frames/s, infrared {float(right.rate):.4g}: "
            "each visible frame is paired with the infrared one nearest in time"
        )
    lengths = [each.frames / float(each.rate) for each in (left, right)]
    if offset_s:
        start, stop = time_of_both(left, right, offset_s)
        said += [f"both videos run from {start:.2f} to {stop:.2f} s of the visible one, which are used"] if stop else []
    elif min(lengths) and abs(lengths[0] - lengths[1]) > 1.5 / float(min(left.rate, right.rate)):
        said.append(
            f"visible lasts {lengths[0]:.2f} s, infrared {lengths[1]:.2f} s: "
            f"the last {abs(lengths[0] - lengths[1]):.2f} s of the longer one are ignored"
        )
    return said
