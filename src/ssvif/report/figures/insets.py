"""Which places of a pair a figure magnifies, chosen by a rule instead of by hand.

The runs' pictures of a pair are compared in their local detail: edges, texture, small objects. (By gray levels alone
a slightly darker sky would win.) The first place is centered on a labelled object, if the pair has any: the one where
the pictures differ most; without an object it is the place where they differ most at all. The second is where they
differ most among the places that do not overlap the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssvif.data.descriptor import Descriptor

MOST = 2  # places, so that the enlargements fit into the corners that are left
SHARE = 1 / 6  # of the picture's height and width that is magnified
ENLARGED = 0.4  # of the picture's height and width that the enlargement takes
MARGIN = 0.02  # of the picture at its border that is left out: padding shows there
SURROUNDINGS = 0.08  # of the height: a pixel's neighbourhood, about a person far away
LEAST_PX = 16  # a smaller picture is not magnified: whole pixels would make its windows too large a share of it
SMALL_SHARE = 0.05  # of a label map that a class covers at most to count as one of objects, not of ground or sky
SPECK_SHARE = 0.0005  # of a label map below which an object is too small to be pointed at


class Window(NamedTuple):
    """A rectangle in pixels; its right and bottom edges do not belong to it."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def center(self) -> tuple[float, float]:
        """Its center (x, y)."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def crop(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part of an (H,W) or (H,W,3) picture that lies within."""
        return picture[int(self.top) : int(self.bottom), int(self.left) : int(self.right)]

    def overlaps(self, other: Window) -> bool:
        """Whether the two share a pixel."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


def disagreement(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return how far the details of pictures (H,W) or (H,W,3) of one scene differ at each pixel (H,W), in gray levels.

    It is the standard deviation, over the pictures, of each pixel's difference from the mean of its surroundings
    (a square of `SURROUNDINGS` of the height), averaged over red, green and blue.
    """
    from scipy.ndimage import uniform_filter  # slow to import, and most figures need none of it

    height, width = pictures[0].shape[:2]
    size = max(3, round(height * SURROUNDINGS))
    # two running sums: ten large pictures in float64 at once would be a gigabyte
    total, squares = np.zeros((height, width, 3)), np.zeros((height, width, 3))
    for picture in pictures:
        values = picture.astype(np.float64).reshape(height, width, -1)
        detail = values - uniform_filter(values, (size, size, 0))
        total += detail
        squares += detail**2
    variance = squares / len(pictures) - (total / len(pictures)) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 0)).mean(axis=2))


def find_objects(label: NDArray[np.uint8], descriptor: Descriptor) -> list[tuple[float, float]]:
    """Return the centers (x, y), in pixels, of the connected regions of the smaller classes in (H,W) class ids."""
    from scipy import ndimage

    centers: list[tuple[float, float]] = []
    for known in descriptor.classes:
        mask = label == known.id
        if known.id == descriptor.background_id or not 0 < mask.mean() <= SMALL_SHARE:
            continue
        regions, count = ndimage.label(mask)
        large = [each for each in range(1, count + 1) if (regions == each).sum() >= SPECK_SHARE * label.size]
        centers += [(float(x), float(y)) for y, x in ndimage.center_of_mass(mask, regions, large)]
    return centers


def choose_windows(difference: NDArray[np.float64], objects: Sequence[tuple[float, float]] = ()) -> list[Window]:
    """Return the places to magnify, by the rule at the head of this module: two where there is room for both.

    They follow from the `disagreement` (H,W) of pictures and the centers (x, y), in pixels, of labelled objects. None
    is chosen in pictures smaller than `LEAST_PX`.
    """
    height, width = difference.shape
    if min(height, width) < LEAST_PX:
        return []
    rows, columns = round(height * SHARE), round(width * SHARE)
    sums = _window_sums(difference, rows, columns)
    above, beside = round(height * MARGIN), round(width * MARGIN)
    lowest, rightmost = sums.shape[0] - 1 - above, sums.shape[1] - 1 - beside
    allowed = np.zeros(sums.shape, bool)
    allowed[above : lowest + 1, beside : rightmost + 1] = True
    candidates = np.zeros(sums.shape, bool) if objects else allowed
    for x, y in objects:  # centered on the object, moved inwards at the border
        top, left = np.clip(round(y - rows / 2), above, lowest), np.clip(round(x - columns / 2), beside, rightmost)
        candidates[top, left] = True
    chosen: list[Window] = []
    while len(chosen) < MOST and allowed.any():
        place = int(np.argmax(np.where(candidates, sums, -np.inf)))
        top, left = divmod(place, sums.shape[1])
        chosen.append(Window(left, top, left + columns, top + rows))
        allowed[max(0, top - rows + 1) : top + rows, max(0, left - columns + 1) : left + columns] = False
        candidates = allowed
    return chosen


def _window_sums(values: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the sum of every window of a size, by its upper left corner, (H-rows+1,W-columns+1)."""
    integral = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = integral[rows:, columns:] - integral[:-rows, columns:] - integral[rows:, :-columns]
    # rounded: places that are equal must stay equal, so that the first of them is taken on every machine
    return np.asarray(np.round(sums + integral[:-rows, :-columns], 6))


def place_enlargements(windows: Sequence[Window], height: int, width: int) -> list[Window]:
    """Return where the enlargements of up to two windows are drawn: each in the nearest corner that hides no window.

    A window can reach into one corner at most (`SHARE` is less than what the enlargements leave free between
    them), so that there is always a corner left for each. The picture's height and width are in pixels.
    """
    tall, wide = ENLARGED * height, ENLARGED * width
    # the lower ones first: of two equally near, one that lies on the road
    corners = [Window(x, y, x + wide, y + tall) for y in (height - tall, 0.0) for x in (0.0, width - wide)]
    free = [corner for corner in corners if not any(corner.overlaps(window) for window in windows)]
    chosen = []
    for window in windows:
        x, y = window.center
        nearest = min(free, key=lambda corner: abs(corner.center[0] - x) + abs(corner.center[1] - y))
        free.remove(nearest)
        chosen.append(nearest)
    return chosen
