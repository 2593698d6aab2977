"""Between 8-bit images and the floats that networks take and give."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def to_tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    """Return an 8-bit image (H,W) or (H,W,3) as (1,3,H,W) float32 in [0,1]."""
    tensor = torch.tensor(image).float() / 255  # a copy: what is read from a file may be read-only
    tensor = tensor.expand(3, -1, -1) if tensor.ndim == 2 else tensor.permute(2, 0, 1)
    return tensor.unsqueeze(0).contiguous()


def to_image(fused: torch.Tensor) -> NDArray[np.uint8]:
    """Return (1,3,H,W) floats as (H,W,3) uint8: clipped to [0,1], times 255, rounded half up."""
    levels = (fused[0].clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()
