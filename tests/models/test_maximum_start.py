import pytest
import torch

from ssvif.io.errors import UserError
from ssvif.models.initialization import initialize
from ssvif.models.lite import brighter_luma
from ssvif.models.registry import build_fusion_model

GRAY_LEVEL = 1 / 255


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_seafusion_starts_as_the_brighter_image(channels, seed):
    torch.manual_seed(seed)
    model = build_fusion_model("seafusion", channels)
    initialize(model, "maximum")
    visible = torch.rand(2, channels, 24, 31)
    infrared = torch.rand(2, 1, 24, 31)
    with torch.no_grad():
        fused = model(visible, infrared.expand_as(visible))
    error = (fused - brighter_luma(visible, infrared).clamp(max=1)).abs()
    assert error.mean() < GRAY_LEVEL
    assert error.max() < 5 * GRAY_LEVEL


def test_every_weight_that_the_start_leaves_free_learns():
    torch.manual_seed(0)
    model = build_fusion_model("seafusion")
    initialize(model, "maximum")
    visible, infrared = torch.rand(2, 2, 3, 16, 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(8):  # layer by layer, from the last to the first
        optimizer.zero_grad()
        (model(visible, infrared) - visible).square().mean().backward()
        optimizer.step()
    changed = {name: (value != before[name]).float().mean() for name, value in model.state_dict().items()}
    assert min(changed.values()) > 0.9


def test_other_networks_have_no_such_start():
    with pytest.raises(UserError, match="EMMA returns the maximum"):
        initialize(build_fusion_model("emma"), "maximum")
