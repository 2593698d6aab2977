"""The figures' numbers and places, without drawing more than needed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from report.made_results import write, write_gradients, write_metrics
from ssvif.io.errors import UserError
from ssvif.report.figures import bubble, projections, rows
from ssvif.report.figures.grid import Strip, draw_grid
from ssvif.report.figures.insets import find_objects
from ssvif.report.figures.style import SIZE_PT, SMALLEST_PT, add_legend, fit_text, text_width_in
from ssvif.report.pictures import IGNORED_COLOR
from ssvif.report.runs import COLORS, RunLabel, color_of
from ssvif.schema import EFFICIENCY_COLUMNS

NAMES = st.text("abcdefgh WM_-/,$", min_size=1, max_size=60)


def test_small_regions_of_the_labels_are_the_objects(album):
    label = np.zeros((100, 200), np.uint8)
    label[50:] = 1  # too large for an object
    label[10:14, 20:24] = 2
    label[30:34, 120:128] = 2
    label[0, 0] = 2  # a speck
    assert find_objects(label, album.source.descriptor) == [(21.5, 11.5), (123.5, 31.5)]


def test_classes_lie_over_gray_and_background_shows_the_picture(source):
    base = np.full((1, 4, 3), (200, 100, 0), np.uint8)
    gray = round(0.299 * 200 + 0.587 * 100)
    drawn = rows.lay_over(base, np.array([[0, 1, 2, 255]], np.uint8), source.descriptor)[0]
    assert drawn[0].tolist() == [200, 100, 0]
    for place, color in ((1, (200, 0, 0)), (2, (0, 200, 0)), (3, IGNORED_COLOR)):
        np.testing.assert_allclose(drawn[place], 0.4 * gray + 0.6 * np.array(color), atol=1)
    assert rows.lay_over(base[..., 0], np.zeros((1, 4), np.uint8), source.descriptor).shape == (1, 4, 3)


def test_long_strips_are_broken_evenly():
    picture = np.zeros((20, 20), np.uint8)
    for count, lines in ((3, [3]), (7, [7]), (8, [4, 4]), (13, [7, 6])):
        figure = draw_grid([""] * count, [Strip("", [picture] * count)])
        tops = [round(axes.get_position().y0, 3) for axes in figure.axes]
        assert [tops.count(top) for top in sorted(set(tops), reverse=True)] == lines


def test_steps_stand_where_they_were_taken(tmp_path):
    columns = ("epoch", "step", "projection_consistency", "projection_fusion", "cosine")
    write(tmp_path / "gradients.csv", columns, [(5, 3, 0.2, 20, 0), (4, 1, 0.1, 10, 0), (4, 4, "nan", 1, 0)])
    steps = projections.read_steps(tmp_path / "gradients.csv")
    np.testing.assert_allclose(steps, [[3, 0.1, 10], [4 + 2 / 3, 0.2, 20]])
    assert len(projections.read_steps(tmp_path / "none.csv")) == 0
    write(tmp_path / "empty.csv", columns, [])
    assert len(projections.read_steps(tmp_path / "empty.csv")) == 0


def test_costs_are_those_of_table_iv(album, tmp_path):
    path, networks = tmp_path / "efficiency.csv", {"average": "net 3", "ours": "half 3"}
    lines = [
        ("net", 3, 480, 640, "macs", 9e9),
        ("net", 3, 256, 256, "parameters", 1e6),
        ("net", 3, 256, 256, "released_parameters", 2e6),
        ("net", 3, 256, 256, "macs", 3e9),
        ("half", 3, 256, 256, "parameters", 1),
    ]
    write(path, EFFICIENCY_COLUMNS, lines)
    assert bubble.count_runs(album, networks, path) == {RunLabel("average"): (2.0, 3.0)}
    write(path, EFFICIENCY_COLUMNS, [])
    assert bubble.count_runs(album, networks, path) == {}
    write(path, EFFICIENCY_COLUMNS, [("net", 3, 256, 256, "macs", "many")])
    with pytest.raises(UserError, match="not a number"):
        bubble.count_runs(album, networks, path)


def test_steps_beyond_the_axis_are_triangles(album, results):
    write_gradients(results / "toy/ours", [0.1, -0.1] * 200 + [50, -40])
    for axes in projections.draw_projections(album)[0].axes:
        points = {line.get_marker(): len(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "None"}
        assert points == {"o": 400, "^": 1, "v": 1}


def write_costs(path, counts):
    """Write the parameters and multiply-accumulates of each network, and return the file."""
    lines = [
        (net, 3, 256, 256, key, count)
        for net, each in counts.items()
        for key, count in zip(("parameters", "macs"), each, strict=True)
    ]
    write(path, EFFICIENCY_COLUMNS, lines)
    return path


def draw_bubbles(album, networks, path, metric="en"):
    return bubble.draw_bubbles(album, bubble.count_runs(album, networks, path), metric)[0]


@pytest.mark.parametrize(
    ("macs", "limits", "ticks"),
    [((8e9, 8e9), (4, 16), [5, 10]), ((1e9, 1e13), (1000**-0.24, 1e4 * 1000**0.24), [1, 10, 100, 1000, 10000])],
)
def test_the_axis_of_costs_keeps_close_to_the_costs(album, results, tmp_path, macs, limits, ticks):
    path = write_costs(tmp_path / "efficiency.csv", {"a": (1e6, macs[0]), "b": (1e6, macs[1])})
    axes = draw_bubbles(album, {"ours": "a 3", "average": "b 3"}, path).axes[0]
    np.testing.assert_allclose(axes.get_xlim(), limits, rtol=1e-6)
    shown = [tick for tick in axes.get_xticks() if limits[0] <= tick <= limits[1]]
    np.testing.assert_allclose(shown, ticks)


def test_a_counted_run_without_a_score_is_not_shown_and_leaves_the_areas_alone(album, results, tmp_path):
    path = write_costs(tmp_path / "efficiency.csv", {"huge": (1e9, 1e12), "small": (1e6, 1e10)})
    (results / "toy/average/fusion_metrics.csv").unlink()
    (results / "toy/average/segmentation/iou.csv").unlink()
    networks = {"average": "huge 3", "ours": "small 3", "third": "small 3"}
    assert bubble.draw_bubbles(album, bubble.count_runs(album, networks, path), "en") == [], (
        "one bubble compares nothing"
    )
    write_metrics(results, "third", {"en": [7.0]})
    album = replace(album, runs=[*album.runs, RunLabel("third")])
    figure = draw_bubbles(album, networks, path)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours (1 M)", "third (1 M)"]
    assert figure.axes[0].collections[0].get_sizes()[0] == bubble.AREA_PT2


@pytest.mark.parametrize("metric", ["vif", "own"])
def test_bubbles_show_mean_scores_at_areas_that_follow_the_parameters(album, results, tmp_path, metric):
    path = write_costs(tmp_path / "efficiency.csv", {"huge": (2e8, 1e12), "small": (5e7, 1e10)})
    write_metrics(results, "ours", {metric: [0.5, 0.6, "nan", "inf"]})
    write_metrics(results, "average", {metric: [0.4, ""]})
    networks = {"ours": "huge 3", "average": "small 3"}
    miou, fusion = draw_bubbles(album, networks, path, metric).axes
    places = [tuple(each.get_offsets()[0]) for each in fusion.collections]
    np.testing.assert_allclose(places, [(1e3, 0.55), (10, 0.4)])
    assert [each.get_sizes()[0] for each in fusion.collections] == pytest.approx([bubble.LARGEST_PT2] * 1 + [150])
    assert miou.collections[0].get_offsets()[0][1] == pytest.approx(80)


@settings(max_examples=60)
@given(NAMES, st.floats(0.3, 2.0), st.integers(1, 3))
def test_fitted_text_keeps_to_its_room(text, width_in, lines):
    fitted, size = fit_text(text, width_in, lines=lines)
    assert SMALLEST_PT <= size <= SIZE_PT
    assert len(fitted.split("\n")) <= lines
    assert all(text_width_in(line, size) <= width_in for line in fitted.split("\n"))
    kept = "".join(fitted.split())
    whole = "".join(text.split())
    assert whole.startswith(kept.removesuffix("…")) if kept.endswith("…") else kept == whole


def test_text_is_broken_then_shrunk_then_cut():
    name = "SeAFusion, released weights"
    assert fit_text(name, 3.0) == (name, SIZE_PT)
    assert fit_text(name, 1.0) == ("SeAFusion, released\nweights", SIZE_PT)
    assert fit_text(name, 0.75)[1] < SIZE_PT
    assert fit_text("W" * 80, 0.75)[0].endswith("…")
    assert fit_text("", 1.0) == ("", SIZE_PT)


def test_colors_begin_again():
    assert [color_of(0), color_of(len(COLORS))] == [COLORS[0]] * 2
    assert len(set(COLORS)) == len(COLORS)


def test_legends_are_balanced():
    entries = {f"vegetation {number}": Line2D([], []) for number in range(9)}
    assert [add_legend(Figure((width, 1)), entries) for width in (0.5, 5.5, 12)] == [9, 3, 1]
