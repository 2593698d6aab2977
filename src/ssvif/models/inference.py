"""From a network's output to the image that is saved: our way, and those of the released scripts.

The scripts drive one-channel networks, MRFS's a colored one. A three-channel network given a script's name gets the
script's padding, tiling, statistics, stretch and rounding, but full images and no color step. Several scripts save gray
images; color is never lost here, so their gray levels are combined with the visible image's chroma.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch.nn import functional

from ssvif.models.base import FusionNetwork
from ssvif.models.segmif import SegMiF
from ssvif.models.timfusion import TIMFusion
from ssvif.ops.color import luma, rgb_to_ycbcr, ycbcr_to_rgb

Reads = Literal["luma", "levels", "rounded", "opencv", "opencv_levels", "red", "blue"]
Pads = Literal["", "swinfusion", "600x800"]
Rounds = Literal["", "down", "half_down", "half_even", "half_up"]

SWIN_WINDOW = 8
EMMA_TILE = 32
MRFS_SIZE = 600, 800  # height and width of FMB's images
ROUNDINGS: dict[Rounds, Callable[[torch.Tensor], torch.Tensor]] = {
    "down": torch.floor,
    "half_down": lambda levels: (levels - 0.5).ceil(),
    "half_even": torch.round,
    "half_up": lambda levels: (levels + 0.5).floor(),
}


@dataclass(frozen=True)
class Inference:
    """How a pair of images is read, fused and finished; the defaults are ours."""

    # what a one-channel network gets of each image: luma; 8-bit levels of it, those of a sum that is rounded, or those
    # of OpenCV's integers (with "opencv" the chroma is OpenCV's, too); or one color's channel
    reads: Reads = "luma"
    pads: Pads = ""  # the border that the script adds, and cuts off again; see `_pad`
    tiles: bool = False  # EMMA's, see `_fuse_tiles`
    whole: bool = False  # the image, as the network pools over all of it
    batch_statistics: bool = False  # TIMFusion's second stage normalizes by the image's own statistics
    finishes: Literal["gray", "colors"] = (
        "colors"  # what is stretched and rounded: before the chroma comes in, or after
    )
    cuts_first: bool = False  # to 8-bit levels, rounded down, before it is stretched
    stretches: bool = False  # to [0,1], over all pixels and colors of an image
    rounds: Rounds = ""  # to 8-bit levels; "" leaves it to `ssvif.ops.color.to_image`, which rounds half up

    @property
    def tileable(self) -> bool:
        """Whether a large image may be cut into tiles before."""
        return not (self.tiles or self.whole or self.stretches)

    def __call__(self, model: FusionNetwork, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused images (B,3,H,W) in [0,1] of visible RGB and infrared images (B,3,H,W) in [0,1]."""
        if model.channels == 3:
            return self._finish(self._fuse(model, visible, infrared))
        gray, infrared, ycbcr = _read(self.reads, visible, infrared)
        if isinstance(model, SegMiF):  # whose guide sees a gray picture, whatever channel is fused
            picture = GRAYS["levels"](visible)
            fused = model.decoder(model.guided_features(gray, infrared, picture))
        else:
            fused = self._fuse(model, gray, infrared)
        if self.finishes == "gray":
            return _join_chroma(self._finish(fused), ycbcr)
        return self._finish(_join_chroma(fused, ycbcr))

    def _fuse(self, model: FusionNetwork, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        height, width = visible.shape[-2:]
        (visible, top, left), (infrared, *_) = (_pad(self.pads, each) for each in (visible, infrared))
        with model.batch_statistics() if self.batch_statistics and isinstance(model, TIMFusion) else nullcontext():
            fused = _fuse_tiles(model, visible, infrared) if self.tiles else model(visible, infrared)
        return fused[..., top : top + height, left : left + width]

    def _finish(self, image: torch.Tensor) -> torch.Tensor:
        """Return an image (B,C,H,W) clamped or stretched to [0,1], and rounded."""
        dtype = image.dtype
        if self.finishes == "colors" or not self.stretches:
            image = image.clamp(0, 1)
        if self.cuts_first:
            image = _stretch((image * 255).floor().double(), 255)
        elif self.stretches:
            image = _stretch(image)
        return (ROUNDINGS[self.rounds](image * 255) / 255).to(dtype) if self.rounds else image


INFERENCES: dict[str, Inference] = {
    "plain": Inference(),
    "swinfusion": Inference(reads="levels", pads="swinfusion", finishes="gray", rounds="half_even"),
    "seafusion": Inference(stretches=True, rounds="down"),
    # halves are rounded downwards by the image writer that the release names, in CDDFuse's as well
    "emma": Inference(reads="levels", tiles=True, finishes="gray", stretches=True, rounds="half_down"),
    "sage": Inference(reads="opencv"),
    "cddfuse": Inference(reads="rounded", finishes="gray", stretches=True, rounds="half_down"),
    "timfusion": Inference(reads="blue", whole=True, batch_statistics=True, finishes="gray", rounds="half_up"),
    "timfusion_light": Inference(reads="opencv_levels", whole=True, finishes="gray", rounds="half_up"),
    "segmif": Inference(reads="red", cuts_first=True, stretches=True, rounds="down"),
    "mrfs": Inference(pads="600x800", stretches=True, rounds="down"),
}
# without what a release hardly meant to do at test time: other statistics, another channel than in training
INFERENCES["timfusion_stored"] = replace(INFERENCES["timfusion"], batch_statistics=False)
INFERENCES["segmif_luma"] = replace(INFERENCES["segmif"], reads="luma")
plain = INFERENCES["plain"]


def _read(
    reads: Reads, visible: torch.Tensor, infrared: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what the network gets of images (B,3,H,W), (B,1,H,W) each, and the visible image's YCbCr (B,3,H,W)."""
    if reads == "opencv":
        ycbcr = _opencv_ycbcr(_levels(visible)).to(visible.dtype) / 255
        return ycbcr[:, :1], _opencv_gray(infrared), ycbcr
    ycbcr = rgb_to_ycbcr(visible)
    if reads == "luma":
        return ycbcr[:, :1], infrared[:, :1], ycbcr
    gray, infrared = (GRAYS[reads](each) for each in (visible, infrared))
    return gray, infrared, ycbcr


def _opencv_gray(image: torch.Tensor) -> torch.Tensor:
    return _weighted(_levels(image), (9798, 19235, 3735), 15).to(image.dtype) / 255


GRAYS: dict[Reads, Callable[[torch.Tensor], torch.Tensor]] = {
    "levels": lambda image: luma((image * 255).round().to(torch.uint8)).to(image.dtype) / 255,
    "rounded": lambda image: rgb_to_ycbcr((image * 255).round())[:, :1].round() / 255,
    "opencv_levels": _opencv_gray,
    "red": lambda image: image[:, :1],
    "blue": lambda image: image[:, 2:],
}


def _pad(pads: Pads, image: torch.Tensor) -> tuple[torch.Tensor, int, int]:
    """Return an image (B,C,H,W) with a border, and how many rows and columns of it are above and to the left.

    "swinfusion" mirrors the image, the edge repeated, by 1 to 8 rows and columns at the bottom and right, even at
    multiples of 8, so that the network's own padding never acts and its shifted windows see other neighbors. "600x800"
    centers it in zeros where it is smaller.
    """
    height, width = image.shape[-2:]
    if pads == "swinfusion":
        sides = [size // SWIN_WINDOW * SWIN_WINDOW + SWIN_WINDOW for size in (height, width)]
        return _mirror(image, sides), 0, 0
    if pads == "600x800":
        rows, columns = (max(0, most - size) for most, size in zip(MRFS_SIZE, (height, width), strict=True))
        top, left = rows // 2, columns // 2
        return functional.pad(image, (left, columns - left, top, rows - top)), top, left
    return image, 0, 0


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


def _join_chroma(fused: torch.Tensor, ycbcr: torch.Tensor) -> torch.Tensor:
    return ycbcr_to_rgb(torch.cat([fused, ycbcr[:, 1:]], dim=1)).clamp(0, 1)


def _stretch(image: torch.Tensor, most: float = 1) -> torch.Tensor:
    """Stretch each image of (B,C,H,W) in [0,most] to [0,1]; a uniform one is only divided (the scripts give NaN)."""
    least, greatest = (each.view(-1, 1, 1, 1) for each in image.flatten(1).aminmax(dim=1))
    reach = greatest - least
    return torch.where(reach > 0, (image - least) / reach, image / most)


def _mirror(image: torch.Tensor, sides: list[int]) -> torch.Tensor:
    """Pad (B,C,H,W) to the given H and W by mirror images that repeat the edge, one after the other."""
    for axis, side in zip((2, 3), sides, strict=True):
        own = image.shape[axis]
        places = torch.arange(side, device=image.device) % (2 * own)
        image = image.index_select(axis, torch.minimum(places, 2 * own - 1 - places))
    return image


def _fuse_tiles(model: FusionNetwork, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """Fuse (B,C,H,W) images as EMMA's script, in up to four overlapping tiles.

    Sides that are no multiples of 32 are covered twice, by tiles of the largest multiple at either end; the first tile
    counts where it reaches. The script fails below 32 pixels; here such a side is one tile.
    """
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
