"""The three fusion networks computed as their released code does: what our speed and memory are compared with.

Transcribed from descriptions of the releases: attention with all its scores and masks written out, windows cut by
copies, nothing shared or fused. Modules carry the released names, so a released state dictionary fits as it is.
`check` compares each with our network on the same weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.published import load_published

EMBED, HEADS, WINDOW, SHIFT, STORED = 60, 6, 8, 4, 128
MEANS = {1: (0.0,), 3: (0.4488, 0.4371, 0.4040)}


def cut_windows(tokens: torch.Tensor) -> torch.Tensor:
    """Return windows (B·H/8·W/8,64,D) of (B,H,W,D)."""
    images, height, width, depth = tokens.shape
    cut = tokens.view(images, height // WINDOW, WINDOW, width // WINDOW, WINDOW, depth)
    return cut.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, WINDOW * WINDOW, depth)


def join_windows(windows: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Undo `cut_windows`."""
    cut = windows.view(-1, height // WINDOW, width // WINDOW, WINDOW, WINDOW, windows.shape[-1])
    return cut.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, height, width, windows.shape[-1])


def mask_of(height: int, width: int, shift: int) -> torch.Tensor:
    """Return the mask (N,64,64) of all N windows: −100 where two pixels are no neighbors, else 0."""
    regions = torch.zeros(1, height, width, 1)
    if shift:
        bounds = (slice(0, -WINDOW), slice(-WINDOW, -shift), slice(-shift, None))
        for i, rows in enumerate(bounds):
            for j, columns in enumerate(bounds):
                regions[:, rows, columns] = 3 * i + j
    cut = cut_windows(regions).squeeze(-1)
    apart = cut[:, None] - cut[:, :, None]
    return apart.masked_fill(apart != 0, -100.0)


class Attention(nn.Module):
    """Windowed attention with its scores written out."""

    def __init__(self, cross: bool) -> None:
        super().__init__()
        self.cross = cross
        self.relative_position_bias_table = nn.Parameter(torch.zeros(225, HEADS))
        places = torch.stack(torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")).flatten(1)
        offsets = (places[:, :, None] - places[:, None]).permute(1, 2, 0) + WINDOW - 1
        self.register_buffer("relative_position_index", offsets[..., 0] * 15 + offsets[..., 1])
        if cross:
            self.q, self.kv = nn.Linear(EMBED, EMBED), nn.Linear(EMBED, 2 * EMBED)
        else:
            self.qkv = nn.Linear(EMBED, 3 * EMBED)
        self.proj = nn.Linear(EMBED, EMBED)

    def forward(self, windows: torch.Tensor, context: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return (N,64,D) of windows (N,64,D)."""
        count, area, depth = windows.shape
        if self.cross:
            query = self.q(windows).reshape(count, area, HEADS, -1).permute(0, 2, 1, 3)
            key, value = self.kv(context).reshape(count, area, 2, HEADS, -1).permute(2, 0, 3, 1, 4)
        else:
            query, key, value = self.qkv(windows).reshape(count, area, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        query = query * (depth // HEADS) ** -0.5
        scores = query @ key.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)].view(area, area, HEADS)
        scores = scores + bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if mask is not None:
            scores = scores.view(-1, len(mask), HEADS, area, area) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, HEADS, area, area)
        return self.proj((scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(count, area, depth))


class MLP(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(EMBED, 2 * EMBED), nn.Linear(2 * EMBED, EMBED)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (B,N,D)."""
        return self.fc2(functional.gelu(self.fc1(tokens)))


def drop_path(branch: torch.Tensor, rate: float, training: bool) -> torch.Tensor:
    """Drop a residual branch (B,N,D) of some images."""
    if rate == 0 or not training:
        return branch
    return branch.div(1 - rate) * torch.floor(1 - rate + torch.rand(len(branch), 1, 1))


class Block(nn.Module):
    """A Swin block, or with `suffixes` "_A" and "_B" a cross block of two streams."""

    def __init__(self, shift: int, drop: float, suffixes: tuple[str, ...] = ("",)) -> None:
        super().__init__()
        self.shift, self.drop, self.suffixes = shift, drop, suffixes
        for suffix in suffixes:
            self.add_module(f"norm1{suffix}", nn.LayerNorm(EMBED))
            self.add_module(f"attn{suffix}", Attention(cross=len(suffixes) == 2))
            self.add_module(f"norm2{suffix}", nn.LayerNorm(EMBED))
            self.add_module(f"mlp{suffix}", MLP())
        if shift:
            self.register_buffer("attn_mask", mask_of(STORED, STORED, shift))
        else:
            self.attn_mask = None

    def forward(self, streams: list[torch.Tensor], size: tuple[int, int]) -> list[torch.Tensor]:
        """Return the streams (B,H·W,D), updated."""
        height, width = size
        normalized = [
            getattr(self, f"norm1{suffix}")(each) for suffix, each in zip(self.suffixes, streams, strict=True)
        ]
        maps = [each.view(len(each), height, width, EMBED) for each in normalized]
        if self.shift:
            maps = [torch.roll(each, (-self.shift, -self.shift), dims=(1, 2)) for each in maps]
        windows = [cut_windows(each) for each in maps]
        mask = self.attn_mask if size == (STORED, STORED) else mask_of(height, width, self.shift)
        updated = []
        for suffix, tokens, own, other in zip(self.suffixes, streams, windows, windows[::-1], strict=True):
            found = join_windows(getattr(self, f"attn{suffix}")(own, other, mask), height, width)
            if self.shift:
                found = torch.roll(found, (self.shift, self.shift), dims=(1, 2))
            tokens = tokens + drop_path(found.view(tokens.shape), self.drop, self.training)
            changed = getattr(self, f"mlp{suffix}")(getattr(self, f"norm2{suffix}")(tokens))
            updated.append(tokens + drop_path(changed, self.drop, self.training))
        return updated


class Layer(nn.Module):
    """A wrapper that the released names have."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def blocks(drops: tuple[float, ...], suffixes: tuple[str, ...] = ("",)) -> nn.Module:
    """Return blocks, every second one shifted."""
    return Layer(blocks=nn.ModuleList(Block(SHIFT * (i % 2), drop, suffixes) for i, drop in enumerate(drops)))


def run_blocks(group: nn.Module, streams: list[torch.Tensor], size: tuple[int, int]) -> list[torch.Tensor]:
    """Return streams (B,H·W,D) after a group's blocks."""
    for block in group.blocks:
        streams = block(streams, size)
    return streams


class SwinFusion(nn.Module):
    """SwinFusion as released."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        drops = (0.0, 0.1 / 3, 0.2 / 3, 0.1)
        self.mean = torch.tensor(MEANS[channels]).view(1, -1, 1, 1)
        self.conv_first1_A = nn.Conv2d(channels, 30, 3, 1, 1)
        self.conv_first2_A = nn.Conv2d(30, EMBED, 3, 1, 1)
        self.conv_first1_B = nn.Conv2d(channels, 30, 3, 1, 1)
        self.conv_first2_B = nn.Conv2d(30, 30, 3, 1, 1)
        self.patch_embed = Layer(norm=nn.LayerNorm(EMBED))
        for name in ("Ex_A", "Ex_B", "Re"):
            self.add_module(f"layers_{name}", nn.ModuleList([Layer(residual_group=blocks(drops))]))
        self.layers_Fusion = nn.ModuleList(
            Layer(
                residual_group_A=blocks(part), residual_group_B=blocks(part), residual_group=blocks(part, ("_A", "_B"))
            )
            for part in (drops[:2], drops[2:])
        )
        for name in ("Ex_A", "Ex_B", "Fusion_A", "Fusion_B", "Re"):
            self.add_module(f"norm_{name}", nn.LayerNorm(EMBED))
        self.conv_after_body_Fusion = nn.Conv2d(2 * EMBED, EMBED, 3, 1, 1)
        self.conv_last1 = nn.Conv2d(EMBED, 30, 3, 1, 1)
        self.conv_last2 = nn.Conv2d(30, 15, 3, 1, 1)
        self.conv_last3 = nn.Conv2d(15, channels, 3, 1, 1)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W)."""
        height, width = visible.shape[-2:]
        pad = (0, -width % WINDOW, 0, -height % WINDOW)
        streams = [functional.pad(each, pad, "reflect") - self.mean for each in (infrared, visible)]
        size = streams[0].shape[2], streams[0].shape[3]
        found = []
        for name, each in zip("AB", streams, strict=True):
            shallow = leaky(self.conv_first2_A(leaky(self.conv_first1_A(each))))
            (tokens,) = run_blocks(getattr(self, f"layers_Ex_{name}")[0].residual_group, [self._tokens(shallow)], size)
            found.append(self._map(getattr(self, f"norm_Ex_{name}")(tokens), size))
        first, second = (self._tokens(each) for each in found)
        for stage in self.layers_Fusion:
            (first,) = run_blocks(stage.residual_group_A, [first], size)
            (second,) = run_blocks(stage.residual_group_B, [second], size)
            first, second = run_blocks(stage.residual_group, [first, second], size)
        both = [self._map(self.norm_Fusion_A(first), size), self._map(self.norm_Fusion_B(second), size)]
        fused = leaky(self.conv_after_body_Fusion(torch.cat(both, dim=1)))
        (tokens,) = run_blocks(self.layers_Re[0].residual_group, [self._tokens(fused)], size)
        image = leaky(self.conv_last2(leaky(self.conv_last1(self._map(self.norm_Re(tokens), size)))))
        return (self.conv_last3(image) + self.mean)[..., :height, :width]

    def _tokens(self, features: torch.Tensor) -> torch.Tensor:
        return self.patch_embed.norm(features.flatten(2).transpose(1, 2))

    def _map(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return tokens.transpose(1, 2).view(len(tokens), EMBED, *size)


def leaky(features: torch.Tensor, slope: float = 0.2) -> torch.Tensor:
    """LeakyReLU (B,D,H,W)."""
    return functional.leaky_relu(features, slope)


def convolution(channels_in: int, channels_out: int, size: int = 3) -> nn.Module:
    """Return a convolution under the released name."""
    return Layer(conv=nn.Conv2d(channels_in, channels_out, size, padding=size // 2))


class GradientBlock(nn.Module):
    """SeAFusion's gradient residual dense block."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.dense = Layer(conv1=convolution(given, given), conv2=convolution(2 * given, given))
        self.convdown = convolution(3 * given, made, 1)
        sobel = {f"conv{axis}": nn.Conv2d(given, given, 3, padding=1, groups=given, bias=False) for axis in "xy"}
        self.sobelconv = Layer(**sobel)
        self.convup = convolution(given, made, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,m,H,W) of (B,n,H,W)."""
        dense = torch.cat([features, leaky(self.dense.conv1.conv(features))], dim=1)
        dense = torch.cat([dense, leaky(self.dense.conv2.conv(dense))], dim=1)
        slopes = torch.abs(self.sobelconv.convx(features)) + torch.abs(self.sobelconv.convy(features))
        return leaky(self.convdown.conv(dense) + self.convup.conv(slopes), 0.1)


class SeAFusion(nn.Module):
    """SeAFusion as released."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("vis", "inf"):
            self.add_module(f"{name}_conv", convolution(channels, 16))
            self.add_module(f"{name}_rgbd1", GradientBlock(16, 32))
            self.add_module(f"{name}_rgbd2", GradientBlock(32, 48))
        for level, given, made in ((4, 96, 64), (3, 64, 32), (2, 32, 16), (1, 16, channels)):
            part = Layer(conv=nn.Conv2d(given, made, 3, padding=1), bn=nn.BatchNorm2d(made))
            self.add_module(f"decode{level}", part)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Return the fused image (B,C,H,W) in (0,1)."""
        found = []
        for name, image in (("vis", visible), ("inf", infrared)):
            shallow = leaky(getattr(self, f"{name}_conv").conv(image))
            found.append(getattr(self, f"{name}_rgbd2")(getattr(self, f"{name}_rgbd1")(shallow)))
        features = torch.cat(found, dim=1)
        for level in (4, 3, 2):
            features = leaky(getattr(self, f"decode{level}").conv(features))
        return torch.tanh(self.decode1.conv(features)) / 2 + 0.5


def mirrored(given: int, made: int, *, stride: int = 1, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a 3×3 convolution that mirrors the edges."""
    return nn.Conv2d(given, made, 3, stride, 1, groups=groups, bias=bias, padding_mode="reflect")


class ChannelNorm(nn.Module):
    """EMMA's layer normalization, by way of tokens (B,H·W,D)."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.body = Layer()
        self.body.weight, self.body.bias = nn.Parameter(torch.ones(depth)), nn.Parameter(torch.zeros(depth))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        tokens = features.flatten(2).transpose(1, 2)
        mean = tokens.mean(-1, keepdim=True)
        variance = tokens.var(-1, keepdim=True, unbiased=False)
        tokens = (tokens - mean) / torch.sqrt(variance + 1e-5) * self.body.weight + self.body.bias
        return tokens.transpose(1, 2).reshape(features.shape)


class ChannelAttention(nn.Module):
    """EMMA's attention among channels."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.qkv1 = nn.Conv2d(depth, 3 * depth, 1, bias=False)
        self.qkv2 = nn.Conv2d(3 * depth, 3 * depth, 3, padding=1, bias=False)
        self.proj = nn.Conv2d(depth, depth, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        images, depth, height, width = features.shape
        parts = self.qkv2(self.qkv1(features)).chunk(3, dim=1)
        query, key, value = (each.reshape(images, 8, depth // 8, height * width) for each in parts)
        query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        shares = (query @ key.transpose(-2, -1) * self.scale).softmax(dim=-1)
        return self.proj((shares @ value).reshape(images, depth, height, width))


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


ORIGINALS: dict[str, Callable[[int], nn.Module]] = {"swinfusion": SwinFusion, "seafusion": SeAFusion, "emma": EMMA}


def build_pair(name: str, channels: int = 3) -> tuple[nn.Module, nn.Module]:
    """Return a network as released and ours, with the same weights, in evaluation mode."""
    torch.manual_seed(0)
    original = ORIGINALS[name](channels).eval()
    return original, load_published(name, original.state_dict())


def check(name: str) -> float:
    """Return the largest difference of both networks' fused images of a pair of 72×56 pixels."""
    original, ours = build_pair(name)
    pair = torch.rand(2, 1, 3, 72, 56)
    with torch.no_grad():
        return float((original(*pair) - ours(*pair)).abs().max())
