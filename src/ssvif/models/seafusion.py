"""SeAFusion's network: two encoders of gradient residual dense blocks and one decoder.

Source: Tang, Yuan, Ma: Image fusion in the loop of high-level vision tasks, Information Fusion 2022.
The released network's never-called BatchNorms are left out.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv3x3
from ssvif.ops.shapes import check_shape

SLOPE = 0.2
BLOCK_SLOPE = 0.1


class GradientConv(nn.Module):
    """|gx ∗ x| + |gy ∗ x| of each channel, (B,C,H,W) → (B,C,H,W); filters start as Sobel and are trained as well."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        self.x, self.y = (conv3x3(channels, channels, groups=channels, bias=False) for _ in range(2))
        with torch.no_grad():
            self.x.weight.copy_(sobel.expand_as(self.x.weight))
            self.y.weight.copy_(sobel.T.expand_as(self.y.weight))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.x(features).abs() + self.y(features).abs()


class GradientResidualDenseBlock(nn.Module):
    """A dense path beside a gradient path, summed: (B,n,H,W) → (B,m,H,W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.dense1 = conv3x3(in_channels, in_channels)
        self.dense2 = conv3x3(2 * in_channels, in_channels)
        self.dense_out = nn.Conv2d(3 * in_channels, out_channels, kernel_size=1)
        self.gradient = GradientConv(in_channels)
        self.gradient_out = nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        first = functional.leaky_relu(self.dense1(features), SLOPE)
        both = torch.cat([features, first], dim=1)
        second = functional.leaky_relu(self.dense2(both), SLOPE)
        dense = self.dense_out(torch.cat([both, second], dim=1))
        return functional.leaky_relu(dense + self.gradient_out(self.gradient(features)), BLOCK_SLOPE)


class Encoder(nn.Sequential):
    """One modality's encoder: (B,C,H,W) → (B,48,H,W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            conv3x3(channels, 16),
            nn.LeakyReLU(SLOPE),
            GradientResidualDenseBlock(16, 32),
            GradientResidualDenseBlock(32, 48),
        )


class SeAFusion(FusionModel):
    """SeAFusion for C channels; C = 3 is SSVIF's form, C = 1 the released one (luma).

    The features are the 48 visible and the 48 infrared channels side by side; the output is in (0,1).
    """

    feature_channels = 96

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.visible_encoder = Encoder(channels)
        self.infrared_encoder = Encoder(channels)
        self.reconstruct = nn.Sequential(
            conv3x3(96, 64),
            nn.LeakyReLU(SLOPE),
            conv3x3(64, 32),
            nn.LeakyReLU(SLOPE),
            conv3x3(32, 16),
            nn.LeakyReLU(SLOPE),
            conv3x3(16, channels),
        )

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the (B,96,H,W) features of (B,C,H,W) images."""
        return torch.cat([self.visible_encoder(visible), self.infrared_encoder(infrared)], dim=1)

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (0,1) of (B,96,H,W) features."""
        assert isinstance(features, torch.Tensor)
        check_shape("features", features, "B 96 H W")
        return torch.tanh(self.reconstruct(features)) / 2 + 0.5
