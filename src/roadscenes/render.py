"""One scene from one seed: a street is planned, painted far to near and photographed, and its objects get boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from roadscenes.buildings import draw_skyline, plan_buildings
from roadscenes.cameras import photograph
from roadscenes.canvas import Camera, Canvas, Category
from roadscenes.plan import Street, plan_street, vary_condition
from roadscenes.roadside import draw_ground, draw_woods, plan_roadside
from roadscenes.traffic import plan_traffic

DETECTED = (Category.PERSON, Category.CAR)  # in the order of the detection classes of the descriptor
SMALLEST = (48, 64)  # height, width
FEWEST_PIXELS = 8  # an object of which less is seen gets no box


@dataclass(frozen=True)
class Scene:
    """A registered pair with its ground truth."""

    visible: NDArray[np.uint8]  # (H,W,3) sRGB
    infrared: NDArray[np.uint8]  # (H,W), hot is white
    label: NDArray[np.uint8]  # (H,W) class ids
    instances: NDArray[np.int32]  # (H,W), 0 where there is no object that could have a box
    boxes: NDArray[np.float64]  # (N,5) of class index, x_center, y_center, width, height, as shares of the picture
    condition: str  # day, dusk, night or fog


def render_scene(rng_seed: int, height: int, width: int, condition: str) -> Scene:
    """Make the scene of a seed, of SMALLEST size or more; the condition is day, dusk, night or fog."""
    plan, paint, *taking = (np.random.default_rng([rng_seed, i]) for i in range(6))
    scale = 3 if height * width <= 200 * 320 else 2
    weather, street = vary_condition(condition, plan), plan_street(plan)
    high, across, eye = plan.uniform((0.40, 0.42, 1.5), (0.48, 0.54, 2.1)).tolist()  # on a car's roof rack
    focal, horizon, center = 0.9 * max(height, width) * scale, high * height * scale, across * width * scale
    canvas = Canvas(Camera(height * scale, width * scale, focal, horizon, center, eye), scale, weather)
    paint_scene(canvas, street, paint)
    # labels are never blended: each pixel takes the part at its middle
    middle = np.asarray(canvas.map)[scale // 2 :: scale, scale // 2 :: scale]
    label = np.array([part.surface.category for part in canvas.parts], np.uint8)[middle]
    instances = np.array([part.instance for part in canvas.parts], np.int32)[middle]
    visible, infrared = photograph(canvas, street, taking)
    return Scene(visible, infrared, label, instances, boxes_of(instances, canvas.objects), condition)


def boxes_of(instances: NDArray[np.int32], classes: list[int]) -> NDArray[np.float64]:
    """Return the exact boxes of what is seen of each object.

    Rows (N,5) are (index into DETECTED, x_center, y_center, width, height), as shares of the picture. Object numbers
    are those in `instances` (H,W), 0 = none, and index `classes`; fewer than FEWEST_PIXELS pixels make no box.
    """
    (high, wide), counts = instances.shape, np.bincount(instances.ravel())
    rows = []
    for number, place in enumerate(ndimage.find_objects(instances), start=1):
        if place is not None and counts[number] >= FEWEST_PIXELS:
            top, bottom, left, right = (edge for axis in place for edge in (axis.start, axis.stop))
            middle = ((left + right) / 2 / wide, (top + bottom) / 2 / high)
            rows.append((DETECTED.index(classes[number]), *middle, (right - left) / wide, (bottom - top) / high))
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def paint_scene(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paint a whole street, first what lies behind it; nothing on the street is hidden by that."""
    draw_ground(canvas, street, rng)
    draw_skyline(canvas, rng)
    for sign in (-1, 1):
        draw_woods(canvas, street.front[sign], rng)
    backdrop = plan_buildings(canvas, street, rng)
    for things in (backdrop, (*plan_roadside(canvas, street, rng), *plan_traffic(canvas, street, rng))):
        for _, paint in sorted(things, key=lambda thing: -thing[0]):
            # a generator of its own, so that how finely it is painted changes nothing else
            paint(np.random.default_rng(int(rng.integers(2**63))))
