"""Statistics of samples with one value per image: mean, spread, confidence intervals, significance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 9999
CONFIDENCE = 0.95
SEED = 0
# values that differ by less, as a share of the largest, differ by rounding alone
RESOLUTION = 1e-12
# resampled values held at once, so that 10,000 images need no more memory than 100
RESAMPLED_AT_ONCE = 2**22


@dataclass(frozen=True)
class Summary:
    """One sample, in the unit of its values.

    A single value has no deviation and no interval, nor has a sample with an infinite value: None.
    """

    count: int  # number of values, at least 1
    mean: float
    median: float
    deviation: float | None = None  # standard deviation, with count − 1 in the denominator
    low: float | None = None  # ends of the bootstrap interval of the mean
    high: float | None = None


def mean_of(values: Sequence[float]) -> float:
    """Return the mean, summed without rounding: NaN if one value is, or with infinities of both signs."""
    if math.inf in values and -math.inf in values:
        return math.nan
    return math.fsum(values) / len(values)


def describe(values: Sequence[float]) -> Summary:
    """Summarize a sample; the order of its values does not matter.

    The interval is the 95 % bootstrap interval of the mean, bias-corrected and accelerated (BCa;
    Efron 1987), of 9999 resamples with a fixed seed: values of images are skewed (ΔE, MI), which
    a percentile or a t interval leaves out of account. A constant sample gives its value twice.

    Args:
        values: one value per image. Where there is no mean, everything but the count is NaN.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("a sample needs at least one value")
    sample = np.sort(np.asarray(values, np.float64))
    mean = mean_of(values)
    if math.isnan(mean):
        return Summary(len(sample), *[math.nan] * 5)
    median = float(np.median(sample))
    if len(sample) == 1 or np.isinf(sample).any():
        return Summary(len(sample), mean, median)
    return Summary(len(sample), mean, median, float(sample.std(ddof=1)), *_interval(sample, mean))


def student_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of the mean of a few independent values, by Student's t; of one value, itself.

    NaN where the mean is not finite.
    """
    center = mean_of(values)
    if len(values) == 1:
        return center, center
    if not math.isfinite(center):
        return math.nan, math.nan
    from scipy.stats import t  # takes two seconds to import

    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return center - half, center + half


def student_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Student's t test that a few independent differences have the mean 0.

    Equal differences have no spread: p is 0 then, or 1 if they are all 0. NaN for fewer than two, or if one is not
    finite.
    """
    center = mean_of(differences) if differences else math.nan
    if len(differences) < 2 or not math.isfinite(center):
        return math.nan
    error = stdev(differences) / math.sqrt(len(differences))
    if error <= RESOLUTION * max(map(abs, differences)):
        return float(center == 0)
    from scipy.stats import t  # takes two seconds to import

    return float(2 * t.sf(abs(center) / error, len(differences) - 1))


def holm(p_values: Sequence[float], planned: int = 0) -> list[float]:
    """Return p-values of a family of tests adjusted by Holm (1979), in the order given.

    The share of families in which any true null hypothesis is rejected is at most the level at which the adjusted
    values are read. NaN stands for a test that was not made: it stays NaN.

    Args:
        p_values: of the tests.
        planned: number of tests in the family; those not made count as if their p were 1. At least the tests made.
    """
    made = sorted((value, place) for place, value in enumerate(p_values) if not math.isnan(value))
    count = max(planned, len(made))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (value, place) in enumerate(made):
        largest = max(largest, min(1.0, (count - rank) * value))
        adjusted[place] = largest
    return adjusted


def wilcoxon_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of the signed-rank test that paired differences, one per image, center on zero.

    Zeros are left out (Wilcoxon 1945); when nothing remains, nothing speaks for a difference: 1. A NaN gives NaN.
    Exact for up to 50 differences without ties, otherwise by the normal approximation or, in small
    samples with ties, by permutation, as scipy chooses.
    """
    from scipy.stats import wilcoxon  # takes two seconds to import

    sample = np.asarray(differences, np.float64)
    if np.isnan(sample).any():
        return math.nan
    remaining = np.sort(sample[sample != 0])
    return float(wilcoxon(remaining).pvalue) if len(remaining) else 1.0


def _interval(sample: NDArray[np.float64], mean: float) -> tuple[float, float]:
    # of values brought to 0..1, so that neither huge nor tiny ones leave the range of float64
    start, width = float(sample[0]), float(sample[-1] - sample[0])
    if width <= RESOLUTION * float(np.abs(sample).max()):
        return mean, mean
    from scipy.stats import bootstrap

    found = bootstrap(
        ((sample - start) / width,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=max(1, RESAMPLED_AT_ONCE // len(sample)),
        method="BCa",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return start + width * float(found.low), start + width * float(found.high)
