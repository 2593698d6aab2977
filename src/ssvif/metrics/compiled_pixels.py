"""Formulas and loops over pixels, of color differences and of edges, compiled by numba for the processor at hand.

Importing this module imports numba, so it is done when a metric needs it. Formulas are as in `compiled`; they are
polynomials and roots, no exponentials and arc tangents, since those would be computed one at a time.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.ops.compiling import compiled, formula

# X, Y, Z of the primaries in linear light, IEC 61966-2-1, and of the white
OF_RED, OF_GREEN = (0.4124564, 0.2126729, 0.0193339), (0.3575761, 0.7151522, 0.1191920)
OF_BLUE, WHITE = (0.1804375, 0.0721750, 0.9503041), (0.95047, 1.0, 1.08883)
# CIE 15: below this share of white the cube root is continued by its tangent
LINEAR_LIMIT = (6 / 29) ** 3
LINEAR_SLOPE = (29 / 6) ** 2 / 3
CHROMA_SEVENTH = 25.0**7
# (height, steepness, middle) of sigmoids
QABF_STRENGTH, QABF_DIRECTION = (0.9994, 15.0, 0.5), (0.9879, 22.0, 0.8)
# weights of power series from the highest power on: of (1 − h)^(−1/3), atan(√s)/√s, exp(x), sin(√s)/√s
BINOMIAL = (728 / 6561, 91 / 729, 35 / 243, 14 / 81, 2 / 9, 1 / 3, 1.0)
ARC_TANGENT = tuple((-1) ** i / (2 * i + 1) for i in range(15, -1, -1))
EXPONENTIAL = tuple(1 / math.factorial(i) for i in range(9, -1, -1))
SINE = tuple((-1) ** i / math.factorial(2 * i + 1) for i in range(8, -1, -1))
EIGHTH = math.tan(math.pi / 8)

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]
Gradients = NDArray[np.int16]
Value = TypeVar("Value", float, torch.Tensor)


@formula
def lab_shares(red: Value, green: Value, blue: Value) -> tuple[Value, Value, Value]:
    """Return f(X/Xn), f(Y/Yn), f(Z/Zn) of linear light 0..1, of which L*, a*, b* are differences. Source: CIE 15."""
    return (
        _lab_share((OF_RED[0] * red + OF_GREEN[0] * green + OF_BLUE[0] * blue) / WHITE[0]),
        _lab_share((OF_RED[1] * red + OF_GREEN[1] * green + OF_BLUE[1] * blue) / WHITE[1]),
        _lab_share((OF_RED[2] * red + OF_GREEN[2] * green + OF_BLUE[2] * blue) / WHITE[2]),
    )


@formula
def _lab_share(share: Value) -> Value:
    # the tangent is the cube root at the limit plus the slope times what is missing to it: no branch
    clamped = LINEAR_LIMIT + _positive(share - LINEAR_LIMIT)
    # 1/∛x within 0.46 % from the limit to 1; the series of what it lacks errs by 2e-14
    guess = (7.565 + clamped * (249.5 + 248.1 * clamped)) / (1 + clamped * (113.5 + 388.4 * clamped))
    inverse = guess * _series(1 - clamped * guess * guess * guess, BINOMIAL)
    return clamped * inverse * inverse + LINEAR_SLOPE * (share - clamped)


@formula
def _series(x: Value, weights: tuple[float, ...]) -> Value:
    value = weights[0] * x + weights[1]
    for i in range(2, len(weights)):
        value = value * x + weights[i]
    return value


@formula
def _root(x: Value) -> Value:
    root: Value = x**0.5
    return root


@formula
def _positive(x: Value) -> Value:
    return (x + abs(x)) / 2


@formula
def lab_of_shares(x: Value, y: Value, z: Value) -> tuple[Value, Value, Value]:
    """Return L*, a*, b* of `lab_shares`. Source: CIE 15."""
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@formula
def delta_e76_of(x: Value, y: Value, z: Value) -> Value:
    """Return the distance in CIELAB of two colors, from the differences of their `lab_shares`. Source: CIE 1976."""
    lightness, green_red, blue_yellow = 116 * y, 500 * (x - y), 200 * (y - z)
    return _root(lightness * lightness + green_red * green_red + blue_yellow * blue_yellow)


@formula
def delta_e2000_of(
    lightness: Value, a: Value, b: Value, other_lightness: Value, other_a: Value, other_b: Value
) -> Value:
    """Return CIEDE2000 of two CIELAB colors, k_L = k_C = k_H = 1. Source: Sharma et al. 2005, equations 2 to 22.

    Hues are directions here: their half turn and their mean come from sums and differences of vectors.
    """
    stretch = 1.5 - 0.5 * _saturation((_root(a * a + b * b) + _root(other_a * other_a + other_b * other_b)) / 2)
    a, other_a = a * stretch, other_a * stretch
    chroma, other_chroma = _root(a * a + b * b), _root(other_a * other_a + other_b * other_b)
    mean_chroma, mean_lightness = (chroma + other_chroma) / 2, (lightness + other_lightness) / 2 - 50
    by_hue, cosine, sine = _turn_and_mean(a, b, chroma, other_a, other_b, other_chroma)
    square = mean_lightness * mean_lightness
    by_lightness = (other_lightness - lightness) / (1 + 0.015 * square / _root(20 + square))
    by_chroma = (other_chroma - chroma) / (1 + 0.045 * mean_chroma)
    by_hue = by_hue / (1 + 0.015 * mean_chroma * _hue_factor(cosine, sine))
    rotation = _rotation(cosine, sine) * _saturation(mean_chroma)
    squares = by_lightness * by_lightness + by_chroma * by_chroma + by_hue * (by_hue - rotation * by_chroma)
    return _root(_positive(squares))


@formula
def _saturation(chroma: Value) -> Value:
    square = chroma * chroma
    seventh = square * square * square * chroma
    return _root(seventh / (seventh + CHROMA_SEVENTH))


@formula
def _turn_and_mean(
    a: Value, b: Value, chroma: Value, other_a: Value, other_b: Value, other_chroma: Value
) -> tuple[Value, Value, Value]:
    # equations 10, 11 and 14: 2·√(C C')·sin(Δh/2), cosine and sine of the mean hue; all 0 without chroma
    product = chroma * other_chroma
    along, beside = a * other_a + b * other_b, a * other_b - b * other_a
    root = _root(2 * (product + abs(along)))
    root = root + (root == 0)
    scale = root * _root(product)
    scale = scale + (scale == 0)
    # beyond a quarter of a turn the mean is perpendicular to the difference, on the turn's side; of opposite hues,
    # both in 0..2π, the turn goes from the lesser to the greater
    narrow = 1 * (along >= 0)
    side = (1 - narrow) * (2 * ((beside > 0) + (beside == 0) * ((b > 0) + (b == 0) * (a > 0))) - 1)
    turn = narrow * 2 * beside / root + side * root
    a, b, other_a, other_b = other_chroma * a, other_chroma * b, chroma * other_a, chroma * other_b
    cosine, sine = narrow * (a + other_a) + side * (other_b - b), narrow * (b + other_b) - side * (other_a - a)
    return turn, cosine / scale, sine / scale


@formula
def _hue_factor(cosine: Value, sine: Value) -> Value:
    # T, equation 15, with cosines of multiples made from one cosine and one sine
    cosine2, sine2 = 2 * cosine * cosine - 1, 2 * cosine * sine
    cosine3, sine3 = cosine * cosine2 - sine * sine2, sine * cosine2 + cosine * sine2
    cosine4, sine4 = 2 * cosine2 * cosine2 - 1, 2 * cosine2 * sine2
    return (
        (1 - 0.17 * (math.cos(math.pi / 6) * cosine + math.sin(math.pi / 6) * sine) + 0.24 * cosine2)
        + 0.32 * (math.cos(math.pi / 30) * cosine3 - math.sin(math.pi / 30) * sine3)
        - 0.2 * (math.cos(0.35 * math.pi) * cosine4 + math.sin(0.35 * math.pi) * sine4)
    )


@formula
def _rotation(cosine: Value, sine: Value) -> Value:
    # equations 16, 17 and 21 without the saturation, of opposite sign
    half = _angle(cosine + (cosine == 0) * (sine == 0), abs(sine))
    hue = half + (sine < 0) * (2 * math.pi - 2 * half)
    distance = (hue * (180 / math.pi) - 275) / 25
    # beyond e^-40 nothing is left of it
    angle = math.pi / 3 * _exponential(_positive(40 - distance * distance) - 40)
    return 2 * angle * _series(angle * angle, SINE)


@formula
def oriented(across: Value, down: Value) -> tuple[Value, Value, Value]:
    """Return an edge's responses turned to a direction in (−π/2, π/2], (0, 1) if there is none, and its strength."""
    upright = across == 0
    turned = 1 - 2 * ((across < 0) + upright * (down < 0))
    return abs(across), down * turned + upright * (down == 0), _root(across * across + down * down)


@formula
def edge_quality(
    across: Value, down: Value, strength: Value, fused_across: Value, fused_down: Value, fused_strength: Value
) -> Value:
    """Return Qabf's quality Q of a source's edge in the fused image, both as `oriented` gives them."""
    total, difference = strength + fused_strength, abs(strength - fused_strength)
    # where both strengths are 0 the ratio does not matter: its weight, the source's strength, is 0
    ratio = (total - difference) / (total + difference + (total == 0))
    turn = _angle(across * fused_across + down * fused_down, abs(across * fused_down - down * fused_across))
    lost_strength = _exponential(QABF_STRENGTH[1] * (QABF_STRENGTH[2] - ratio))
    lost_direction = _exponential(QABF_DIRECTION[1] * (QABF_DIRECTION[2] - 1 + turn * (2 / math.pi)))
    return QABF_STRENGTH[0] * QABF_DIRECTION[0] / ((1 + lost_strength) * (1 + lost_direction))


@formula
def _angle(along: Value, beside: Value) -> Value:
    # atan2(beside, along) for beside ≥ 0, not both 0: the angle to the diagonal less π/8 has a tangent of at most 0.41
    total, difference = abs(along) + beside, abs(abs(along) - beside)
    tangent = (difference - EIGHTH * total) / (total + EIGHTH * difference)
    from_diagonal = math.pi / 8 + tangent * _series(tangent * tangent, ARC_TANGENT)
    acute = math.pi / 4 + from_diagonal * (1 - 2 * (beside < abs(along)))
    return acute + (along < 0) * (math.pi - 2 * acute)


@formula
def _exponential(x: Value) -> Value:
    # of −40 to 40: within 1e-14 of it or of 1, whichever is less, up to 5, and 1e-4 of it at 40
    root = _series(x / 32, EXPONENTIAL)
    second = root * root
    fourth = second * second
    eighth = fourth * fourth
    return (eighth * eighth) * (eighth * eighth)


@compiled
def color_sums(visible: Levels, fused: Levels, light: Floats, newer: bool, sums: Floats) -> None:
    """Add the color differences of all pixels, column by column.

    Args:
        visible: (B,C,H,W), C 1 or 3.
        fused: the same with its own C.
        light: (256,) linear light of the levels.
        newer: CIEDE2000 instead of the distance in CIELAB.
        sums: (B,W) of zeros.
    """
    before, after = np.empty((3, sums.shape[1])), np.empty((3, sums.shape[1]))
    for image in range(len(sums)):
        for i in range(fused.shape[2]):
            _shares_of_row(visible[image], i, light, before)
            _shares_of_row(fused[image], i, light, after)
            if newer:
                _add_differences(before, after, sums[image])
            else:
                _add_distances(before, after, sums[image])


@compiled
def _shares_of_row(image: Levels, row: int, light: Floats, shares: Floats) -> None:
    for channel in range(3):
        levels = image[channel % len(image), row]
        for i in range(len(levels)):
            shares[channel, i] = light[levels[i]]
    for i in range(shares.shape[1]):
        shares[0, i], shares[1, i], shares[2, i] = lab_shares(shares[0, i], shares[1, i], shares[2, i])


@compiled
def _add_distances(before: Floats, after: Floats, sums: Floats) -> None:
    for i in range(len(sums)):
        sums[i] += delta_e76_of(after[0, i] - before[0, i], after[1, i] - before[1, i], after[2, i] - before[2, i])


@compiled
def _add_differences(before: Floats, after: Floats, sums: Floats) -> None:
    for i in range(len(sums)):
        lightness, a, b = lab_of_shares(before[0, i], before[1, i], before[2, i])
        other_lightness, other_a, other_b = lab_of_shares(after[0, i], after[1, i], after[2, i])
        sums[i] += delta_e2000_of(lightness, a, b, other_lightness, other_a, other_b)


@compiled
def edge_sums(across: Gradients, down: Gradients, sums: Floats) -> None:
    """Add the strengths of the sources' edges times `edge_quality`, and the strengths, column by column.

    Args:
        across: (3,B,H,W) Sobel responses along rows: visible, infrared, fused.
        down: those along columns.
        sums: (B,2,W) of zeros.
    """
    edges = np.empty((3, 3, sums.shape[2]))
    for image in range(len(sums)):
        for i in range(across.shape[2]):
            for j in range(3):
                _orient_row(across[j, image, i], down[j, image, i], edges[j])
            for j in range(2):
                _add_qualities(edges[j], edges[2], sums[image])


@compiled
def _orient_row(across: Gradients, down: Gradients, edges: Floats) -> None:
    for i in range(len(across)):
        edges[0, i], edges[1, i], edges[2, i] = oriented(float(across[i]), float(down[i]))


@compiled
def _add_qualities(source: Floats, fused: Floats, sums: Floats) -> None:
    for i in range(sums.shape[1]):
        quality = edge_quality(source[0, i], source[1, i], source[2, i], fused[0, i], fused[1, i], fused[2, i])
        sums[0, i] += quality * source[2, i]
        sums[1, i] += source[2, i]
