from typing import get_args

import pytest
import torch

from reference.weighting import take_step, tasks
from ssvif.schema import WeightingName
from ssvif.training.options import TrainingOptions
from ssvif.training.weighting.registry import WEIGHTINGS, build_weighting

CPU = torch.device("cpu")


def test_every_name_of_the_settings_can_be_built():
    assert set(WEIGHTINGS) == set(get_args(WeightingName))


def test_options_reach_the_weighting():
    fixed = build_weighting(TrainingOptions(weighting="fixed", fixed_alpha=0.3), CPU)
    assert fixed.weights() == {"fusion": 1.0, "consistency": 0.3}
    segmif = build_weighting(TrainingOptions(weighting="segmif", preference_fusion=0.7), CPU)
    assert segmif.weights() == {"fusion": 0.7, "consistency": 0.8}


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_state_between_epochs_comes_back_from_a_file(tmp_path, name):
    options = TrainingOptions(weighting=name)
    first, second, fresh = (build_weighting(options, CPU) for _ in range(3))
    for losses in ((5, 2), (4, 3)):
        take_step(first, *losses)
        first.end_epoch(tasks(*losses))
    for parameter in first.parameters():
        parameter.data += 1
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert first.weights() == second.weights()
    assert set(first.weights()) == {"fusion", "consistency"}
    assert (first.weights() == fresh.weights()) == (name == "fixed")
    for each in (first, second):
        take_step(each, 4, 1)
        each.end_epoch(tasks(4, 1))
    assert first.weights() == second.weights()
    assert first.facts == second.facts
