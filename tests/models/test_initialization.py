"""Trainings that start from a network inside the package."""

import pytest
import torch

from ssvif.io.errors import UserError
from ssvif.models.initialization import initialize
from ssvif.models.names import packaged_model, read_header
from ssvif.models.registry import build_fusion_model, load_fusion_model
from ssvif.schema import PACKAGED_MODELS
from ssvif.training.framework import Framework
from ssvif.training.options import TrainingOptions


@pytest.mark.parametrize("name", PACKAGED_MODELS)
def test_a_training_starts_from_the_weights_of_the_package(name):
    header = read_header(packaged_model(name))
    options = TrainingOptions(
        fusion_model=header["fusion_model"], channels=header["channels"], framework="fusion_only", initialization=name
    )
    started = Framework(options, torch.device("cpu")).fusion_model.state_dict()
    held = load_fusion_model(packaged_model(name)).state_dict()
    assert started.keys() == held.keys()
    assert all(torch.equal(started[key], value) for key, value in held.items())


def test_weights_of_another_network_or_number_of_channels_are_refused():
    name = read_header(packaged_model("accurate"))["fusion_model"]
    for other in (build_fusion_model("emma"), build_fusion_model(name, 1)):
        with pytest.raises(UserError, match=rf"`initialization: accurate` does not fit(?s:.*)`fusion_model: {name}`"):
            initialize(other, "accurate")
