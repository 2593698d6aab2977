import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from ssvif.data.descriptor import ClassInfo, Layout, descriptor_from_json, descriptor_to_json

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
        (("vi/{name}", "ir/{name}", "", "boxes/{name}.json"), "must end in"),
    ],
)
def test_a_bad_pattern_is_refused(patterns, message):
    with pytest.raises(ValueError, match=message):
        Layout(*patterns)


@pytest.mark.parametrize(
    "values", [(255, "a", (0, 0, 0)), (-1, "a", (0, 0, 0)), (0, " ", (0, 0, 0)), (0, "a", (0, 0, 256))]
)
def test_a_bad_class_is_refused(values):
    with pytest.raises(ValueError, match=r"(?m)^(id|name|color\.2)$"):
        ClassInfo(**dict(zip(("id", "name", "color"), values, strict=True)))
