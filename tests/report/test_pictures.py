"""The pictures of a dataset, and the colors of what lies over them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from report.made_results import PAIRS, write
from ssvif.config.files import load_descriptor
from ssvif.metrics.color_difference import lab
from ssvif.report.pictures import IGNORED_COLOR, NamedBox, box_color, class_legend, class_palette
from ssvif.report.runs import RunLabel
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


def test_an_album_knows_sources_runs_and_boxes(album):
    row = album.pairs()[0]
    assert [each["pair_id"] for each in album.rows] == list(PAIRS)
    assert [each["pair_id"] for each in album.pairs()] == [PAIRS[0], PAIRS[2], PAIRS[3]]  # as choose_evenly says
    assert album.visible(row).shape == album.fused(RunLabel("ours"), row).shape == (24, 32, 3)
    assert album.fused(RunLabel("nobody"), row) is None
    assert album.predicted(RunLabel("nobody"), row) is None
    assert album.true_boxes(row, 24, 32) == [NamedBox("person", 12, 6, 20, 18)]
    assert album.found == {"ours": {"001": [NamedBox("person", 8, 6, 16, 18, 0.876)]}}


def test_found_boxes_come_the_surest_first(album):
    boxes = [("1", "car", 0.3, 1, 2, 3, 4), ("1", "car", 0.9, 5, 6, 7, 8)]
    write(album.results / "ours/detection/boxes.csv", BOX_COLUMNS, boxes)
    assert [box.confidence for box in album.found["ours"]["1"]] == [0.9, 0.3]


def test_pairs_with_annotations_come_first(album):
    for row in album.rows[1:]:
        row["label"] = ""
    assert [row["pair_id"] for row in album.pairs("label")] == ["001"]
    album.rows[0]["label"] = ""
    assert len(album.pairs("label")) == 3, "without any the figure still shows pairs"


def test_labels_are_drawn_by_what_the_descriptor_says_of_their_values(album):
    row = album.pairs("label")[0]
    plain = album.label(row)
    classes = tuple(replace(info, values=(2 - info.id,)) for info in album.source.descriptor.classes if info.id < 3)
    changed = replace(album.source, descriptor=replace(album.source.descriptor, classes=classes))
    assert len(classes) == 3
    assert (replace(album, source=changed).label(row) == 2 - plain).all()
