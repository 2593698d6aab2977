import math
import sys
from fractions import Fraction

import numpy as np
import pytest

from fusing.made import smooth
from ssvif.fusing.outputs import VIDEO_FORMATS, video_writer
from ssvif.io.errors import UserError
from ssvif.io.files import read_image
from ssvif.pairs.pair import Rules, measured_pixels
from ssvif.pairs.pairing import Pairing
from ssvif.pairs.ranges import Range
from ssvif.pairs.sources import open_source
from ssvif.pairs.video import explain, facts_of, frames_of, paired_frames

av = pytest.importorskip("av")


def picture(i, height, width):
    """Pale, so that halving the chroma loses little."""
    return np.roll(smooth(0, height, width) // 3 + 80, 2 * i, axis=1)


def film(path, count, rate=25, size=(48, 64), make=picture):
    with video_writer(path, Fraction(rate)) as write:
        for i in range(count):
            write(np.ascontiguousarray(make(i, *size)))
    return path


def film_gray(path, images, form="gray16le"):
    """A lossless gray video, as thermal cameras are recorded."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = images[0].shape
        stream.pix_fmt = form
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format=form)))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", VIDEO_FORMATS)
@pytest.mark.parametrize("size", [(48, 64), (41, 33), (1, 1)])
def test_what_is_written_is_read_again(tmp_path, suffix, size):
    path = film(tmp_path / f"a{suffix}", 4, Fraction(30000, 1001), size)
    frames = list(frames_of(path, gray=False))
    assert facts_of(path).rate == Fraction(30000, 1001)
    assert facts_of(path).frames == len(frames) == 4
    assert [time_s for time_s, _ in frames] == pytest.approx([i * 1001 / 30000 for i in range(4)], abs=1e-3)
    for i, (_, image) in enumerate(frames):
        assert image.pixels.shape == (*size, 3)
        assert abs(image.pixels.astype(int) - picture(i, *size)).mean() < 4


@pytest.mark.parametrize("suffix", VIDEO_FORMATS)
def test_equal_frames_give_equal_bytes(tmp_path, suffix):
    first, second = (film(tmp_path / f"{name}{suffix}", 3).read_bytes() for name in "ab")
    assert first == second


def test_a_deep_gray_video_keeps_its_values(tmp_path):
    images = [(smooth(i, 20, 30, 0).astype(np.uint16) << 4) + i for i in range(3)]
    path = film_gray(tmp_path / "ir.mkv", images)
    for (_, read), image in zip(frames_of(path, gray=True), images, strict=True):
        assert np.array_equal(read.pixels, image)


LUMA = ["yuv420p9le", "yuv420p10le", "yuv422p10le", "yuv444p10be", "yuv420p12le", "yuv444p12le", "yuv422p14le"]
LUMA += ["yuv444p16le", "yuva420p10le", "y210le"]
RGB = ["gbrp10le", "gbrp12le", "gbrp16le", "rgb48le", "rgb48be", "rgba64le"]
GRAY = ["gray9le", "gray10le", "gray12le", "gray14le", "gray16le", "gray16be"]


def frame_of(ramp, form):
    """A frame of fractions (H,W) in a pixel format, as FFmpeg converts it from 16 bits."""
    deep = np.rint(ramp * 65535).astype(np.uint16)
    if form in RGB:
        return av.VideoFrame.from_ndarray(np.repeat(deep[..., None], 3, axis=2), format="rgb48le").reformat(format=form)
    return av.VideoFrame.from_ndarray(deep, format="gray16le").reformat(format=form)


def record(path, frame):
    """One frame without a codec, in whatever format."""
    with av.open(str(path), "w", format="nut") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.height, stream.width, stream.pix_fmt = frame.height, frame.width, frame.format.name
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("form", [*LUMA, *RGB, *GRAY])
def test_every_deep_format_keeps_its_depth(tmp_path, form):
    """A ramp of more than 256 levels, from black to white, comes back within two levels of its bits."""
    ramp = np.tile(np.linspace(0, 1, 640), (4, 1))
    frame = frame_of(ramp, form)
    ((_, read),) = frames_of(record(tmp_path / "ir.nut", frame), gray=True)
    array = read.pixels.astype(float)
    gray = array if array.ndim == 2 else array @ [0.299, 0.587, 0.114]
    assert read.pixels.dtype == np.uint16
    assert (read.pixels.ndim == 3) == (form in RGB)
    assert abs(gray / (read.most or 65535) - ramp).max() <= 2 / 2 ** frame.format.components[0].bits
    assert len(np.unique(gray)) > 400
    assert read.notes == ()


def test_gray_of_12_bits_keeps_its_values(tmp_path):
    counts = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    frame = av.VideoFrame.from_ndarray(counts << 4 | counts >> 8, format="gray16le").reformat(format="gray12le")
    ((_, read),) = frames_of(record(tmp_path / "ir.nut", frame), gray=True)
    assert np.array_equal(read.pixels, counts)
    for rule in (Range(0, 4095), "full"):
        pixels, limits, notes = measured_pixels(read, "infrared", Rules(infrared_range=rule))
        assert (limits, notes) == (Range(0, 4095), [])
        assert np.array_equal(pixels, counts)


def test_options_that_two_videos_cannot_follow_are_refused(tmp_path):
    vi, ir = (str(film(tmp_path / f"{side}.mkv", 5)) for side in ("vi", "ir"))
    for options, says in (
        ({"offset": math.inf}, "--offset inf"),
        ({"by": "number"}, "--pair-by number is not for videos"),
        ({"by": "time", "tolerance": 1.0}, "--pair-by time is not for videos"),
    ):
        with pytest.raises(UserError, match=says):
            open_source(vi, ir, Pairing(**options))
    with pytest.raises(UserError, match="--offset 5 no frame"):
        list(open_source(vi, ir, Pairing(offset=5)).jobs(Rules()))


@pytest.mark.parametrize(("color_range", "black", "white"), [(0, 64, 940), (1, 64, 940), (2, 0, 1023)])
def test_luma_of_either_range_is_spread_from_black_to_white(tmp_path, color_range, black, white):
    """Limited unless the file says otherwise, as everywhere."""
    with av.open(str(tmp_path / "ir.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 64, "yuv444p10le"
        stream.codec_context.color_range = color_range
        frame = av.VideoFrame(64, 16, "yuv444p10le")
        luma = np.tile(np.linspace(black, white, 64).round().astype("<u2"), (16, 1))
        for plane, values in zip(frame.planes, (luma, np.full_like(luma, 512), np.full_like(luma, 512)), strict=True):
            padded = np.zeros((16, plane.line_size // 2), "<u2")
            padded[:, :64] = values
            plane.update(padded.tobytes())
        frame.color_range = color_range
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    ((_, read),) = frames_of(tmp_path / "ir.mkv", gray=True)
    assert abs(read.pixels - (luma - black) / (white - black) * 65535).max() <= 1


@pytest.mark.parametrize("form", [*LUMA, *RGB])
def test_a_deep_visible_video_keeps_its_colors(tmp_path, form):
    color = np.zeros((16, 32, 3), np.uint16)
    color[:] = np.array([200, 80, 60]) * 257
    frame = av.VideoFrame.from_ndarray(color, format="rgb48le").reformat(format=form)
    ((_, read),) = frames_of(record(tmp_path / "vi.nut", frame), gray=False)
    assert read.pixels.dtype == np.uint8
    assert abs(read.pixels[8, 16].astype(int) - [200, 80, 60]).max() <= 3
    ((_, infrared),) = frames_of(tmp_path / "vi.nut", gray=True)
    assert infrared.notes == (() if form in RGB else ("chroma",))  # told to be color-mapped by its pixels, or by this


def test_unprocessed_pixels_of_a_color_sensor_are_refused_as_infrared(tmp_path):
    path = record(tmp_path / "raw.nut", av.VideoFrame(32, 16, "bayer_rggb16le"))
    with pytest.raises(UserError, match=r"raw\.nut holds the unprocessed pixels of a color sensor \(bayer_rggb16le\)"):
        list(frames_of(path, gray=True))


def test_frames_are_paired_by_time(tmp_path):
    """A camera of 10 frames/s beside one of 25: the nearest in time, and no longer than the shorter one."""
    film(tmp_path / "vi.mp4", 25)
    images = [np.full((48, 64), 1000 * i, np.uint16) for i in range(5)]
    film_gray(tmp_path / "ir.mkv", images)  # 25 frames/s, 5 of them: 0.2 s
    same = [int(infrared.pixels[0, 0]) for _, infrared in paired_frames(tmp_path / "vi.mp4", tmp_path / "ir.mkv")]
    assert same == [0, 1000, 2000, 3000, 4000]
    film(tmp_path / "slow.mp4", 5, 10)
    pairs = list(paired_frames(tmp_path / "vi.mp4", tmp_path / "slow.mp4"))
    assert len(pairs) == 13  # 0.5 s
    slow = [image.pixels for _, image in frames_of(tmp_path / "slow.mp4", gray=True)]
    nearest = [round(i / 25 * 10 + 1e-9) for i in range(13)]
    for (_, infrared), j in zip(pairs, nearest, strict=True):
        assert np.array_equal(infrared.pixels, slow[min(j, 4)])


def test_a_difference_of_rate_or_length_is_explained(tmp_path):
    film(tmp_path / "vi.mp4", 25)
    film(tmp_path / "slow.mp4", 10, 10)
    film(tmp_path / "short.mp4", 20)
    film(tmp_path / "almost.mkv", 24)
    visible = facts_of(tmp_path / "vi.mp4")
    assert explain(visible, facts_of(tmp_path / "almost.mkv")) == []
    assert "visible has 25 frames/s, infrared 10" in explain(visible, facts_of(tmp_path / "slow.mp4"))[0]
    assert explain(visible, facts_of(tmp_path / "short.mp4")) == [
        "visible lasts 1.00 s, infrared 0.80 s: the last 0.20 s of the longer one are ignored"
    ]
    assert explain(visible, facts_of(tmp_path / "short.mp4"), 0.4) == [
        "both videos run from 0.40 to 1.00 s of the visible one, which are used"
    ]
    assert open_source(tmp_path / "vi.mp4", tmp_path / "short.mp4", Pairing(offset=0.4)).total == 15


@pytest.fixture
def fuse(tmp_path, call):
    """A function that fuses a video of the visible camera and ir.mkv: status, output, errors."""
    return lambda visible, output, *options: call(
        "fuse", tmp_path / visible, tmp_path / "ir.mkv", "-o", tmp_path / output, *options
    )


def test_two_videos_become_one(tmp_path, fuse):
    film(tmp_path / "vi.mp4", 6)
    film_gray(tmp_path / "ir.mkv", [smooth(i, 48, 64, 0).astype(np.uint16) + 3000 for i in range(6)])
    for output in ("fused.mkv", "frames"):
        assert fuse("vi.mp4", output, "--baseline", "average", "--infrared-range", "sequence")[0] == 0
    assert (facts_of(tmp_path / "fused.mkv").frames, facts_of(tmp_path / "fused.mkv").rate) == (6, 25)
    paths = sorted((tmp_path / "frames").glob("*.png"))
    assert [path.name for path in paths] == [f"{i:06d}.png" for i in range(1, 7)]
    for (_, frame), path in zip(frames_of(tmp_path / "fused.mkv", gray=False), paths, strict=True):
        assert abs(frame.pixels.astype(int) - read_image(path)).mean() < 4


@pytest.mark.parametrize(("rule", "flickers"), [("auto", False), ("sequence", False), ("percentile", True)])
def test_a_sequence_does_not_flicker(tmp_path, fuse, rule, flickers):
    """One hot object enters: with a range for each frame the background would change, with one of all it does not."""
    cold = smooth(0, 48, 64, 0).astype(np.uint16) + 3000
    hot = cold.copy()
    hot[10:30, 10:30] = 60000
    film(tmp_path / "vi.mp4", 2)
    film_gray(tmp_path / "ir.mkv", [cold, hot])
    assert fuse("vi.mp4", "fused", "--baseline", "infrared", "--infrared-range", rule)[0] == 0
    first, second = (read_image(tmp_path / f"fused/00000{i}.png").astype(int) for i in (1, 2))
    changes = abs(first - second)[35:].max()
    assert changes > 50 if flickers else changes == 0


def test_a_damaged_video_is_fused_up_to_there(tmp_path, fuse):
    for name in ("vi", "ir"):
        film(tmp_path / f"{name}.mkv", 40, size=(96, 128), make=smooth)
    whole = (tmp_path / "ir.mkv").read_bytes()
    (tmp_path / "ir.mkv").write_bytes(whole[: len(whole) // 2])
    status, _, errors = fuse("vi.mkv", "fused.mp4", "--baseline", "average")
    assert status == 1
    assert "1 failed:" in errors
    assert "ir.mkv cannot be read as a video (it ends after" in errors
    assert 0 < facts_of(tmp_path / "fused.mp4").frames < 40
    (tmp_path / "ir.mkv").write_bytes(b"no video")
    status, _, errors = fuse("vi.mkv", "b.mp4", "--baseline", "average")
    assert status == 1
    assert "ir.mkv cannot be read as a video" in errors
    assert not (tmp_path / "b.mp4").exists()


def record_at(path, times_ms, codec="ffv1", rate=25):
    """A gray video whose frames have these times; the i-th one is of the value 5 i."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, time_ms in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), 5 * i, np.uint8), format="gray")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("ir.mkv", "ffv1"), ("ir.webm", "libvpx"), ("ir.mp4", "mpeg4"), ("ir.avi", "mpeg4")]
)
def test_a_pause_is_no_damage(tmp_path, caplog, name, codec):
    """But it may be a loss: where the file does not count its frames, or counts empty ones, it is noted, once."""
    times = [0, 40, 80, 120, 1000, 1040, 1080, 1120]
    path = record_at(tmp_path / name, times, codec)
    for _ in range(2):
        assert [time_s for time_s, _ in frames_of(path, gray=True)] == pytest.approx(np.array(times) / 1000, abs=1e-3)
    noted = [text for text in caplog.messages if "frames are missing, most of them after 0.12 s" in text]
    assert len(noted) == (name != "ir.mp4")
    assert len(list(paired_frames(path, path))) == 8


def test_a_video_that_pauses_and_is_cut_is_told_to_end(tmp_path):
    path = record_at(tmp_path / "ir.mkv", [*range(0, 200, 40), *range(1000, 2000, 40)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="it ends after"):
        list(frames_of(path, gray=True))


def test_frames_of_two_sizes_make_no_video(tmp_path):
    with pytest.raises(UserError, match="differ in size"):
        film(tmp_path / "a.mp4", 2, make=lambda i, height, width: smooth(0, height, width + 2 * i))
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    film(tmp_path / "a.mp4", 1)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match="PyAV") as caught:
        facts_of(tmp_path / "a.mp4")
    assert "ssvif[video]" in caught.value.remedy


def test_a_video_that_starts_later_is_paired_from_there(tmp_path, call):
    vi, ir = film(tmp_path / "vi.mkv", 10), film(tmp_path / "ir.mkv", 10)
    truth = [image.pixels for _, image in frames_of(ir, gray=True)]
    for offset_s, first, count in ((0.12, 0, 7), (-0.12, 3, 7)):
        pairs = list(paired_frames(vi, ir, offset_s=offset_s))
        assert len(pairs) == count
        assert np.array_equal(pairs[0][1].pixels, truth[first])
    status, _, _ = call("fuse", vi, ir, "-o", tmp_path / "later", "--offset", "0.12", "--baseline", "infrared")
    assert status == 0
    assert len(list((tmp_path / "later").glob("*.png"))) == 7


def test_a_video_may_hold_both_sides(tmp_path, call):
    path = film(tmp_path / "both.mkv", 3, size=(48, 128))
    left = [image.pixels[:, :64] for _, image in frames_of(path, gray=False)]
    words = ("--both-in-one", "columns", "--baseline", "visible")
    assert call("fuse", path, "-o", tmp_path / "out", *words)[0] == 0
    made = [read_image(each) for each in sorted((tmp_path / "out").glob("*.png"))]
    assert [np.array_equal(*each) for each in zip(made, left, strict=True)] == [True] * 3
    assert "given for both sides" in call("fuse", path, path, "-o", tmp_path / "out2", "--baseline", "average")[2]


@pytest.mark.parametrize(
    "playlist",
    ["ffconcat version 1.0\nfile v.avi\n", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nv.avi\n#EXT-X-ENDLIST\n"],
)
def test_a_list_of_other_files_is_no_video(tmp_path, playlist):
    film(tmp_path / "v.avi", 3)
    (tmp_path / "v.mp4").write_text(playlist)
    with pytest.raises(UserError, match=r"v\.mp4 cannot be read as a video"):
        facts_of(tmp_path / "v.mp4")


@pytest.mark.parametrize("coding", ["latin-1", "cp932", "utf-16-le"])
def test_a_title_in_any_encoding_is_no_matter(tmp_path, coding):
    path = tmp_path / "v.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "title here"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        for i in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture(i, 48, 64)))))
        container.mux(stream.encode(None))
    titles = {"latin-1": "Caf\xe9 Gr\xfc\xdfe", "cp932": "\u65e5\u672c\u8a9e\u5b57\u5e55", "utf-16-le": "caf\xe9s"}
    coded = path.read_bytes()
    assert coded.count(b"title here") == 1
    path.write_bytes(coded.replace(b"title here", titles[coding].encode(coding).ljust(10, b" ")))
    assert facts_of(path).frames == 3
    assert len(list(frames_of(path, gray=True))) == 3
