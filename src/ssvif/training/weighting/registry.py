"""The weightings by the names that an experiments table uses."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ssvif.training.options import TrainingOptions
from ssvif.training.weighting.base import Weighting
from ssvif.training.weighting.gradient_based import (
    BalancedWeighting,
    GradientDescentWeighting,
    GradNormWeighting,
)
from ssvif.training.weighting.loss_based import (
    DynamicWeightAverage,
    FixedWeighting,
    SegMiFWeighting,
    UncertaintyWeighting,
)

WEIGHTINGS: dict[str, Callable[[TrainingOptions, torch.device], Weighting]] = {
    "gdwa": lambda options, _: (
        BalancedWeighting(options.gradient_share, options.every_n_steps)
        if options.gdwa_form == "balanced"
        else GradientDescentWeighting(options.temperature, options.gdwa_form, options.every_n_steps)
    ),
    "fixed": lambda options, _: FixedWeighting(options.fixed_alpha),
    "dwa": lambda options, _: DynamicWeightAverage(options.temperature),
    "ucw": lambda _, device: UncertaintyWeighting(device),
    "segmif": lambda options, _: SegMiFWeighting(
        {"fusion": options.preference_fusion, "consistency": options.preference_consistency}
    ),
    "gradnorm": lambda options, _: GradNormWeighting(
        options.gradnorm_asymmetry, options.gradnorm_learning_rate, options.every_n_steps
    ),
}


def build_weighting(options: TrainingOptions, device: torch.device) -> Weighting:
    """Return the weighting that the options name, for losses on a device."""
    return WEIGHTINGS[options.weighting](options, device)
