from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from reference.networks import draw, scatter
from ssvif.models.emma import EMMA, ChannelAttention, ChannelNorm
from ssvif.models.published import load_published

WIDTHS = (8, 16, 32, 32)
# blocks of eight channels, one for each head: the softmax over one channel is 1 whatever its score
ONE_CHANNEL_A_HEAD = ("visible_encoder.blocks.0", "infrared_encoder.blocks.0", "fuse.0", "reconstruct.blocks.3")


@pytest.mark.parametrize(("file", "channels"), [("emma_seed0", 1), ("emma_3ch_seed0", 3)])
@torch.no_grad()
def test_agrees_with_the_original(shared, file, channels):
    stored = load_file(shared / "parity" / f"{file}.safetensors")
    weights = {key.removeprefix("weights/"): each for key, each in stored.items() if key.startswith("weights/")}
    model = load_published("emma", weights)
    assert model.channels == channels
    sizes = {key.split("/")[1] for key in stored if key.startswith("input/")}
    assert sizes
    for size in sizes:
        visible, infrared = stored[f"input/{size}/vis"], stored[f"input/{size}/ir"]
        features = model.backbone(visible, infrared)
        assert (model(visible, infrared) - stored[f"output/{size}/fused"]).abs().max() <= 5e-5
        assert len(features) == 4
        for number, each in enumerate(features, start=1):
            assert (each - stored[f"features/{size}/f_{number}"]).abs().max() <= 5e-5


@pytest.mark.parametrize(
    ("channels", "parameters", "backbone", "decoder"),
    [(1, 1_517_657, 1_117_392, 400_265), (3, 1_518_091, 1_117_680, 400_411)],
)
def test_has_the_papers_parameters(channels, parameters, backbone, decoder):
    model = EMMA(channels)
    in_decoder = sum(each.numel() for each in model.reconstruct.parameters())
    assert in_decoder == decoder
    assert sum(each.numel() for each in model.parameters()) == parameters == backbone + decoder


@pytest.mark.parametrize(("channels", "gmac"), [(1, 8.6235), (3, 8.6518)])
def test_has_the_papers_operations(channels, gmac):
    """Convolutions and matrix products count, the normalisations do not: Table IV, 256×256."""
    image = torch.empty(1, channels, 256, 256, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        EMMA(channels).to("meta")(image, image)
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=5e-5)


@torch.no_grad()
def test_does_what_it_did():
    """Needs no shared data: weights and images by formula, values of a network that agreed with the original."""
    fused = scatter(EMMA(3))(*draw(3, 24, 32))
    places = [fused[0, channel, row, column].item() for channel, row, column in PLACES]
    assert places == pytest.approx(STORED, abs=5e-5)


PLACES = ((0, 0, 0), (1, 0, 27), (2, 23, 0), (0, 12, 14), (1, 7, 20), (2, 17, 5))
STORED = (0.319986, 0.102224, 0.211536, 0.673026, 0.084393, 0.368648)


@torch.no_grad()
def test_maps_halve_from_one_to_the_next():
    maps = EMMA(3).backbone(*draw(3, 48, 64))
    assert [tuple(each.shape) for each in maps] == [(1, 8, 48, 64), (1, 16, 24, 32), (1, 32, 12, 16), (1, 32, 6, 8)]


# 32 to 96 holds every remainder of 8 many times; one of each and both ends
SIDES = (32, 41, 50, 59, 68, 77, 86, 95, 96)


@pytest.mark.parametrize(("height", "width"), list(zip(SIDES, (*SIDES[4:], *SIDES[:4]), strict=True)))
@torch.no_grad()
def test_keeps_sizes_of_every_remainder(height, width):
    fused = EMMA(1)(*draw(1, height, width))
    assert fused.shape == (1, 1, height, width)
    assert 0 < fused.min() <= fused.max() < 1


@settings(max_examples=6, deadline=None)
@given(height=st.integers(9, 40), width=st.integers(9, 40), channels=st.sampled_from((1, 3)))
@torch.no_grad()
def test_keeps_every_size(height, width, channels):
    visible, infrared = draw(channels, height, width)
    fused = EMMA(channels)(visible, infrared)
    assert fused.shape == visible.shape
    assert fused.isfinite().all()


@torch.no_grad()
def test_pads_by_reflection_below_and_to_the_right():
    model = scatter(EMMA(1))
    visible, infrared = draw(1, 19, 29)
    wide = [functional.pad(each, (0, 3, 0, 5), mode="reflect") for each in (visible, infrared)]
    assert torch.equal(model(visible, infrared), model(*wide)[..., :19, :29])


@pytest.mark.parametrize(("height", "width"), [(8, 32), (32, 8), (1, 1)])
def test_images_too_small_are_refused(height, width):
    with pytest.raises(ValueError, match=f"at least 9×9 pixels, got {height}×{width}"):
        EMMA(1)(*draw(1, height, width))


def test_works_in_mixed_precision():
    model = scatter(EMMA(3))
    visible, infrared = draw(3, 32, 40)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(visible, infrared)
    mixed.float().square().mean().backward()
    assert mixed.dtype == torch.bfloat16
    difference = (mixed.float() - model(visible, infrared)).abs()
    assert difference.mean() <= 0.01
    assert difference.max() <= 0.05  # 8 bits of precision, some forty layers deep
    assert all(each.grad.isfinite().all() for each in model.parameters())


def test_training_is_as_using():
    model, images = scatter(EMMA(1)), draw(1, 16, 24)
    assert torch.equal(model.train()(*images), model.eval()(*images))


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_reach_every_parameter(channels):
    """Only the scales of heads that are one channel wide get none, nor do their queries and keys."""
    model = scatter(EMMA(channels)).train()
    model(*draw(channels, 24, 24)).square().mean().backward()
    dead = {name for name, each in model.named_parameters() if not each.grad.abs().sum() > 0}
    assert dead == {f"{block}.attention.scale" for block in ONE_CHANNEL_A_HEAD}
    for block in ONE_CHANNEL_A_HEAD:
        gradient = model.get_submodule(block).attention.mix.weight.grad
        assert not gradient[:16].any()
        assert gradient[16:].flatten(1).any(dim=1).all()


def test_every_map_moves_the_image():
    model = scatter(EMMA(1))
    maps = model.backbone(*draw(1, 32, 32))
    for number in range(4):
        changed = [each * (index != number) for index, each in enumerate(maps)]
        assert (model.decoder(changed) - model.decoder(maps)).abs().max() > 0.1


def test_both_images_matter():
    model = scatter(EMMA(3))
    visible, infrared = draw(3, 24, 24)
    whole = model(visible, infrared)
    assert (whole - model(visible * 0, infrared)).abs().max() > 1e-3
    assert (whole - model(visible, infrared * 0)).abs().max() > 1e-3
    assert (whole - model(infrared, visible)).abs().max() > 1e-3


@torch.no_grad()
def test_the_norm_is_layer_norm_over_channels():
    norm = scatter(ChannelNorm(16))
    features = torch.randn(2, 16, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = functional.layer_norm(features.permute(0, 2, 3, 1), (16,), norm.weight, norm.bias)
    assert (norm(features) - expected.permute(0, 3, 1, 2)).abs().max() <= 1e-5


@torch.no_grad()
def test_attention_is_its_sums():
    """Written out channel by channel, in double precision."""
    attention = scatter(ChannelAttention(16)).double()
    features = torch.randn(1, 16, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    query, key, value = attention.mix(attention.expand(features))[0].flatten(1).chunk(3)
    gathered = torch.empty_like(value)
    for head, own in product(range(8), range(2)):
        row = 2 * head + own
        scores = [
            query[row] @ key[other] / (query[row].norm() * key[other].norm()) * attention.scale[head, 0, 0]
            for other in (2 * head, 2 * head + 1)
        ]
        shares = torch.stack(scores).exp()
        gathered[row] = shares @ value[2 * head : 2 * head + 2] / shares.sum()
    expected = attention.project(gathered.view(1, 16, 4, 5))
    assert (attention(features) - expected).abs().max() <= 1e-12


def test_wrong_images_are_named():
    model = EMMA(3)
    with pytest.raises(ValueError, match=r"visible: expected shape \(B, 3, H, W\), got \(1, 1, 16, 16\)"):
        model(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
    with pytest.raises(ValueError, match=r"visible \(1, 3, 16, 16\), infrared \(1, 3, 16, 17\)"):
        model(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))
    with pytest.raises(ValueError, match=r"features: expected shape \(B, 16, H, W\)"):
        model.decoder([torch.zeros(1, width, 4, 4) for width in (8, 17, 32, 32)])
