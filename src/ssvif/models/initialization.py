"""Initial weights: PyTorch's defaults, which the networks were released with, ours for short trainings, or trained."""

from __future__ import annotations

from torch import nn

from ssvif.models.base import FusionModel
from ssvif.models.maximum_start import start_at_maximum
from ssvif.models.names import check_initialization, packaged_model, path_of_class
from ssvif.models.registry import load_fusion_model
from ssvif.models.seafusion import SeAFusion
from ssvif.schema import PACKAGED_MODELS

LEAKY_SLOPE = 0.2
OUTPUT_SCALE = 0.1


def initialize(model: FusionModel, initialization: str) -> None:
    """Give a new network the weights that a training begins with; "default" leaves those of its constructor.

    Raises:
        UserError: they are a trained network's that differs in architecture or channels, or "maximum", with which a
            network at first returns the maximum of both images, and there are no such weights for this one.
    """
    check_initialization(initialization, path_of_class(type(model)), model.channels)
    if initialization == "scaled":
        scale_for_depth(model)
    elif initialization == "maximum" and isinstance(model, SeAFusion):  # Lite begins there by construction
        start_at_maximum(model)
    elif initialization in PACKAGED_MODELS:
        model.load_state_dict(load_fusion_model(packaged_model(initialization)).state_dict())


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
