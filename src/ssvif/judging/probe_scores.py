"""Scores of classified cells: class-balanced log-loss, average precision, intersection over union."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.judging.fused_images import Score
from ssvif.metrics.segmentation import confusion_matrix, iou


def average_precision(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return the average precision in 0..1 of scores (N,), higher is better: Σ (R_i − R_i−1) P_i over thresholds.

    Samples of one score pass the threshold together, so their order does not matter. NaN without a positive sample.
    Source: Manning, Raghavan and Schütze, Introduction to Information Retrieval, 8.4, without interpolation.
    """
    total = int(positive.sum())
    if not total:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # of each group of equal scores
    gained = np.diff(hits[last], prepend=0)
    return float((gained * (hits[last] / (last + 1))).sum() / total)


def cell_scores(
    log_posterior: NDArray[np.floating],
    guess: NDArray[np.integer],
    label: NDArray[np.integer],
    classes: Sequence[str],
    background: int | None,
) -> list[Score]:
    """Return the scores of cells: log-loss, AP of each class and their mean, IoU of each class and their mean.

    The log-loss in nats is the mean over the classes of the mean over each class's cells; means of AP leave out the
    background. A class that no cell has gives no value and is in no mean.

    Args:
        log_posterior: (N,K) log-probabilities of the classes, equally likely beforehand.
        guess: (N,) the most likely classes.
        label: (N,) the true ones, all of 0..K−1.
        classes: the names of the K classes.
        background: the class that is nothing, or None.
    """
    present = [index for index in range(len(classes)) if (label == index).any()]
    losses = [-float(log_posterior[label == index, index].mean(dtype=np.float64)) for index in present]
    precision = {index: average_precision(log_posterior[:, index], label == index) for index in present}
    objects = [precision[index] for index in present if index != background]
    overlap = iou(confusion_matrix(torch.from_numpy(guess), torch.from_numpy(label), len(classes))).tolist()
    return [
        ("log_loss", "", _mean(losses)),
        *(("ap", name, precision.get(index)) for index, name in enumerate(classes)),
        ("mean_ap", "", _mean(objects)),
        *(("iou", name, overlap[index] if index in precision else None) for index, name in enumerate(classes)),
        ("miou", "", _mean([overlap[index] for index in present])),
    ]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
