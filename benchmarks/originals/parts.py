"""What several of the released networks have."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Layer(nn.Module):
    """A wrapper that the released names have."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def leaky(features: torch.Tensor, slope: float = 0.2) -> torch.Tensor:
    """LeakyReLU (B,D,H,W)."""
    return functional.leaky_relu(features, slope)


def attend_channels(features: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return what channels find in each other (B,D,H,W), of queries, keys and values (B,3·D,H,W) in eight heads."""
    images, depth, height, width = features.shape
    query, key, value = (each.reshape(images, 8, depth // 24, height * width) for each in features.chunk(3, dim=1))
    query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
    shares = (query @ key.transpose(-2, -1) * scale).softmax(dim=-1)
    return (shares @ value).reshape(images, depth // 3, height, width)


class ChannelNorm(nn.Module):
    """EMMA's and CDDFuse's layer normalization, by way of tokens (B,H·W,D)."""

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
    """EMMA's and CDDFuse's attention among channels."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.qkv1 = nn.Conv2d(depth, 3 * depth, 1, bias=False)
        self.qkv2 = nn.Conv2d(3 * depth, 3 * depth, 3, padding=1, bias=False)
        self.proj = nn.Conv2d(depth, depth, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B,D,H,W)."""
        return self.proj(attend_channels(self.qkv2(self.qkv1(features)), self.scale))


def spread(network: nn.Module, gain: float = 0.7) -> None:
    """Draw weights that carry images through to the output: with PyTorch's they fade, with larger ones it saturates."""
    for name, value in network.state_dict().items():
        if name.endswith(".filt"):  # TIMFusion's, which is fixed
            continue
        if value.ndim and value.numel() == len(value):  # of norms, biases, scales
            value.add_(0.1 * torch.randn_like(value))
        elif value.ndim:
            value.normal_(std=gain * (len(value) / value.numel()) ** 0.5)
