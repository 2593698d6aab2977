"""What stands where: plans a street and paints it far to near."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from roadscenes.buildings import draw_building, draw_skyline, plan_sites
from roadscenes.canvas import SKY, Camera, Canvas, Plane
from roadscenes.cars import draw_car
from roadscenes.ground import draw_ground
from roadscenes.people import draw_person
from roadscenes.plants import draw_bush, draw_tree, draw_woods
from roadscenes.posts import draw_furniture, draw_lamp, draw_sign, draw_traffic_light
from roadscenes.street import HOUSES, LANE_M, PARK, PARKING_M, Street
from roadscenes.surfaces import SKY as SKY_CLASS
from roadscenes.surfaces import Surface

Item = tuple[float, Callable[[], None]]  # metres ahead, how to paint it


def choose_camera(height: int, width: int, scale: int, rng: np.random.Generator) -> Camera:
    """Return a car's or a roof rack's view down the street for a picture of H×W pixels."""
    high, across, eye = rng.uniform((0.40, 0.42, 1.5), (0.48, 0.54, 2.1)).tolist()
    return Camera(
        height=height * scale,
        width=width * scale,
        focal=0.9 * max(width, height) * scale,
        horizon=high * height * scale,
        center=across * width * scale,
        eye=eye,
    )


def fork(rng: np.random.Generator) -> np.random.Generator:
    """Return a generator of one thing's own, so that how finely it is drawn changes nothing else."""
    return np.random.default_rng(int(rng.integers(2**63)))


def paint_scene(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paint a whole street scene."""
    canvas.part(Surface(SKY_CLASS, (0.5, 0.5, 0.5), grain=0.0), Plane(SKY, 0.0))
    draw_ground(canvas, street, fork(rng))
    _backdrop(canvas, street, rng)
    items = [
        *_lamps(canvas, street),
        *_trees(canvas, street, rng),
        *_signs(canvas, street, rng),
        *_cars(canvas, street, rng),
        *_people(canvas, street, rng),
    ]
    for _, paint in sorted(items, key=lambda item: -item[0]):
        paint()


def _backdrop(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paint skyline, woods, buildings and gardens; nothing on the street is hidden by them."""
    draw_skyline(canvas, street, fork(rng))
    items: list[Item] = []
    for sign in (-1, 1):
        draw_woods(canvas, street, sign, fork(rng))
        if street.kind(sign) == PARK:
            continue
        for site in plan_sites(street, sign, rng):
            items.append((site.near, partial(draw_building, canvas, street, site, fork(rng))))
            if site.house:
                items += _garden(canvas, street, sign, site.near, site.far, rng)
    for _, paint in sorted(items, key=lambda item: -item[0]):
        paint()


def _garden(canvas: Canvas, street: Street, sign: int, near: float, far: float, rng: np.random.Generator) -> list[Item]:
    items: list[Item] = []
    for _ in range(int(rng.integers(2, 5))):
        side = street.front(sign) + sign * float(rng.uniform(0.8, 1.8))
        ahead = float(rng.uniform(near, far + 5))
        items.append((ahead, partial(draw_bush, canvas, side, ahead, fork(rng))))
    if rng.random() < 0.6:
        side = street.front(sign) + sign * float(rng.uniform(2.5, 6))
        ahead = far + 3.0
        items.append((ahead, partial(draw_tree, canvas, street, side, ahead, fork(rng))))
    return items


def _lamps(canvas: Canvas, street: Street) -> list[Item]:
    return [
        (ahead, partial(draw_lamp, canvas, street, sign, ahead))
        for sign in (-1, 1)
        for ahead in (street.first_lamp(sign) + street.lamp_gap * i for i in range(5))
    ]


def _trees(canvas: Canvas, street: Street, rng: np.random.Generator) -> list[Item]:
    items: list[Item] = []
    for sign in (-1, 1):
        park = street.kind(sign) == PARK
        avenue = rng.random() < (0.5 if street.kind(sign) != HOUSES else 0.25)
        if avenue:
            gap, start = float(rng.uniform(9, 14)), float(rng.uniform(6, 14))
            spots = [(street.front(sign) - sign * 0.9, start + gap * i) for i in range(6)]
        else:
            spots = []
        if park:
            places = rng.uniform((1, 6), (22, 70), (int(rng.integers(7, 13)), 2)).tolist()
            spots += [(street.front(sign) + sign * right, ahead) for right, ahead in places]
        for side, ahead in spots:
            items.append((ahead, partial(draw_tree, canvas, street, side, ahead, fork(rng))))
    return items


def _signs(canvas: Canvas, street: Street, rng: np.random.Generator) -> list[Item]:
    items: list[Item] = []
    for _ in range(int(rng.integers(1, 4))):
        sign = 1 if rng.random() < 0.65 else -1
        side = street.edge(sign) + sign * float(rng.uniform(0.5, 0.9))
        ahead = _visible_distance(canvas, side, 7.5, 32, rng)
        items.append((ahead, partial(draw_sign, canvas, street, side, ahead, fork(rng))))
    if street.crossing:
        for sign in (-1, 1):
            ahead = street.crossing + (-0.8 if sign > 0 else 4.2)
            items.append((ahead, partial(draw_traffic_light, canvas, street, sign, ahead, fork(rng))))
    for _ in range(int(rng.integers(0, 3))):
        sign = 1 if rng.random() < 0.5 else -1
        side = street.edge(sign) + sign * 0.75
        ahead = _visible_distance(canvas, side, 5, 20, rng)
        items.append((ahead, partial(draw_furniture, canvas, side, ahead, fork(rng))))
    return items


def _visible_distance(canvas: Canvas, side: float, near: float, far: float, rng: np.random.Generator) -> float:
    """Draw a distance, nearer ones oftener, at which `side` lies inside the picture."""
    while not canvas.camera.sees(side * 1.06, near) and near < far - 4:
        near += 0.5
    return float(near + (far - near) * rng.random() ** 1.7)


def _cars(canvas: Canvas, street: Street, rng: np.random.Generator) -> list[Item]:
    lanes = [(0.0, False, 9.0), (street.middle - LANE_M / 2, True, 8.0)]
    items: list[Item] = []

    def add(side: float, ahead: float, front: bool, running: bool) -> None:
        items.append((ahead, partial(draw_car, canvas, street, side, ahead, front, running, fork(rng))))

    for side, front, nearest in lanes:
        ahead = nearest + float(rng.exponential(7.0))
        while ahead < 75:
            add(side + float(rng.uniform(-0.25, 0.25)), ahead, front, True)
            ahead += 8.0 + float(rng.exponential(14.0))
    for parked, sign in zip(street.parking, (-1, 1), strict=True):
        ahead = float(rng.uniform(4.0, 9.0))
        while parked and ahead < 60:
            if rng.random() < 0.75:
                add(street.edge(sign) - sign * PARKING_M / 2, ahead, sign < 0, False)
            ahead += float(rng.uniform(5.6, 6.6))
    return items


def _people(canvas: Canvas, street: Street, rng: np.random.Generator) -> list[Item]:
    items: list[Item] = []
    for _ in range(int(rng.integers(3, 8))):
        sign = 1 if rng.random() < 0.5 else -1
        side = street.edge(sign) + sign * float(rng.uniform(0.5, street.walk - 0.4))
        ahead = _visible_distance(canvas, side, 5.5, 32, rng)
        spots = [(side, ahead)]
        if rng.random() < 0.3:
            spots.append((side + sign * 0.55, ahead + 0.3))
        items += [(away, partial(draw_person, canvas, street, right, away, fork(rng))) for right, away in spots]
    if street.crossing and rng.random() < 0.8:
        for _ in range(int(rng.integers(1, 3))):
            side, ahead = (
                float(rng.uniform(street.left, street.right)),
                street.crossing + float(rng.uniform(0.5, 2.8)),
            )
            items.append((ahead, partial(draw_person, canvas, street, side, ahead, fork(rng))))
    return items
