from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssvif import fusion
from ssvif.data.pairs import PairsFile
from ssvif.models.base import FusionModel
from ssvif.models.names import BASELINES
from ssvif.models.registry import build_fusion_model
from ssvif.ops.color import rgb_to_ycbcr
from ssvif.ops.errors import UserError
from ssvif.ops.files import read_image, write_png
from ssvif.ops.levels import to_image, to_tensor

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


@pytest.fixture
def folders(tmp_path):
    """A folder each of three visible and infrared images of different sizes."""
    for index, (height, width) in enumerate(((9, 14), (21, 8), (1, 1))):
        write_png(tmp_path / "vi" / f"{index}.png", noise(index, height, width))
        write_png(tmp_path / "ir" / f"{index}.png", noise(index + 10, height, width, 0))
    return tmp_path


def fuse(folder, fuser, name="fused"):
    fusion.fuse_folders(folder / "vi", folder / "ir", folder / name, fuser)
    return folder / name


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


def test_folders_are_matched_by_stem(folders):
    (folders / "ir" / "1.png").rename(folders / "ir" / "1.PNG")
    fused = fuse(folders, fusion.baseline_fuser("visible"))
    assert sorted(each.name for each in fused.iterdir()) == ["0.png", "1.png", "2.png"]
    for path in fused.iterdir():
        assert np.array_equal(read_image(path), read_image(folders / "vi" / path.name))


def test_a_colour_infrared_image_is_its_luma(folders):
    """As when packing, so that both ways give the same fused image."""
    colour = noise(5, 9, 14)
    write_png(folders / "ir" / "0.png", colour)
    fused = read_image(fuse(folders, fusion.baseline_fuser("infrared")) / "0.png")
    luma = (colour.astype(int) @ np.array([299, 587, 114]) + 500) // 1000
    assert np.array_equal(fused, np.repeat(luma[..., None], 3, axis=2))


def test_a_gray_visible_image_is_fused_too(folders):
    write_png(folders / "vi" / "0.png", noise(5, 9, 14, 0))
    assert read_image(fuse(folders, fusion.baseline_fuser("average")) / "0.png").shape == (9, 14, 3)


def test_images_without_a_partner_are_named(folders):
    write_png(folders / "ir" / "7.png", noise(5, 9, 14, 0))
    (folders / "ir" / "1.png").unlink()
    with pytest.raises(UserError, match="2 images have no partner: 1, 7"):
        fuse(folders, fusion.baseline_fuser("average"))


def test_a_pair_of_two_sizes_is_named_and_nothing_is_lost(folders):
    before = fuse(folders, fusion.baseline_fuser("average"))
    write_png(folders / "ir" / "1.png", noise(5, 20, 8, 0))
    with pytest.raises(UserError, match=r"ir/1\.png has another size") as caught:
        fuse(folders, fusion.baseline_fuser("visible"))
    assert (caught.value.expected, caught.value.got) == ("8×21 pixels", "8×20")
    assert sorted(each.name for each in before.iterdir()) == ["0.png", "1.png", "2.png"]
    assert sorted(each.name for each in folders.iterdir()) == ["fused", "ir", "vi"]


def test_a_pair_that_a_network_cannot_pad_is_named(folders):
    with pytest.raises(UserError, match="The pair 1 cannot be fused by this network") as caught:
        fuse(folders, fusion.model_fuser(build_fusion_model("emma"), CPU))
    assert caught.value.got == "expected images of at least 9×9 pixels, got 21×8"
    assert sorted(each.name for each in folders.iterdir()) == ["ir", "vi"]


def test_a_damaged_image_is_named(folders):
    path = folders / "ir" / "1.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UserError, match=r"ir/1\.png cannot be read"):
        fuse(folders, fusion.baseline_fuser("average"))
    assert sorted(each.name for each in folders.iterdir()) == ["ir", "vi"]


def test_a_failed_write_is_not_lost_in_its_thread(folders, monkeypatch):
    def fail(path, image):
        raise UserError(f"No space left while writing {path}")

    monkeypatch.setattr(fusion, "write_png", fail)
    with pytest.raises(UserError, match="No space left"):
        fuse(folders, fusion.baseline_fuser("average"))
    assert not (folders / "fused").exists()


def test_equal_input_gives_equal_bytes(folders):
    model = build_fusion_model("seafusion")
    first, second = (fuse(folders, fusion.model_fuser(model, CPU), name) for name in ("first", "second"))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_new_images_take_the_old_ones_place(folders):
    fuse(folders, fusion.baseline_fuser("average"))
    write_png(folders / "fused" / "old.png", noise(0, 2, 2))
    assert not (fuse(folders, fusion.baseline_fuser("visible")) / "old.png").exists()


def test_a_network_is_used_as_it_will_be_used():
    model = build_fusion_model("seafusion").train()
    fusion.model_fuser(model, CPU)
    assert not model.training


def write_images(pairs, folder, *splits, suffix=".png"):
    """Another method's images: the visible ones, darker."""
    source = PairsFile(pairs)
    for split in splits:
        for name in source.names(split):
            path = (folder if splits == ("test",) else folder / split) / f"{name}.png"
            write_png(path, source.visible(split, name) // 2)
            path.rename(path.with_suffix(suffix))


def test_another_methods_test_images_are_taken_as_they_are(pairs, tmp_path):
    write_images(pairs, tmp_path / "theirs", "test", suffix=".PNG")
    fusion.collect_images(pairs, tmp_path / "theirs", tmp_path / "fused")
    found = sorted(each.relative_to(tmp_path / "fused").as_posix() for each in (tmp_path / "fused").rglob("*.*"))
    assert found == ["test/test0.png", "test/test1.png"]
    image = PairsFile(pairs).visible("test", "test0") // 2
    assert np.array_equal(read_image(tmp_path / "fused/test/test0.png"), image)


def test_another_methods_images_may_come_by_split(pairs, tmp_path):
    write_images(pairs, tmp_path / "theirs", "train", "test")
    fusion.collect_images(pairs, tmp_path / "theirs", tmp_path / "fused")
    assert len(list((tmp_path / "fused").rglob("*.png"))) == 8


def test_a_missing_image_of_another_method_is_named(pairs, tmp_path):
    write_images(pairs, tmp_path / "theirs", "test")
    (tmp_path / "theirs" / "test1.png").unlink()
    with pytest.raises(UserError, match="theirs lacks 1 fused images: test1"):
        fusion.collect_images(pairs, tmp_path / "theirs", tmp_path / "fused")
    assert not (tmp_path / "fused").exists()


def test_another_methods_image_of_another_size_is_named(pairs, tmp_path):
    write_images(pairs, tmp_path / "theirs", "test")
    write_png(tmp_path / "theirs" / "test1.png", noise(0, 40, 40))
    with pytest.raises(UserError, match=r"theirs/test1\.png has another size") as caught:
        fusion.collect_images(pairs, tmp_path / "theirs", tmp_path / "fused")
    assert (caught.value.expected, caught.value.got) == ("52×40 pixels", "40×40")


def test_a_missing_folder_of_images_is_named(pairs, tmp_path):
    with pytest.raises(UserError, match="theirs is not a folder"):
        fusion.collect_images(pairs, tmp_path / "theirs", tmp_path / "fused")
