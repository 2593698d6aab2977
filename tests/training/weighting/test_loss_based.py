import math

import pytest
import torch

from reference.weighting import take_step, tasks
from ssvif.training.weighting.loss_based import (
    DynamicWeightAverage,
    FixedWeighting,
    SegMiFWeighting,
    UncertaintyWeighting,
)


def tensors(fusion, consistency):
    return {name: torch.tensor(float(value)) for name, value in tasks(fusion, consistency).items()}


def test_fixed_stays():
    weighting = FixedWeighting(0.3)
    for losses in ((5, 1), (4, 3), (3, 2)):
        take_step(weighting, *losses)
        assert weighting.measured == []
        weighting.end_epoch(tasks(*losses))
        assert weighting.weights() == tasks(1.0, 0.3)
    assert weighting.total(tensors(5, 2)).item() == pytest.approx(5 + 0.3 * 2)
    assert weighting.facts == {}
    assert weighting.state_dict() == {}
    assert weighting.parameters() == []


def test_dwa_three_epochs_by_hand():
    weighting = DynamicWeightAverage(2.0)
    assert weighting.weights() == tasks(1, 1)
    weighting.end_epoch(tasks(10, 2))
    assert weighting.weights() == tasks(1, 1)  # the second epoch has one loss behind it, no ratio yet
    assert weighting.facts == {}
    weighting.end_epoch(tasks(8, 1.9))
    powers = math.exp(8 / 10 / 2), math.exp(1.9 / 2 / 2)
    assert weighting.weights() == pytest.approx(tasks(2 * powers[0] / sum(powers), 2 * powers[1] / sum(powers)))
    assert weighting.facts == pytest.approx({"loss_ratio_fusion": 0.8, "loss_ratio_consistency": 0.95})
    weighting.end_epoch(tasks(9, 0.5))
    powers = math.exp(9 / 8 / 2), math.exp(0.5 / 1.9 / 2)
    assert weighting.weights() == pytest.approx(tasks(2 * powers[0] / sum(powers), 2 * powers[1] / sum(powers)))
    assert weighting.total(tensors(3, 5)).item() == pytest.approx((6 * powers[0] + 10 * powers[1]) / sum(powers))


def test_segmif_three_epochs_of_two_steps_by_hand():
    weighting = SegMiFWeighting(tasks(0.4, 0.8))
    steps = [(10, 2), (9, 2.5), (7, 2), (8, 1), (6, 1.2), (5, 1.1)]
    for number, losses in enumerate(steps):
        expected = tasks(0.4, 0.8)
        if number >= 2:
            (fusion1, consistency1), (fusion2, consistency2) = steps[number - 1], steps[number - 2]
            powers = math.exp(fusion1 / fusion2 / 1000), math.exp(consistency1 / consistency2 / 1000)
            expected = tasks(0.4 * 2 * powers[0] / sum(powers), 0.8 * 2 * powers[1] / sum(powers))
        assert weighting.weights() == pytest.approx(expected, rel=1e-6)
        total = expected["fusion"] * losses[0] + expected["consistency"] * losses[1]
        assert weighting.total(tensors(*losses)).item() == pytest.approx(total)
        take_step(weighting, *losses)
        if number % 2:
            weighting.end_epoch(tasks(1, 1))
    assert weighting.weights()["fusion"] != 0.4


def test_uncertainties_three_epochs_by_hand():
    weighting = UncertaintyWeighting(torch.device("cpu"))
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.1)
    log_variances = [-0.5, -0.5]
    for losses in ((3.0, 1.0), (2.0, 0.5), (1.0, 2.0)):
        expected = [math.exp(-each) / 2 for each in log_variances]
        assert weighting.weights() == pytest.approx(tasks(*expected), rel=1e-6)
        total = weighting.total(tensors(*losses))
        by_hand = sum(
            weight * loss + each / 2 for weight, loss, each in zip(expected, losses, log_variances, strict=True)
        )
        assert total.item() == pytest.approx(by_hand, rel=1e-6)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        weighting.end_epoch(tasks(*losses))
        # d/ds of e^-s L / 2 + s / 2
        log_variances = [
            each - 0.1 * (0.5 - weight * loss)
            for each, weight, loss in zip(log_variances, expected, losses, strict=True)
        ]
    assert log_variances[0] != pytest.approx(-0.5)
