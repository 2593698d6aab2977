"""Where to look: the places of a pair that a figure magnifies, by a rule instead of by hand.

The runs' pictures of a pair are compared in what their surroundings do not explain: edges, texture, small things. (By
gray levels alone a slightly darker sky would win.) The first place is centred on a labelled object, if the pair has
any: on the one where they differ most; without an object it is the place where they differ most at all. The second is
where they differ most of what lies apart from the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE = 1 / 6  # of the picture's height and width that is magnified
ENLARGED = 0.4  # of the picture's height and width that the enlargement takes
MARGIN = 0.02  # of the picture at its border that is left out: padding shows there
SURROUNDINGS = 0.08  # of the height: a pixel's neighbourhood, about a person far away
LEAST_PX = 16  # a smaller picture is not magnified: whole pixels would make its windows too large a share of it


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels: rows `top` to `bottom` − 1, columns `left` to `right` − 1."""

    left: int
    top: int
    right: int
    bottom: int

    def crop(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part of an (H,W) or (H,W,3) picture that lies within."""
        return picture[self.top : self.bottom, self.left : self.right]

    def overlaps(self, other: Window) -> bool:
        """Whether the two share a pixel."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


def disagreement(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return how far the details of pictures of one scene differ at each pixel, in gray levels.

    Args:
        pictures: one or more, (H,W) or (H,W,3) uint8 of one size.

    Returns:
        (H,W) float64: the standard deviation, over the pictures, of each pixel's difference from the mean of its
        surroundings (a square of `SURROUNDINGS` of the height), averaged over red, green and blue.
    """
    height, width = pictures[0].shape[:2]
    # two running sums: ten large pictures in float64 at once would be a gigabyte
    total, squares = np.zeros((height, width, 3)), np.zeros((height, width, 3))
    for picture in pictures:
        detail = _details(picture)
        total += detail
        squares += detail**2
    variance = squares / len(pictures) - (total / len(pictures)) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 0)).mean(axis=2))


def _details(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    from scipy.ndimage import uniform_filter  # a moment to import, and most figures need none of it

    size = max(3, round(picture.shape[0] * SURROUNDINGS))
    values = picture.astype(np.float64).reshape(*picture.shape[:2], -1)
    return np.asarray(values - uniform_filter(values, (size, size, 0)))


def choose_windows(
    difference: NDArray[np.float64], objects: Sequence[tuple[float, float]] = (), count: int = 2
) -> list[Window]:
    """Return the places to magnify, by the rule at the head of this module.

    Args:
        difference: (H,W), of `disagreement`.
        objects: the centres (x, y) of labelled objects, in pixels.
        count: how many places at most; fewer where there is no room for another one, none in pictures of
            fewer than `LEAST_PX` rows or columns.
    """
    height, width = difference.shape
    if min(height, width) < LEAST_PX:
        return []
    rows, columns = max(1, round(height * SHARE)), max(1, round(width * SHARE))
    sums = _window_sums(difference, rows, columns)
    allowed = _inner(sums.shape, round(height * MARGIN), round(width * MARGIN))
    candidates = _centred(objects, allowed, rows, columns) if objects else allowed
    chosen: list[Window] = []
    while len(chosen) < count and allowed.any():
        top, left = np.unravel_index(np.argmax(np.where(candidates, sums, -np.inf)), sums.shape)
        window = Window(int(left), int(top), int(left) + columns, int(top) + rows)
        chosen.append(window)
        allowed[max(0, window.top - rows + 1) : window.bottom, max(0, window.left - columns + 1) : window.right] = False
        candidates = allowed
    return chosen


def _window_sums(values: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the sum of every window of a size, by its upper left corner."""
    integral = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    integral[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    sums = integral[rows:, columns:] - integral[:-rows, columns:] - integral[rows:, :-columns]
    # rounded: places that are equal must stay equal, so that the first of them is taken on every machine
    return np.round(sums + integral[:-rows, :-columns], 6)


def _inner(shape: tuple[int, ...], rows: int, columns: int) -> NDArray[np.bool_]:
    inner = np.zeros(shape, bool)
    inner[rows : shape[0] - rows, columns : shape[1] - columns] = True
    return inner if inner.any() else np.ones(shape, bool)


def _centred(
    objects: Sequence[tuple[float, float]], allowed: NDArray[np.bool_], rows: int, columns: int
) -> NDArray[np.bool_]:
    """Return the corners of the windows centred on objects, moved inwards where they would lie at the border."""
    ys, xs = np.nonzero(allowed)
    found = np.zeros_like(allowed)
    for x, y in objects:
        top = min(max(round(y - rows / 2), int(ys.min())), int(ys.max()))
        left = min(max(round(x - columns / 2), int(xs.min())), int(xs.max()))
        found[top, left] = True
    return found


def corner_places(windows: Sequence[Window], height: int, width: int) -> list[tuple[float, float]]:
    """Return the upper left pixel (x, y) of each window's enlargement, in a corner that hides no window.

    A window can reach into one corner at most (`SHARE` is less than what the enlargements leave free between
    them), so for up to two windows there is always a corner left for each.

    Args:
        windows: up to two.
        height: of the picture, in pixels.
        width: likewise.
    """
    tall, wide = ENLARGED * height, ENLARGED * width
    # the lower ones first: of two equally near, one that lies on the road
    corners = [(left, top) for top in (height - tall, 0.0) for left in (0.0, width - wide)]
    free = [corner for corner in corners if not any(_hides(corner, wide, tall, window) for window in windows)]
    chosen = []
    for window in windows:
        center = ((window.left + window.right) / 2, (window.top + window.bottom) / 2)
        # the nearer, the easier is it seen what belongs together
        nearest = min(free, key=lambda corner: _distance(corner, wide, tall, center))
        free.remove(nearest)
        chosen.append(nearest)
    return chosen


def _hides(corner: tuple[float, float], wide: float, tall: float, window: Window) -> bool:
    left, top = corner
    apart = window.right <= left or left + wide <= window.left
    return not (apart or window.bottom <= top or top + tall <= window.top)


def _distance(corner: tuple[float, float], wide: float, tall: float, center: tuple[float, float]) -> float:
    return abs(corner[0] + wide / 2 - center[0]) + abs(corner[1] + tall / 2 - center[1])
