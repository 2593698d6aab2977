"""Where the small network starts from, and what it keeps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference.networks import draw, scatter
from ssvif.models.initialization import initialize
from ssvif.models.lite import Lite, brighter_luma
from ssvif.ops.color import rgb_to_ycbcr


@given(seed=st.integers(0, 99))
def test_the_base_has_the_larger_luma_and_visibles_chroma(seed):
    drawn = torch.rand(1, 4, 5, 6, generator=torch.Generator().manual_seed(seed))
    visible, infrared = drawn[:, :3], drawn[:, 3:]
    before, base = rgb_to_ycbcr(visible), rgb_to_ycbcr(brighter_luma(visible, infrared))
    assert torch.allclose(base[:, :1], torch.maximum(before[:, :1], infrared), atol=1e-6)
    assert torch.allclose(base[:, 1:], before[:, 1:], atol=1e-6)
    gray = drawn[:, :1]
    assert torch.allclose(brighter_luma(gray, infrared), torch.maximum(gray, infrared), atol=1e-6)


@pytest.mark.parametrize("initialization", ["default", "scaled"])
@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_training_begins_near_the_base(initialization, channels):
    torch.manual_seed(0)
    model, (visible, infrared) = Lite(channels), draw(channels, 30, 34)
    initialize(model, initialization)
    difference = model(visible, infrared) - brighter_luma(visible, infrared[:, :1])
    assert 0 < difference.abs().mean() < 0.1


@torch.no_grad()
def test_the_channels_that_repeat_infrared_do_not_count():
    model, (visible, infrared) = scatter(Lite(3)), draw(3, 12, 14)
    changed = infrared.clone()
    changed[:, 1:] = 0
    assert torch.equal(model(visible, infrared), model(visible, changed))
    assert not torch.equal(model(visible, infrared), model(visible, changed[:, [1, 0, 2]]))
