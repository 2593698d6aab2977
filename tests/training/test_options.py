import math
from dataclasses import fields

import pytest
import torch
from pydantic import ValidationError

from ssvif.losses.consistency import make_pseudo_label
from ssvif.losses.fusion import fusion_terms
from ssvif.training.assumed import ASSUMED
from ssvif.training.options import TrainingOptions


def test_the_defaults_are_the_papers_protocol():
    """specs/ssvif.md: λ = (20, 20, 10), 110 epochs, patience 10, batch 10; assumed: λ₄, K, T, crop, rate."""
    options = TrainingOptions()
    assert options.fusion_weights() == {"intensity": 20, "gradient": 20, "structural": 10, "color": 20}
    assert (options.epochs, options.patience, options.batch_size) == (110, 10, 10)
    assert (options.framework, options.weighting, options.stages) == ("ssvif", "gdwa", "two")
    assert (options.segmenter, options.channels, options.fixed_alpha) == ("b3", 3, 0.1)
    assert (options.classes, options.temperature, options.crop_px, options.learning_rate) == (15, 2, 128, 1e-4)
    assert options.balance == 0


def test_a_margin_leaves_something_to_compare():
    TrainingOptions(crop_px=40, consistency_window=0.8, consistency_margin_px=15)
    with pytest.raises(ValidationError, match=r"consistency_margin_px must leave something.* got 16 px"):
        TrainingOptions(crop_px=40, consistency_window=0.8, consistency_margin_px=16)
    TrainingOptions(framework="fusion_only", crop_px=8, consistency_margin_px=16)  # compares nothing


def test_which_frameworks_have_a_second_stage_and_branches():
    for framework, consistency, stage_two, branches in (
        ("ssvif", "soft", True, True),
        ("ssvif", "random_gradient", True, False),
        ("supervised", "random_gradient", True, True),
        ("fusion_only", "soft", False, False),
    ):
        options = TrainingOptions(framework=framework, consistency=consistency)
        assert (options.has_stage_two, options.has_branches) == (stage_two, branches)


def test_what_is_assumed_is_a_setting():
    assert set(ASSUMED) <= {field.name for field in fields(TrainingOptions)}
    assert all(ASSUMED.values())


def test_weights_have_the_names_of_the_terms():
    image = torch.rand(1, 3, 12, 12)
    assert set(fusion_terms(image, image, image)) == set(TrainingOptions().fusion_weights())
    assert make_pseudo_label(image, image, TrainingOptions().consistency).shape == image.shape


WRONG = {
    "nosuch": "framework weighting consistency stages structural_shares gdwa_form precision segmenter channels"
    " dice_epsilon",
    0: "channels epochs patience batch_size crop_px every_n_steps stage_one_min_epochs learning_rate label_temperature"
    " consistency_window gradient_share logit_temperature",
    1: "classes",
    2: "channels consistency_window",
    31: "crop_px",
    -1: "stage_one_max_epochs fixed_alpha color_weight balance entropy_weight consistency_margin_px",
    math.nan: "learning_rate intensity_weight",
    math.inf: "temperature",
}
SINGLE = [{name: value} for value, names in WRONG.items() for name in names.split()]


@pytest.mark.parametrize(
    "wrong",
    [*SINGLE, {"precision": "float16"}, {"consistency_window": 1.1}, {"crop_px": 48, "consistency_window": 0.5}],
)
def test_a_wrong_value_is_named(wrong):
    name = next(iter(wrong))
    with pytest.raises(ValidationError, match=rf"(?m)^{name}$|Value error, {name} times consistency_window must be"):
        TrainingOptions(**wrong)
