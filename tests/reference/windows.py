"""Gaussian windows and their moments in two passes, window by window."""

import math

import numpy as np


def gaussian_2d(size, sigma):
    """Return the normalized (size,size) window."""
    offsets = [each - (size - 1) / 2 for each in range(size)]
    window = np.array([[math.exp(-(i * i + j * j) / (2 * sigma**2)) for j in offsets] for i in offsets])
    return window / window.sum()


def weighted_mean_loop(values, window):
    """Return the "valid" weighted means of a 2-D array."""
    size = len(window)
    height, width = values.shape[0] - size + 1, values.shape[1] - size + 1
    means = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            means[i, j] = (window * values[i : i + size, j : j + size]).sum()
    return means


def moments_loop(first, second, window):
    """Return means, variances and covariance of every window, centred before squaring."""
    size = len(window)
    height, width = first.shape[0] - size + 1, first.shape[1] - size + 1
    moments = np.empty((5, height, width))
    for i in range(height):
        for j in range(width):
            x, y = first[i : i + size, j : j + size], second[i : i + size, j : j + size]
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            x, y = x - mean_x, y - mean_y
            moments[:, i, j] = mean_x, mean_y, (window * x * x).sum(), (window * y * y).sum(), (window * x * y).sum()
    return moments
