from __future__ import annotations

import dataclasses

import pytest
import torch

from ssvif.io.errors import UserError
from ssvif.schema import WEIGHTINGS as NAMES
from ssvif.training.options import TrainingOptions
from ssvif.training.weighting.registry import WEIGHTINGS, build_weighting

CPU = torch.device("cpu")


def test_every_name_of_the_settings_is_built():
    assert set(WEIGHTINGS) == set(NAMES)
    for name in NAMES:
        weighting = build_weighting(TrainingOptions(weighting=name), CPU)
        assert set(weighting.weights()) == {"fusion", "consistency"}


def test_options_reach_the_weighting():
    fixed = build_weighting(TrainingOptions(weighting="fixed", fixed_alpha=0.3), CPU)
    assert fixed.weights() == {"fusion": 1.0, "consistency": 0.3}
    segmif = build_weighting(TrainingOptions(weighting="segmif", preference_fusion=0.7), CPU)
    assert segmif.weights() == {"fusion": 0.7, "consistency": 0.8}


def test_an_unknown_name_is_named():
    options = dataclasses.replace(TrainingOptions())
    object.__setattr__(options, "weighting", "nosuch")
    with pytest.raises(UserError, match="Unknown weighting 'nosuch'"):
        build_weighting(options, CPU)
