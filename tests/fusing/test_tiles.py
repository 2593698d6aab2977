import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fusing.made import Recorder, Refusing, noise, pair_of, smooth
from ssvif.fusing.fuser import FORMULAS, BaselineFuser, FuseOptions, Reach
from ssvif.fusing.tiles import OVERLAP_PX, batch_size, blending_weights, fuse_batch, spans, tile_side
from ssvif.io.errors import UserError
from ssvif.io.images import RawImage
from ssvif.ops.color import rgb_to_ycbcr, to_image, to_tensor
from ssvif.pairs.alignment import FADE_PX, Alignment
from ssvif.pairs.pair import Rules, make_pair
from ssvif.pairs.ranges import to_levels
from ssvif.schema import BASELINES

REACHES = st.builds(Reach, st.integers(0, 40), st.sampled_from([1, 2, 8, 32])) | st.none()


@given(st.integers(1, 3000), st.integers(260, 700), REACHES)
def test_tiles_cover_a_side_once_and_read_all_they_need(side, tile, reach):
    parts = spans(side, tile, reach)
    grid, radius = (reach.grid_px, reach.radius_px) if reach else (32, OVERLAP_PX)
    assert [part.keep.start for part in parts] == [0, *(part.keep.stop for part in parts[:-1])]
    assert parts[-1].keep.stop == side
    for read, keep in parts:
        assert keep.start % grid == read.start % grid == 0
        assert 0 <= read.start <= max(0, keep.start - radius)
        assert min(side, keep.stop + radius) <= read.stop <= side
        assert read.stop - read.start < tile + grid
        assert read.stop == side or (read.stop - read.start) % grid == 0


def test_tiles_at_the_border_keep_what_they_need_not_share():
    first, last = spans(1024, 640, Reach(72, 8))
    assert first == (slice(0, 584), slice(0, 512))
    assert last == (slice(440, 1024), slice(512, 1024))


@given(st.integers(1, 3000), st.integers(260, 700))
def test_the_weights_of_blending_add_up_to_one(side, tile):
    parts = spans(side, tile, None)
    total = np.zeros(side)
    for part, weights in zip(parts, blending_weights(parts), strict=True):
        assert weights.min() >= 0
        total[part.read] += weights
    assert np.allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(("reach", "least"), [(Reach(9), 19), (Reach(72, 8), 152), (None, 256)])
def test_a_tile_that_keeps_nothing_is_refused(reach, least):
    assert len(spans(4000, least, reach)) > 1
    with pytest.raises(UserError, match="too small for this network") as caught:
        spans(4000, least - 1, reach)
    assert str(least) in caught.value.expected


@pytest.mark.parametrize("tile", [0, 200])
def test_beyond_the_infrared_image_the_visible_one_is_kept(tile):
    narrow = Alignment(((1, 0, -100), (0, 1, -80), (0, 0, 1)), "affine", (410, 300), (220, 150))
    visible, infrared = noise(0, 300, 410), noise(1, 150, 220, 0)
    pair = make_pair("a", RawImage(visible), RawImage(infrared), Rules(alignment=narrow))
    (fused,) = fuse_batch(Recorder(reach=Reach(9)), [pair], FuseOptions(tile=tile))
    middle = (visible[80:230, 100:320].astype(int) + infrared[..., None] + 1) // 2
    np.testing.assert_array_equal(fused[80:230, 100:320], middle)
    changed = (fused != visible).any(axis=2)
    changed[80 - FADE_PX : 230 + FADE_PX, 100 - FADE_PX : 320 + FADE_PX] = False
    assert not changed.any()


@pytest.mark.parametrize("reach", [Reach(0), Reach(20, 8), None])
def test_tiles_give_what_the_whole_gives(reach):
    pair, fuser = pair_of(300, 410), Recorder(reach=reach)
    (whole,), (parts,) = (fuse_batch(fuser, [pair], FuseOptions(tile=tile)) for tile in (0, 256))
    assert fuser.shapes[0] == (1, 300, 410)
    assert len(fuser.shapes) > 4
    assert abs(whole.astype(int) - parts).max() <= (0 if reach else 1)  # weights add up to 1 but for rounding


def test_what_is_done_to_the_whole_image_is_done_once():
    fuser, seen = Recorder(reach=Reach(3)), []
    fuser.finish = lambda fused: seen.append(fused.shape) or 1 - fused
    (parts,) = fuse_batch(fuser, [pair_of(60, 70)], FuseOptions(tile=32))
    (plain,) = fuse_batch(Recorder(), [pair_of(60, 70)])
    assert seen == [(60, 70, 3)]
    assert abs(255 - parts.astype(int) - plain).max() <= 1


def test_tiles_are_taken_when_the_whole_does_not_fit():
    for reach, side in ((Reach(100), 100), (None, 100), (Reach(9), 70)):  # of a small reach in half of the memory
        fuser = Recorder(memory=48 * 100 * 100, reach=reach)
        assert tile_side(fuser, (side, side)) == 0
        assert tile_side(fuser, (102, side)) == side // 32 * 32
    assert tile_side(fuser, (4000, 6000), 512) == 512
    assert tile_side(fuser, (400, 600), 600) == 0
    assert tile_side(fuser, (4000, 6000), 0) == 0
    roomy = 48 * 3000 * 3000
    for reach, side in ((Reach(9), 768), (Reach(72, 8), 1152), (Reach(400), 2976), (None, 2976)):
        assert tile_side(Recorder(memory=roomy, reach=reach), (4000, 6000)) == side
    fuser.tileable = False
    assert tile_side(fuser, (4000, 6000)) == 0
    with pytest.raises(UserError, match="cannot be computed in tiles"):
        tile_side(fuser, (4000, 6000), 512)


def test_a_batch_fits_into_memory():
    fuser = Recorder(batch=8, memory=48 * 100 * 100 * 4)
    assert batch_size(fuser, (10, 10)) == 8
    assert batch_size(fuser, (100, 100)) == 4
    assert batch_size(fuser, (100, 100), 3) == 3
    assert batch_size(fuser, (4000, 6000), 3) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3)])
def test_sides_that_a_network_cannot_take_are_widened_and_cut_again(size):
    fuser = Recorder()
    fuser.least_px = 5
    (fused,) = fuse_batch(fuser, [pair_of(*size)])
    assert fuser.shapes == [(1, max(5, size[0]), max(5, size[1]))]
    assert np.array_equal(fused, fuse_batch(Recorder(), [pair_of(*size)])[0])


def test_what_a_network_cannot_fuse_is_told_by_name(monkeypatch):
    with pytest.raises(UserError, match="b cannot be fused by this network") as caught:
        fuse_batch(Refusing(), [pair_of(4, 5, name="b")])
    assert caught.value.got == "expected more"
    monkeypatch.setitem(FORMULAS, "average", lambda visible, infrared: visible * np.float32("nan"))
    fuser = BaselineFuser("average")
    for half, remedy in ((False, "look in the network for 0/0"), (True, "pass --precision float32")):
        fuser.half = half
        with pytest.raises(UserError, match="b: the network's output holds NaN") as caught:
            fuse_batch(fuser, [pair_of(4, 5, name="b")])
        assert caught.value.remedy.startswith(remedy)


def test_baselines_are_what_they_are_called():
    pair = pair_of(12, 9)
    three = np.repeat(pair.infrared[..., None], 3, axis=2)
    expected = {
        "average": (pair.visible.astype(int) + three + 1) // 2,
        "maximum": np.maximum(pair.visible, three),
        "visible": pair.visible,
        "infrared": three,
    }
    assert tuple(expected) == BASELINES
    for name, image in expected.items():
        assert np.array_equal(fuse_batch(BaselineFuser(name), [pair])[0], image), name


def test_luma_alone_changes_with_ycbcr():
    """Where nothing is cut off, chroma is visible's up to the rounding of three values to levels."""
    pair = make_pair("a", RawImage(smooth(0, 40, 50) // 4 + 96), RawImage(smooth(1, 40, 50, 0) // 4 + 96), Rules())
    (rgb,), (kept,) = (
        fuse_batch(BaselineFuser("average"), [pair], FuseOptions(color=color)) for color in ("rgb", "ycbcr")
    )
    visible, fused, plain = (rgb_to_ycbcr(to_tensor(each)) for each in (pair.visible, kept, rgb))
    assert (fused - visible)[:, 1:].abs().max() < 1 / 255
    assert (fused - plain)[:, :1].abs().max() < 1.01 / 255
    assert not np.array_equal(rgb, kept)


def test_color_of_a_network_that_has_none_is_refused():
    fuser = Recorder()
    fuser.channels = 1
    with pytest.raises(UserError, match="one channel"):
        fuse_batch(fuser, [pair_of(4, 4)], FuseOptions(color="rgb"))


def test_levels_are_rounded_half_up_and_clipped():
    values = np.linspace(-0.1, 1.1, 3 * 1100, dtype=np.float32).reshape(1100, 1, 3)
    expected = to_image(torch.from_numpy(values.copy()).permute(2, 0, 1)[None])
    assert np.array_equal(to_levels(values), expected)
    halves = np.array([0.0, 0.499, 0.5, 1.5, 2.5, 254.499, 254.5, 255.0, 300.0, -4.0], np.float32) / np.float32(255)
    assert to_levels(halves[None, :, None])[0, :, 0].tolist() == [0, 0, 1, 2, 3, 254, 255, 255, 255, 0]
    for dtype, most in ((np.uint8, 255), (np.uint16, 65535)):
        levels = np.arange(most + 1, dtype=dtype).reshape(16, -1, 1)
        assert np.array_equal(to_levels(levels / np.float32(most), dtype), levels)
