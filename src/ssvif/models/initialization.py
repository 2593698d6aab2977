"""Initial weights: PyTorch's defaults, which the networks were released with, or ours for short trainings."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ssvif.io.errors import UserError
from ssvif.models.base import FusionModel
from ssvif.models.lite import Lite
from ssvif.models.maximum_start import start_at_maximum
from ssvif.models.seafusion import SeAFusion

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


def start_brighter(model: FusionModel) -> None:
    """Let a network begin as the brighter of both images, with visible's chroma.

    Raises:
        UserError: there are no such weights for the network.
    """
    if isinstance(model, SeAFusion):
        start_at_maximum(model)
    elif not isinstance(model, Lite):  # which begins there by construction
        raise UserError(
            f"No weights are known with which {type(model).__name__} returns the maximum",
            expected="seafusion or lite",
            remedy="set `initialization` to default or scaled",
        )


INITIALIZATIONS: dict[str, Callable[[FusionModel], None]] = {
    "default": lambda model: None,  # every weight as PyTorch and the network's constructor made it
    "scaled": scale_for_depth,
    "maximum": start_brighter,
}
