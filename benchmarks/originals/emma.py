"""EMMA as released."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from originals.parts import ChannelAttention, ChannelNorm, Layer


def mirrored(given: int, made: int, *, stride: int = 1, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a 3×3 convolution that mirrors the edges."""
    return nn.Conv2d(given, made, 3, stride, 1, groups=groups, bias=bias, padding_mode="reflect")


class GatedMLP(nn.Module):
    """EMMA's gated MLP."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(depth, 2 * depth, 1, bias=False)
        self.dwconv = mirrored(2 * depth, 2 * depth, groups=depth)
        self.project_out = nn.Conv2d(depth, depth, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        gate, value = self.dwconv(self.project_in(features)).chunk(2, dim=1)
        return self.project_out(functional.gelu(gate) * value)


class EmmaBlock(nn.Module):
    """EMMA's block of a global and a local branch."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.embed = mirrored(given, made)
        self.GlobalFeature = Layer(
            norm1=ChannelNorm(made), attn=ChannelAttention(made), norm2=ChannelNorm(made), mlp=GatedMLP(made)
        )
        residual = (nn.Sequential(mirrored(made, made, bias=True), nn.ReLU(True), mirrored(made, made, bias=True))
                    for _ in range(2))  # fmt: skip
        self.LocalFeature = Layer(Extraction=nn.Sequential(*(Layer(conv=each) for each in residual)))
        self.FFN = mirrored(2 * made, made)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,m,H,W) of (B,n,H,W)."""
        embedded = self.embed(features)
        wide = self.GlobalFeature
        distant = embedded + wide.attn(wide.norm1(embedded))
        distant = distant + wide.mlp(wide.norm2(distant))
        local = embedded
        for residual in self.LocalFeature.Extraction:
            local = local + residual.conv(local)
        return self.FFN(torch.cat([distant, local], dim=1))


class EMMA(nn.Module):
    """EMMA's U-Fuser as released; H and W are multiples of 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, 8, 16, 32, 32)
        for level in (1, 2, 3, 4):
            for name in "IV":
                self.add_module(f"{name}_en_{level}", EmmaBlock(widths[level - 1], widths[level]))
                if level < 4:
                    self.add_module(f"{name}_down{level}", mirrored(widths[level], widths[level], stride=2))
            self.add_module(f"f_{level}", EmmaBlock(2 * widths[level], widths[level]))
            self.add_module(f"de_{level}", EmmaBlock(widths[level] * (1 if level == 4 else 2), widths[level]))
            if level > 1:
                up = nn.ConvTranspose2d(widths[level], widths[level - 1], 4, 2, 1, bias=False)
                self.add_module(f"up{level}", nn.Sequential(up, nn.ReLU(True)))
        self.last = nn.Sequential(mirrored(8, channels, bias=True), nn.Sigmoid())

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (0,1)."""
        fused = []
        for level in (1, 2, 3, 4):
            infrared = getattr(self, f"I_en_{level}")(infrared)
            visible = getattr(self, f"V_en_{level}")(visible)
            fused.append(getattr(self, f"f_{level}")(torch.cat([infrared, visible], dim=1)))
            if level < 4:
                infrared = getattr(self, f"I_down{level}")(infrared)
                visible = getattr(self, f"V_down{level}")(visible)
        made = self.de_4(fused[3])
        for level in (3, 2, 1):
            up = getattr(self, f"up{level + 1}")(made)
            made = getattr(self, f"de_{level}")(torch.cat([up, fused[level - 1]], dim=1))
        return self.last(made)
