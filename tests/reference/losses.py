"""The losses from their definitions, one pixel at a time, in doubles. Images are nested [c][i][j]."""

import math

import numpy as np

from reference.edges import sobel_loop, zero_outside

CHROMA = {"cb": (0.564, 2), "cr": (0.713, 0)}


def each_pixel(*batches):
    """Yield the values of equally shaped (B,C,H,W) arrays, place by place."""
    for place in np.ndindex(batches[0].shape):
        yield tuple(float(batch[place]) for batch in batches)


def intensity_loop(visible, infrared, fused):
    """Mean |fused − max(visible, infrared)|."""
    values = [abs(f - max(v, i)) for v, i, f in each_pixel(visible, infrared, fused)]
    return math.fsum(values) / len(values)


def magnitude_loop(batch):
    """|Sobel_x| + |Sobel_y| at each place."""
    planes = batch.reshape(-1, *batch.shape[2:]).tolist()
    values = [abs(x) + abs(y) for plane in planes for x, y in sobel_loop(plane, zero_outside)]
    return np.array(values).reshape(batch.shape)


def gradient_loop(visible, infrared, fused):
    """Mean |g(fused) − max(g(visible), g(infrared))|."""
    return intensity_loop(*map(magnitude_loop, (visible, infrared, fused)))


def share_loop(visible, infrared):
    """The visible batch's share of the mean gradient magnitude."""
    left, right = magnitude_loop(visible).mean(), magnitude_loop(infrared).mean()
    return left / (left + right) if left + right else 0.5


def ssim_zero_padded_loop(source, fused):
    """Mean SSIM, Gaussian 11×11 of σ 1.5 with zeros outside, data range 1."""
    weights = np.array([[math.exp(-(i * i + j * j) / 4.5) for j in range(-5, 6)] for i in range(-5, 6)])
    weights /= weights.sum()
    values = []
    for image, channel, row, column in np.ndindex(source.shape):
        sums = dict.fromkeys(("s", "f", "ss", "ff", "sf"), 0.0)
        for i in range(11):
            for j in range(11):
                place = row + i - 5, column + j - 5
                s, f = (zero_outside(each[image, channel], *place) for each in (source, fused))
                for name, value in (("s", s), ("f", f), ("ss", s * s), ("ff", f * f), ("sf", s * f)):
                    sums[name] += weights[i, j] * value
        s, f = sums["s"], sums["f"]
        contrast = 2 * (sums["sf"] - s * f) + 0.0009
        spread = sums["ss"] - s * s + sums["ff"] - f * f + 0.0009
        values.append((2 * s * f + 0.0001) / (s * s + f * f + 0.0001) * contrast / spread)
    return math.fsum(values) / len(values)


def structural_loop(visible, infrared, fused, share):
    """1 − [share·SSIM(visible) + (1 − share)·SSIM(infrared)]."""
    similarity = share * ssim_zero_padded_loop(visible, fused)
    return 1 - (similarity + (1 - share) * ssim_zero_padded_loop(infrared, fused))


def color_loop(visible, fused):
    """Mean |ΔCb| + mean |ΔCr| of BT.601."""
    total = 0.0
    batch, _, height, width = visible.shape
    for image, row, column in np.ndindex(batch, height, width):
        for factor, channel in CHROMA.values():
            chroma = []
            for source in (visible, fused):
                pixel = [float(source[image, c, row, column]) for c in range(3)]
                y = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
                chroma.append(factor * (pixel[channel] - y))
            total += abs(chroma[1] - chroma[0])
    return total / (batch * height * width)


def softmax_loop(logits):
    """Probabilities (B,K,H,W) of logits."""
    result = np.empty(logits.shape)
    batch, _, height, width = logits.shape
    for image, row, column in np.ndindex(batch, height, width):
        powers = [math.exp(value) for value in logits[image, :, row, column]]
        result[image, :, row, column] = [power / math.fsum(powers) for power in powers]
    return result


def pseudo_label_loop(feature_logits, pixel_logits, kind):
    """At each pixel the surer branch's distribution, or its best class alone."""
    feature, pixel = softmax_loop(feature_logits), softmax_loop(pixel_logits)
    result = np.zeros(feature.shape)
    batch, _, height, width = feature.shape
    for image, row, column in np.ndindex(batch, height, width):
        place = (image, slice(None), row, column)
        chosen = feature[place] if max(feature[place]) >= max(pixel[place]) else pixel[place]
        if kind == "hard":
            result[image, int(np.argmax(chosen)), row, column] = 1
        else:
            result[place] = chosen
    return result


def hybrid_loop(logits, label, dice_epsilon="both"):
    """Cross-entropy, a mean over pixels, plus Dice, a mean over classes."""
    probabilities = softmax_loop(logits)
    batch, classes, height, width = logits.shape
    entropies = [-wanted * math.log(got) for wanted, got in each_pixel(label, probabilities)]
    scores = []
    for k in range(classes):
        overlap = math.fsum(wanted * got for wanted, got in each_pixel(label[:, k], probabilities[:, k]))
        total = math.fsum(wanted + got for wanted, got in each_pixel(label[:, k], probabilities[:, k]))
        scores.append((2 * overlap + (dice_epsilon == "both")) / (total + 1))
    return math.fsum(entropies) / (batch * height * width) + 1 - math.fsum(scores) / classes


def consistency_loop(feature_logits, pixel_logits, kind, balance=0.0):
    """The mean of both branches' hybrid losses, plus `balance` times what their mean predictions lack of entropy."""
    label = pseudo_label_loop(feature_logits, pixel_logits, kind)
    loss = (hybrid_loop(feature_logits, label) + hybrid_loop(pixel_logits, label)) / 2
    for logits in (feature_logits, pixel_logits):
        means = softmax_loop(logits).mean(axis=(0, 2, 3))
        loss += balance / 2 * (math.log(len(means)) + math.fsum(mean * math.log(mean) for mean in means))
    return loss
