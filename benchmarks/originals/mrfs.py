"""MRFS as released, for FMB: two MiT-B4 that complete each other; every image is segmented as well."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from originals.mit import HEADS, REDUCTIONS, WIDTHS, add_stages, run_stage, to_map
from originals.parts import Layer, spread

DEPTHS = (3, 8, 27, 3)
CLASSES, SEGMENTATION_WIDTH, FUSION_WIDTH = 15, 512, 16


def to_tokens(features: torch.Tensor) -> torch.Tensor:
    """Return a map (B,D,H,W) as tokens (B,H·W,D)."""
    return features.flatten(2).transpose(1, 2)


def resize(maps: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Return (B,D,h,w) of (B,D,H,W)."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def perceptron(given: int, hidden: int, made: int) -> nn.Sequential:
    """Return two linear layers with a ReLU between them."""
    return nn.Sequential(nn.Linear(given, hidden), nn.ReLU(), nn.Linear(hidden, made))


class VisualCompletion(nn.Module):
    """IGMAVC."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = perceptron(2 * width, width // 2, width)
        pixels = nn.Sequential(nn.Conv2d(4, 16, 1), nn.ReLU(), nn.Conv2d(16, 2, 1))
        channels = perceptron(2 * width, width // 2, 2 * width)
        self.MA = Layer(ca_gate=Layer(mlp=channels), sa_gate=Layer(mlp=pixels))

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both completed maps (B,D,H,W)."""
        both = torch.cat([visible, infrared], dim=1)
        gate = to_map(self.gate(to_tokens(both)).sigmoid(), (both.shape[2], both.shape[3]))
        mlp = self.MA.ca_gate.mlp
        pooled = mlp(both.mean(dim=(2, 3))) + mlp(both.amax(dim=(2, 3)))
        of_visible, of_infrared = pooled.sigmoid()[..., None, None].chunk(2, dim=1)
        maps = [each for image in (visible, infrared) for each in (image.mean(1, True), image.amax(1, True))]
        pixels = self.MA.sa_gate.mlp(torch.cat(maps, dim=1)).sigmoid()
        from_visible = of_visible * pixels[:, :1] * visible
        from_infrared = of_infrared * pixels[:, 1:] * infrared
        return visible + (1 - gate) * from_infrared, infrared + gate * from_visible


class CycleAttention(nn.Module):
    """A step of PCASC: attention to a reduced map, whose queries are added before the last layer."""

    def __init__(self, width: int, heads: int, reduction: int, names: tuple[str, str]) -> None:
        super().__init__()
        self.heads, self.names = heads, names
        for name, times in zip(names, (1, 2), strict=True):
            self.add_module(name, nn.Linear(width, times * width, bias=False))
        self.proj = nn.Linear(width, width)
        if reduction > 1:
            self.sr, self.norm = nn.Conv2d(width, width, reduction, reduction), nn.LayerNorm(width)
        else:
            self.sr = None

    def forward(self, tokens: torch.Tensor, others: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Return (B,N,D) of queries' tokens and of the others (B,N,D) that they attend to."""
        images, count, width = tokens.shape
        to_query, to_both = (getattr(self, name) for name in self.names)
        query = to_query(tokens).reshape(images, count, self.heads, -1).permute(0, 2, 1, 3)
        if self.sr is not None:
            others = self.norm(to_tokens(self.sr(to_map(others, size))))
        key, value = to_both(others).reshape(images, -1, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5
        found = (scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(images, count, width)
        return self.proj(found + tokens)


class SemanticCompletion(nn.Module):
    """PCASC."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        names = {"SA_x1": ("q", "kv"), "CA_x1toX2": ("q1", "kv2"), "SA_x2": ("q", "kv"), "CA_x2toX1": ("q1", "kv2")}
        for step, layers in names.items():
            self.add_module(step, CycleAttention(width, heads, reduction, layers))
        self.proj = nn.Linear(width, width)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return maps (B,D,H,W)."""
        size = visible.shape[2], visible.shape[3]
        tokens = to_tokens(visible)
        first = self.SA_x1(tokens, tokens, size)
        second = self.CA_x1toX2(to_tokens(infrared), first, size)
        third = self.SA_x2(second, second, size)
        return to_map(self.proj(self.CA_x2toX1(first, third, size)), size)


class Backbone(nn.Module):
    """Two encoders and what completes each by the other."""

    def __init__(self) -> None:
        super().__init__()
        for prefix in ("", "extra_"):
            add_stages(self, DEPTHS, prefix)
        self.IGMAVCs = nn.ModuleList(map(VisualCompletion, WIDTHS))
        self.PCASCs = nn.ModuleList(map(SemanticCompletion, WIDTHS, HEADS, REDUCTIONS))

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return eight completed maps, visible and infrared in turn, and four semantic ones, (B,D_s,H_s,W_s)."""
        vision, semantic = [], []
        for i in range(4):
            visible, infrared = run_stage(self, i + 1, visible), run_stage(self, i + 1, infrared, "extra_")
            visible, infrared = self.IGMAVCs[i](visible, infrared)
            vision += [visible, infrared]
            semantic.append(self.PCASCs[i](visible, infrared))
        return vision, semantic


class SegmentationHead(nn.Module):
    """SegFormer's head, with a bias before its normalization."""

    def __init__(self) -> None:
        super().__init__()
        width = SEGMENTATION_WIDTH
        for i, given in enumerate(WIDTHS):
            self.add_module(f"linear_c{i + 1}", Layer(proj=nn.Linear(given, width)))
        self.linear_fuse = nn.Sequential(nn.Conv2d(4 * width, width, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.dropout, self.linear_pred = nn.Dropout2d(0.1), nn.Conv2d(width, CLASSES, 1)

    def forward(self, semantic: list[torch.Tensor]) -> torch.Tensor:
        """Return logits (B,15,h,w) of four maps."""
        size, found = semantic[0].shape[2:], []
        for i in (3, 2, 1, 0):
            tokens = getattr(self, f"linear_c{i + 1}").proj(to_tokens(semantic[i]))
            maps = to_map(tokens, (semantic[i].shape[2], semantic[i].shape[3]))
            found.append(resize(maps, size) if i else maps)
        return self.linear_pred(self.dropout(self.linear_fuse(torch.cat(found, dim=1))))


class FusionHead(nn.Module):
    """Eight maps and both images become the fused one."""

    def __init__(self) -> None:
        super().__init__()
        width, self.names = FUSION_WIDTH, [f"PointConv_{i}_{side}" for i in (1, 2, 3, 4) for side in ("rgb", "ir")]
        for i, name in enumerate(self.names):
            squeeze = nn.Sequential(nn.Conv2d(WIDTHS[i // 2], width, 1), nn.BatchNorm2d(width), nn.ReLU())
            self.add_module(name, Layer(pconv=squeeze))
        mix = nn.Conv2d(8 * width + 6, width, 3, padding=1)
        self.CNN_fuse = nn.Sequential(mix, nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 3, 1), nn.Sigmoid())

    def forward(self, vision: list[torch.Tensor], visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,3,H,W) in (0,1)."""
        squeezed = (getattr(self, name).pconv(maps) for name, maps in zip(self.names, vision, strict=True))
        resized = [resize(maps, visible.shape[2:]) for maps in squeezed]
        return self.CNN_fuse(torch.cat([*resized, visible, infrared], dim=1))


class MRFS(nn.Module):
    """MRFS as released; it takes color images alone, infrared as three equal channels, of at least 29×29 pixels."""

    def __init__(self, channels: int) -> None:
        assert channels == 3
        super().__init__()
        self.backbone, self.decode_head, self.aux_head = Backbone(), SegmentationHead(), FusionHead()
        spread(self, gain=1.2)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,3,H,W) in (0,1)."""
        vision, semantic = self.backbone(visible, infrared)
        resize(self.decode_head(semantic), visible.shape[2:])  # the release returns both, its script for fusion one
        return self.aux_head(vision, visible, infrared)
