"""Initial weights: PyTorch's defaults, which the networks were released with, ours for short trainings, or trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from ssvif.io.errors import UserError
from ssvif.models.base import FusionModel
from ssvif.models.lite import Lite
from ssvif.models.maximum_start import start_at_maximum
from ssvif.models.names import check_initialization, packaged_model, path_of_class
from ssvif.models.registry import load_fusion_model
from ssvif.models.seafusion import SeAFusion
from ssvif.schema import PACKAGED_MODELS

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


def start_from(name: str, model: FusionModel) -> None:
    """Give a network the weights of a trained one inside the package.

    Raises:
        UserError: they differ in architecture or channels.
    """
    check_initialization(name, path_of_class(type(model)), model.channels)
    model.load_state_dict(load_fusion_model(packaged_model(name)).state_dict())


INITIALIZATIONS: dict[str, Callable[[FusionModel], None]] = {
    "default": lambda model: None,  # every weight as PyTorch and the network's constructor made it
    "scaled": scale_for_depth,
    "maximum": start_brighter,
    **{name: partial(start_from, name) for name in PACKAGED_MODELS},
}
