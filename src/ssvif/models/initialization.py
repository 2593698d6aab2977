"""Initial weights: PyTorch's defaults, which the networks were released with, or ours for short trainings."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ssvif.models.base import FusionModel

LEAKY_SLOPE = 0.2
OUTPUT_SCALE = 0.1


def scale_for_depth(model: FusionModel) -> None:
    """Give every dense convolution He et al.'s (2015) scale and the last one a tenth of it.

    PyTorch's default shrinks the signal in each layer, and color, a small difference between large
    values, shrinks below what a few hundred steps recover. The small last layer starts from gray
    instead of from a saturated output. Depthwise filters (Sobel) keep their values.
    """
    dense = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.groups == 1]
    for conv in dense:
        nn.init.kaiming_normal_(conv.weight, a=LEAKY_SLOPE)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
    if dense:
        dense[-1].weight.data.mul_(OUTPUT_SCALE)


INITIALIZATIONS: dict[str, Callable[[FusionModel], None]] = {
    "default": lambda model: None,  # every weight as PyTorch and the network's constructor made it
    "scaled": scale_for_depth,
}
