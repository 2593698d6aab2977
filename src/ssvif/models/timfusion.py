"""TIMFusion's full network: a first stage makes a fused image of both, a second one joins it with either anew.

Source: see `ssvif.models.timfusion_cells`. The two images that the released second stage makes besides are for its own
training and not built here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.base import Features, FusionModel
from ssvif.models.layers import conv1x1, conv3x3, mirrored3x3
from ssvif.models.timfusion_cells import (
    WIDTH,
    ChannelGate,
    DenseBlock,
    Norm,
    PixelGate,
    cell,
    dilated_block,
    enter,
    first_stage_ends,
    reconstruction_end,
    residual_block,
)
from ssvif.ops.shapes import check_shape, pad_to_multiple

SQUEEZED = 6  # channels between the mean over an image and the weights of three maps


class Blur(nn.Module):
    """A binomial filter at every second pixel, (B,C,H,W) → (B,C,⌈H/2⌉,⌈W/2⌉), padded by reflection.

    Source: Zhang: Making convolutional networks shift-invariant again, ICML 2019.
    """

    filter: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        ramp = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("filter", torch.outer(ramp, ramp), persistent=False)  # fixed

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        channels = features.shape[1]
        padded = functional.pad(features, (1, 1, 1, 1), mode="reflect")
        return functional.conv2d(padded, self.filter.expand(channels, 1, 3, 3), stride=2, groups=channels)


class TwoPaths(nn.Module):
    """The sum of a long and a short path, of one output shape each."""

    def __init__(self, long: nn.Sequential, short: nn.Sequential) -> None:
        super().__init__()
        self.long, self.short = long, short

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.long(features) + self.short(features)


def down(channels: int) -> TwoPaths:
    """Return (B,C,H,W) → (B,2·C,⌈H/2⌉,⌈W/2⌉)."""
    long = nn.Sequential(
        conv1x1(channels, channels),
        nn.PReLU(),
        conv3x3(channels, channels, bias=False),
        nn.PReLU(),
        Blur(),
        conv1x1(channels, 2 * channels),
    )
    return TwoPaths(long, nn.Sequential(Blur(), conv1x1(channels, 2 * channels)))


def up(channels: int) -> TwoPaths:
    """Return (B,C,H,W) → (B,C/2,2·H,2·W)."""
    long = nn.Sequential(
        conv1x1(channels, channels),
        nn.PReLU(),
        nn.ConvTranspose2d(channels, channels, kernel_size=3, stride=2, padding=1, output_padding=1, bias=False),
        nn.PReLU(),
        conv1x1(channels, channels // 2),
    )
    resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return TwoPaths(long, nn.Sequential(resize, conv1x1(channels, channels // 2)))


class Merge(nn.Module):
    """A weighted sum of three maps (B,48,H,W); each channel's weights follow from the mean of the maps' sum.

    Source: Zamir et al.: Learning enriched features for real image restoration and enhancement, ECCV 2020.
    """

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(conv1x1(WIDTH, SQUEEZED), nn.PReLU())
        self.expand = nn.ModuleList(conv1x1(SQUEEZED, WIDTH) for _ in range(3))

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        first, second, third = maps
        squeezed = self.squeeze((first + second + third).mean(dim=(2, 3), keepdim=True))
        weights = torch.stack([expand(squeezed) for expand in self.expand]).softmax(dim=0)
        return weights[0] * first + weights[1] * second + weights[2] * third


class MultiScaleCell(nn.Module):
    """The same two operations at full, half and quarter size, added to the cell's head: (B,48,H,W) → (B,48,H,W).

    H and W are multiples of 4.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = enter(WIDTH)
        self.down_half, self.up_half = down(WIDTH), up(2 * WIDTH)
        self.down_quarter = nn.Sequential(down(WIDTH), down(2 * WIDTH))
        self.up_quarter = nn.Sequential(up(4 * WIDTH), up(2 * WIDTH))
        self.operations, self.half_operations, self.quarter_operations = (
            nn.Sequential(residual_block(width), dilated_block(width)) for width in (WIDTH, 2 * WIDTH, 4 * WIDTH)
        )
        self.merge = Merge()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        entered = self.enter(features)
        half = self.up_half(self.half_operations(self.down_half(entered)))
        quarter = self.up_quarter(self.quarter_operations(self.down_quarter(entered)))
        return entered + self.merge([self.operations(entered), half, quarter])


def second_stem(channels: int) -> nn.Sequential:
    """Return the head of a stream of the second stage: (B,2·C,H,W) → (B,48,H,W)."""
    return nn.Sequential(
        mirrored3x3(2 * channels, 2 * WIDTH, bias=True),
        nn.PReLU(),
        mirrored3x3(2 * WIDTH, WIDTH, bias=True),
        Norm(WIDTH),
        nn.PReLU(),
    )


class TIMFusion(FusionModel):
    """TIMFusion's full network for C channels; C = 1 is the released one (luma), C = 3 is ours.

    Its first stage takes both images as one of 2·C channels; its result (B,C,H,W) goes beside either image into the
    second stage, whose two streams a mask joins. The features are the 48 joined maps, a cut of ours; the output is not
    bounded. The released network takes multiples of 4 only. Ours takes any H×W of at least 3×3: images are mirrored at
    the bottom and right up to multiples of 4, and the features lie on that larger grid.
    """

    feature_channels = WIDTH
    multiple = 4
    smallest = 3  # reflection needs more rows than it adds

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        stem, reconstruct = first_stage_ends(channels)
        cells = nn.Sequential(MultiScaleCell(), cell(DenseBlock(WIDTH), dilated_block(WIDTH)))
        self.first = nn.Sequential(OrderedDict(stem=stem, cells=cells, reconstruct=reconstruct))
        self.visible_stem, self.infrared_stem = second_stem(channels), second_stem(channels)
        self.visible_cells = nn.Sequential(*(cell(ChannelGate(WIDTH), PixelGate()) for _ in range(2)))
        self.infrared_cells = nn.Sequential(*(cell(PixelGate(), dilated_block(WIDTH)) for _ in range(2)))
        self.mask = conv1x1(3, 1)
        self.reconstruct = nn.Sequential(mirrored3x3(WIDTH, WIDTH, bias=True), *reconstruction_end(channels))

    @contextmanager
    def batch_statistics(self) -> Iterator[None]:
        """Normalize in the second stage by each image's own statistics, as the released script does.

        That script leaves the second stage in training mode and fuses one image at a time. Here the stored statistics
        stay, and a batch is its images. Without effect in training.
        """
        streams = (self.visible_stem, self.infrared_stem, self.visible_cells, self.infrared_cells)
        norms = [each for stream in streams for each in stream.modules() if isinstance(each, Norm)]
        try:
            for norm in norms:
                norm.of_image = True
            yield
        finally:
            for norm in norms:
                norm.of_image = False

    def backbone(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the (B,48,H,W) features of (B,C,H,W) images, H and W rounded up to multiples of 4."""
        visible, infrared = (pad_to_multiple(each, self.multiple, self.smallest) for each in (visible, infrared))
        fused = self.first(torch.cat([infrared, visible], dim=1))
        visible_maps = self.visible_cells(self.visible_stem(torch.cat([visible, fused], dim=1)))
        infrared_maps = self.infrared_cells(self.infrared_stem(torch.cat([infrared, fused], dim=1)))
        most, mean = visible_maps.amax(dim=1, keepdim=True), visible_maps.mean(dim=1, keepdim=True)
        mask = self.mask(torch.cat([most, most, mean], dim=1)).sigmoid()  # the greatest twice, as released
        return mask * visible_maps + (1 - mask) * infrared_maps

    def decoder(self, features: Features) -> torch.Tensor:
        """Return the fused image (B,C,H,W) of (B,48,H,W) features."""
        assert isinstance(features, torch.Tensor)
        check_shape("features", features, f"B {WIDTH} H W")
        return self.reconstruct(features)
