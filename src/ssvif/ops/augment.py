"""Random changes of images, drawn from torch's CPU generator on every device."""

from __future__ import annotations

import torch

from ssvif.ops.processes import batch_size, own_share


def draw_flips(count: int, device: torch.device) -> torch.Tensor:
    """Return for each of B images whether to mirror it top-bottom and left-right, (2,B,1,1,1) bool."""
    return (_draw(count) < 0.5).to(device)


def flip(maps: torch.Tensor, flips: torch.Tensor) -> torch.Tensor:
    """Return maps (B,C,H,W) mirrored as `draw_flips` says; its own inverse."""
    for axis, chosen in zip((-2, -1), flips, strict=True):
        maps = torch.where(chosen, maps.flip(axis), maps)
    return maps


def jitter(images: torch.Tensor, amount: float = 0.2) -> torch.Tensor:
    """Return images (B,C,H,W), the contrast and the mean of each times a random factor in 1 ± amount; not clamped."""
    factors = 1 + amount * (2 * _draw(len(images)) - 1)
    contrast, brightness = factors.to(images.device, images.dtype)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * contrast + mean * brightness


def _draw(count: int) -> torch.Tensor:
    """Return two numbers in [0,1) for each of this process's B images, (2,B,1,1,1): its share of the whole batch's."""
    whole = batch_size(count)
    drawn = torch.rand(2, whole, 1, 1, 1)
    return drawn if whole == count else drawn[:, own_share(whole)]
