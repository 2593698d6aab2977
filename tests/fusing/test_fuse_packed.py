from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssvif.data.packed import PairsFile
from ssvif.fusing import packed as fusion
from ssvif.io.errors import UserError
from ssvif.io.files import read_image, write_png
from ssvif.models.base import FusionModel
from ssvif.models.registry import build_fusion_model
from ssvif.ops.color import rgb_to_ycbcr, to_image, to_tensor
from ssvif.schema import BASELINES

CPU = torch.device("cpu")


class Mean(FusionModel):
    """A network that is known in advance: the mean of both images, plus an offset."""

    feature_channels = 3

    def __init__(self, channels=3, offset=0.0):
        super().__init__()
        self.channels, self.offset = channels, torch.nn.Parameter(torch.tensor(offset))

    def backbone(self, visible, infrared):
        return (visible + infrared) / 2 + self.offset

    def decoder(self, features):
        return features


def noise(seed, height, width, channels=3):
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def fuse_one(fuser, visible, infrared):
    return to_image(fuser(to_tensor(visible), to_tensor(infrared)))


def test_every_pair_of_every_split_gets_an_image_of_its_size(pairs, tmp_path):
    fusion.fuse_pairs(pairs, tmp_path / "fused", fusion.baseline_fuser("average"))
    source = PairsFile(pairs)
    expected = {
        f"{split}/{name}.png": source.size(split, name) for split in source.splits() for name in source.names(split)
    }
    found = {
        path.relative_to(tmp_path / "fused").as_posix(): read_image(path).shape[:2]
        for path in (tmp_path / "fused").rglob("*.*")
    }
    assert found == expected
    assert len(set(found.values())) == 2


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.sampled_from((1, 3)))
@torch.no_grad()
def test_a_network_fuses_any_size(height, width, channels):
    fuser = fusion.model_fuser(build_fusion_model("seafusion", channels), CPU)
    fused = fuse_one(fuser, noise(0, height, width), noise(1, height, width, 0))
    assert fused.shape == (height, width, 3)
    assert fused.dtype == np.uint8


def test_the_network_gets_both_images_in_0_to_1():
    visible, infrared = noise(0, 5, 6), noise(1, 5, 6, 0)
    with torch.no_grad():
        fused = fuse_one(fusion.model_fuser(Mean(), CPU), visible, infrared)
    exact = (visible.astype(float) + infrared[..., None]) / 2
    assert np.array_equal(fused, np.floor(exact + 0.5))


@torch.no_grad()
def test_one_channel_keeps_the_visible_images_chroma():
    """With an infrared image near the luma nothing is clipped, so that only rounding is left: a level or two."""
    visible = noise(0, 12, 10) // 2 + 64
    tensor = to_tensor(visible)
    luma = to_image(rgb_to_ycbcr(tensor)[:, :1].expand(-1, 3, -1, -1))[..., 0]
    infrared = np.clip(luma.astype(int) + 20, 0, 255).astype(np.uint8)
    fused = to_tensor(fuse_one(fusion.model_fuser(Mean(channels=1), CPU), visible, infrared))
    before, after = rgb_to_ycbcr(tensor), rgb_to_ycbcr(fused)
    assert (after[:, 1:] - before[:, 1:]).abs().max() <= 1 / 255
    assert (after[:, 0] - before[:, 0] - 10 / 255).abs().max() <= 1.5 / 255


def test_levels_are_rounded_half_up_and_clipped():
    levels = torch.tensor([0.0, 0.499, 0.5, 1.5, 2.5, 254.499, 254.5, 255.0, 300.0, -4.0], dtype=torch.float64) / 255
    image = to_image(levels.view(1, 1, 1, -1).expand(1, 3, 1, -1))
    assert image[0, :, 1].tolist() == [0, 0, 1, 2, 3, 254, 255, 255, 255, 0]


def test_every_level_comes_back():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_image(to_tensor(image)), np.repeat(image[..., None], 3, axis=2))
    colour = noise(3, 7, 5)
    assert np.array_equal(to_image(to_tensor(colour)), colour)


def test_baselines_are_what_they_are_called():
    visible, infrared = noise(0, 6, 7), noise(1, 6, 7, 0)
    three = np.repeat(infrared[..., None], 3, axis=2)
    expected = {
        "average": (visible.astype(int) + three + 1) // 2,
        "maximum": np.maximum(visible, three),
        "visible": visible,
        "infrared": three,
    }
    assert tuple(expected) == BASELINES
    assert set(fusion.BASELINE_FUSERS) == set(BASELINES)
    for name, image in expected.items():
        assert np.array_equal(fuse_one(fusion.baseline_fuser(name), visible, infrared), image), name
    with pytest.raises(UserError, match="Unknown baseline 'median'"):
        fusion.baseline_fuser("median")


@pytest.mark.parametrize("broken", [None, "write"])
def test_what_fails_leaves_what_was_there(pairs, tmp_path, monkeypatch, broken):
    """A network that cannot pad the pairs, or a write that fails in its thread."""

    def fail(path, image):
        raise UserError(f"No space left while writing {path}")

    def refuse(visible, infrared):
        raise ValueError("expected images of at least 999×999 pixels")

    fusion.fuse_pairs(pairs, tmp_path / "fused", fusion.baseline_fuser("average"))
    before = {path.name: path.read_bytes() for path in (tmp_path / "fused").rglob("*.png")}
    if broken:
        monkeypatch.setattr(fusion, "write_png", fail)
    with pytest.raises(UserError, match="No space left" if broken else r"The pair \w+ cannot be fused") as caught:
        fusion.fuse_pairs(pairs, tmp_path / "fused", fusion.baseline_fuser("visible") if broken else refuse)
    assert broken or caught.value.got == "expected images of at least 999×999 pixels"
    assert {path.name: path.read_bytes() for path in (tmp_path / "fused").rglob("*.png")} == before
    assert [each.name for each in tmp_path.iterdir()] == ["fused"]


def test_equal_input_gives_equal_bytes(pairs, tmp_path):
    fuser = fusion.model_fuser(build_fusion_model("seafusion"), CPU)
    for name in ("first", "second"):
        fusion.fuse_pairs(pairs, tmp_path / name, fuser)
    found = sorted((tmp_path / "first").rglob("*.png"))
    assert len(found) == 10
    for path in found:
        assert path.read_bytes() == (tmp_path / "second" / path.relative_to(tmp_path / "first")).read_bytes()


def test_new_images_take_the_old_ones_place(pairs, tmp_path):
    write_png(tmp_path / "fused/test/old.png", noise(0, 2, 2))
    fusion.fuse_pairs(pairs, tmp_path / "fused", fusion.baseline_fuser("visible"))
    assert not (tmp_path / "fused/test/old.png").exists()


def test_a_network_is_used_as_it_will_be_used():
    model = build_fusion_model("seafusion").train()
    fusion.model_fuser(model, CPU)
    assert not model.training
