import json
import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from ssvif.config.files import load_descriptor
from ssvif.data.descriptor import ClassInfo, Layout, descriptor_from_json, descriptor_to_json, reading_to_json
from ssvif.io.errors import UserError

SHIPPED = sorted(path.stem for path in (Path(__file__).parents[2] / "config/datasets").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_descriptors_are_valid_survive_json_and_have_colors_apart(load, name):
    shipped = load(name)
    assert shipped.name == name
    assert descriptor_from_json(descriptor_to_json(shipped)) == shipped
    colors = [info.color for info in shipped.classes]
    assert all(math.dist(one, other) > 40 for one, other in combinations(colors, 2))


def test_shipped_class_lists_are_the_datasets(load):
    assert [info.name for info in load("msrs").classes][:3] == ["background", "car", "person"]
    assert len(load("msrs").classes) == 9
    assert len(load("fmb").classes) == 15
    assert load("m3fd").detection_classes == ("people", "car", "bus", "lamp", "motorcycle", "truck")
    assert not load("roadscene").classes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratios": (0.8, 0.1, 0.2)}, "sum to 1"),
        ({"ratios": (1.0, 0.0, 0.0)}, "above 0"),
        ({"ratios": (1.2, 0.1, -0.3)}, "above 0"),
        ({"validation_fraction": 0.0}, "validation_fraction"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"official_splits": {"training": "train"}}, r"official_splits\.training"),
        ({"official_splits": {}}, "exactly if official_splits"),
        ({"expected": {"tests": 3}}, r"expected\.tests"),
        ({"layouts": ()}, "layouts\n.*at least 1"),
        ({"layouts": (Layout("{name}", "ir/{name}"),)}, "exactly if official_splits"),
        ({"name": "a/b"}, "name\n"),
        ({"background_id": 7}, "background_id"),
        ({"ignore_index": 1}, "ignore_index must be no"),
        ({"classes": ()}, "needs classes"),
        ({"detection_classes": ()}, "needs detection_classes"),
        ({"detection_classes": ("Car", "car")}, "each name once"),
        ({"classes": (ClassInfo(0, "a", (0, 0, 0)), ClassInfo(0, "b", (1, 1, 1)))}, "each once"),
        ({"classes": (ClassInfo(0, "a", (0, 0, 0), (1,)), ClassInfo(1, "b", (1, 1, 1)))}, r"each .* once, got \[1\]"),
        (
            {"classes": (ClassInfo(0, "one", (0, 0, 0), (255,)),), "ignored_values": (255,), "background_id": None},
            r"each label value once, got \[255\] twice",
        ),
        ({"ignored_values": (2,)}, r"each label value once, got \[2\] twice"),
        ({"ignored_values": ((1, 2, 3),)}, "asks for numbers"),
        ({"ignored_values": (3,), "color_labels": True}, "asks for colors"),
        ({"detection_aliases": {"cat": ("dog",)}}, r"must be of \['person', 'car'\], got \['cat'\]"),
        ({"detection_aliases": {"car": ("Person",)}}, r"one class's, .* got \['person'\] twice"),
        ({"detection_aliases": {"car": ("van",)}, "detection_ignored": ("VAN",)}, "one class's"),
        ({"detection_ignored": (" ",)}, "detection_ignored"),
        ({"classes": (ClassInfo(0, "a", (0, 0, 0)), ClassInfo(2, "b", (1, 1, 1)))}, "must be 0, 1, 2"),
    ],
)
def test_a_contradiction_is_refused(descriptor, changes, message):
    changes = {"background_id": None, **changes} if changes.get("classes") == () else changes
    with pytest.raises(ValueError, match=message):
        replace(descriptor, **changes)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (("vi/{name}", ""), r"(?m)^1\n.*at least 1"),
        (("vi/image", "ir/{name}"), "needs one {name}"),
        (("{name}/vi", "ir/{name}"), "needs one {name}"),
        (("vi/{name}{name}", "ir/{name}"), "needs one {name}"),
        (("vi/{nam}{name}", "ir/{name}"), "only"),
        (("/data/{name}", "ir/{name}"), "leaves"),
        (("../vi/{name}", "ir/{name}"), "leaves"),
        (("vi/{name}", "ir/{name}", "", "boxes/{name}.json"), "must end in .txt .* .xml .*json of COCO and labelme"),
    ],
)
def test_a_bad_pattern_is_refused(patterns, message):
    with pytest.raises(ValueError, match=message):
        Layout(*patterns)


@pytest.mark.parametrize("changes", [{"folder": "../x"}, {"folder": "/x"}, {"official_splits": {"train": "../x"}}])
def test_a_descriptor_stays_below_the_data_root(descriptor, changes):
    with pytest.raises(ValueError, match="leaves the dataset's root"):
        replace(descriptor, **changes)


@pytest.mark.parametrize(
    "values", [(255, "a", (0, 0, 0)), (-1, "a", (0, 0, 0)), (0, " ", (0, 0, 0)), (0, "a", (0, 0, 256))]
)
def test_a_bad_class_is_refused(values):
    with pytest.raises(ValueError, match=r"(?m)^(id|name|color\.2)$"):
        ClassInfo(**dict(zip(("id", "name", "color"), values, strict=True)))


def test_what_is_not_used_leaves_the_json_as_it_was(descriptor, load):
    """Or every dataset packed before would be packed anew: the text is a rule's parameter and an attribute."""
    used = set(json.loads(descriptor_to_json(descriptor)))
    assert used == {
        *("name", "title", "folder", "layouts", "official_splits", "ratios", "validation_fraction", "classes"),
        *("background_id", "ignore_index", "detection_classes", "expected", "source"),
    }
    assert set(json.loads(descriptor_to_json(load("msrs")))["classes"][0]) == {"id", "name", "color"}
    assert reading_to_json(descriptor) == ""


def test_what_is_used_survives_json_and_is_the_reading(descriptor):
    classes = tuple(ClassInfo(i, f"class {i}", (i, i, i), ((i, 0, 0), (0, i, 1))) for i in range(3))
    how = {
        "color_labels": True,
        "ignored_values": ((9, 9, 9),),
        "detection_aliases": {"person": ("people", "person?")},
        "detection_ignored": ("*",),
    }
    changed = replace(descriptor, classes=classes, **how)
    assert descriptor_from_json(descriptor_to_json(changed)) == changed
    read = json.loads(reading_to_json(changed))
    assert read.keys() == {*how, "values"}
    assert read["values"]["class 1"] == [[1, 0, 0], [0, 1, 1]]


def test_a_class_may_list_its_own_name(descriptor):
    named = replace(descriptor, detection_aliases={"person": ("Person", "PERSON", "people")})
    assert named.detection_names() == {"person": 0, "people": 0, "car": 1}


def test_indices_may_be_aliases(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "{name: a, title: A, folder: a, layouts: [{visible: 'v/{name}', infrared: 'i/{name}'}],"
        " detection_classes: [car, van], detection_aliases: {car: [2, 7], van: truck}, detection_ignored: [0, '*']}"
    )
    names = load_descriptor(path).detection_names()
    assert names == {"0": None, "*": None, "car": 0, "2": 0, "7": 0, "van": 1, "truck": 1}
    with pytest.raises(UserError, match="is a folder"):
        load_descriptor(tmp_path)
