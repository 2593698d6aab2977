"""Confusion matrix and intersection over union of segmentation."""

from __future__ import annotations

import torch

from ssvif.ops.shapes import check_same_shape


def confusion_matrix(
    predicted: torch.Tensor, label: torch.Tensor, num_classes: int, ignore_index: int = 255
) -> torch.Tensor:
    """Count pixels by true and predicted class; matrices of several images may be added up.

    Args:
        predicted: integer class ids, any shape, 0..K−1 wherever the label is not ignored.
        label: integer class ids of the same shape, 0..K−1 or `ignore_index`, which is left out.
        num_classes: K.
        ignore_index: of pixels without a class.

    Returns:
        (K,K) int64, rows the true class, columns the predicted one.

    Raises:
        ValueError: shapes differ or an id is out of range.
    """
    check_same_shape(predicted=predicted, label=label)
    counted = label != ignore_index
    truth, guess = label[counted].to(torch.int64), predicted[counted].to(torch.int64)
    for name, ids in (("label", truth), ("predicted", guess)):
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < num_classes:
            raise ValueError(f"{name}: expected ids 0..{num_classes - 1}, got {int(ids.min())}..{int(ids.max())}")
    counts = torch.bincount(truth * num_classes + guess, minlength=num_classes**2)
    return counts.view(num_classes, num_classes)


def iou(confusion: torch.Tensor) -> torch.Tensor:
    """Return each class's intersection over union of a matrix (K,K): (K,) float64 in 0..1, higher is better.

    NaN where a class is absent from the ground truth, also if it is predicted: its wrong pixels count
    against the classes they belong to. torchmetrics' Jaccard index is 0 there, so that its mean is
    lower by a class that the images do not show. Source: Everingham et al. 2010.
    """
    counts = confusion.to(torch.float64)
    hits, truth = counts.diagonal(), counts.sum(dim=1)
    values = hits / (truth + counts.sum(dim=0) - hits)
    return values.masked_fill(truth == 0, torch.nan)


def miou(confusion: torch.Tensor, background_id: int | None = None) -> torch.Tensor:
    """Return the mean of `iou` over the classes present in the ground truth of a matrix (K,K), () float64 in 0..1.

    NaN when there is none. A background class is left out of the mean; its pixels still count against the others.
    """
    values = iou(confusion)
    if background_id is not None:
        values[background_id] = torch.nan
    return values.nanmean()
