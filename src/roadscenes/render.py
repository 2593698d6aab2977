"""One scene: both pictures, the label map and the boxes, from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadscenes.canvas import Canvas
from roadscenes.conditions import todays
from roadscenes.fields import bands
from roadscenes.infrared import read_out, sky_warmth, warmth
from roadscenes.layout import choose_camera, paint_scene
from roadscenes.street import Street, plan_street
from roadscenes.surfaces import DETECTED
from roadscenes.visible import develop, expose, sky_light

SMALLEST = (48, 64)  # height, width
FEWEST_PIXELS = 8  # an object of which less is seen gets no box


@dataclass(frozen=True)
class Scene:
    """A registered pair with its ground truth.

    Args:
        visible: (H,W,3) uint8 sRGB.
        infrared: (H,W) uint8, hot is white.
        label: (H,W) uint8 class ids.
        instances: (H,W) int32, 0 where there is no object that could have a box.
        boxes: (N,5) float64 rows (class index, x_center, y_center, width, height) as shares of the picture.
        condition: day, dusk, night or fog.
    """

    visible: NDArray[np.uint8]
    infrared: NDArray[np.uint8]
    label: NDArray[np.uint8]
    instances: NDArray[np.int32]
    boxes: NDArray[np.float64]
    condition: str


def render_scene(rng_seed: int, height: int, width: int, condition: str) -> Scene:
    """Make the scene of a seed.

    Args:
        rng_seed: everything in the scene follows from it.
        height: of the pictures, pixels, at least 48.
        width: of the pictures, pixels, at least 64.
        condition: "day", "dusk", "night" or "fog".

    Raises:
        ValueError: too small, or an unknown condition.
    """
    if height < SMALLEST[0] or width < SMALLEST[1]:
        raise ValueError(f"size: expected at least {SMALLEST[0]}×{SMALLEST[1]} (H×W), got {height}×{width}")
    plan, paint, light, heat = (np.random.default_rng([rng_seed, i]) for i in range(4))
    scale = 3 if height * width <= 200 * 320 else 2
    street = plan_street(todays(condition, plan), plan)
    canvas = Canvas(choose_camera(height, width, scale, plan), scale)
    paint_scene(canvas, street, paint)
    # labels are never blended: each pixel takes the part at its middle
    table, middle = canvas.table(), np.asarray(canvas.map)[scale // 2 :: scale, scale // 2 :: scale]
    instances = table["instance"][middle]
    visible, infrared = _photograph(canvas, street, plan, light, heat)
    return Scene(
        visible=visible,
        infrared=infrared,
        label=table["category"][middle],
        instances=instances,
        boxes=boxes_of(instances, canvas.objects),
        condition=condition,
    )


def _photograph(
    canvas: Canvas,
    street: Street,
    texture: np.random.Generator,
    light: np.random.Generator,
    heat: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Take both pictures of a painted canvas."""
    linear = sky_light(canvas.camera, canvas.scale, street, light)
    degrees = sky_warmth(canvas.camera, canvas.scale, street, heat)
    for band in bands(canvas, texture):
        sky = band.sky_share()
        linear[:, band.rows] = linear[:, band.rows] * sky + expose(band, street)
        degrees[band.rows] = degrees[band.rows] * sky + warmth(band, street)
    return develop(linear, street, light), read_out(degrees, street, heat)


def boxes_of(instances: NDArray[np.int32], classes: list[int]) -> NDArray[np.float64]:
    """Return the exact boxes of what is seen of each object.

    Args:
        instances: (H,W) object numbers, 0 = none.
        classes: class id of each object number.

    Returns:
        (N,5) rows (index into DETECTED, x_center, y_center, width, height), shares of the picture, in the
        objects' order; objects with fewer than FEWEST_PIXELS pixels are left out.
    """
    high, wide = instances.shape
    rows: list[tuple[float, ...]] = []
    for number, count in enumerate(np.bincount(instances.ravel(), minlength=len(classes)).tolist()):
        if number == 0 or count < FEWEST_PIXELS:
            continue
        place = instances == number
        down, across = np.nonzero(place.any(axis=1))[0], np.nonzero(place.any(axis=0))[0]
        top, bottom, left, right = int(down[0]), int(down[-1]) + 1, int(across[0]), int(across[-1]) + 1
        middle = ((left + right) / 2 / wide, (top + bottom) / 2 / high)
        rows.append((DETECTED.index(classes[number]), *middle, (right - left) / wide, (bottom - top) / high))
    return np.array(rows, dtype=np.float64).reshape(-1, 5)
