"""What TIMFusion's two networks share: the operations that its search found, and the cells that hold them.

Source: Liu, Liu, Liu, Fan, Luo: A task-guided, implicitly-searched and meta-initialized deep model for image fusion,
IEEE TPAMI 2024. The searches are over; what is built here is what they ended with. All keep H×W, padding with zeros,
unless something else is said.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.layers import Residual, conv1x1, conv3x3, mirrored3x3

WIDTH = 48
DENSE_SCALE = 0.333  # as in the released network, not a third


class Norm(nn.BatchNorm2d):
    """BatchNorm, which in evaluation can be told to normalize each image by its own mean and biased variance."""

    of_image = False  # in evaluation; the stored statistics are neither used nor changed

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return normalized features (B,C,H,W)."""
        if self.of_image and not self.training:
            return functional.instance_norm(features, weight=self.weight, bias=self.bias, eps=self.eps)
        return super().forward(features)


def _depthwise(channels: int, dilation: int) -> nn.Conv2d:
    return conv3x3(channels, channels, padding=dilation, dilation=dilation, groups=channels, bias=False)


def residual_block(channels: int) -> Residual:
    """Return two depthwise convolutions, the second with dilation 2, and one of 1×1, added to their input."""
    mixing = _depthwise(channels, 1), _depthwise(channels, 2), conv1x1(channels, channels)
    return Residual(OrderedDict(body=nn.Sequential(*mixing, Norm(channels), nn.PReLU())))


def dilated_block(channels: int) -> Residual:
    """Return a depthwise convolution with dilation 2 and one of 1×1, added to their input."""
    body = nn.Sequential(nn.ReLU(), _depthwise(channels, 2), conv1x1(channels, channels), Norm(channels))
    return Residual(OrderedDict(body=body))


class DenseBlock(nn.Module):
    """Three grouped convolutions, each of all before it: (B,C,H,W) → (B,C,H,W).

    The groups divide the joined channels in their order: some see the input alone, others one convolution's output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dense1, self.dense2, self.dense3 = (
            conv3x3(count * channels, channels, groups=channels, bias=False) for count in (1, 2, 3)
        )
        self.activation = nn.PReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        first = self.activation(self.dense1(features))
        both = torch.cat([features, first], dim=1)
        second = self.activation(self.dense2(both))
        third: torch.Tensor = self.activation(self.dense3(torch.cat([both, second], dim=1)))
        return DENSE_SCALE * third + features


class ChannelGate(nn.Module):
    """Each channel by a factor that its mean and its neighbors' give, then a convolution: (B,C,H,W) → (B,C,H,W).

    Source of the factor: Wang et al.: ECA-Net: efficient channel attention for deep convolutional neural networks,
    CVPR 2020.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv1d(1, 1, kernel_size=3, padding=1, bias=False)
        self.mix = conv3x3(channels, channels, bias=False)
        self.activation = nn.PReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        factors = self.gate(features.mean(dim=(2, 3)).unsqueeze(1)).sigmoid()
        return self.activation(self.mix(features * factors.transpose(1, 2).unsqueeze(3)))


class PixelGate(nn.Module):
    """Each pixel by a factor that the greatest and the mean of its channels give: (B,C,H,W) → (B,C,H,W).

    Source: the spatial attention of Woo et al.: CBAM: convolutional block attention module, ECCV 2018.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = conv3x3(2, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        maps = torch.cat([features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)], dim=1)
        return features * self.gate(maps).sigmoid()


def enter(channels: int) -> nn.Sequential:
    """Return the head of every cell."""
    return nn.Sequential(nn.ReLU(), conv1x1(channels, channels), Norm(channels))


def cell(*operations: nn.Module) -> nn.Sequential:
    """Return the head and the operations, one after the other: (B,48,H,W) → (B,48,H,W)."""
    return nn.Sequential(OrderedDict(enter=enter(WIDTH), operations=nn.Sequential(*operations)))


def first_stage_ends(channels: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the stem (B,2·C,H,W) → (B,48,H,W) and the reconstruction (B,48,H,W) → (B,C,H,W), unbounded."""
    stem = nn.Sequential(
        mirrored3x3(2 * channels, 2 * WIDTH, bias=True),
        nn.PReLU(),
        mirrored3x3(2 * WIDTH, WIDTH, bias=True),
        nn.PReLU(),
    )
    reconstruct = nn.Sequential(mirrored3x3(WIDTH, WIDTH, bias=True), nn.PReLU(), *reconstruction_end(channels))
    return stem, reconstruct


def reconstruction_end(channels: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Return the last two convolutions of an image (B,C,H,W), with no activation between."""
    return mirrored3x3(WIDTH, WIDTH // 2, bias=True), conv1x1(WIDTH // 2, channels, bias=True)
