"""SegMiF as released: attention written out, and all four stages of the guidance encoder, of which two count."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from originals.mit import WIDTHS, add_stages, run_stage
from originals.parts import Layer, spread

WIDTH, GROWTH, HEADS, HEAD = 64, 32, 8, 8
LUMA = (0.299, 0.587, 0.114)


class DenseBlock(nn.Module):
    """SegMiF's dilated residual dense block."""

    def __init__(self) -> None:
        super().__init__()
        for i in range(5):
            dilated = nn.Conv2d(WIDTH + i * GROWTH, GROWTH, 3, padding=2, dilation=2)
            self.add_module(f"Dcov{i + 1}", dilated)
        self.conv = nn.Conv2d(WIDTH + 5 * GROWTH, WIDTH, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,64,H,W)."""
        found = features
        for i in range(5):
            found = torch.cat([found, torch.relu(getattr(self, f"Dcov{i + 1}")(found))], dim=1)
        return features + torch.relu(self.conv(found))


def heads_of(tokens: torch.Tensor) -> torch.Tensor:
    """Return (B,8,N,8) of tokens (B,N,64)."""
    return tokens.reshape(*tokens.shape[:2], HEADS, HEAD).permute(0, 2, 1, 3)


def context_of(tokens: torch.Tensor, linear: nn.Module) -> torch.Tensor:
    """Return how much each of a head's channels takes of the others, (B,8,8,8), from tokens (B,N,64)."""
    key, value = linear(tokens).reshape(*tokens.shape[:2], 2, HEADS, HEAD).permute(2, 0, 3, 1, 4)
    return (key.transpose(-2, -1) @ value * HEAD**-0.5).softmax(dim=-2)


def joined(heads: torch.Tensor) -> torch.Tensor:
    """Undo `heads_of`."""
    return heads.permute(0, 2, 1, 3).flatten(2)


class CrossPath(nn.Module):
    """SegMiF's interaction of two streams with the guidance."""

    def __init__(self) -> None:
        super().__init__()
        for i in (1, 2, 3):
            self.add_module(f"channel_proj{i}", nn.Linear(WIDTH, 2 * WIDTH))
        self.cross_attn = Layer(kv3=nn.Linear(WIDTH, 2 * WIDTH, bias=False))
        self.cross_attn2 = Layer(**{f"kv{i}": nn.Linear(WIDTH, 2 * WIDTH, bias=False) for i in (1, 2)})
        for i in (1, 2):
            self.add_module(f"end_proj{i}", nn.Linear(2 * WIDTH, WIDTH))
            self.add_module(f"norm{i}", nn.LayerNorm(WIDTH))

    def forward(
        self, infrared: torch.Tensor, visible: torch.Tensor, guidance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both streams' tokens (B,N,64) of such tokens."""
        y1, u1 = torch.relu(self.channel_proj1(infrared)).chunk(2, dim=-1)
        y2, u2 = torch.relu(self.channel_proj2(visible)).chunk(2, dim=-1)
        y3, u3 = torch.relu(self.channel_proj3(guidance)).chunk(2, dim=-1)
        context = context_of(u3, self.cross_attn.kv3)
        v1, v2 = (joined(heads_of(each) @ context) for each in (u1, u2))
        asked = heads_of(y3)
        z1 = joined(asked @ context_of(y1, self.cross_attn2.kv1))
        z2 = joined(asked @ context_of(y2, self.cross_attn2.kv2))
        infrared = self.norm1(infrared + self.end_proj1(torch.cat([z1, v1], dim=-1)))
        return infrared, self.norm2(visible + self.end_proj2(torch.cat([z2, v2], dim=-1)))


class Interaction(nn.Module):
    """The interaction of maps (B,64,H,W), as tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.cross = CrossPath()

    def forward(
        self, infrared: torch.Tensor, visible: torch.Tensor, guidance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both streams (B,64,H,W)."""
        tokens = (each.flatten(2).transpose(1, 2) for each in (infrared, visible, guidance))
        first, second = (each.transpose(1, 2).reshape(infrared.shape) for each in self.cross(*tokens))
        return first, second


class FusionNetwork(nn.Module):
    """SegMiF's fusion network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1_ir, self.conv1_vis = (nn.Conv2d(channels, WIDTH, 3, padding=1) for _ in range(2))
        for i in range(4):
            self.add_module(f"DRDB{i + 1}", DenseBlock())
        self.conv2 = nn.Conv2d(2 * WIDTH, WIDTH, 3, padding=1)
        self.conv21 = nn.Conv2d(WIDTH, WIDTH // 2, 3, padding=1)
        self.conv22 = nn.Conv2d(WIDTH // 2, channels, 3, padding=1)
        self.conv3, self.conv4 = nn.Conv2d(WIDTHS[0], WIDTH, 1), nn.Conv2d(WIDTHS[1], WIDTH, 1)
        self.ffm, self.ffm2 = Interaction(), Interaction()  # the second is never called
        self.relu = nn.PReLU()

    def forward(
        self, infrared: torch.Tensor, visible: torch.Tensor, near: torch.Tensor, far: torch.Tensor
    ) -> torch.Tensor:
        """Return the fused image (B,C,H,W) with the guidance (B,64,H,W) and (B,128,H,W)."""
        infrared, visible = self.relu(self.conv1_ir(infrared)), self.relu(self.conv1_vis(visible))
        infrared, visible = self.ffm(self.DRDB1(infrared), self.DRDB2(visible), self.conv3(near))
        infrared, visible = self.ffm(self.DRDB3(infrared), self.DRDB4(visible), self.conv4(far))
        fused = self.relu(self.conv2(torch.cat([infrared, visible], dim=1)))
        return self.relu(self.conv22(self.relu(self.conv21(fused))))


class Segmenter(nn.Module):
    """SegMiF's segmentation network, of which fusing calls the encoder alone."""

    def __init__(self, classes: int = 9, width: int = 256) -> None:
        super().__init__()
        self.encoder = nn.Module()
        add_stages(self.encoder, (3, 4, 18, 3))
        self.decoder = Layer(
            **{f"linear_c{i + 1}": Layer(proj=nn.Linear(each, width)) for i, each in enumerate(WIDTHS)},
            linear_fuse=Layer(conv=nn.Conv2d(4 * width, width, 1, bias=False), bn=nn.BatchNorm2d(width)),
            linear_pred=nn.Conv2d(width, classes, 1),
        )
        self.classifier = nn.Conv2d(WIDTHS[-1], classes, 1, bias=False)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the guidance (B,64,H,W) and (B,128,H,W) of a picture (B,3,H,W)."""
        found = [picture]
        for stage in (1, 2, 3, 4):  # the release computes the last two and throws them away
            found.append(run_stage(self.encoder, stage, found[-1]))
        size = picture.shape[-2:]
        near, far = (functional.interpolate(each, size, mode="bilinear", align_corners=False) for each in found[1:3])
        return near, far


class SegMiF(nn.Module):
    """SegMiF as released, guided by the visible image's luma."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fusion = FusionNetwork(channels)
        self.seg = Layer(denoise_net=Segmenter())
        spread(self)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W), not bounded."""
        gray = visible
        if visible.shape[1] == 3:
            gray = (visible * visible.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        return self.fuse(visible, infrared, gray)

    def fuse(self, visible: torch.Tensor, infrared: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W), guided by a gray picture (B,1,H,W)."""
        return self.fusion(infrared, visible, *self.seg.denoise_net(picture.repeat(1, 3, 1, 1)))
