"""What holds for each network: its original's numbers, the interface's promises, and that everything is used."""

import copy
from dataclasses import dataclass, field

import pytest
import torch
from torch.nn import functional

from reference.networks import draw, load_parity, scatter
from ssvif.models.contract import check_contract
from ssvif.models.published import dead_parameters
from ssvif.models.registry import build_fusion_model
from ssvif.models.released_names import PUBLISHED
from ssvif.schema import FUSION_MODELS

# of the fused image that a network of three channels makes of `draw(3, 23, 29)`, or higher if it needs it, with the
# weights of `scatter`
PLACES = ((0, 0, 0), (1, 0, 28), (2, 22, 0), (0, 12, 14), (1, 7, 20), (2, 17, 5))


@dataclass(frozen=True)
class Facts:
    """What a network is to be.

    Attributes:
        parameters: C → number of parameters that are used, of which in the decoder, and in the original besides.
        decoder: the submodules that are the decoder.
        stored: values at `PLACES`, of a network that agreed with the original.
        least: the smallest side in pixels; 1 for any.
        side: of images that give every parameter a gradient.
        range: the open interval of the fused values.
        parity: file of original inputs and outputs → C.
        maps: names of the original's feature maps, finest first.
        unused: names (ends) of parameters without a gradient in training.
        rough: the greatest error in bfloat16, as a share of the greatest value.
    """

    parameters: dict[int, tuple[int, int, int]]
    decoder: tuple[str, ...]
    stored: tuple[float, ...]
    least: int = 1
    side: int = 24
    range: tuple[float, float] = (0, 1)
    parity: dict[str, int] = field(default_factory=dict)
    maps: tuple[str, ...] = ("fused",)
    unused: tuple[str, ...] = ()
    rough: float = 0.05


FACTS = {
    "swinfusion": Facts(
        {1: (965_251, 143_791, 8_430), 3: (966_063, 144_063, 8_970)},
        ("refine", "reconstruct"),
        (0.559737, 0.448394, 0.384292, 0.730270, 0.448398, 0.231271),
        least=5,
        range=(-9, 9),
        parity={"swinfusion_seed0": 1, "swinfusion_3ch_seed0": 3},
    ),
    "seafusion": Facts(
        {1: (166_657, 78_593, 226), 3: (167_523, 78_883, 230)},
        ("reconstruct",),
        (0.564819, 0.529824, 0.615145, 0.711237, 0.778720, 0.725202),
        parity={"seafusion_seed0": 1, "seafusion_3ch_seed0": 3, "seafusion_released": 1},
    ),
    "emma": Facts(
        {1: (1_517_657, 400_265, 0), 3: (1_518_091, 400_411, 0)},
        ("reconstruct",),
        (0.311528, 0.135533, 0.134367, 0.674483, 0.082004, 0.263776),
        least=9,
        parity={"emma_seed0": 1, "emma_3ch_seed0": 3},
        maps=("f_1", "f_2", "f_3", "f_4"),
        # heads of one channel: the softmax over one channel is 1 whatever its score
        unused=tuple(
            f"{block}.attention.scale"
            for block in ("visible_encoder.blocks.0", "infrared_encoder.blocks.0", "fuse.0", "reconstruct.blocks.3")
        ),
    ),
    # its parity is in test_sage.py, where more of it is stored; biases before a norm are taken away by the norm
    "sage": Facts(
        {1: (135_617, 289, 0), 3: (137_347, 867, 0)},
        ("reconstruct",),
        (-0.218078, -0.470770, -0.067929, 0.357347, -0.423498, 0.110550),
        least=4,
        range=(-1, 1),
        unused=("conv.bias",),
    ),
    # what lies between is in test_cddfuse.py
    "cddfuse": Facts(
        {1: (1_188_272, 207_936, 0), 3: (1_190_000, 208_512, 0)},
        ("reduce", "refine", "reconstruct"),
        (0.569909, 0.786854, 0.124434, 0.087109, 0.386647, 0.099411),
        least=2,
        parity={"cddfuse_seed0": 1},
        maps=("fused", "visible"),
    ),
    # the parity of these two is in test_timfusion.py; a slope above zero right before a ReLU has no effect
    "timfusion": Facts(
        {1: (1_169_821, 31_201, 62_404), 3: (1_180_289, 31_251, 62_504)},
        ("reconstruct",),
        (0.034328, -0.057383, -0.047202, 0.099353, -0.025461, -0.044597),
        least=3,
        range=(-9, 9),
        unused=("stem.4.weight",),
    ),
    "timfusion_light": Facts(
        {1: (127_358, 31_202, 0), 3: (130_864, 31_252, 0)},
        ("reconstruct",),
        (-0.083354, -0.260346, 0.292156, -0.136272, -0.240584, 0.242436),
        least=2,
        range=(-9, 9),
    ),
    # its parity is in test_segmif.py
    "segmif": Facts(
        {1: (3_860_482, 92_545, 41_778_761), 3: (3_863_364, 93_123, 41_778_761)},
        ("reconstruct",),
        (0.232307, -0.033114, -0.182914, 0.857350, -0.051970, -0.083265),
        least=29,
        side=64,  # below, an encoder attends to one token, whatever its query
        unused=("k_proj.bias",),  # adds the same to all scores
        range=(-9, 9),
    ),
    # ours, so there is no original
    "lite": Facts(
        {1: (40_484, 1_156, 0), 3: (45_100, 3_468, 0)},
        ("correct",),
        (0.905766, 0.323025, 0.970588, 0.899919, 0.428879, 0.038987),
        least=2,
        range=(-9, 9),
        maps=("base", "places"),
    ),
}


@pytest.fixture(scope="module", params=FUSION_MODELS)
def name(request):
    assert request.param in FACTS, f"{request.param} needs an entry in FACTS, in this file"
    return request.param


@pytest.fixture(scope="module")
def network(name):
    """A network of three channels in evaluation mode, not to be changed."""
    return scatter(build_fusion_model(name, channels=3))


@pytest.mark.parametrize(
    ("name", "file", "channels"), [(name, *each) for name, facts in FACTS.items() for each in facts.parity.items()]
)
@torch.no_grad()
def test_agrees_with_the_original(shared, name, file, channels):
    model, stored = load_parity(shared, file, name)
    assert model.channels == channels
    sizes = {key.split("/")[1] for key in stored if key.startswith("input/")}
    assert sizes
    for size in sizes:
        visible, infrared = stored[f"input/{size}/vis"], stored[f"input/{size}/ir"]
        assert (model(visible, infrared) - stored[f"output/{size}/fused"]).abs().max() <= 5e-5
        features = model.backbone(visible, infrared)
        maps = [features] if isinstance(features, torch.Tensor) else features
        assert len(maps) == len(FACTS[name].maps)
        for made, kind in zip(maps, FACTS[name].maps, strict=True):
            if f"features/{size}/{kind}" in stored:
                assert (made - stored[f"features/{size}/{kind}"]).abs().max() <= 5e-5
            elif f"features_s4/{size}/{kind}" in stored:
                assert (made[..., ::4, ::4] - stored[f"features_s4/{size}/{kind}"]).abs().max() <= 5e-5
            else:
                assert file in ("seafusion_released", "cddfuse_seed0"), "only their features are not stored so"


@torch.no_grad()
def test_computes_what_it_computed(name, network):
    """Needs no shared data: weights and images by formula, values of a network that agreed with the original."""
    fused = network(*draw(3, max(23, FACTS[name].least), 29))
    assert [fused[0][place].item() for place in PLACES] == pytest.approx(FACTS[name].stored, abs=2e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_has_the_papers_parameters(name, channels):
    """Those of Table IV and of the specification, which count parameters that the original never uses, too."""
    model = build_fusion_model(name, channels)
    check_contract(model, 32, 40, torch.device("cpu"))
    used, in_decoder, unused = FACTS[name].parameters[channels]
    assert sum(each.numel() for each in model.parameters()) == used
    decoder = [model.get_submodule(part) for part in FACTS[name].decoder]
    assert sum(each.numel() for part in decoder for each in part.parameters()) == in_decoder
    assert (dead_parameters(name, channels) if name in PUBLISHED else 0) == unused


@torch.no_grad()
def test_keeps_every_size(name, network):
    """Every remainder of 8 in height and width, and the smallest size."""
    least = FACTS[name].least
    for height, width in [(32 + 9 * i, 96 - 7 * i) for i in range(8)] + [(least, least + 4), (least + 4, least)]:
        visible, infrared = draw(3, height, width)
        fused = network(visible, infrared)
        assert fused.shape == visible.shape
        low, high = FACTS[name].range
        assert low < fused.min() <= fused.max() < high


@torch.no_grad()
def test_pads_by_reflection_below_and_to_the_right(network):
    height = max(19, network.smallest)
    visible, infrared = draw(3, height, 29)
    beyond = (0, -29 % network.multiple, 0, -height % network.multiple)
    padded = [functional.pad(each, beyond, mode="reflect") for each in (visible, infrared)]
    assert network.backbone(*padded)[0].shape == network.backbone(visible, infrared)[0].shape
    assert torch.equal(network(visible, infrared), network(*padded)[..., :height, :29])


@pytest.mark.parametrize("swap", [False, True])
def test_images_that_are_too_small_are_refused(name, network, swap):
    least = FACTS[name].least
    if least == 1:
        pytest.skip("takes every size")
    sides = (least - 1, 32)[:: -1 if swap else 1]
    with pytest.raises(ValueError, match=f"at least {least}×{least} pixels, got {sides[0]}×{sides[1]}"):
        network(*draw(3, *sides))


@torch.no_grad()
def test_a_batch_is_its_images(network):
    visible, infrared = draw(3, 33, 38, batch=3)
    whole = network(visible, infrared)
    singles = torch.cat([network(visible[i : i + 1], infrared[i : i + 1]) for i in range(3)])
    assert not torch.allclose(whole[0], whole[1], atol=1e-2)
    assert (whole - singles).abs().max() <= 1e-5


@torch.no_grad()
def test_single_precision_is_enough(network):
    visible, infrared = draw(3, 32, 40)
    double = copy.deepcopy(network).double()(visible.double(), infrared.double())
    assert double.dtype == torch.float64
    assert (network(visible, infrared) - double).abs().max() <= 1e-4


@pytest.mark.parametrize("gradients", [False, True])
def test_half_precision_is_close(name, network, gradients):
    images = draw(3, 32, 40)
    with torch.set_grad_enabled(gradients):
        exact = network(*images)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(*images)
    assert 0 < (rough - exact).abs().max() <= FACTS[name].rough * exact.abs().max()


@torch.no_grad()
def test_both_images_matter_and_are_not_exchanged(network):
    visible, infrared = draw(3, *2 * [max(20, network.smallest)])
    whole = network(visible, infrared)
    for other in (network(visible * 0, infrared), network(visible, infrared * 0), network(infrared, visible)):
        assert (whole - other).abs().max() > 1e-3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mixed", [False, True])
def test_gradients_reach_every_parameter(name, channels, mixed):
    model = scatter(build_fusion_model(name, channels))
    model.train(name != "swinfusion")  # in training some of its branches are left out
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        fused = model(*draw(channels, *2 * [FACTS[name].side]))
    fused.float().square().mean().backward()
    assert all(each.grad is None or each.grad.isfinite().all() for each in model.parameters())
    dead = [each for each, value in model.named_parameters() if value.grad is None or not value.grad.abs().max() > 1e-9]
    assert [each for each in dead if not each.endswith(FACTS[name].unused or ("none",))] == []


def test_gradient_filters_start_as_sobel():
    """On a ramp that grows by one a pixel, |gx| is 8 and |gy| is 0."""
    ramp = torch.arange(9.0).expand(1, 16, 9, 9)
    inner = build_fusion_model("seafusion", 1).visible_encoder[2].gradient(ramp)[..., 1:-1, 1:-1]
    assert torch.equal(inner, torch.full_like(inner, 8.0))


def test_wrong_images_are_named(network):
    with pytest.raises(ValueError, match=r"visible: expected shape \(B, 3, H, W\), got \(1, 1, 16, 16\)"):
        network(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
    with pytest.raises(ValueError, match=r"visible \(1, 3, 16, 16\), infrared \(1, 3, 16, 17\)"):
        network(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))
    features = network.backbone(*draw(3, *2 * [max(16, network.smallest)]))
    wrong = [each[:, 1:] for each in features] if isinstance(features, list) else features[:, 1:]
    with pytest.raises(ValueError, match="features"):
        network.decoder(wrong)
