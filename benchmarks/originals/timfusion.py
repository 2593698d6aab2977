"""TIMFusion's full network as released: a first stage as the light network's, and a second one of two streams."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from originals.parts import Layer, spread
from originals.timfusion_light import (
    WIDTH,
    Cell,
    ChannelGate,
    Depthwise,
    FirstStage,
    Mirrored,
    ResidualBlock,
    image_layers,
    plain,
    run,
)


class DilatedBlock(nn.Module):
    """The operation DilConv_3_2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.op = nn.Sequential(nn.ReLU(), Depthwise(width, 1, 2), plain(width, width), nn.BatchNorm2d(width))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        return features + self.op(features)


class DenseBlock(nn.Module):
    """The operation Denseblocks_3_1; its groups cut the joined maps in their plain order."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (Depthwise(width, times) for times in (1, 2, 3))
        self.lrelu = nn.PReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        first = self.lrelu(self.conv1(features))
        second = self.lrelu(self.conv2(torch.cat([features, first], dim=1)))
        third = self.lrelu(self.conv3(torch.cat([features, first, second], dim=1)))
        return 0.333 * third + features


class PixelGate(nn.Module):
    """The operation SPAattention_3."""

    def __init__(self) -> None:
        super().__init__()
        self.se = Layer(spatial=Layer(conv=plain(2, 1, 3)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        maps = torch.cat([features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)], dim=1)
        return features * self.se.spatial.conv(maps).sigmoid()


class Blur(nn.Module):
    """A fixed filter at every second pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        ramp = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filt", (torch.outer(ramp, ramp) / 16).repeat(width, 1, 1, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,⌈H/2⌉,⌈W/2⌉)."""
        padded = functional.pad(features, (1, 1, 1, 1), "reflect")
        return functional.conv2d(padded, self.filt, stride=2, groups=features.shape[1])


class Scale(nn.Module):
    """A change of size: the sum of a long and a short path."""

    def __init__(self, top: nn.Sequential, bot: nn.Sequential) -> None:
        super().__init__()
        self.top, self.bot = top, bot

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return self.top(features) + self.bot(features)


def down(width: int) -> Scale:
    """Return (B,D,H,W) → (B,2·D,H/2,W/2)."""
    top = (plain(width, width), nn.PReLU(), plain(width, width, 3), nn.PReLU(), Blur(width), plain(width, 2 * width))
    return Scale(nn.Sequential(*top), nn.Sequential(Blur(width), plain(width, 2 * width)))


def up(width: int) -> Scale:
    """Return (B,D,H,W) → (B,D/2,2·H,2·W)."""
    spread = nn.ConvTranspose2d(width, width, 3, 2, 1, 1, bias=False)
    top = (plain(width, width), nn.PReLU(), spread, nn.PReLU(), plain(width, width // 2))
    resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return Scale(nn.Sequential(*top), nn.Sequential(resize, plain(width, width // 2)))


class Merge(nn.Module):
    """A sum of three maps, weighted by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(plain(WIDTH, 6), nn.PReLU())
        self.fcs = nn.ModuleList(plain(6, WIDTH) for _ in range(3))

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Return (B,48,H,W) of maps (B,48,H,W)."""
        squeezed = self.conv_du(functional.adaptive_avg_pool2d(maps[0] + maps[1] + maps[2], 1))
        shares = torch.stack([layer(squeezed) for layer in self.fcs]).softmax(dim=0)
        return shares[0] * maps[0] + shares[1] * maps[1] + shares[2] * maps[2]


class MultiScaleCell(Cell):
    """A cell of the same operations at full, half and quarter size, each with its own weights."""

    def __init__(self) -> None:
        super().__init__(ResidualBlock(WIDTH), DilatedBlock(WIDTH))
        for name, width in (("_ops_1", 2 * WIDTH), ("_ops_2", 4 * WIDTH)):
            both = (ResidualBlock(width), DilatedBlock(width))
            self.add_module(name, nn.ModuleList(Layer(_op=each) for each in both))
        self.down_2, self.upsample_2 = (Layer(body=nn.Sequential(each)) for each in (down(WIDTH), up(2 * WIDTH)))
        self.down_4 = Layer(body=nn.Sequential(down(WIDTH), down(2 * WIDTH)))
        self.upsample_4 = Layer(body=nn.Sequential(up(4 * WIDTH), up(2 * WIDTH)))
        self.SKFF = Merge()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,48,H,W)."""
        entered = self.preprocess1.op(features)
        whole = run(self._ops, entered)
        half = self.upsample_2.body(run(self._ops_1, self.down_2.body(entered)))
        quarter = self.upsample_4.body(run(self._ops_2, self.down_4.body(entered)))
        return entered + self.SKFF([whole, half, quarter])


class SecondStage(nn.Module):
    """Two streams, joined by a mask."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = WIDTH // 2
        self.spa = Layer(spatial=Layer(conv=plain(3, 1)))
        for stream in "23":
            first, second = Mirrored(2 * channels, 2 * WIDTH), Mirrored(2 * WIDTH, WIDTH)
            stem = nn.Sequential(first, nn.PReLU(), second, nn.BatchNorm2d(WIDTH), nn.PReLU())
            self.add_module(f"stem{stream}", stem)
            self.add_module(f"stem_out{stream}", image_layers(channels))
        self.stem_out4 = nn.Sequential(Mirrored(WIDTH, WIDTH), Mirrored(WIDTH, half), Mirrored(half, channels, 1))
        self.cells2 = nn.ModuleList(Cell(PixelGate(), DilatedBlock(WIDTH)) for _ in range(2))
        self.cells3 = nn.ModuleList(Cell(ChannelGate(WIDTH), PixelGate()) for _ in range(2))

    def forward(
        self, visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the fused image and two that only training needs, (B,C,H,W) each."""
        visible_maps = self.stem2(torch.cat([visible, fused], dim=1))
        infrared_maps = self.stem3(torch.cat([infrared, fused], dim=1))
        for cell in self.cells2:
            infrared_maps = cell(infrared_maps)
        for cell in self.cells3:
            visible_maps = cell(visible_maps)
        most, mean = visible_maps.amax(dim=1, keepdim=True), visible_maps.mean(dim=1, keepdim=True)
        mask = self.spa.spatial.conv(torch.cat([most, most, mean], dim=1)).sigmoid()
        joined = self.stem_out4(mask * visible_maps + (1 - mask) * infrared_maps)
        return joined, torch.tanh(self.stem_out2(visible_maps)), torch.tanh(self.stem_out3(infrared_maps))


class TIMFusion(nn.Module):
    """TIMFusion's full network as released, for C = 1; H and W are multiples of 4.

    The released script leaves the second stage in training mode: for its images, `weights_2.train()`, one at a time.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = Cell(DenseBlock(WIDTH), DilatedBlock(WIDTH))
        self.weights_1, self.weights_2 = FirstStage(channels, MultiScaleCell(), last), SecondStage(channels)
        spread(self, gain=1.15)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W), not bounded."""
        first = self.weights_1(infrared, visible)
        fused, *_ = self.weights_2(visible, infrared, first)  # the others are made, and thrown away, as in the release
        return fused
