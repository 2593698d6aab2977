"""From a network's output to the image that is saved: our way, and those of four released scripts.

Each function takes a network of C = 1 or 3 channels, visible (B,3,H,W) RGB and infrared (B,3,H,W) in [0,1], and
returns (B,3,H,W) in [0,1]. The scripts drive one-channel networks. A three-channel network given a script's name gets
the script's padding, tiling, stretch and rounding, but full images and no color step. Two scripts save gray images;
color is never lost here, so their gray levels are combined with the visible image's chroma.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ssvif.models.base import FusionModel
from ssvif.ops.color import luma, rgb_to_ycbcr, ycbcr_to_rgb

Inference = Callable[[FusionModel, torch.Tensor, torch.Tensor], torch.Tensor]

SWIN_WINDOW = 8
EMMA_TILE = 32


def plain(model: FusionModel, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """Fuse whole images (B,3,H,W) of any size and clamp to [0,1].

    A one-channel network fuses luma with infrared's first channel, and visible's chroma is kept.
    """
    if model.channels == 3:
        fused: torch.Tensor = model(visible, infrared)
        return fused.clamp(0, 1)
    ycbcr = rgb_to_ycbcr(visible)
    return _join_chroma(model(ycbcr[:, :1], infrared[:, :1]), ycbcr)


def seafusion(model: FusionModel, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """Fuse (B,3,H,W) as SeAFusion's script: `plain`, a stretch over all pixels and colors, levels cut off downwards.

    The stretch is over the whole batch (the script's batch is one image). Returns 8-bit levels / 255.
    """
    return (_stretch(plain(model, visible, infrared)) * 255).floor() / 255


def swinfusion(model: FusionModel, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """Fuse (B,3,H,W) as SwinFusion's script: gray images, padded by a mirror image even at multiples of 8, no stretch.

    The mirror repeats the edge and adds 1 to 8 rows and columns, so the network's own padding never acts and the
    shifted windows see other neighbors. The output is cut, clamped to [0,1] and rounded (half to even). Returns 8-bit
    gray levels / 255 with visible's chroma.
    """
    height, width = visible.shape[-2:]
    sides = [size // SWIN_WINDOW * SWIN_WINDOW + SWIN_WINDOW for size in (height, width)]
    padded = (_mirror(each, sides) for each in _gray(model, visible, infrared))
    fused = model(*padded)[..., :height, :width].clamp(0, 1)
    return _color((fused * 255).round() / 255, visible)


def emma(model: FusionModel, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """Fuse (B,3,H,W) as EMMA's script: gray images, up to four overlapping tiles, a stretch over all pixels.

    Sides that are no multiples of 32 are covered twice, by tiles of the largest multiple at either end; the first
    tile counts where it reaches. Levels are rounded, halves downwards, as the image writer named in the release does.
    The script fails below 32 pixels; here such a side is one tile. Returns 8-bit gray levels / 255 with visible's
    chroma.
    """
    fused = _stretch(_fuse_tiles(model, *_gray(model, visible, infrared)))
    return _color((fused * 255 - 0.5).ceil() / 255, visible)


def sage(model: FusionModel, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """Fuse (B,3,H,W) as SAGE's script: whole images, luma and chroma in 8 bits with OpenCV's constants, no stretch.

    Chroma is centered on 128/255 when it is taken apart and on 0.5 when it is put together, so grays get a slight
    tint, as in the release. Inputs are rounded to 8-bit levels / 255; the result is not rounded, and its levels are to
    be rounded half up, as `ssvif.ops.color.to_image` does.
    """
    if model.channels == 3:
        return plain(model, visible, infrared)
    ycbcr = _opencv_ycbcr(_levels(visible)).to(visible.dtype) / 255
    gray = _weighted(_levels(infrared), (9798, 19235, 3735), 15).to(visible.dtype) / 255
    return _join_chroma(model(ycbcr[:, :1], gray), ycbcr)


INFERENCES: dict[str, Inference] = {
    "plain": plain,
    "swinfusion": swinfusion,
    "seafusion": seafusion,
    "emma": emma,
    "sage": sage,
}


def _levels(image: torch.Tensor) -> torch.Tensor:
    """Return an image (B,C,H,W) in [0,1] as 8-bit levels in int32, wide enough to be multiplied."""
    return (image * 255).round().to(torch.int32)


def _weighted(rgb: torch.Tensor, weights: tuple[int, int, int], bits: int) -> torch.Tensor:
    """Return a weighted sum (B,1,H,W) of integers (B,3,H,W) in units of 2^-bits, rounded half up."""
    total = (rgb * rgb.new_tensor(weights).view(3, 1, 1)).sum(dim=1, keepdim=True)
    return (total + (1 << bits - 1)).bitwise_right_shift(bits)


def _opencv_ycbcr(rgb: torch.Tensor) -> torch.Tensor:
    """Return Y, Cb and Cr (B,3,H,W) in 0..255 of integers (B,3,H,W), as OpenCV computes them in 8 bits."""
    gray = _weighted(rgb, (4899, 9617, 1868), 14)
    red_chroma, blue_chroma = (
        (scale * (rgb[:, i : i + 1] - gray) + (128 << 14) + (1 << 13)).bitwise_right_shift(14).clamp(0, 255)
        for i, scale in ((0, 11682), (2, 9241))
    )
    return torch.cat([gray, blue_chroma, red_chroma], dim=1)


def _gray(model: FusionModel, *images: torch.Tensor) -> list[torch.Tensor]:
    """Return images (B,3,H,W) as a script reads them: 8-bit luma, rounded, / 255; whole for three channels."""
    if model.channels == 3:
        return list(images)
    return [luma((each * 255).round().to(torch.uint8)).to(each.dtype) / 255 for each in images]


def _color(fused: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """Return a gray image (B,1,H,W) with visible's chroma, a colored one as it is: (B,3,H,W)."""
    return fused if fused.shape[1] == 3 else _join_chroma(fused, rgb_to_ycbcr(visible))


def _join_chroma(fused: torch.Tensor, ycbcr: torch.Tensor) -> torch.Tensor:
    return ycbcr_to_rgb(torch.cat([fused, ycbcr[:, 1:]], dim=1)).clamp(0, 1)


def _stretch(image: torch.Tensor) -> torch.Tensor:
    """Stretch (B,C,H,W) to [0,1]; a uniform image stays as it is (the scripts give NaN)."""
    least, greatest = image.aminmax()
    return (image - least) / (greatest - least) if greatest > least else image


def _mirror(image: torch.Tensor, sides: list[int]) -> torch.Tensor:
    """Pad (B,C,H,W) to the given H and W by mirror images that repeat the edge, one after the other."""
    for axis, side in zip((2, 3), sides, strict=True):
        own = image.shape[axis]
        places = torch.arange(side, device=image.device) % (2 * own)
        image = image.index_select(axis, torch.minimum(places, 2 * own - 1 - places))
    return image


def _fuse_tiles(model: FusionModel, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    fused = torch.empty_like(visible)
    for rows, top in _tiles(visible.shape[2]):
        for columns, left in _tiles(visible.shape[3]):
            made = model(visible[..., rows, columns], infrared[..., rows, columns])
            fused[..., top : rows.stop, left : columns.stop] = made[..., top - rows.start :, left - columns.start :]
    return fused


def _tiles(side: int) -> list[tuple[slice, int]]:
    """Return the tiles along a side, each with the place from which on it counts."""
    tile = side // EMMA_TILE * EMMA_TILE or side
    return [(slice(0, tile), 0)] if tile == side else [(slice(0, tile), 0), (slice(side - tile, side), tile)]
