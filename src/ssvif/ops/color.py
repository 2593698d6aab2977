"""BT.601 color: exact integer luma for metrics, floating YCbCr for losses and one-channel models."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.ops.shapes import check_shape
from ssvif.schema import LUMA_PER_MILLE


def luma(image: torch.Tensor) -> torch.Tensor:
    """Return the luma ⌊(299R + 587G + 114B + 500)/1000⌋, (B,1,H,W), of 8-bit images (B,3,H,W), exact in integers.

    A gray image (B,1,H,W) is its own luma.

    Raises:
        ValueError: another dtype or number of channels.
    """
    if image.dtype != torch.uint8 or image.ndim != 4 or image.shape[1] not in (1, 3):
        raise ValueError(f"luma: expected uint8 (B,1|3,H,W), got {image.dtype} {tuple(image.shape)}")
    if image.shape[1] == 1:
        return image
    red, green, blue = _channels(image.to(torch.int32))
    of_red, of_green, of_blue = LUMA_PER_MILLE
    scaled = (of_red * red).add_(green, alpha=of_green).add_(blue, alpha=of_blue).add_(500)
    # ⌊x/1000⌋ by a multiplication, which processors do faster; exact for every x up to 255500
    return scaled.bitwise_right_shift_(3).mul_(33555).bitwise_right_shift_(22).to(torch.uint8)


def rgb_to_ycbcr(rgb: torch.Tensor) -> torch.Tensor:
    """Convert RGB (B,3,H,W) to Y, Cb, Cr (B,3,H,W), all in [0,1], with the constants of SeAFusion's script.

    Y = .299R + .587G + .114B, Cb = .564(B − Y) + .5, Cr = .713(R − Y) + .5: BT.601, rounded. Differentiable.
    """
    check_shape("rgb", rgb, "B 3 H W")
    red, green, blue = _channels(rgb)
    of_red, of_green, of_blue = (weight / 1000 for weight in LUMA_PER_MILLE)
    y = of_red * red + of_green * green + of_blue * blue
    return torch.cat([y, 0.564 * (blue - y) + 0.5, 0.713 * (red - y) + 0.5], dim=1)


def ycbcr_to_rgb(ycbcr: torch.Tensor) -> torch.Tensor:
    """Convert Y, Cb, Cr (B,3,H,W) to RGB (B,3,H,W) with the constants of SeAFusion's script.

    R = Y + 1.403(Cr − .5), G = Y − .714(Cr − .5) − .344(Cb − .5), B = Y + 1.773(Cb − .5). The
    rounded constants undo `rgb_to_ycbcr` up to 4e-4. Not clamped to [0,1]; differentiable.
    """
    check_shape("ycbcr", ycbcr, "B 3 H W")
    y, blue_chroma, red_chroma = _channels(ycbcr)
    blue_chroma, red_chroma = blue_chroma - 0.5, red_chroma - 0.5
    red = y + 1.403 * red_chroma
    green = y - 0.714 * red_chroma - 0.344 * blue_chroma
    return torch.cat([red, green, y + 1.773 * blue_chroma], dim=1)


def to_channels(image: torch.Tensor, channels: int) -> torch.Tensor:
    """Return (B,3,H,W) floats as a fusion model of so many channels takes them: as they are, or Y."""
    return image if channels == 3 else rgb_to_ycbcr(image)[:, :1]


def _channels(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return image[:, 0:1], image[:, 1:2], image[:, 2:3]


def to_tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    """Return an 8-bit image (H,W) or (H,W,3) as (1,3,H,W) float32 in [0,1]."""
    tensor = torch.tensor(image).float() / 255  # a copy: what is read from a file may be read-only
    tensor = tensor.expand(3, -1, -1) if tensor.ndim == 2 else tensor.permute(2, 0, 1)
    return tensor.unsqueeze(0).contiguous()


def to_image(fused: torch.Tensor) -> NDArray[np.uint8]:
    """Return (1,3,H,W) floats as (H,W,3) uint8: clipped to [0,1], times 255, rounded half up."""
    levels = (fused[0].clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()
