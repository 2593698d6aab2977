import math

import pytest
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_jaccard_index

from ssvif.metrics.segmentation import confusion_matrix, iou, miou


def random_maps(classes, seed, ignored=True):
    draw = torch.Generator().manual_seed(seed)
    label = torch.randint(0, classes, (2, 24, 31), generator=draw)
    predicted = torch.where(torch.rand(label.shape, generator=draw) < 0.6, label, label.flip(0))
    if ignored:
        label[:, :5, :7] = 255
    return predicted, label


@pytest.mark.parametrize("classes", [2, 9])
def test_equals_torchmetrics(classes):
    predicted, label = random_maps(classes, seed=classes)
    confusion = confusion_matrix(predicted, label, classes)
    theirs = multiclass_confusion_matrix(predicted, label, classes, ignore_index=255)
    assert torch.equal(confusion, theirs)
    expected = multiclass_jaccard_index(predicted, label, classes, average=None, ignore_index=255)
    torch.testing.assert_close(iou(confusion), expected.double(), rtol=0, atol=1e-6)
    assert miou(confusion).item() == pytest.approx(expected.mean().item(), abs=1e-6)


def test_a_class_that_is_only_predicted_has_no_value_here_and_0_in_torchmetrics():
    label = torch.tensor([0, 0, 0, 1, 1, 255])
    predicted = torch.tensor([0, 0, 1, 1, 2, 2])
    confusion = confusion_matrix(predicted, label, 4)
    assert confusion.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert iou(confusion).tolist() == pytest.approx([2 / 3, 1 / 3, math.nan, math.nan], nan_ok=True)
    assert miou(confusion).item() == pytest.approx(1 / 2)
    assert miou(confusion, background_id=0).item() == pytest.approx(1 / 3)
    theirs = multiclass_jaccard_index(predicted, label, 3, average=None, ignore_index=255)
    assert theirs.tolist() == pytest.approx([2 / 3, 1 / 3, 0])


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_matrices_of_images_add_up(dtype):
    predicted, label = random_maps(9, seed=1)
    parts = [confusion_matrix(predicted[each].to(dtype), label[each].to(dtype), 9) for each in range(2)]
    assert torch.equal(parts[0] + parts[1], confusion_matrix(predicted, label, 9))


def test_nothing_to_count():
    nothing = torch.full((4,), 255)
    confusion = confusion_matrix(nothing, nothing, 3)
    assert confusion.sum() == 0
    assert math.isnan(miou(confusion).item())


@pytest.mark.parametrize(
    ("predicted", "label", "reason"),
    [([0, 3], [0, 1], "predicted.*0..2"), ([0, 1], [0, 7], "label.*0..2"), ([0, 1, 1], [0, 1], "shape")],
)
def test_bad_maps_are_named(predicted, label, reason):
    with pytest.raises(ValueError, match=reason):
        confusion_matrix(torch.tensor(predicted), torch.tensor(label), 3)
