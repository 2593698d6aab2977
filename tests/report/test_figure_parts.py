"""The figures' numbers and places, without drawing more than needed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from report.made_results import PAIRS, write, write_metrics
from ssvif.io.errors import UserError
from ssvif.report.figures import bubble, distributions, extremes, grid, projections, rows
from ssvif.report.figures.album import Album
from ssvif.report.figures.bubble import Bubble, Cost, Network
from ssvif.report.figures.style import PRINT, add_axes, blank_figure
from ssvif.report.figures.values import heading, metrics_in, read_score, read_values, show_value
from ssvif.report.measured import read_efficiency
from ssvif.report.overlays import IGNORED_COLOR, NamedBox
from ssvif.report.runs import RunLabel

EFFICIENCY = ("model", "channels", "height_px", "width_px", "quantity", "value")


@pytest.fixture
def album(results, source):
    return Album(results=results / "toy", source=source, runs=[RunLabel("average"), RunLabel("ours")])


def test_an_album_knows_sources_runs_and_boxes(album):
    row = album.pairs()[0]
    assert [each["pair_id"] for each in album.rows] == list(PAIRS)
    assert [each["pair_id"] for each in album.pairs()] == [PAIRS[0], PAIRS[2], PAIRS[3]]  # as choose_evenly says
    assert album.visible(row).shape == album.fused(RunLabel("ours"), row).shape == (24, 32, 3)
    assert album.fused(RunLabel("nobody"), row) is None
    assert album.predicted(RunLabel("nobody"), row) is None
    assert album.true_boxes(row, 24, 32) == [NamedBox("person", 12, 6, 20, 18)]
    assert album.found == {"ours": {"001": [NamedBox("person", 8, 6, 16, 18, 0.876)]}}
    assert album.objects(row, 24, 32) == [(16, 12)]


def test_without_boxes_small_regions_of_the_labels_are_the_objects(album):
    label = np.zeros((100, 200), np.uint8)
    label[50:] = 1  # too large for an object
    label[10:14, 20:24] = 2
    label[30:34, 120:128] = 2
    label[0, 0] = 2  # a speck
    assert album._regions(label) == [(21.5, 11.5), (123.5, 31.5)]


def test_pairs_with_annotations_come_first(album):
    for row in album.rows[1:]:
        row["label"] = ""
    assert [row["pair_id"] for row in album.pairs("label")] == ["001"]
    album.rows[0]["label"] = ""
    assert len(album.pairs("label")) == 3, "without any the figure still shows pairs"


def test_classes_lie_over_gray_and_background_shows_the_picture(source):
    base = np.full((1, 4, 3), (200, 100, 0), np.uint8)
    gray = round(0.299 * 200 + 0.587 * 100)
    drawn = rows.lay_over(base, np.array([[0, 1, 2, 255]], np.uint8), source.descriptor)[0]
    assert drawn[0].tolist() == [200, 100, 0]
    for place, color in ((1, (200, 0, 0)), (2, (0, 200, 0)), (3, IGNORED_COLOR)):
        np.testing.assert_allclose(drawn[place], 0.4 * gray + 0.6 * np.array(color), atol=1)
    assert rows.lay_over(base[..., 0], np.zeros((1, 4), np.uint8), source.descriptor).shape == (1, 4, 3)


def test_names_of_boxes_hide_no_box_and_no_name():
    boxes = [NamedBox("person", 40 + 6 * i, 40, 45 + 6 * i, 60) for i in range(4)]
    taken = []
    for number, box in enumerate(boxes):
        others = [each for place, each in enumerate(boxes) if place != number]
        place = grid._free_place(box, (20, 8), [*taken, *others], (100, 100))
        if place:
            assert place.left >= 0
            assert place.right <= 100
            assert not any(grid._touch(place, other) for other in [*taken, *others])
            taken.append(place)
    assert len(taken) >= 2
    assert grid._free_place(boxes[0], (20, 8), [NamedBox("", 0, 0, 100, 100)], (100, 100)) is None
    assert grid._free_place(NamedBox("", 0, 0, 100, 100), (20, 8), [], (100, 100)).top == 0


def test_long_strips_are_broken_evenly():
    def lines(count):
        panel = grid.Panel("", np.zeros((20, 20), np.uint8))
        return [len(line.panels) for line in grid._to_lines([grid.Strip("", [panel] * count)])]

    assert [lines(count) for count in (3, 7, 8, 13)] == [[3], [7], [4, 4], [7, 6]]


def test_values_are_read_without_those_that_are_none(results):
    write_metrics(results, "ours", {"vif": [0.5, "", "nan", "inf"], "own": [1, 2, 3, 4], "en": [7]})
    values = read_values(results / "toy", [RunLabel("ours"), RunLabel("nobody")])
    assert values["ours"]["vif"] == {"001": 0.5}
    assert values["nobody"] == {}
    assert metrics_in(values) == ["en", "vif", "own"]
    assert (heading("vif"), heading("delta_e76"), heading("own")) == ("VIF ↑", "ΔE76 ↓", "own")
    assert (show_value("vif", 0.12345), show_value("miou", 0.5)) == ("0.123", "50.00")
    assert show_value("vif", -0.12345) == "−0.123"
    assert read_score(results / "toy/ours", "segmentation", "miou") == pytest.approx(0.8)
    assert read_score(results / "toy/nobody", "segmentation", "miou") is None


def test_the_best_mean_follows_the_direction():
    samples = [np.array([1.0, 2.0]), None, np.array([3.0])]
    assert distributions._best("vif", samples) == [2]
    assert distributions._best("delta_e76", samples) == [0]
    assert distributions._best("own", samples) == []
    assert distributions._best("vif", samples[:1]) == []


def test_extremes_are_ordered_from_worst_to_best(album, results):
    values = {"001": 0.5, "002": 0.7, "003": 0.5, "gone": 9.0}
    assert [name for name, _ in extremes._order(album, values, "vif")] == ["001", "003", "002"]
    assert [name for name, _ in extremes._order(album, values, "delta_e76")] == ["002", "001", "003"]
    ordered = [("001", 0.1), ("002", 0.2), ("003", 0.3), ("004 #4", 0.4)]
    panels = extremes._strip(album, RunLabel("ours"), ordered, "vif", 2).panels
    assert [panel.title for panel in panels] == ["Worst VIF", "2nd worst VIF", "2nd best VIF", "Best VIF"]
    assert [panel.caption for panel in panels] == ["001: 0.100", "002: 0.200", "003: 0.300", "004 #4: 0.400"]
    few = extremes._strip(album, RunLabel("ours"), ordered[:3], "own", 2).panels
    assert [panel.picture for panel in few] == [None] * 4
    assert few[0].title == "Lowest own"


def test_steps_stand_where_they_were_taken(tmp_path):
    columns = ("epoch", "step", "projection_consistency", "projection_fusion", "cosine")
    write(tmp_path / "gradients.csv", columns, [(5, 3, 0.2, 20, 0), (4, 1, 0.1, 10, 0), (4, 4, "nan", 1, 0)])
    steps = projections.read_steps(tmp_path / "gradients.csv")
    assert steps.epochs.tolist() == [3, pytest.approx(4 + 2 / 3)]
    assert steps.values["projection_consistency"].tolist() == [0.1, 0.2]
    assert projections.read_steps(tmp_path / "none.csv") is None
    write(tmp_path / "empty.csv", columns, [])
    assert projections.read_steps(tmp_path / "empty.csv") is None


def test_smoothing_keeps_lines_and_stays_within_the_values():
    places = np.linspace(0, 10, 1000)
    at, flat = projections.smooth(places, np.full(1000, 3.0))
    assert len(at) == projections.MOST_PLACES
    np.testing.assert_allclose(flat, 3.0)
    at, line = projections.smooth(places, places)
    middle = (at > 4) & (at < 6)
    np.testing.assert_allclose(line[middle], at[middle], atol=1e-3)
    noise = np.random.default_rng(0).normal(size=1000)
    assert np.abs(projections.smooth(places, noise)[1]).max() < 0.4
    assert projections.smooth(np.array([2.0]), np.array([5.0]))[1].tolist() == [5.0]


def test_costs_are_those_of_table_iv(tmp_path):
    lines = [
        ("net", 3, 480, 640, "macs", 9e9),
        ("net", 3, 256, 256, "parameters", 1e6),
        ("net", 3, 256, 256, "released_parameters", 2e6),
        ("net", 3, 256, 256, "macs", 3e9),
        ("half", 3, 256, 256, "parameters", 1),
    ]
    write(tmp_path / "efficiency.csv", EFFICIENCY, lines)
    assert bubble.read_costs(tmp_path / "efficiency.csv") == {Network("net", 3): Cost(2.0, 3.0)}
    shown = read_efficiency(tmp_path / "efficiency.csv")["net 3"]
    assert [shown[name, ""].values[""] for name in ("parameters_mparam", "macs_gmac")] == [2.0, 3.0]
    write(tmp_path / "efficiency.csv", EFFICIENCY, [])
    assert bubble.read_costs(tmp_path / "efficiency.csv") == {}
    write(tmp_path / "efficiency.csv", EFFICIENCY, [("net", 3, 256, 256, "macs", "many")])
    with pytest.raises(UserError, match="not a number"):
        bubble.read_costs(tmp_path / "efficiency.csv")


def test_areas_follow_the_parameters_and_large_networks_shrink_all(album, results, tmp_path, monkeypatch):
    small, large = (Bubble("", Cost(mparam, 1.0), 0.0, 0) for mparam in (1.0, 4.0))
    assert large.radius_in == pytest.approx(2 * small.radius_in)
    counts = (("parameters", 2e8), ("macs", 1e12))
    write(tmp_path / "efficiency.csv", EFFICIENCY, [("huge", 3, 256, 256, *count) for count in counts])
    write_metrics(results, "ours", {"vif": [0.5, 0.6]})
    drawn = []
    monkeypatch.setattr(bubble, "_draw", lambda panels, *_: drawn.append(panels))
    bubble.draw_bubbles(album, tmp_path, {"ours": Network("huge", 3)}, tmp_path / "efficiency.csv")
    assert drawn[0]["vif"][0].area_pt2 == pytest.approx(bubble.LARGEST_PT2)
    assert drawn[0]["vif"][0].score == pytest.approx(0.55)
    assert drawn[0]["miou"][0].score == pytest.approx(80)


def test_ten_names_of_bubbles_do_not_overlap():
    networks = ((0.17, 10.9), (0.97, 76.0), (1.5, 8.6), (0.14, 8.9))
    bubbles = [Bubble(f"Method {i}, released", Cost(*networks[i % 4]), 0.7 + 0.03 * (i // 4), i) for i in range(10)]
    with rc_context(PRINT):
        figure = blank_figure(bubble.LEFT_IN + bubble.WIDE_IN, bubble.TOP_IN + bubble.HIGH_IN + bubble.BOTTOM_IN)
        axes = add_axes(figure, bubble.LEFT_IN, bubble.TOP_IN, bubble.WIDE_IN, bubble.HIGH_IN)
        bubble._draw_panel(axes, "vif", bubbles)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        names = [text for text in axes.texts if text.get_text().startswith("Method")]
        boxes = [Text.get_window_extent(text, renderer) for text in names]  # without their arrows
    assert len(boxes) == 10
    for one, other in combinations(boxes, 2):
        shared = Bbox.intersection(one.padded(-1), other.padded(-1))
        assert shared is None, "two names lie over each other"
