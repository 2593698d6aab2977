"""First weights with which SeAFusion returns the maximum of both images: a start for short trainings (ours).

From random weights SeAFusion needs many thousand steps until pixels pass it unblurred and in their color. From
these, what the loss asks for beyond the maximum is all that is left to learn.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from ssvif.models.seafusion import SLOPE, Encoder, GradientResidualDenseBlock, SeAFusion
from ssvif.schema import LUMA_PER_MILLE

KNOTS = 10  # of the line that undoes the output's tanh
REACH = 2.1  # the outer knots are tanh(±REACH)/2 + ½
LIFT = 4.0  # keeps that line above 0, where LeakyReLU changes nothing


@torch.no_grad()
def start_at_maximum(model: SeAFusion) -> None:
    """Set weights so that SeAFusion returns visible with the larger of both lumas; half a gray level off on average.

    The first C channels of each encoder carry its image. Of the decoder's convolutions the first holds
    infrared − luma in both signs, the second the hinges of a piecewise linear inverse of tanh(z)/2 + ½, the third their
    sum, which the last one reads alone. All other channels keep their random weights, for the training to use.
    """
    channels = model.channels
    for encoder in (model.visible_encoder, model.infrared_encoder):
        _carry_image(encoder, channels)
    first, second, third, last = (layer for layer in model.reconstruct if isinstance(layer, nn.Conv2d))
    knots, slopes, offset = _inverse_of_output()
    weights = [share / 1000 for share in LUMA_PER_MILLE] if channels == 3 else [1.0]
    infrared = first.in_channels // 2  # the first channel of the infrared encoder
    brighter, darker = channels, channels + 1  # channels that hold infrared − luma and the reverse
    for row, sign in ((brighter, 1.0), (darker, -1.0)):
        _set_row(first, row, {infrared: sign, **{column: -sign * share for column, share in enumerate(weights)}})
    # with LeakyReLU l of slope s: l(x) + s·l(−x) = (1 − s²)·relu(x)
    relu = {brighter: 1 / (1 - SLOPE**2), darker: SLOPE / (1 - SLOPE**2)}
    for channel in range(channels):
        _set_row(first, channel, {channel: 1.0})
        hinges = range(channel * KNOTS, (channel + 1) * KNOTS)
        for row, knot in zip(hinges, knots, strict=True):
            _set_row(second, row, {channel: 1.0, **relu}, bias=-knot)
        _set_row(third, channel, dict(zip(hinges, slopes, strict=True)), bias=offset + LIFT)
        _set_row(last, channel, {channel: 1.0}, bias=-LIFT)


def _carry_image(encoder: Encoder, channels: int) -> None:
    """Let the first channels hold the image (B,C,H,W), whose values are not negative, from the first layer on."""
    for channel in range(channels):
        for layer in encoder:
            if isinstance(layer, nn.Conv2d):
                _set_row(layer, channel, {channel: 1.0})
            elif isinstance(layer, GradientResidualDenseBlock):
                _set_row(layer.dense_out, channel, {channel: 1.0})
                _set_row(layer.gradient_out, channel, {})


def _set_row(conv: nn.Conv2d, row: int, weights: Mapping[int, float], bias: float = 0.0) -> None:
    """Make an output channel the weighted sum of input channels at the same pixel, plus a bias."""
    assert conv.bias is not None
    middle = conv.kernel_size[0] // 2
    conv.weight[row] = 0
    for column, weight in weights.items():
        conv.weight[row, column, middle, middle] = weight
    conv.bias[row] = bias


def _inverse_of_output() -> tuple[list[float], list[float], float]:
    """Return knots t, slopes a and an offset b, so that Σ a·l(x − t) + b is near artanh(2x − 1) for x in [0,1].

    l is LeakyReLU. Least squares on a grid, each error weighed by the slope of the output there.
    """
    knots = torch.linspace(-REACH, REACH, KNOTS, dtype=torch.float64).tanh() / 2 + 0.5
    values = torch.linspace(0, 1, 1025, dtype=torch.float64)[1:-1, None]
    hinges = functional.leaky_relu(values - knots, SLOPE)
    system, weights = torch.cat([hinges, torch.ones_like(values)], dim=1), values * (1 - values)
    solution = torch.linalg.lstsq(system * weights, torch.atanh(2 * values - 1) * weights).solution[:, 0].tolist()
    return knots.tolist(), solution[:-1], solution[-1]
