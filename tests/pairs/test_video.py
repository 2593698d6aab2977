import sys
from fractions import Fraction

import numpy as np
import pytest

from fusing.made import smooth
from ssvif.fusing.outputs import VIDEO_FORMATS, video_writer
from ssvif.io.errors import UserError
from ssvif.io.files import read_image
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


def test_frames_lost_in_the_middle_are_told_as_such(tmp_path):
    """Not as an early end: who looks there finds nothing wrong."""
    path = film_gray(tmp_path / "ir.mkv", [np.full((48, 64), i, np.uint8) for i in range(40)], "gray")
    with av.open(str(path)) as container, av.open(str(tmp_path / "holed.mkv"), "w") as holed:
        stream = holed.add_stream_from_template(container.streams.video[0])
        for i, packet in enumerate(each for each in container.demux() if each.pts is not None):
            if not 10 <= i < 20:
                packet.stream = stream
                holed.mux(packet)
    times = []
    with pytest.raises(UserError, match=r"10 of about 40 frames are missing, most of them after 0\.36 s"):
        times.extend(time_s for time_s, _ in frames_of(tmp_path / "holed.mkv", gray=True))
    assert times == pytest.approx([i / 25 for i in range(40) if not 10 <= i < 20], abs=1e-3)


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
