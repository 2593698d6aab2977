"""What holds for each network, whatever it is made of."""

from __future__ import annotations

import copy

import pytest
import torch

from reference.networks import draw, scatter
from ssvif.models.registry import build_fusion_model
from ssvif.schema import FUSION_MODELS


@pytest.fixture(scope="module", params=FUSION_MODELS)
def network(request: pytest.FixtureRequest):
    """A network of three channels in evaluation mode, not to be changed."""
    return scatter(build_fusion_model(request.param, channels=3))


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
