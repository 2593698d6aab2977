"""Colors and readers of what lies over a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from report.made_results import write
from ssvif.config.files import load_descriptor
from ssvif.metrics.color_difference import lab
from ssvif.report.overlays import (
    IGNORED_COLOR,
    NamedBox,
    box_color,
    class_legend,
    class_palette,
    read_found_boxes,
    read_true_boxes,
)
from ssvif.schema import BOX_COLUMNS

DESCRIPTORS = sorted((Path(__file__).parents[2] / "config/datasets").glob("*.yaml"))
FAR = 40  # CIE 1976 color difference; a person tells 2 apart side by side, and a legend wants much more


@pytest.mark.parametrize("path", DESCRIPTORS, ids=lambda path: path.stem)
def test_what_is_not_judged_looks_like_no_class(path):
    descriptor = load_descriptor(path)
    judged = [known for known in descriptor.classes if known.id != descriptor.background_id]
    colors = torch.tensor([IGNORED_COLOR, *(known.color for known in judged)], dtype=torch.uint8)
    ignored, *others = lab(colors[..., None, None]).flatten(1)
    for known, color in zip(judged, others, strict=True):
        assert torch.dist(color, ignored) > FAR, known.name


def test_an_unknown_id_is_drawn_as_one_not_judged(source):
    colors, drawn = class_palette(source.descriptor)
    assert [tuple(colors[each]) for each in (1, 77, 255)] == [(200, 0, 0), IGNORED_COLOR, IGNORED_COLOR]
    assert drawn[[0, 1, 77, 255]].tolist() == [False, True, True, True]


def test_the_legend_names_what_occurs(source):
    assert class_legend(source.descriptor, {0, 2}) == {"bike": "#00c800"}
    assert list(class_legend(source.descriptor, {1, 255})) == ["person", "not judged"]


def test_a_box_of_an_unknown_class_has_a_color(source):
    assert box_color(("person", "car"), "car") != box_color(("person", "car"), "kite") == box_color((), "")


def test_boxes_are_read_in_pixels_the_surest_first(tmp_path):
    (tmp_path / "boxes.txt").write_text("0 0.5 0.5 0.25 0.5\n", encoding="utf-8")
    assert read_true_boxes(tmp_path / "boxes.txt", ("person",), 32, 24) == [NamedBox("person", 12, 6, 20, 18)]
    write(tmp_path / "boxes.csv", BOX_COLUMNS, [("1", "car", 0.3, 1, 2, 3, 4), ("1", "car", 0.9, 5, 6, 7, 8)])
    assert [box.confidence for box in read_found_boxes(tmp_path / "boxes.csv")["1"]] == [0.9, 0.3]
    assert read_found_boxes(tmp_path / "none.csv") is None
