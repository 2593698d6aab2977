import math

import pytest
import torch
from torch.nn.functional import one_hot

from ssvif.training.diagnostics import ClassUsage


def logits(classes, *rows):
    """Logits (1,K,H,W) that are sure of the classes given."""
    return one_hot(torch.tensor([rows]), classes).permute(0, 3, 1, 2).float() * 9


def compute(classes, label, feature, pixel):
    usage = ClassUsage(classes)
    usage.update(*(logits(classes, *each) for each in (feature, pixel, label)))
    return usage.compute()


def test_agreement_is_the_mean_iou_of_classes_that_occur():
    """Class 0: 2 of 3 pixels overlap, class 1: 1 of 3, class 2: 1 of 2; class 3 does not occur."""
    feature, pixel = [[0, 0, 0, 1, 1, 2]], [[0, 0, 1, 1, 2, 2]]
    found = compute(4, feature, feature, pixel)
    assert found["agreement"] == pytest.approx((2 / 3 + 1 / 3 + 1 / 2) / 3)
    assert compute(4, feature, pixel, feature)["agreement"] == pytest.approx(found["agreement"])


def test_usage_is_the_labels():
    found = compute(5, [[0, 0, 1, 3]], [[4, 4, 4, 4]], [[4, 4, 4, 4]])
    assert found["live_classes"] == 3
    assert found["class_entropy"] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
    assert found["agreement"] == 1


def test_one_class_everywhere():
    found = compute(3, [[2, 2]], [[2, 2]], [[0, 0]])
    assert found == {"live_classes": 1, "class_entropy": 0, "agreement": 0}
    assert isinstance(found["live_classes"], int)


@pytest.mark.parametrize(("pixels", "live"), [(1, 1), (2, 2)])
def test_a_class_lives_above_a_thousandth(pixels, live):
    label = torch.zeros(1, 2, 1, 1000)
    label[:, 0] = 1
    label[:, :, :, :pixels] = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    usage = ClassUsage(2)
    usage.update(label, label, label)
    assert usage.compute()["live_classes"] == live


def test_batches_count_together():
    parts, whole = ClassUsage(6), ClassUsage(6)
    random = torch.Generator().manual_seed(0)
    batches = [[torch.rand(2, 6, 5, 4, generator=random) for _ in range(3)] for _ in range(3)]
    for batch in batches:
        parts.update(*batch)
    whole.update(*(torch.cat(each) for each in zip(*batches, strict=True)))
    assert parts.compute() == whole.compute()
