from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage

from roadscenes import layout, render
from roadscenes.canvas import CARD, GROUND, Camera, Canvas, Plane
from roadscenes.conditions import CONDITIONS, todays
from roadscenes.fields import bands
from roadscenes.infrared import warmth
from roadscenes.posts import SIGNS, Board, draw_sign
from roadscenes.render import FEWEST_PIXELS, boxes_of, render_scene
from roadscenes.street import ground_quad, plan_street
from roadscenes.surfaces import CAR, DETECTED, PAINT, PERSON, ROAD, SIGN, SKY, TARMAC
from roadscenes.visible import expose
from roadscenes.write import write_scenes
from ssvif.io.errors import UserError
from ssvif.io.files import read_image, read_label

ROOT = Path(__file__).parents[2]
NAMES = list(CONDITIONS)
DESCRIPTOR = yaml.safe_load((ROOT / "config/datasets/scenes.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def two_dozen():
    return [render_scene(seed, 128, 160, NAMES[seed % 4]) for seed in range(24)]


def bytes_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def grey(scene):
    return scene.visible.astype(float) @ (0.299, 0.587, 0.114)


@pytest.mark.parametrize("condition", NAMES)
def test_one_seed_gives_one_scene(condition):
    first, again, other = (render_scene(seed, 64, 80, condition) for seed in (5, 5, 6))
    for name in ("visible", "infrared", "label", "instances", "boxes"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.visible, other.visible)
    assert not np.array_equal(first.infrared, other.infrared)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (49, 67), (131, 97), (97, 211), (301, 403)])
@pytest.mark.parametrize("condition", NAMES)
def test_every_size_works(height, width, condition):
    scene = render_scene(3, height, width, condition)
    assert scene.visible.shape == (height, width, 3)
    assert scene.infrared.shape == scene.label.shape == scene.instances.shape == (height, width)
    assert scene.visible.dtype == scene.infrared.dtype == scene.label.dtype == np.uint8
    assert scene.boxes.shape[1:] == (5,)
    assert scene.boxes.dtype == np.float64
    assert scene.infrared.std() > 5


def test_the_plan_does_not_depend_on_the_supersampling():
    # the same street at two sizes: the classes agree almost everywhere
    small, large = render_scene(8, 120, 160, "day"), render_scene(8, 360, 480, "day")
    assert (small.label == large.label[1::3, 1::3]).mean() > 0.93


def test_too_small_and_unknown_conditions_are_refused():
    with pytest.raises(ValueError, match="48×64"):
        render_scene(0, 40, 64, "day")
    with pytest.raises(ValueError, match=r"day, dusk, night, fog.*'snow'"):
        render_scene(0, 48, 64, "snow")


def test_labels_hold_the_descriptors_classes_and_each_occurs(two_dozen):
    known = {info["id"] for info in DESCRIPTOR["classes"]}
    found = set().union(*(np.unique(scene.label).tolist() for scene in two_dozen))
    assert found == known


def test_the_descriptor_names_the_detected_classes_in_order():
    names = {info["id"]: info["name"] for info in DESCRIPTOR["classes"]}
    assert DESCRIPTOR["detection_classes"] == [names[category] for category in DETECTED]
    colors = [tuple(info["color"]) for info in DESCRIPTOR["classes"]]
    assert len(set(colors)) == len(colors)


def test_boxes_are_the_exact_extents_of_what_is_seen(two_dozen):
    for scene in two_dozen:
        height, width = scene.label.shape
        counts = np.bincount(scene.instances.ravel())
        expected = []
        for number, place in enumerate(ndimage.find_objects(scene.instances), start=1):
            if place is None or counts[number] < FEWEST_PIXELS:
                continue
            rows, columns = place
            categories = np.unique(scene.label[scene.instances == number])
            assert len(categories) == 1
            middle = ((columns.start + columns.stop) / 2 / width, (rows.start + rows.stop) / 2 / height)
            size = ((columns.stop - columns.start) / width, (rows.stop - rows.start) / height)
            expected.append((DETECTED.index(int(categories[0])), *middle, *size))
        np.testing.assert_allclose(scene.boxes, np.array(expected).reshape(-1, 5), atol=1e-12)


def test_every_person_and_car_pixel_belongs_to_an_object(two_dozen):
    for scene in two_dozen:
        assert np.array_equal(scene.instances > 0, np.isin(scene.label, (PERSON, CAR)))


def test_a_box_by_hand_and_a_speck_without_one():
    instances = np.zeros((10, 20), np.int32)
    instances[2:6, 4:8] = 1
    instances[9, 19] = 2
    assert boxes_of(instances, [0, CAR, PERSON]).tolist() == [[1, 0.3, 0.4, 0.2, 0.4]]
    assert boxes_of(np.zeros((4, 4), np.int32), [0]).shape == (0, 5)


def contrast(picture, place):
    """Mean step between a shape and the ring around it, in 8-bit steps."""
    ring = ndimage.binary_dilation(place, iterations=3) & ~ndimage.binary_dilation(place)
    return abs(picture[place].mean() - picture[ring].mean())


def test_people_vanish_at_night_and_glow_in_infrared():
    seen, felt = [], []
    for seed in range(16):
        scene = render_scene(seed, 128, 160, "night")
        for number in np.unique(scene.instances[scene.label == PERSON]):
            place = scene.instances == number
            if place.sum() >= 40:
                seen.append(contrast(grey(scene), place))
                felt.append(contrast(scene.infrared.astype(float), place))
    assert len(seen) > 20
    assert np.median(seen) < 30
    assert np.median(felt) > 60
    assert np.median(felt) > 2.3 * np.median(seen)


@pytest.mark.parametrize("condition", NAMES)
def test_people_are_hotter_than_the_rest(two_dozen, condition):
    scenes = [scene for scene in two_dozen if scene.condition == condition]
    people = np.concatenate([scene.infrared[scene.label == PERSON] for scene in scenes])
    rest = np.concatenate([scene.infrared[scene.label != PERSON] for scene in scenes])
    assert np.median(people) > np.percentile(rest, 90)


def bare_street(condition, seed=0):
    """A canvas with the sky and a road, its street, and the generator to go on with."""
    rng = np.random.default_rng(seed)
    street = plan_street(todays(condition, rng), rng)
    camera = Camera(height=288, width=384, focal=350.0, horizon=130.0, center=190.0, eye=1.7)
    canvas = Canvas(camera, 3)
    road = canvas.part(TARMAC, Plane(GROUND, 0.0))
    canvas.polygon(road, ground_quad(-40, 40, 1, 380))
    return canvas, street, rng


def both_bands(canvas, street):
    """Linear grey light and degrees of the whole picture, without blur and noise."""
    parts = [
        (expose(band, street).mean(axis=0), warmth(band, street)) for band in bands(canvas, np.random.default_rng(1))
    ]
    return tuple(np.concatenate(planes) for planes in zip(*parts, strict=True))


@pytest.mark.parametrize("condition", NAMES)
def test_road_markings_exist_in_the_visible_only(condition):
    bare, street, _ = bare_street(condition)
    painted, _, _ = bare_street(condition)
    painted.polygon(painted.part(PAINT, Plane(GROUND, 0.0)), ground_quad(-0.5, 0.5, 6, 12))
    light, degrees = both_bands(bare, street)
    light_painted, degrees_painted = both_bands(painted, street)
    assert (light_painted - light).max() > 1.2 * np.median(light[60:])
    assert np.array_equal(degrees, degrees_painted)


@pytest.mark.parametrize("kind", range(len(SIGNS)))
@pytest.mark.parametrize("condition", ["day", "night"])
def test_a_signs_symbol_exists_in_the_visible_only(kind, condition):
    canvas, street, _ = bare_street(condition)
    SIGNS[kind](Board(canvas, Plane(CARD, 8.0), 0.0, 1.8, 1.0))
    light, degrees = both_bands(canvas, street)
    label = canvas.table()["category"][np.asarray(canvas.map)]
    inside = ndimage.binary_erosion(label == SIGN, iterations=4)[1::3, 1::3]
    assert inside.sum() > 30
    assert light[inside].std() > 0.12 * light[inside].mean()
    assert np.ptp(degrees[inside]) < 0.01


def test_signs_stand_in_the_finished_pictures_like_that():
    canvas, street, rng = bare_street("day")
    draw_sign(canvas, street, 0.0, 7.0, rng)
    degrees = both_bands(canvas, street)[1]
    label = canvas.table()["category"][np.asarray(canvas.map)][1::3, 1::3]
    assert degrees[label == SIGN].mean() < degrees[label == ROAD].mean() - 1


def test_fog_hides_the_distance_in_the_visible_only():
    spread = {}
    for condition in ("day", "fog"):
        scenes = [render_scene(seed, 128, 160, condition) for seed in range(6)]
        cars = [scene for scene in scenes if (scene.label == CAR).sum() > 100]
        spread[condition] = [
            np.mean([grey(scene)[scene.label == CAR].std() for scene in cars]),
            np.mean([scene.infrared[scene.label == CAR].std() for scene in cars]),
        ]
    assert spread["fog"][0] < 0.8 * spread["day"][0]
    assert spread["fog"][1] > 0.7 * spread["day"][1]


def test_night_is_dark_and_the_sky_is_cold(two_dozen):
    means = {name: np.mean([grey(scene).mean() for scene in two_dozen if scene.condition == name]) for name in NAMES}
    assert means["night"] < 0.5 * means["day"]
    for scene in two_dozen:
        assert scene.infrared[scene.label == SKY].mean() < scene.infrared[scene.label == ROAD].mean() - 10


def test_both_pictures_show_the_same_outlines(two_dozen):
    # where the label map has a border between car or person and the rest, both pictures have edges
    for scene in two_dozen:
        border = ndimage.morphological_gradient((scene.label == PERSON).astype(np.uint8), size=3) > 0
        if border.sum() > 100:
            edges = ndimage.gaussian_gradient_magnitude(scene.infrared.astype(float), 0.7)
            assert edges[border].mean() > 2 * np.median(edges)


def test_layout_on_disk(tmp_path):
    folder = tmp_path / "scenes"
    write_scenes(folder, train=5, test=4, height=64, width=80, seed=1)
    for split, names in (("train", "00000D 00001U 00002N 00003F 00004D"), ("test", "50000D 50001U 50002N 50003F")):
        for sub, suffix in (("vi", "png"), ("ir", "png"), ("Segmentation_labels", "png"), ("detection_labels", "txt")):
            found = sorted(path.name for path in (folder / split / sub).iterdir())
            assert found == [f"{name}.{suffix}" for name in names.split()]
    assert read_image(folder / "train/vi/00002N.png").shape == (64, 80, 3)
    assert read_image(folder / "train/ir/00002N.png").shape == (64, 80)
    assert read_label(folder / "test/Segmentation_labels/50003F.png").max() < len(DESCRIPTOR["classes"])
    with Image.open(folder / "train/Segmentation_labels/00000D.png") as label:
        assert label.mode == "L"
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]


def test_the_descriptors_patterns_find_the_files(tmp_path):
    write_scenes(tmp_path / "scenes", train=1, test=0, height=48, width=64, seed=0)
    (patterns,) = DESCRIPTOR["layouts"]
    for what, pattern in patterns.items():
        path = pattern.format(split="train", name="00000D") + ("" if what == "boxes" else ".png")
        assert (tmp_path / DESCRIPTOR["folder"] / path).is_file()


def test_written_boxes_are_the_scenes_boxes(tmp_path):
    write_scenes(tmp_path / "scenes", train=2, test=0, height=96, width=128, seed=4)
    for name in ("00000D", "00001U"):
        rows = np.loadtxt(tmp_path / f"scenes/train/detection_labels/{name}.txt", ndmin=2).reshape(-1, 5)
        label = read_label(tmp_path / f"scenes/train/Segmentation_labels/{name}.png")
        assert len(rows) > 0
        for category, across, down, wide, high in rows:
            left, top = round((across - wide / 2) * 128), round((down - high / 2) * 96)
            inside = label[top : top + round(high * 96), left : left + round(wide * 128)]
            assert (inside == DETECTED[int(category)]).sum() >= FEWEST_PIXELS


def test_no_object_gives_an_empty_file(tmp_path, monkeypatch):
    for name in ("_cars", "_people"):
        monkeypatch.setattr(layout, name, lambda *_: [])
    write_scenes(tmp_path / "scenes", train=1, test=0, height=48, width=64, seed=0)
    assert (tmp_path / "scenes/train/detection_labels/00000D.txt").read_text() == ""


def test_more_scenes_change_none(tmp_path):
    write_scenes(tmp_path / "few", train=2, test=1, height=48, width=64, seed=7)
    write_scenes(tmp_path / "many", train=4, test=2, height=48, width=64, seed=7)
    write_scenes(tmp_path / "other", train=2, test=1, height=48, width=64, seed=8)
    few, many, other = (bytes_of(tmp_path / name) for name in ("few", "many", "other"))
    assert few.items() <= many.items()
    assert few.keys() == other.keys()
    assert few != other


def test_a_failure_leaves_the_old_folder(tmp_path, monkeypatch):
    folder = tmp_path / "scenes"
    write_scenes(folder, train=1, test=0, height=48, width=64, seed=0)
    before = bytes_of(folder)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render, "boxes_of", fail)
    with pytest.raises(UserError, match="No space left"):
        write_scenes(folder, train=2, test=0, height=48, width=64, seed=1)
    assert bytes_of(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]


@pytest.mark.parametrize(
    ("name", "value"), [("train", -1), ("test", 60_000), ("height", 20), ("width", 63), ("seed", -3)]
)
def test_numbers_out_of_range_are_a_users_error(tmp_path, name, value):
    wanted = {"train": 1, "test": 1, "height": 48, "width": 64, "seed": 0, name: value}
    with pytest.raises(UserError, match=name):
        write_scenes(tmp_path / "scenes", **wanted)
    assert not (tmp_path / "scenes").exists()
