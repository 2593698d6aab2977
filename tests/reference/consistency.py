"""The remedies against collapse from their definitions, one pixel at a time, in doubles."""

import math

import numpy as np

from reference.losses import softmax_loop


def pixels(batch):
    """Yield the class values of each pixel of a (B,K,H,W) array."""
    for image, row, column in np.ndindex(batch.shape[0], *batch.shape[2:]):
        yield batch[image, :, row, column].tolist()


def divergence(left, right):
    """KL(left‖right) in nats."""
    return math.fsum(p * math.log(p / q) for p, q in zip(left, right, strict=True))


def entropy_loop(distribution):
    """−Σ p log p in nats."""
    return -math.fsum(p * math.log(p) for p in distribution)


def mutual_information_loop(feature_logits, pixel_logits, usage, entropy_weight):
    """Half the symmetric KL, plus the mean entropy, plus λ₂ times what the entropy of each usage lacks of ln K."""
    terms = []
    for p, q in zip(pixels(softmax_loop(feature_logits)), pixels(softmax_loop(pixel_logits)), strict=True):
        apart = (divergence(p, q) + divergence(q, p)) / 2
        terms.append(apart + (entropy_loop(p) + entropy_loop(q)) / 2)
    lacking = math.log(feature_logits.shape[1]) - (entropy_loop(usage[0]) + entropy_loop(usage[1])) / 2
    return math.fsum(terms) / len(terms) + entropy_weight * lacking


def sinkhorn_loop(logits, prior, temperature, turns):
    """Rows (classes) scaled to the prior, columns (pixels) to one, by turns."""
    columns = [[math.exp(value / temperature) for value in pixel] for pixel in pixels(logits)]
    for _ in range(turns):
        for k, share in enumerate(prior):
            total = math.fsum(column[k] for column in columns)
            for column in columns:
                column[k] *= share / total
        columns = [[value / math.fsum(column) for value in column] for column in columns]
    places = np.ndindex(logits.shape[0], *logits.shape[2:])
    result = np.empty(logits.shape)
    for (image, row, column), values in zip(places, columns, strict=True):
        result[image, :, row, column] = values
    return result


def label_loop(logits, label, class_weights):
    """Mean over the pixels that have a class of −w log p."""
    probabilities = softmax_loop(logits)
    losses = []
    for image, row, column in np.ndindex(label.shape):
        wanted = int(label[image, row, column])
        if wanted != 255:
            losses.append(-class_weights[wanted] * math.log(probabilities[image, wanted, row, column]))
    return math.fsum(losses) / len(losses) if losses else 0.0
