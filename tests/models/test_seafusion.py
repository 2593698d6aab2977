from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from reference.networks import draw, fill
from ssvif.models.published import dead_parameters, load_published
from ssvif.models.seafusion import SeAFusion


@pytest.mark.parametrize(
    ("file", "channels"), [("seafusion_seed0", 1), ("seafusion_3ch_seed0", 3), ("seafusion_released", 1)]
)
@torch.no_grad()
def test_agrees_with_the_original(shared, file, channels):
    stored = load_file(shared / "parity" / f"{file}.safetensors")
    weights = {key.removeprefix("weights/"): each for key, each in stored.items() if key.startswith("weights/")}
    model = load_published("seafusion", weights)
    assert model.channels == channels
    sizes = {key.split("/")[1] for key in stored if key.startswith("input/")}
    assert sizes
    for size in sizes:
        visible, infrared = stored[f"input/{size}/vis"], stored[f"input/{size}/ir"]
        features = model.backbone(visible, infrared)
        assert (model(visible, infrared) - stored[f"output/{size}/fused"]).abs().max() <= 5e-5
        if file == "seafusion_released":  # stored without features
            continue
        if f"features/{size}/fused" in stored:
            assert (features - stored[f"features/{size}/fused"]).abs().max() <= 5e-5
        else:
            assert (features[..., ::4, ::4] - stored[f"features_s4/{size}/fused"]).abs().max() <= 5e-5


@pytest.mark.parametrize(
    ("channels", "parameters", "backbone", "decoder"),
    [(1, 166_883, 88_064, 78_819), (3, 167_753, 88_640, 79_113)],
)
def test_has_the_papers_parameters(channels, parameters, backbone, decoder):
    """Table IV counts the never-called BatchNorms, 2·(64 + 32 + 16 + C) parameters, too."""
    model = SeAFusion(channels)
    in_decoder = sum(each.numel() for each in model.reconstruct.parameters())
    in_backbone = sum(each.numel() for each in model.parameters()) - in_decoder
    dead = dead_parameters("seafusion", channels)
    assert in_backbone == backbone
    assert in_decoder + dead == decoder
    assert in_backbone + in_decoder + dead == parameters


@torch.no_grad()
def test_does_what_it_did():
    """Needs no shared data: weights and images by formula, values of a network that agreed with the original."""
    fused = fill(SeAFusion(3))(*draw(3, 24, 28))
    places = [fused[0, channel, row, column].item() for channel, row, column in PLACES]
    assert places == pytest.approx(STORED, abs=2e-5)


PLACES = ((0, 0, 0), (1, 0, 27), (2, 23, 0), (0, 12, 14), (1, 7, 20), (2, 17, 5))
STORED = (0.421755, 0.845369, 0.700102, 0.743996, 0.829614, 0.794748)


def test_gradient_filters_start_as_sobel():
    """On a ramp that grows by one a pixel, |gx| is 8 and |gy| is 0."""
    ramp = torch.arange(9.0).expand(1, 16, 9, 9)
    inner = SeAFusion(1).visible_encoder[2].gradient(ramp)[..., 1:-1, 1:-1]
    assert torch.equal(inner, torch.full_like(inner, 8.0))


@settings(max_examples=6, deadline=None)
@given(height=st.integers(32, 96), width=st.integers(32, 96), channels=st.sampled_from((1, 3)))
@torch.no_grad()
def test_keeps_every_size(height, width, channels):
    visible, infrared = draw(channels, height, width)
    model = SeAFusion(channels).eval()
    assert model.backbone(visible, infrared).shape == (1, 96, height, width)
    fused = model(visible, infrared)
    assert fused.shape == visible.shape
    assert 0 < fused.min() <= fused.max() < 1


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_reach_every_parameter(channels):
    model = fill(SeAFusion(channels)).train()
    model(*draw(channels, 20, 20)).square().mean().backward()
    dead = [name for name, each in model.named_parameters() if each.grad is None or not each.grad.abs().sum() > 0]
    assert dead == []


def test_both_images_matter():
    model = fill(SeAFusion(3))
    visible, infrared = draw(3, 20, 20)
    assert (model(visible, infrared) - model(visible * 0, infrared)).abs().max() > 1e-3
    assert (model(visible, infrared) - model(visible, infrared * 0)).abs().max() > 1e-3


def test_wrong_images_are_named():
    model = SeAFusion(3)
    with pytest.raises(ValueError, match=r"visible: expected shape \(B, 3, H, W\), got \(1, 1, 8, 8\)"):
        model(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"visible \(1, 3, 8, 8\), infrared \(1, 3, 8, 9\)"):
        model(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
    with pytest.raises(ValueError, match="features"):
        model.decoder(torch.zeros(1, 95, 8, 8))
