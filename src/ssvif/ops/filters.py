"""Small linear filters shared by losses and metrics."""

from __future__ import annotations

import torch
from torch.nn import functional


def gaussian_window(
    size: int, sigma: float, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Return a sampled Gaussian (size,) centred on the window, normalised to sum 1."""
    offsets = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    window = torch.exp(-offsets.square() / (2 * sigma**2))
    return (window / window.sum()).to(device=device, dtype=dtype)


def filter_separable(x: torch.Tensor, window: torch.Tensor, padding: int = 0) -> torch.Tensor:
    """Correlate every channel with one window along rows and columns.

    Args:
        x: (B,C,H,W) floats.
        window: (K,) of the same dtype and device.
        padding: zeros added on every side; with 0 only the "valid" part is returned.

    Returns:
        (B,C,H+2·padding−K+1,W+2·padding−K+1), differentiable in `x`.
    """
    channels = x.shape[1]
    row = window.expand(channels, 1, 1, -1)
    x = functional.conv2d(x, row, padding=(0, padding), groups=channels)
    return functional.conv2d(x, row.transpose(2, 3), padding=(padding, 0), groups=channels)


def sobel(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the Sobel responses gx and gy, (B,C,H,W) each, of floats or signed integers (B,C,H,W), zeros outside.

    gx is the correlation with the unnormalized kernel [1 2 1]ᵀ[−1 0 1] (it grows to the right), gy with its transpose
    (it grows downwards). Differentiable. Source: Sobel & Feldman 1968; Xydeas & Petrović 2000.
    """
    padded = functional.pad(x, (1, 1, 1, 1))
    down = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    across = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    return down[..., 2:] - down[..., :-2], across[..., 2:, :] - across[..., :-2, :]
