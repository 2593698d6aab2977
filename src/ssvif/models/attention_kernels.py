"""Attention within 8×8 windows on a CPU, forward and backward, compiled by numba: no score leaves the cache.

The loops run over keys outside and queries inside, so that softmax's maximum and sum are taken of 64 queries at once.
Importing this module imports numba.

Rows of windows lie as (R,8,W,heads·d), as the images do, and a window is cut where its numbers are read. The windows'
columns begin at pixel `shift`; the last window ends with the row's first pixels.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ssvif.ops.compiling import ANY_ORDER, compiled

WINDOW = 8
AREA = WINDOW * WINDOW
HEADS = 6
DEPTH = 10  # channels of a head
WIDTH = HEADS * DEPTH
SCALE = np.float32(1 / math.sqrt(DEPTH))
LOG2_E = np.float32(math.log2(math.e))
LEAST_EXPONENT = np.float32(-126)
TO_INTEGER = np.float32(1.5 * 2**23)  # added and taken off again, it rounds to an integer
# 2^x on [−1/2, 1/2] as a polynomial, relative error 3e-7
P5, P4, P3, P2, P1 = np.array([1.3298820e-3, 9.6184373e-3, 5.5503324e-2, 2.4022652e-1, 6.9314718e-1], np.float32)
AT_ONCE = 4
ONE, ZERO = np.float32(1), np.float32(0)

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@compiled
def attend(
    query: Floats, key: Floats, value: Floats, bias: Floats, last: Flags, shift: int, found: Floats, norms: Floats
) -> None:
    """Compute softmax(q kᵀ / √d + bias) v of every window and head.

    Queries, keys and values are (R,8,W,60), heads one after the other, and `bias` (V,6,64 keys,64 queries); V is 1, or
    4 for shifted windows: all others, those of the last column, those of the last row, the one in both. `last` (R,)
    says which rows of windows are the last of their image. Overwritten are `found` (R,8,W,60), the result, and `norms`
    (R,W/8,6,2,64): the largest score of each query, and the sum of exp(score − largest).
    """
    columns = query.shape[2] // WINDOW
    queries, results = np.empty((WIDTH, AREA), np.float32), np.empty((WIDTH, AREA), np.float32)
    keys, values = np.empty((AREA, WIDTH), np.float32), np.empty((AREA, WIDTH), np.float32)
    scores, powers = np.empty((AREA, AREA), np.float32), np.empty((AREA, AREA), np.int32)
    top, total = np.empty(AREA, np.float32), np.empty(AREA, np.float32)
    for row in range(len(query)):
        for column in range(columns):
            kind = 0 if len(bias) == 1 else 2 * last[row] + (column == columns - 1)
            start = column * WINDOW + shift
            _read_across(query[row], start, SCALE, queries)
            _read(key[row], start, keys)
            _read(value[row], start, values)
            for head in range(HEADS):
                channels = slice(head * DEPTH, (head + 1) * DEPTH)
                _score(queries[channels], keys[:, channels], bias[kind, head], scores)
                _top(scores, top)
                _exponentiate(scores, top, powers)
                _total(scores, powers.view(np.float32), total)
                _weigh(scores, values[:, channels], results[channels])
                norms[row, column, head, 0], norms[row, column, head, 1] = top, total
                for i in range(channels.start, channels.stop):
                    for j in range(AREA):
                        results[i, j] /= total[j]
            _write_across(results, start, found[row])


@compiled
def attend_backward(
    query: Floats,
    key: Floats,
    value: Floats,
    bias: Floats,
    last: Flags,
    shift: int,
    norms: Floats,
    found: Floats,
    grad_found: Floats,
    grad_query: Floats,
    grad_key: Floats,
    grad_value: Floats,
    grad_bias: Floats,
) -> None:
    """Compute the gradients of a loss by `attend`'s inputs; softmax is computed again from `norms`.

    The inputs, `norms` and `found` are those of `attend`; `grad_found` (R,8,W,60) is the loss's gradient by `found`.
    `grad_query`, `grad_key` and `grad_value`, (R,8,W,60) each, are overwritten; `grad_bias` is added to.
    """
    columns = query.shape[2] // WINDOW
    queries, got = np.empty((WIDTH, AREA), np.float32), np.empty((WIDTH, AREA), np.float32)
    results, by_query = np.empty((WIDTH, AREA), np.float32), np.empty((WIDTH, AREA), np.float32)
    keys, values = np.empty((AREA, WIDTH), np.float32), np.empty((AREA, WIDTH), np.float32)
    by_key, by_value = np.empty((AREA, WIDTH), np.float32), np.empty((AREA, WIDTH), np.float32)
    shares, powers = np.empty((AREA, AREA), np.float32), np.empty((AREA, AREA), np.int32)
    slopes, mean = np.empty((AREA, AREA), np.float32), np.empty(AREA, np.float32)
    for row in range(len(query)):
        for column in range(columns):
            kind = 0 if len(bias) == 1 else 2 * last[row] + (column == columns - 1)
            start = column * WINDOW + shift
            _read_across(query[row], start, SCALE, queries)
            _read_across(grad_found[row], start, ONE, got)
            _read_across(found[row], start, ONE, results)
            _read(key[row], start, keys)
            _read(value[row], start, values)
            for head in range(HEADS):
                channels = slice(head * DEPTH, (head + 1) * DEPTH)
                _score(queries[channels], keys[:, channels], bias[kind, head], shares)
                _exponentiate(shares, norms[row, column, head, 0], powers)
                _total(shares, powers.view(np.float32), mean)
                for j in range(AREA):
                    for i in range(AREA):
                        shares[j, i] /= mean[i]
                _correlate(shares, got[channels], by_value[:, channels])
                _mean_slope(got[channels], results[channels], mean)
                _slopes(got[channels], values[:, channels], shares, mean, slopes)
                grad_bias[kind, head] += slopes
                _correlate(slopes, queries[channels], by_key[:, channels])
                _weigh(slopes, keys[:, channels], by_query[channels])
            _write_across(by_query * SCALE, start, grad_query[row])
            _write(by_key, start, grad_key[row])
            _write(by_value, start, grad_value[row])


@compiled
def _read(strip: Floats, start: int, numbers: Floats) -> None:
    # (8,W,60) from pixel `start` on to (64,60)
    width = strip.shape[1]
    for y in range(WINDOW):
        for x in range(WINDOW):
            numbers[y * WINDOW + x] = strip[y, (start + x) % width]


@compiled
def _write(numbers: Floats, start: int, strip: Floats) -> None:
    width = strip.shape[1]
    for y in range(WINDOW):
        for x in range(WINDOW):
            strip[y, (start + x) % width] = numbers[y * WINDOW + x]


@compiled
def _read_across(strip: Floats, start: int, scale: np.float32, numbers: Floats) -> None:
    # (8,W,60) from pixel `start` on to (60,64)
    width = strip.shape[1]
    for y in range(WINDOW):
        for x in range(WINDOW):
            for i in range(WIDTH):
                numbers[i, y * WINDOW + x] = strip[y, (start + x) % width, i] * scale


@compiled
def _write_across(numbers: Floats, start: int, strip: Floats) -> None:
    width = strip.shape[1]
    for y in range(WINDOW):
        for x in range(WINDOW):
            for i in range(WIDTH):
                strip[y, (start + x) % width, i] = numbers[i, y * WINDOW + x]


@compiled
def _score(queries: Floats, keys: Floats, bias: Floats, scores: Floats) -> None:
    # (64,64) of queries (10,64), already divided by √d, and keys (64,10)
    for j in range(AREA):
        for i in range(AREA):
            score = bias[j, i]
            for channel in range(DEPTH):
                score += keys[j, channel] * queries[channel, i]
            scores[j, i] = score


@compiled
def _top(scores: Floats, top: Floats) -> None:
    # the largest score (64,) of each query
    top[:] = scores[0]
    for j in range(1, AREA):
        for i in range(AREA):
            top[i] = scores[j, i] if scores[j, i] > top[i] else top[i]


@compiled
def _exponentiate(scores: Floats, top: Floats, powers: NDArray[np.int32]) -> None:
    # exp(score − top) as a factor in [√½,√2], in place, and the bits of a power of two (64,64)
    for j in range(AREA):
        for i in range(AREA):
            exponent = (scores[j, i] - top[i]) * LOG2_E
            exponent = LEAST_EXPONENT if exponent < LEAST_EXPONENT else exponent  # NaN stays
            whole = (exponent + TO_INTEGER) - TO_INTEGER
            rest = exponent - whole
            scores[j, i] = ((((P5 * rest + P4) * rest + P3) * rest + P2) * rest + P1) * rest + ONE
            powers[j, i] = (np.int32(whole) + np.int32(127)) << np.int32(23)


@compiled
def _total(scores: Floats, powers: Floats, total: Floats) -> None:
    # multiply by the powers, in place, and sum over the keys
    total[:] = ZERO
    for j in range(AREA):
        for i in range(AREA):
            scores[j, i] *= powers[j, i]
            total[i] += scores[j, i]


@compiled
def _weigh(weights: Floats, values: Floats, sums: Floats) -> None:
    # Σ_j weight · value: (64 keys,64) and (64,10) to (10,64); several keys a pass, which reads the sums
    sums[:] = ZERO
    for first in range(0, AREA, AT_ONCE):
        for channel in range(DEPTH):
            for i in range(AREA):
                total = sums[channel, i]
                for j in range(AT_ONCE):
                    total += values[first + j, channel] * weights[first + j, i]
                sums[channel, i] = total


@partial(compiled, fast_math=ANY_ORDER)
def _correlate(weights: Floats, values: Floats, sums: Floats) -> None:
    # Σ_i weight · value: (64 keys,64) and (10,64) to (64 keys,10)
    for j in range(AREA):
        for channel in range(DEPTH):
            total = ZERO
            for i in range(AREA):
                total += weights[j, i] * values[channel, i]
            sums[j, channel] = total


@compiled
def _mean_slope(got: Floats, results: Floats, mean: Floats) -> None:
    # Σ_d gradient · result (64,)
    mean[:] = ZERO
    for channel in range(DEPTH):
        for i in range(AREA):
            mean[i] += got[channel, i] * results[channel, i]


@compiled
def _slopes(got: Floats, values: Floats, shares: Floats, mean: Floats, slopes: Floats) -> None:
    # gradient (64 keys,64) by the scores: share · (v · gradient − mean)
    for j in range(AREA):
        for i in range(AREA):
            slope = -mean[i]
            for channel in range(DEPTH):
                slope += values[j, channel] * got[channel, i]
            slopes[j, i] = shares[j, i] * slope
