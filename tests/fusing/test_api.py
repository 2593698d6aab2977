"""`from ssvif import load_model, fuse`: what goes in comes out."""

import logging
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

import ssvif
from reference.released import released_state
from ssvif.fusing.api import fuse, load_model
from ssvif.fusing.fuser import BaselineFuser
from ssvif.fusing.load import FuserSpec
from ssvif.io.errors import UserError
from ssvif.models.released_names import PUBLISHED
from ssvif.pairs.alignment import Alignment, write_alignment

AVERAGE = load_model("average")


def draw(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


VISIBLE, INFRARED = draw(0, 12, 17, 3), draw(1, 12, 17)
MEAN = np.floor((VISIBLE.astype(np.float64) + INFRARED[..., None]) / 2 + 0.5).astype(np.uint8)


def test_importing_the_package_costs_nothing():
    code = """
import sys, ssvif
assert {"numpy", "PIL", "torch"}.isdisjoint(sys.modules)
from ssvif import fuse, load_model
assert {"torch", "pandas", "skimage"}.isdisjoint(sys.modules)
import numpy as np
fuse(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8), load_model("average"))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert ssvif.fuse is fuse


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_arrays_keep_their_type_and_range(dtype):
    """All 8 or 16 bits, or floats in [0,1]."""
    most = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    error = {np.uint8: 0, np.uint16: 0.5 + 1 / 257}.get(dtype) if most > 1 else 0.5 + 255 * np.finfo(dtype).eps
    visible, infrared = ((image * (most / 255)).astype(dtype) for image in (VISIBLE, INFRARED))
    fused = fuse(visible, INFRARED if dtype == np.uint16 else infrared, AVERAGE)
    assert fused.dtype == dtype
    np.testing.assert_allclose(fused.astype(float) * 255 / most, MEAN, atol=error)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "L", "1", "LA"])
def test_pillow_images_of_any_mode(mode):
    picture = Image.fromarray(VISIBLE).convert(mode)
    fused = fuse(picture, Image.fromarray(INFRARED), load_model("visible"))
    assert isinstance(fused, Image.Image)
    assert fused.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(fused), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_tensors_have_their_channels_first(dtype):
    scale = 1 if dtype == torch.uint8 else 255
    visible = (torch.from_numpy(VISIBLE).movedim(-1, 0) / scale).to(dtype)
    infrared = (torch.from_numpy(INFRARED)[None] / scale).to(dtype)
    fused = fuse(visible, infrared, AVERAGE)
    assert fused.dtype == dtype
    assert fused.shape == visible.shape
    assert fused.is_contiguous()
    error = 0 if dtype == torch.uint8 else 0.5 + 510 * torch.finfo(dtype).eps
    np.testing.assert_allclose(fused.double().movedim(0, -1).numpy() * scale, MEAN, atol=error)


def test_opencv_has_blue_first():
    """Of visible images, colored infrared ones and results alike, with alpha or without; Pillow knows its order."""
    colored = draw(4, 12, 17, 3)
    expected = fuse(VISIBLE, colored, AVERAGE)
    reversed_ = [np.ascontiguousarray(each[..., ::-1]) for each in (VISIBLE, colored)]
    fused = fuse(*reversed_, AVERAGE, order="bgr")
    np.testing.assert_array_equal(fused[..., ::-1], expected)
    assert fused.flags["C_CONTIGUOUS"]  # as OpenCV's functions need it
    with_alpha = np.dstack([reversed_[0], draw(5, 12, 17)])
    np.testing.assert_array_equal(fuse(with_alpha, reversed_[1], AVERAGE, order="bgr"), fused)
    tensors = [torch.from_numpy(each).movedim(-1, 0) for each in reversed_]
    np.testing.assert_array_equal(fuse(*tensors, AVERAGE, order="bgr").movedim(0, -1).numpy(), fused)
    mixed = fuse([Image.fromarray(VISIBLE), reversed_[0]], [INFRARED] * 2, AVERAGE, order="bgr")
    np.testing.assert_array_equal(np.asarray(mixed[0]), mixed[1][..., ::-1])


def test_a_tensor_that_learns_is_left_alone():
    visible = torch.rand(3, 4, 5, requires_grad=True)
    assert not fuse(visible, torch.rand(4, 5), AVERAGE).requires_grad


@pytest.mark.parametrize("axes", ["B H W", "B H W 1", "B H W 3"])
def test_batches_of_arrays(axes):
    visible, infrared = draw(2, 3, 6, 7, 3), draw(3, 3, 6, 7)
    several = {"B H W": infrared, "B H W 1": infrared[..., None], "B H W 3": np.stack([infrared] * 3, axis=-1)}[axes]
    fused = fuse(visible, several, AVERAGE, batch=2)
    assert fused.shape == visible.shape
    for i in range(3):
        np.testing.assert_array_equal(fused[i], fuse(visible[i], infrared[i], AVERAGE))


@pytest.mark.parametrize("shape", [(2, 1, 6, 7), (2, 3, 6, 7), (2, 6, 7)])
def test_batches_of_tensors(shape):
    visible, infrared = torch.rand(2, 3, 6, 7), torch.rand(2, 6, 7)
    several = infrared if len(shape) == 3 else infrared[:, None].expand(shape)
    fused = fuse(visible, several, AVERAGE)
    torch.testing.assert_close(fused, (visible + infrared[:, None]) / 2)


def test_lists_may_mix_sizes_and_kinds():
    several = [VISIBLE, Image.fromarray(VISIBLE[:5]), torch.from_numpy(VISIBLE).movedim(-1, 0)]
    fused = fuse(several, [INFRARED, INFRARED[:5], Image.fromarray(INFRARED)], AVERAGE)
    assert [type(each) for each in fused] == [np.ndarray, Image.Image, torch.Tensor]
    np.testing.assert_array_equal(fused[0], MEAN)
    np.testing.assert_array_equal(np.asarray(fused[1]), MEAN[:5])
    np.testing.assert_array_equal(fused[2].movedim(0, -1).numpy(), MEAN)
    assert fuse([], [], AVERAGE) == []


def test_a_pillow_image_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(VISIBLE[::-1, ::-1]).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as turned:
        np.testing.assert_array_equal(np.asarray(fuse(turned, INFRARED, AVERAGE)), MEAN)


def test_a_range_of_colored_infrared_is_that_of_its_luma():
    colored = np.outer(INFRARED, [256, 100, 128]).reshape(12, 17, 3).astype(np.uint16)
    assert fuse(VISIBLE, colored, load_model("infrared")).max() == 255
    luma = fuse(VISIBLE, colored, load_model("infrared"), infrared_range="full")[..., 0]
    assert np.abs(luma - colored @ np.array([0.299, 0.587, 0.114]) / 257).max() < 1


def test_a_sequence_has_one_range():
    infrared = np.stack([np.full((4, 5), level, np.uint16) for level in (1000, 2000, 3000)])
    fused = fuse(np.zeros((3, 4, 5, 3), np.uint8), infrared, load_model("infrared"), infrared_range="sequence")
    assert [int(each.mean()) for each in fused] == [0, 128, 255]


def test_what_is_no_number_becomes_black():
    infrared = np.full((4, 5), 0.5, np.float32)
    infrared[1, 2] = np.nan
    fused = fuse(np.zeros((4, 5, 3), np.uint8), infrared, load_model("infrared"))
    assert fused[1, 2, 0] == 0
    assert fused[0, 0, 0] == 128
    assert fuse(VISIBLE, np.full((12, 17), np.nan), load_model("infrared")).max() == 0
    masked = np.ma.masked_equal(np.where(np.isnan(infrared), 9, infrared), 9)
    assert (fuse(np.zeros((4, 5, 3), np.uint8), masked, load_model("infrared")) == fused).all()


def test_auto_takes_floats_of_either_side_as_they_are():
    faint = VISIBLE.astype(np.float32) / 2550
    for side in ("visible", "infrared"):
        fused = fuse(faint, faint, load_model(side), visible_range="auto", infrared_range="auto")
        assert fused.max() < 0.11


def test_another_size_is_resized_and_said_once_a_call(caplog):
    caplog.set_level(logging.WARNING, "ssvif")
    small = [INFRARED[::2, ::2][:6, :8]] * 2
    big = [VISIBLE[:, :16]] * 2
    assert [each.shape for each in fuse(big, small, AVERAGE)] == [(12, 16, 3)] * 2
    assert [each.message for each in caplog.records] == [
        "pair 0: visible 16×12, infrared 8×6; the infrared image is resized to the visible one's size (reported once)"
    ]
    with pytest.raises(UserError, match="pair 0 differ in size"):
        fuse(big, small, AVERAGE, resize="error")


def test_visibles_chroma_can_be_kept():
    fused = fuse(VISIBLE / 255, INFRARED / 255, load_model("infrared"), color="ycbcr")
    luma = fused @ np.array([0.299, 0.587, 0.114])
    inside = ((fused > 0) & (fused < 1)).all(axis=2)
    np.testing.assert_allclose(luma[inside], INFRARED[inside] / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"visible": VISIBLE.astype(int)}, TypeError, "visible: expected uint8, uint16 or floats, got int64"),
        ({"visible": np.ma.masked_less(VISIBLE, 9)}, TypeError, "visible: integers cannot be masked"),
        (
            {"visible": [VISIBLE] * 2, "infrared": [INFRARED, INFRARED.astype(">u2")], "infrared_range": (0, 9999)},
            UserError,
            "infrared images are of several depths",
        ),
        ({"visible": None}, TypeError, "visible: expected an image, got None, which cv2.imread returns for a file"),
        ({"infrared": [None]}, TypeError, r"infrared\[0\]: expected an image, got None"),
        ({"visible": "v.png"}, TypeError, "visible: expected NumPy arrays, .* got str"),
        ({"visible": VISIBLE[None, None]}, ValueError, "visible: expected an image with 1 or 3 channels, got shape"),
        ({"visible": VISIBLE[:0]}, ValueError, "got shape"),
        (
            {"visible": VISIBLE[None][:0], "infrared": INFRARED[None][:0]},
            ValueError,
            "expected at least one image",
        ),
        ({"visible": VISIBLE[None], "infrared": np.stack([INFRARED] * 2)}, ValueError, "1 visible but 2 infrared"),
        ({"visible": [VISIBLE[None]], "infrared": [INFRARED]}, ValueError, "expected a list of single images"),
        ({"infrared": INFRARED[:4]}, UserError, "differ in size"),
        ({"infrared": INFRARED / 10}, ValueError, r"infrared: expected floats in \[0,1\], got .*infrared_range"),
        ({"model": "average"}, TypeError, r"call load_model\('average'\)"),
        ({"color": "cmyk"}, ValueError, r"color: expected rgb \| ycbcr, got 'cmyk'"),
        ({"resize": "both"}, ValueError, "resize: expected "),
        ({"order": "gbr"}, ValueError, r"order: expected rgb \| bgr, got 'gbr'"),
        ({"visible_range": "loud"}, UserError, "visible_range"),
        ({"infrared_range": None}, ValueError, r"infrared_range: expected a string or \(low, high\)"),
        ({"infrared_range": (1, 5, 3)}, ValueError, r"infrared_range: expected a string or \(low, high\)"),
        ({"infrared_range": 7}, ValueError, r"infrared_range: expected a string or \(low, high\)"),
    ],
)
def test_what_does_not_fit_is_told(given, error, says):
    with pytest.raises(error, match=says):
        fuse(**{"visible": VISIBLE, "infrared": INFRARED, "model": AVERAGE} | given)


def test_models_are_loaded_by_file_by_name_and_by_release(network, tmp_path):
    assert isinstance(load_model("maximum"), BaselineFuser)
    assert load_model(str(network), device="cpu").channels == 3
    torch.save(released_state("seafusion"), tmp_path / "net.pth")
    released = load_model(tmp_path / "net.pth", network="seafusion", device="cpu")
    assert released.channels == 1
    assert released.finish is not None
    assert load_model(tmp_path / "net.pth", network="seafusion", inference="plain", device="cpu").finish is None
    assert load_model("fast", device="cpu").channels == 3
    with pytest.raises(UserError, match=r"gone\.safetensors does not exist"):
        load_model("gone.safetensors", device="cpu")
    with pytest.raises(UserError, match="device 'cuda:77' cannot be used"):
        load_model(network, device="cuda:77")
    with pytest.raises(UserError, match="released network 'emma' needs a checkpoint"):
        load_model(network="emma")
    with pytest.raises(UserError, match="Unknown precision 'fp16'"):
        load_model("average", precision="fp16")


def test_without_a_model_ssvifs_own_is_loaded_once(monkeypatch):
    # another test of this process may have replaced what is loaded by default, or changed it
    monkeypatch.setattr("ssvif.fusing.api._load_once", cache(load_model))
    first = fuse(VISIBLE, INFRARED)
    np.testing.assert_array_equal(first, fuse(VISIBLE, INFRARED, load_model()))
    monkeypatch.setattr("ssvif.fusing.load.find_model", lambda _: pytest.fail("loaded twice"))
    np.testing.assert_array_equal(fuse(VISIBLE, INFRARED), first)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_tensor_comes_back_to_its_gpu(network):
    visible, infrared = torch.rand(2, 3, 20, 30, device="cuda"), torch.rand(2, 1, 20, 30, device="cuda")
    fused = fuse(visible, infrared, load_model(network))
    assert fused.device == visible.device
    near = fuse(visible.cpu(), infrared.cpu(), load_model(network, device="cpu"))
    torch.testing.assert_close(fused.cpu(), near, rtol=0, atol=1e-3)


def test_each_file_of_a_released_network_counts(tmp_path, monkeypatch):
    parts = {"first": "one.pth", "second": "two.pth"}
    monkeypatch.setitem(PUBLISHED, "seafusion", replace(PUBLISHED["seafusion"], parts=parts))
    taken = set()
    for changed in parts.values():
        (tmp_path / changed).write_text(changed)
        taken.add(FuserSpec(path=tmp_path, network="seafusion").identity()["fuser"])
    (tmp_path / "notes.txt").write_text("not of the network")
    assert FuserSpec(path=tmp_path, network="seafusion").identity()["fuser"] in taken
    assert len(taken) == 2
    assert "" not in taken


def test_two_lenses_are_aligned(tmp_path):
    narrow = Alignment(((1, 0, -8), (0, 1, -4), (0, 0, 1)), "affine", (60, 40), (40, 30))
    write_alignment(tmp_path / "alignment.json", narrow)
    visible, infrared = draw(0, 40, 60, 3), draw(1, 30, 40)
    fused = fuse(visible, infrared, AVERAGE, alignment=tmp_path / "alignment.json")
    middle = (visible[4:34, 8:48].astype(int) + infrared[..., None] + 1) // 2
    np.testing.assert_array_equal(fused[4:34, 8:48], middle)
    np.testing.assert_array_equal(fuse(visible, infrared, AVERAGE, alignment=narrow), fused)
    with pytest.raises(UserError, match="does not fit the alignment"):
        fuse(visible, visible, AVERAGE, alignment=narrow)
