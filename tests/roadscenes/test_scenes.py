from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage

from reference.files import digests_of
from roadscenes.cameras import expose, measure_degrees, read_bands
from roadscenes.canvas import CARD, GROUND, Camera, Canvas, Category, Frame
from roadscenes.plan import CONDITIONS, plan_street, vary_condition
from roadscenes.render import DETECTED, FEWEST_PIXELS, Scene, boxes_of, render_scene
from roadscenes.roadside import ROAD_PAINT, SIGNS, TARMAC, draw_sheet, draw_sign
from roadscenes.write import write_scene, write_scenes

ROOT = Path(__file__).parents[2]
NAMES = list(CONDITIONS)
DESCRIPTOR = yaml.safe_load((ROOT / "config/datasets/scenes.yaml").read_text(encoding="utf-8"))
SMALL = {"train": 1, "test": 0, "height": 48, "width": 64, "seed": 0}


@pytest.fixture(scope="module")
def two_dozen():
    return [render_scene(seed, 128, 160, NAMES[seed % 4]) for seed in range(24)]


def gray(scene):
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
    assert (scene.boxes.shape[1:], scene.boxes.dtype) == ((5,), np.float64)
    assert scene.infrared.std() > 5


def test_the_plan_does_not_depend_on_the_size():
    # the same street at two sizes: the classes agree almost everywhere
    small, large = render_scene(8, 120, 160, "day"), render_scene(8, 360, 480, "day")
    assert (small.label == large.label[1::3, 1::3]).mean() > 0.93


def test_labels_hold_the_descriptors_classes_and_each_occurs(two_dozen):
    names = {info["id"]: info["name"] for info in DESCRIPTOR["classes"]}
    assert names == {category.value: category.name.lower() for category in Category}
    assert set().union(*(np.unique(scene.label).tolist() for scene in two_dozen)) == set(names)
    assert DESCRIPTOR["detection_classes"] == [names[category] for category in DETECTED]
    colors = [tuple(info["color"]) for info in DESCRIPTOR["classes"]]
    assert len(set(colors)) == len(colors)


def test_boxes_are_the_exact_extents_of_what_is_seen(two_dozen):
    for scene in two_dozen:
        assert np.array_equal(scene.instances > 0, np.isin(scene.label, DETECTED))
        expected = []
        for number in np.unique(scene.instances)[1:]:
            rows, columns = np.nonzero(scene.instances == number)
            categories = np.unique(scene.label[rows, columns])
            assert len(categories) == 1
            if len(rows) >= FEWEST_PIXELS:
                start, stop = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1
                place = np.concatenate([start + stop, 2 * (stop - start)]) / (320, 256, 320, 256)
                expected.append((DETECTED.index(int(categories[0])), *place))
        np.testing.assert_allclose(scene.boxes, np.array(expected).reshape(-1, 5), atol=1e-12)


def test_a_box_by_hand_and_a_speck_without_one(tmp_path):
    instances = np.zeros((10, 20), np.int32)
    instances[2:6, 4:8] = 1
    instances[9, 19] = 2
    boxes = boxes_of(instances, [0, Category.CAR, Category.PERSON])
    assert boxes.tolist() == [[1, 0.3, 0.4, 0.2, 0.4]]
    plane = instances.astype(np.uint8)
    for name, rows in (("some", boxes), ("none", boxes_of(0 * instances, [0]))):
        write_scene(tmp_path, name, Scene(plane, plane, plane, instances, rows, "day"))
    written = {path.stem: path.read_text() for path in (tmp_path / "detection_labels").iterdir()}
    assert written == {"some": "1 0.30000000 0.40000000 0.20000000 0.40000000\n", "none": ""}


def contrast(picture, place):
    """Mean step between a shape and the ring around it, in 8-bit steps."""
    ring = ndimage.binary_dilation(place, iterations=3) & ~ndimage.binary_dilation(place)
    return abs(picture[place].mean() - picture[ring].mean())


def test_people_vanish_at_night_and_glow_in_infrared():
    seen, felt = [], []
    for scene in (render_scene(seed, 128, 160, "night") for seed in range(16)):
        for number in np.unique(scene.instances[scene.label == Category.PERSON]):
            place = scene.instances == number
            if place.sum() >= 40:
                seen.append(contrast(gray(scene), place))
                felt.append(contrast(scene.infrared.astype(float), place))
    assert len(seen) > 20
    assert np.median(seen) < 30
    assert np.median(felt) > max(60, 2.3 * np.median(seen))


@pytest.mark.parametrize("condition", NAMES)
def test_people_are_hotter_than_the_rest(two_dozen, condition):
    scenes = [scene for scene in two_dozen if scene.condition == condition]
    infrared = np.stack([scene.infrared for scene in scenes])
    people = np.stack([scene.label == Category.PERSON for scene in scenes])
    assert np.median(infrared[people]) > np.percentile(infrared[~people], 90)


def bare_street(condition):
    """A canvas with the sky and a road, its street, and the generator to go on with."""
    rng = np.random.default_rng(0)
    weather, street = vary_condition(condition, rng), plan_street(rng)
    canvas = Canvas(Camera(height=288, width=384, focal=350.0, horizon=130.0, center=190.0, eye=1.7), 3, weather)
    Frame(canvas, GROUND).box(TARMAC, -40, 40, 1, 380)
    return canvas, street, rng


def both_bands(canvas, street):
    """Linear gray light and degrees of the whole picture, without blur and noise."""
    bands, weather = read_bands(canvas, np.random.default_rng(1)), canvas.condition
    parts = [(expose(band, street, weather).mean(axis=0), measure_degrees(band, weather)) for band in bands]
    return tuple(np.concatenate(planes) for planes in zip(*parts, strict=True))


def sign_pixels(canvas, margin):
    categories = np.array([part.surface.category for part in canvas.parts])[np.asarray(canvas.map)]
    return ndimage.binary_erosion(categories == Category.SIGN, iterations=margin)[1::3, 1::3]


@pytest.mark.parametrize("condition", NAMES)
def test_road_markings_exist_in_the_visible_only(condition):
    bare, street, _ = bare_street(condition)
    painted, _, _ = bare_street(condition)
    Frame(painted, GROUND).box(ROAD_PAINT, -0.5, 0.5, 6, 12)
    (light, degrees), (light_painted, degrees_painted) = both_bands(bare, street), both_bands(painted, street)
    assert (light_painted - light).max() > 1.2 * np.median(light[60:])
    assert np.array_equal(degrees, degrees_painted)


@pytest.mark.parametrize("kind", SIGNS)
@pytest.mark.parametrize("condition", ["day", "night"])
def test_a_signs_symbol_exists_in_the_visible_only(kind, condition):
    canvas, street, _ = bare_street(condition)
    draw_sheet(Frame(canvas, CARD, 8.0, 0.0, 1.8), kind)
    light, degrees = both_bands(canvas, street)
    inside = sign_pixels(canvas, margin=4)
    assert inside.sum() > 30
    assert light[inside].std() > 0.12 * light[inside].mean()
    assert np.ptp(degrees[inside]) < 0.01


@pytest.mark.parametrize("condition", NAMES)
def test_a_sign_is_colder_than_the_road_and_casts_a_shadow_in_the_sun(condition):
    canvas, street, rng = bare_street(condition)
    draw_sign(canvas, 0.0, 7.0, rng)
    assert (canvas.shadow.getbbox() is not None) == (condition in ("day", "dusk"))
    assert canvas.contact.getbbox() is not None
    degrees, sign = both_bands(canvas, street)[1], sign_pixels(canvas, margin=1)
    assert degrees[sign].mean() < degrees[60:][~sign[60:]].mean() - 1


def test_fog_hides_the_distance_in_the_visible_only():
    spread = []
    for condition in ("day", "fog"):
        scenes = [render_scene(seed, 128, 160, condition) for seed in range(6)]
        cars = [(scene, scene.label == Category.CAR) for scene in scenes if (scene.label == Category.CAR).sum() > 100]
        spread.append([(gray(scene)[place].std(), scene.infrared[place].std()) for scene, place in cars])
    (seen, felt), (seen_in_fog, felt_in_fog) = (np.mean(rows, axis=0) for rows in spread)
    assert seen_in_fog < 0.8 * seen
    assert felt_in_fog > 0.7 * felt


def test_night_is_dark_the_sky_cold_and_persons_have_edges_in_infrared(two_dozen):
    means = {name: np.mean([gray(scene).mean() for scene in two_dozen if scene.condition == name]) for name in NAMES}
    assert means["night"] < 0.5 * means["day"]
    for scene in two_dozen:
        sky, road = (scene.infrared[scene.label == category].mean() for category in (Category.SKY, Category.ROAD))
        assert sky < road - 10
        border = ndimage.morphological_gradient((scene.label == Category.PERSON).astype(np.uint8), size=3) > 0
        edges = ndimage.gaussian_gradient_magnitude(scene.infrared.astype(float), 0.7)
        assert border.sum() <= 100 or edges[border].mean() > 2 * np.median(edges)


def test_layout_on_disk(tmp_path):
    folder, shown = tmp_path / "scenes", []

    def progress(jobs):
        for job in jobs:
            shown.append(job)
            yield job

    write_scenes(folder, train=5, test=4, height=64, width=80, seed=1, progress=progress)
    assert shown == [*(("train", i) for i in range(5)), *(("test", i) for i in range(4))]
    for split, names in (("train", "00000D 00001U 00002N 00003F 00004D"), ("test", "50000D 50001U 50002N 50003F")):
        for sub, suffix in (("vi", "png"), ("ir", "png"), ("Segmentation_labels", "png"), ("detection_labels", "txt")):
            found = sorted(path.name for path in (folder / split / sub).iterdir())
            assert found == [f"{name}.{suffix}" for name in names.split()]
    for sub, mode in (("vi", "RGB"), ("ir", "L"), ("Segmentation_labels", "L")):
        with Image.open(folder / f"train/{sub}/00002N.png") as image:
            assert (image.mode, image.size) == (mode, (80, 64))
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]
    (patterns,) = DESCRIPTOR["layouts"]
    for what, pattern in patterns.items():
        path = pattern.format(split="train", name="00000D") + ("" if what == "boxes" else ".png")
        assert (tmp_path / DESCRIPTOR["folder"] / path).is_file()


def test_more_scenes_change_none(tmp_path):
    folders = []
    for train, seed in ((2, 7), (4, 7), (2, 7), (2, 8)):
        write_scenes(tmp_path / "scenes", **SMALL | {"train": train, "test": 1, "seed": seed})
        folders.append(digests_of(tmp_path / "scenes"))
    few, many, again, other = folders
    assert few.items() <= many.items()
    assert few == again
    assert few.keys() == other.keys()
    assert few != other


def test_a_failure_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "scenes"
    write_scenes(folder, **SMALL)
    before = digests_of(folder)

    def fail(jobs):
        yield jobs[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_scenes(folder, **SMALL | {"train": 2, "seed": 1}, progress=fail)
    assert digests_of(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]
    write_scenes(folder, **SMALL | {"seed": 1})
    assert digests_of(folder) != before


@pytest.mark.parametrize("kept", ["notes.txt", "train/vi/00001D.png", "file itself"])
def test_a_folder_with_something_else_is_kept(tmp_path, kept):
    folder = tmp_path / "scenes"
    path = folder if kept == "file itself" else folder / kept
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="something other"):
        write_scenes(folder, **SMALL)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "value"), [("train", -1), ("test", 60_000), ("height", 20), ("width", 63), ("seed", -3)]
)
def test_numbers_out_of_range_are_refused(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name} .* got {value}"):
        write_scenes(tmp_path / "scenes", **SMALL | {name: value})
    assert not (tmp_path / "scenes").exists()
