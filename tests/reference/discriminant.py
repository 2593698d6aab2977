"""The probe's classifier and its scores by plain loops, as their definitions read."""

import math

import numpy as np


def discriminant_logits(features, label, samples, shrinkage):
    """Return the logits (M,K) of samples (M,D) by a linear discriminant of features (N,D) with class ids (N,)."""
    classes = sorted(set(label.tolist()))
    means = [features[label == each].mean(axis=0) for each in classes]
    covariances = [np.cov(features[label == each].T, bias=True) for each in classes]
    shared = np.mean(covariances, axis=0)
    shared = shared + shrinkage * np.trace(shared) / len(shared) * np.eye(len(shared))
    inverse = np.linalg.inv(shared)
    # −½ (x − μ)' Σ⁻¹ (x − μ) less −½ x' Σ⁻¹ x, which all classes share
    distances = [
        [(each - mean) @ inverse @ (each - mean) - each @ inverse @ each for mean in means] for each in samples
    ]
    return -0.5 * np.array(distances)


def average_precision(scores, positive):
    """Return Σ (R_i − R_i−1) P_i over the distinct scores as thresholds, from the highest down."""
    total, before, area = sum(positive), 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [kind for score, kind in zip(scores, positive, strict=True) if score >= threshold]
        recall = sum(chosen) / total
        area += (recall - before) * sum(chosen) / len(chosen)
        before = recall
    return area


def balanced_log_loss(posterior, label):
    """Return the mean over the classes of the mean of −log p over each class's samples, given p (N,K)."""
    losses = {}
    for row, kind in zip(posterior, label, strict=True):
        losses.setdefault(kind, []).append(-math.log(row[kind]))
    return sum(sum(each) / len(each) for each in losses.values()) / len(losses)


def cells_of_mask(label, rows, columns, ignore):
    """Return the most frequent class of each cell; pixels belong to the cell where their position falls."""
    height, width = label.shape
    found = np.full((rows, columns), ignore)
    for row in range(rows):
        for column in range(columns):
            inside = [
                label[y, x]
                for y in range(height)
                for x in range(width)
                if y * rows // height == row and x * columns // width == column
            ]
            counted = [each for each in inside if each != ignore]
            if 2 * len(counted) >= len(inside):
                found[row, column] = max(sorted(set(counted)), key=counted.count)
    return found
