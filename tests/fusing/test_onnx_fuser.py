"""Files of `ssvif export` fuse without torch; other files are told apart from them."""

import json

import numpy as np
import pytest

from fusing.made import FACTS, modules_and_memory, noise, save, write_mean
from ssvif.fusing.fuser import Reach
from ssvif.fusing.load import FuserSpec, load_fuser
from ssvif.fusing.onnx_fuser import OnnxFuser
from ssvif.io.errors import UserError
from ssvif.io.files import read_image

onnx = pytest.importorskip("onnx", reason="the extra ssvif[onnx] is not installed")
pytest.importorskip("onnxruntime", reason="the extra ssvif[onnx] is not installed")


@pytest.fixture
def mean(tmp_path):
    return write_mean(tmp_path / "mean.onnx")


def test_the_metadata_says_how_large_images_are_cut(mean):
    fuser = OnnxFuser(mean, "cpu", threads=1)
    assert (fuser.channels, fuser.bytes_per_px, fuser.least_px, fuser.batch) == (3, 50, 3, 1)
    assert fuser.reach == Reach(1, 2)
    sees_everything = write_mean(mean, {"ssvif": json.dumps(FACTS | {"reach": None})})
    assert OnnxFuser(sees_everything).reach is None


def test_arrays_go_in_and_come_out_with_channels_last(mean):
    visible, infrared = noise(0, 2 * 5, 7).reshape(2, 5, 7, 3) / np.float32(255), np.zeros((2, 5, 7), np.float32)
    fused = OnnxFuser(mean, "cpu")(visible, infrared)
    assert fused.dtype == np.float32
    assert fused.flags.c_contiguous
    np.testing.assert_allclose(fused, visible / 2, rtol=1e-6)


@pytest.mark.parametrize("folder", [".", "elsewhere"])
def test_weights_in_another_file_are_not_read(mean, monkeypatch, tmp_path, folder):
    """ONNX Runtime would look for them beside the file, or in the current folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / folder)
    onnx.save_model(onnx.load(mean), mean, save_as_external_data=True, location="half.bin", size_threshold=0)
    (tmp_path / folder / "half.bin").write_bytes((tmp_path / "half.bin").read_bytes())
    with pytest.raises(UserError, match="with all its weights inside"):
        OnnxFuser(mean, "cpu")


def test_what_does_not_fit_the_network_is_a_value_error(mean):
    with pytest.raises(ValueError, match="infrared"):
        OnnxFuser(mean, "cpu")(np.zeros((1, 5, 7, 3), np.float32), np.zeros((5, 7), np.float32))


@pytest.mark.parametrize(
    ("operation", "settings", "kind", "says"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, onnx.TensorProto.FLOAT, r"\(1, 3, 3, 4\)"),
        ("ReduceMax", {"keepdims": 0}, onnx.TensorProto.FLOAT, r"of shape \(\)"),
        ("Cast", {"to": onnx.TensorProto.INT64}, onnx.TensorProto.INT64, "int64"),
    ],
)
def test_what_is_no_fused_image_is_refused(tmp_path, operation, settings, kind, says):
    last = onnx.helper.make_node(operation, ["mean"], ["fused"], **settings)
    path = write_mean(tmp_path / "other.onnx", last=[last], fused_kind=kind)
    with pytest.raises(ValueError, match=rf"it returns .*{says}.* in place of floats of shape \(1, 3, 6, 8\)"):
        OnnxFuser(path, "cpu")(np.zeros((1, 6, 8, 3), np.float32), np.zeros((1, 6, 8), np.float32))


def test_the_command_fuses_with_it_in_tiles_and_whole(mean, tmp_path, command):
    left, right = save(tmp_path / "v.png", noise(1, 21, 34)), save(tmp_path / "i.png", noise(2, 21, 34, channels=0))
    for tile in ("0", "12"):
        assert command(left, right, "-o", tmp_path / f"f{tile}.png", "--model", mean, "--tile", tile) == (0, "")
    whole = read_image(tmp_path / "f0.png")
    expected = np.floor((read_image(left) + read_image(right)[..., None].astype(np.float64)) / 2 + 0.5)
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(read_image(tmp_path / "f12.png"), whole)


def test_fusing_imports_no_torch(mean, tmp_path):
    save(tmp_path / "v.png", noise(1, 21, 34))
    save(tmp_path / "i.png", noise(2, 21, 34, channels=0))
    loaded, _ = modules_and_memory(tmp_path, "v.png", "i.png", "-o", "f.png", "--model", "mean.onnx")
    assert "onnxruntime" in loaded
    assert loaded.isdisjoint({"torch", "pandas", "transformers", "skimage"})
    assert read_image(tmp_path / "f.png").shape == (21, 34, 3)


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({}, "channels: Field required"),
        ({"ssvif": "{"}, "Invalid JSON"),
        ({"ssvif": "7"}, "should be an object"),
        ({"ssvif": json.dumps(FACTS | {"channels": 2, "least_px": 0})}, "channels: .*least_px: "),
    ],
)
def test_an_onnx_file_of_somebody_else_is_told(tmp_path, metadata, says):
    path = write_mean(tmp_path / "other.onnx", metadata)
    with pytest.raises(UserError, match=rf"(?s)other.onnx is not a network exported by ssvif.*{says}"):
        OnnxFuser(path)


def test_missing_and_damaged_files_are_told(mean, tmp_path):
    with pytest.raises(UserError, match=r"gone\.onnx does not exist"):
        OnnxFuser(tmp_path / "gone.onnx")
    mean.write_bytes(mean.read_bytes()[:50])
    with pytest.raises(UserError, match=r"mean\.onnx cannot be opened by ONNX Runtime"):
        OnnxFuser(mean)


def test_metadata_that_is_no_text_is_told(tmp_path):
    path = write_mean(tmp_path / "spoiled.onnx")
    path.write_bytes(path.read_bytes().replace(b"least_px", b"least_p\xbf"))
    with pytest.raises(UserError, match="its metadata is no text"):
        OnnxFuser(path)


def test_devices(mean, monkeypatch):
    with pytest.raises(UserError, match="Unknown device 'tpu'"):
        OnnxFuser(mean, "tpu")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UserError, match="cannot use a GPU"):
        OnnxFuser(mean, "cuda")
    assert OnnxFuser(mean, "auto").batch == 1


def test_options_that_the_file_cannot_follow_are_refused(mean):
    for option in ({"inference": "emma"}, {"precision": "bfloat16"}):
        with pytest.raises(UserError, match="only plain inference in float32"):
            load_fuser(FuserSpec(path=mean, **option))
    assert load_fuser(FuserSpec(path=mean, inference="plain")).channels == 3
