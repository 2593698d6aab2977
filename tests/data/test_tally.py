"""What is said of the classes in labels and boxes."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssvif.data.descriptor import ClassInfo, Descriptor, Layout
from ssvif.data.tally import AnnotationTally, count_classes

DESCRIPTOR = Descriptor(
    name="toy",
    title="Toy",
    folder="toy",
    layouts=(Layout("vi/{name}", "ir/{name}"),),
    classes=tuple(ClassInfo(place, name, (0, 0, 0)) for place, name in enumerate(("ground", "car", "person"))),
    detection_classes=("car", "person"),
)


def tally(kind="label", **splits):
    """The tally of label maps given as flat lists of ids, or of boxes given as lists of classes, by split."""
    found = AnnotationTally(DESCRIPTOR)
    for split, several in splits.items():
        for ids in several:
            array = np.array([ids], np.uint8) if kind == "label" else np.array(ids, float).reshape(-1, 1).repeat(5, 1)
            found.add(split, kind, count_classes(kind, array))
    return found


@given(arrays(np.uint8, (5, 7)))
def test_each_class_has_its_pixels(label):
    assert count_classes("label", label) == Counter(label.ravel().tolist())


@given(st.lists(st.integers(0, 300)))
def test_each_class_has_its_boxes(ids):
    assert count_classes("boxes", np.array(ids, float).reshape(-1, 1).repeat(5, 1)) == Counter(ids)


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        ({"train": [[0, 1, 2]], "test": [[0, 1, 2]]}, []),
        ({}, []),
        ({"train": [[0, 1]]}, ["the labels hold no person"]),
        ({"all": [[0, 0], [0, 0]]}, ["the labels hold ground alone and no car, person"]),
        ({"train": [[0, 1]], "test": [[2]]}, ["the labels of train hold no person, which other splits have"]),
        ({"test": [[0, 1, 2]]}, []),
        ({"train": [[0, 1, 2, 255]]}, ["255 is ignored and covers 25% of the labeled pixels"]),
        ({"train": [[0, 1, 2, 0, 1, 2, 255]]}, []),
        (
            {"train": [[255], [255]]},
            ["the labels hold no class", "255 is ignored and covers 100% of the labeled pixels"],
        ),
        ({"train": [[0, 0], [1, 1], [2, 2]]}, ["each label map is of one class alone"]),
    ],
)
def test_what_is_strange_in_labels_is_said(splits, says):
    assert list(tally(**splits).warnings()) == says


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        ({"train": [[0, 1], []]}, []),
        ({"train": [[], []], "test": [[]]}, ["the boxes hold no class"]),
        ({"train": [[1]], "test": [[1]]}, ["the boxes hold person alone and no car"]),
        ({"train": [[1]], "test": [[0]]}, ["the boxes of train hold no car, which other splits have"]),
    ],
)
def test_what_is_strange_in_boxes_is_said(splits, says):
    assert list(tally("boxes", **splits).warnings()) == says


def test_the_summary_and_what_is_alone():
    found = tally(train=[[0, 0, 0, 1, 255]], test=[[1, 1]])
    assert list(found.summary()) == ["labels: ground 50.0%, car 50.0%, person 0.0%"]
    assert not found.alone("label", "train")
    assert found.alone("label", "test") == "labels of car alone in test"
    assert tally(train=[[255]]).alone("label", "train") == "no class in the labels of train"
    assert not found.alone("label", "validation")
    assert list(tally("boxes", train=[[0, 0, 1]]).summary()) == ["boxes: car 2, person 1"]
