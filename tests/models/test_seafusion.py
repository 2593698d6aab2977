from __future__ import annotations

import torch

from ssvif.models.seafusion import SeAFusion


def test_gradient_filters_start_as_sobel():
    """On a ramp that grows by one a pixel, |gx| is 8 and |gy| is 0."""
    ramp = torch.arange(9.0).expand(1, 16, 9, 9)
    inner = SeAFusion(1).visible_encoder[2].gradient(ramp)[..., 1:-1, 1:-1]
    assert torch.equal(inner, torch.full_like(inner, 8.0))
