"""The fusion loss, Eq. 3: λ₁·intensity + λ₂·gradient + λ₃·structural + λ₄·color.

Images are (B,C,H,W) in [0,1]; every term is a scalar; lower is better.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ssvif.ops.color import rgb_to_ycbcr
from ssvif.ops.filters import filter_separable, gaussian_window, sobel
from ssvif.ops.processes import batch_mean


def fusion_terms(
    visible: torch.Tensor,
    infrared: torch.Tensor,
    fused: torch.Tensor,
    structural_shares: str = "gradient",
) -> dict[str, torch.Tensor]:
    """Return the unweighted terms of Eq. 3 by name, of images (B,C,H,W); `color` only where there is color (C = 3).

    The fused image is not clamped. The structural term weighs the sources by their "gradient" shares or "equal".
    """
    gradients = {"visible": gradient_magnitude(visible), "infrared": gradient_magnitude(infrared)}
    share = visible_share(**gradients) if structural_shares == "gradient" else fused.new_tensor(0.5)
    terms = {
        "intensity": intensity_loss(visible, infrared, fused),
        "gradient": gradient_loss(gradients["visible"], gradients["infrared"], gradient_magnitude(fused)),
        "structural": structural_loss(visible, infrared, fused, share),
    }
    if fused.shape[1] == 3:
        terms["color"] = color_loss(visible, fused)
    return {name: batch_mean(term) for name, term in terms.items()}


def weighted_sum(terms: Mapping[str, torch.Tensor], weights: Mapping[str, float]) -> torch.Tensor:
    """Return Eq. 3, a scalar: Σ λ·term over the given terms, each a scalar."""
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


def intensity_loss(visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
    """Mean |fused − max(visible, infrared)| of images (B,C,H,W), a scalar. Source: SwinFusion's released loss."""
    return (fused - torch.maximum(visible, infrared)).abs().mean()


def gradient_magnitude(image: torch.Tensor) -> torch.Tensor:
    """|Sobel_x ∗ image| + |Sobel_y ∗ image|, (B,C,H,W): unnormalized 1-2-1 kernels, zero padding."""
    gradient_x, gradient_y = sobel(image)
    return gradient_x.abs() + gradient_y.abs()


def gradient_loss(visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
    """Mean |g(fused) − max(g(visible), g(infrared))| of gradient magnitudes g (B,C,H,W), a scalar."""
    return (fused - torch.maximum(visible, infrared)).abs().mean()


def visible_share(visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """The visible image's share of the mean gradient magnitude of both (B,C,H,W), a scalar in [0,1].

    Source: SwinFusion's released loss, one pair of shares per batch. 0.5 where both are 0.
    """
    means = [batch_mean(gradients.mean()) for gradients in (visible, infrared)]
    both = means[0] + means[1]
    return torch.where(both > 0, means[0] / both.clamp_min(torch.finfo(both.dtype).tiny), 0.5)


def structural_loss(
    visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """1 − [share·SSIM(visible, fused) + (1 − share)·SSIM(infrared, fused)] of images (B,C,H,W), a scalar."""
    return 1 - share * mean_ssim(visible, fused) - (1 - share) * mean_ssim(infrared, fused)


def mean_ssim(source: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
    """SSIM of images (B,C,H,W), a scalar in [−1,1]: Gaussian 11×11, σ 1.5, zero padding, data range 1.

    Source: Wang et al. 2004 in the form of SwinFusion's released loss. The metrics' SSIM differs: it
    works on 8-bit luma and takes the valid part only.
    """
    c1, c2 = 0.01**2, 0.03**2
    window = gaussian_window(11, 1.5, dtype=fused.dtype, device=fused.device)
    stacked = torch.cat([source, fused, source * source, fused * fused, source * fused], dim=1)
    blurred = filter_separable(stacked, window, padding=5)
    mean_s, mean_f, square_s, square_f, product = blurred.chunk(5, dim=1)
    covariance = product - mean_s * mean_f
    variances = square_s - mean_s**2 + square_f - mean_f**2
    similarity = (2 * mean_s * mean_f + c1) * (2 * covariance + c2)
    return (similarity / ((mean_s**2 + mean_f**2 + c1) * (variances + c2))).mean()


def color_loss(visible: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
    """Mean |ΔCb| + mean |ΔCr| of fused and visible (B,3,H,W), BT.601; a scalar (assumed form)."""
    difference = rgb_to_ycbcr(fused) - rgb_to_ycbcr(visible)
    return difference[:, 1].abs().mean() + difference[:, 2].abs().mean()
