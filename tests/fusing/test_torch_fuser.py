from copy import deepcopy

import numpy as np
import pytest
import torch

from fusing.made import noise, pair_of, smooth
from reference.networks import scatter
from ssvif.fusing.fuser import FuseOptions, Reach
from ssvif.fusing.tiles import fuse_batch
from ssvif.fusing.torch_fuser import KNOWN, TorchFuser, probe_reach, stretch_down
from ssvif.judging.cost import LiveBytes
from ssvif.models.base import FusionModel
from ssvif.models.inference import INFERENCES
from ssvif.models.names import channel_choices
from ssvif.models.registry import build_fusion_model, build_network
from ssvif.ops.color import to_image, to_tensor
from ssvif.schema import FUSION_MODELS, FUSION_NETWORKS, INFERENCE_NAMES

CPU = torch.device("cpu")


def apart(first, second):
    return int(abs(first.astype(int) - second).max())


class Pool(FusionModel):
    """A network that is not ours: the mean of both images, each pixel's from the three by three around it."""

    feature_channels = channels = 1

    def backbone(self, visible, infrared):
        return torch.nn.functional.avg_pool2d((visible + infrared) / 2, 3, stride=1, padding=1)

    def decoder(self, features):
        return features


class Mean(Pool):
    """One that sees the whole image."""

    def backbone(self, visible, infrared):
        return (visible + infrared) / 2 - infrared.mean()


class Deaf(Pool):
    """One that hides what it is given."""

    def backbone(self, visible, infrared):
        return torch.nan_to_num(visible)


def test_every_network_is_known():
    assert set(KNOWN) == set(FUSION_NETWORKS), "KNOWN of fusing/torch_fuser.py has an entry for each network"


@pytest.mark.parametrize("inference", INFERENCE_NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_gives_what_the_script_gives(inference, channels):
    model, pair = scatter(build_fusion_model("seafusion", channels)), pair_of(37, 43, smooth)
    with torch.no_grad():
        expected = to_image(INFERENCES[inference](deepcopy(model), to_tensor(pair.visible), to_tensor(pair.infrared)))
    found = fuse_batch(TorchFuser(model, CPU, inference), [pair])[0]
    assert apart(found, expected) <= 1
    assert (found == expected).mean() > 0.999


@pytest.mark.parametrize("inference", ["plain", "seafusion"])
def test_a_batch_gives_what_single_pairs_give(inference):
    pairs = [pair_of(30, 34, smooth, str(i), seed=i) for i in range(3)]
    fuser = TorchFuser(scatter(build_fusion_model("seafusion", 1)), CPU, inference)
    for together, pair in zip(fuse_batch(fuser, pairs), pairs, strict=True):
        assert apart(together, fuse_batch(fuser, [pair])[0]) <= 1


@pytest.mark.parametrize(
    ("name", "inference", "size", "tile"),
    [
        ("seafusion", "plain", (97, 121), 50),
        ("seafusion", "seafusion", (97, 121), 50),
        ("lite", "plain", (97, 121), 64),
        ("", "plain", (150, 140), 128),  # a network that is not of this package
        pytest.param("sage", "plain", (240, 280), 232, marks=pytest.mark.slow),
        pytest.param("swinfusion", "plain", (155, 247), 232, marks=pytest.mark.slow),
    ],
)
def test_tiles_give_what_the_whole_gives(name, inference, size, tile):
    network = scatter(build_fusion_model(name, 1)) if name else Pool()
    fuser, pair = TorchFuser(network, CPU, inference), pair_of(*size, smooth)
    whole, parts = (fuse_batch(fuser, [pair], FuseOptions(tile=each))[0] for each in (0, tile))
    assert np.ptp(whole.astype(int)) > (60 if name == "seafusion" else 20)
    assert apart(whole, parts) <= 1


@pytest.mark.parametrize("name", FUSION_MODELS)
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (21, 8)])
def test_any_size_is_fused(name, size):
    fuser = TorchFuser(build_fusion_model(name, 3), CPU)
    assert fuse_batch(fuser, [pair_of(*size, noise)])[0].shape == (*size, 3)


def test_the_reach_of_networks_that_are_not_ours_is_found():
    assert TorchFuser(Pool(), CPU).reach == Reach(1, 32)
    assert TorchFuser(Mean(), CPU).reach is None
    assert TorchFuser(Deaf(), CPU).reach is None


@pytest.mark.parametrize(
    "name",
    ["seafusion", "lite", *(pytest.param(each, marks=pytest.mark.slow) for each in ("sage", "swinfusion", "emma"))],
)
def test_the_reaches_in_the_table_are_those_of_the_networks(name):
    torch.manual_seed(0)
    model = build_fusion_model(name, 1).eval()
    known, found = KNOWN[name][0], probe_reach(model, CPU)
    assert (known is None) == (found is None)
    if known:
        assert known.radius_px - known.grid_px < found.radius_px <= known.radius_px


@pytest.mark.parametrize("name", FUSION_NETWORKS)
@torch.no_grad()
def test_the_memory_in_the_table_is_what_live_tensors_take(name):
    model = build_network(name, channels := channel_choices(name)[0]).eval()
    side = 192  # below, a strip of SwinFusion is not a small part
    pair = [torch.rand(1, channels, side, side) for _ in range(2)]
    with LiveBytes() as counter:
        counter.watch([*model.parameters(), *pair])
        model(*pair)
    weights = sum(each.nbytes for each in model.parameters())
    assert 0.85 < (counter.peak - weights) / side**2 / KNOWN[name][1] < 1.15


def test_the_stretch_is_that_of_the_script():
    plain = torch.rand(1, 3, 9, 8, generator=torch.Generator().manual_seed(0)) / 2 + 0.2

    class Given(Pool):
        channels = 3

        def backbone(self, visible, infrared):
            return plain

    expected = INFERENCES["seafusion"](Given(), plain, plain)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(stretch_down(plain[0].permute(1, 2, 0).numpy()), expected)
    flat = np.full((3, 4, 3), 0.5, np.float32)
    assert np.allclose(stretch_down(flat), 127 / 255)


def test_a_script_with_tiles_of_its_own_is_not_tiled():
    assert not TorchFuser(build_fusion_model("seafusion", 1), CPU, "emma").tileable


def test_a_network_is_used_as_it_will_be_used():
    model = build_fusion_model("seafusion").train()
    TorchFuser(model, CPU)
    assert not model.training
