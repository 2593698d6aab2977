"""How an infrared camera's pixels lie on a visible camera's: a file, and the warp that follows from it."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from ssvif.io.documents import parse_mapping, read_text
from ssvif.io.errors import UserError
from ssvif.io.files import write_json
from ssvif.io.validation import invalid

FORMAT = "ssvif-alignment-1"
MOST_SIDE_PX = 32_768  # both sides at most are what `ssvif fuse` takes, a billion pixels
STRIP_ROWS = 64  # that are resampled at once: their coordinates take more memory than the image
FADE_PX = 8  # beyond the border of the infrared image
MOST_SCALE = 100  # infrared pixels on a visible one; smoothing for more would take hours
REMEDY = "make it again with `ssvif align`"
MODELS = ("translation", "similarity", "affine", "homography")
Matrix = NDArray[np.float64]
MatrixRow = Annotated[tuple[Annotated[FiniteFloat, Field(ge=-1e9, le=1e9)], ...], Field(min_length=3, max_length=3)]
Side = Annotated[int, Field(ge=1, le=MOST_SIDE_PX)]
Size = tuple[Side, Side]


@dataclass(frozen=True, config={"extra": "forbid"})
class Alignment:
    """A rigid camera pair's transform, from visible to infrared pixels.

    Coordinates are (x, y, 1), x to the right and y down, in pixels; the center of the first pixel is (0, 0).

    Raises:
        ValueError: a value out of its range, or a matrix that mirrors the image or is not invertible.
    """

    matrix: Annotated[tuple[MatrixRow, ...], Field(min_length=3, max_length=3)]  # visible to infrared, up to a factor
    model: Annotated[str, Field(pattern=f"^({'|'.join(MODELS)})$")]  # what kind of transform was looked for
    visible_size: Size  # width and height of the visible images, pixels
    infrared_size: Size  # the same of the infrared images
    pairs: int = 0  # how many it was estimated from
    inlier_share: FiniteFloat = 1.0  # share of the compared blocks that agree with it, 0 to 1
    residual_px: FiniteFloat = 0.0  # root mean square of what these blocks are still off, in visible pixels
    repeatability_px: FiniteFloat = 0.0  # how far two estimates, each from half the evidence, disagree at the corners
    made: dict[str, Any] = Field(default_factory=dict)  # how it was made, for people: names, settings, versions

    @model_validator(mode="after")
    def _check_matrix(self) -> Alignment:
        depth = np.c_[corners_of(self.visible_size), np.ones(4)] @ np.array(self.matrix[2])
        if np.linalg.det(self.array) * depth[0] <= 0 or (depth * depth[0] <= 0).any():
            raise ValueError("the matrix does not map the whole visible image, or mirrors it")
        if (scale := _scale(self)) > MOST_SCALE:
            raise ValueError(f"{scale:.4g} infrared pixels lie beside each other on a visible one, over {MOST_SCALE}")
        return self

    @property
    def array(self) -> Matrix:
        """The matrix as (3,3) float64."""
        return np.array(self.matrix, np.float64)


def corners_of(size: tuple[int, int]) -> Matrix:
    """Return the centers of an image's corner pixels, (4,2) float64, from the top left clockwise."""
    right, bottom = size[0] - 1.0, size[1] - 1.0
    return np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])


def map_points(matrix: Matrix, points: Matrix) -> Matrix:
    """Map points (N,2), x and y, by a projective transform (3,3); return (N,2) float64."""
    mapped = np.c_[points, np.ones(len(points))] @ matrix.T
    mapped_points: Matrix = mapped[:, :2] / mapped[:, 2:]
    return mapped_points


def map_pixels(matrix: Matrix, shape: tuple[int, int], top: int = 0) -> Matrix:
    """Map the pixels of an image of height and width `shape`, whose first row is row `top`, by a transform (3,3).

    Returns:
        x and y of each, (2,H,W) float64.
    """
    columns, rows = np.arange(float(shape[1])), np.arange(float(top), top + shape[0])[:, None]
    x, y, depth = (row[0] * columns + (row[1] * rows + row[2]) for row in matrix)
    return np.stack([x / depth, y / depth])


def resizing(visible_size: tuple[int, int], infrared_size: tuple[int, int]) -> Matrix:
    """Return the (3,3) matrix that stretches the infrared image over the visible one, border on border."""
    scale = np.array(infrared_size) / np.array(visible_size)
    matrix = np.diag([*scale, 1.0])
    matrix[:2, 2] = (scale - 1) / 2  # the borders coincide, not the centers of the outer pixels
    return matrix


def warp(image: NDArray[Any], alignment: Alignment, name: str = "the infrared image") -> NDArray[Any]:
    """Bring an infrared image onto the visible camera's pixels, bilinearly.

    The image is (H,W) or (H,W,C), uint8, uint16 or floats. Where it has more pixels than the visible one, it is
    smoothed first, as for a resize. Pixels that the infrared camera does not see get the value of the nearest border
    pixel.

    Returns:
        The image in `visible_size`, of the same dtype and number of channels; integers are rounded.

    Raises:
        UserError: the image has another size than the alignment was made for.
    """
    check_size(alignment, "infrared", image, name)
    width, height = alignment.visible_size
    floats = image if image.dtype.kind == "f" else image.astype(np.float32)
    scale = _scale(alignment)
    if scale > 1:
        from scipy.ndimage import gaussian_filter

        sigma = (scale - 1) / 2  # the width that scikit-image's resize takes
        floats = gaussian_filter(floats, [sigma, sigma, *[0] * (image.ndim - 2)], mode="nearest")
    warped = resample(floats, alignment.array, (height, width))
    if image.dtype.kind != "f":
        limits = np.iinfo(image.dtype)
        warped = np.rint(warped).clip(limits.min, limits.max)
    return np.ascontiguousarray(warped.astype(image.dtype))


def resample(image: NDArray[Any], matrix: Matrix, shape: tuple[int, int]) -> NDArray[Any]:
    """Look at floats (H,W) or (H,W,C) through a transform (3,3) from the result's coordinates to theirs, bilinearly.

    Beyond the image its nearest border pixel goes on. Returns the result, of the height and width `shape` and of
    the same dtype and channels.
    """
    from scipy.ndimage import map_coordinates

    channels = image.reshape(*image.shape[:2], -1)
    seen = np.empty((*shape, channels.shape[2]), image.dtype)
    for top in range(0, shape[0], STRIP_ROWS):
        strip = seen[top : top + STRIP_ROWS]
        columns, rows = map_pixels(matrix, strip.shape[:2], top)
        for channel in range(channels.shape[2]):
            strip[..., channel] = map_coordinates(channels[..., channel], [rows, columns], order=1, mode="nearest")
    return seen.reshape(*shape, *image.shape[2:])


def check_size(alignment: Alignment, side: str, image: NDArray[Any], name: str) -> None:
    """Check that a "visible" or "infrared" image (H,W) or (H,W,C) has the size the alignment was made for.

    Raises:
        UserError: it has another size; the error calls it `name`.
    """
    width, height = alignment.visible_size if side == "visible" else alignment.infrared_size
    if image.shape[:2] != (height, width):
        raise UserError(
            f"{name} does not fit the alignment",
            expected=f"{width}×{height} px, the {side} size the alignment was made for",
            got=f"{image.shape[1]}×{image.shape[0]} px",
            remedy="make an alignment for images of this size with `ssvif align`",
        )


def coverage(alignment: Alignment) -> NDArray[np.float32]:
    """Return the weight of the infrared image at each visible pixel, (H,W) of the visible size.

    It is 1 where the infrared camera looks and falls to 0 within `FADE_PX` infrared pixels beyond.
    """
    return _coverage(alignment.matrix, alignment.visible_size, alignment.infrared_size)


@lru_cache(maxsize=1)  # all pairs of two cameras share it
def _coverage(matrix: tuple[MatrixRow, ...], visible_size: Size, infrared_size: Size) -> NDArray[np.float32]:
    points = map_pixels(np.array(matrix, np.float64), visible_size[::-1])
    last = np.array(infrared_size)[:, None, None] - 0.5
    beyond = np.maximum(-0.5 - points, points - last).max(axis=0)
    weights: NDArray[np.float32] = (1 - beyond / FADE_PX).clip(0, 1).astype(np.float32)
    weights.setflags(write=False)
    return weights


def write_alignment(path: Path, alignment: Alignment) -> None:
    """Write an alignment as JSON; equal alignments give equal bytes."""
    write_json(path, {"format": FORMAT, **vars(alignment)})


def alignment_to_json(alignment: Alignment) -> str:
    """Return an alignment as one line of JSON with sorted keys; equal alignments give equal text."""
    return json.dumps({"format": FORMAT, **vars(alignment)}, sort_keys=True, ensure_ascii=False)


def read_alignment(path: Path) -> Alignment:
    """Read what `ssvif align` wrote, or what somebody wrote by hand: matrix, model and both sizes are enough.

    Raises:
        UserError: the file is missing, is not such a file, or holds values that cannot be.
    """
    try:
        values = parse_mapping(read_text(path))
        if values.pop("format", None) != FORMAT:
            raise ValueError(f'it lacks "format": "{FORMAT}"')
        return TypeAdapter(Alignment).validate_python(values)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist", remedy="make it with `ssvif align`") from error
    except ValidationError as error:
        raise invalid(f"{path} is not an alignment file", error, remedy=REMEDY) from error
    except ValueError as error:
        wanted = "JSON with format, matrix, model, visible_size and infrared_size"
        raise UserError(f"{path} is not an alignment file", expected=wanted, got=str(error), remedy=REMEDY) from error


def _scale(alignment: Alignment) -> float:
    """Return how many infrared pixels lie beside each other on a visible one, at the middle of the image."""
    middle = (np.array(alignment.visible_size) - 1) / 2
    start, *steps = map_points(alignment.array, middle + np.array([[0, 0], [1, 0], [0, 1]]))
    right, down = (step - start for step in steps)
    return math.sqrt(abs(float(right[0] * down[1] - right[1] * down[0])))
