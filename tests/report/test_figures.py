from xml.etree import ElementTree

import pytest

from report.made_results import make_source, write, write_history
from ssvif.io.errors import UserError
from ssvif.report.figures.curves import draw_curves
from ssvif.report.figures.make import make_figures
from ssvif.report.runs import COLORS, RunLabel
from ssvif.report.training import Training, read_history, read_trainings, tell_apart


def texts(path):
    return ["".join(node.itertext()).strip() for node in ElementTree.parse(path).iter() if node.tag.endswith("}text")]


def test_a_history_knows_its_switch_and_its_collapse(tmp_path):
    write_history(tmp_path, collapsed=True)
    history = read_history(tmp_path / "history.csv")
    assert history.switch == 3
    assert history.collapsed == [6, 7]
    assert history.series("alpha") == ([3, 4, 5, 6, 7], [0.1] * 5)
    assert history.series("no_such_column") == ([], [])


@pytest.mark.parametrize("stage", ["fusion", "joint"])
def test_a_history_of_one_stage_has_no_switch(tmp_path, stage):
    write(tmp_path / "history.csv", ("epoch", "stage"), [(0, stage), (1, stage)])
    assert read_history(tmp_path / "history.csv").switch is None


def test_a_run_without_training_has_no_history(tmp_path):
    assert read_history(tmp_path / "history.csv") is None
    write(tmp_path / "history.csv", ("epoch", "stage"), [])
    assert read_history(tmp_path / "history.csv") is None


@pytest.mark.parametrize(
    ("row", "says"),
    [(("", "joint"), r"history\.csv holds a value that is not a number"), ((0, "joint", 1), "more cells than columns")],
)
def test_a_damaged_history_is_named(tmp_path, row, says):
    write(tmp_path / "history.csv", ("epoch", "stage"), [row])
    with pytest.raises(UserError, match=says):
        read_history(tmp_path / "history.csv")


def test_panels_show_what_the_histories_have_runs_keep_their_color_and_a_collapse_is_marked(tmp_path):
    write_history(tmp_path / "a", joint=False)
    write_history(tmp_path / "b", collapsed=True)
    trainings = read_trainings(tmp_path, [RunLabel("untrained"), RunLabel("a"), RunLabel("b")])
    assert [(each.title, each.place) for each in trainings] == [("a", 1), ("b", 2)]
    draw_curves(trainings, tmp_path / "both.svg")
    draw_curves(trainings[:1], tmp_path / "one.svg")
    shown = texts(tmp_path / "both.svg")
    assert {"a", "b", "Consistency loss", "Live classes", "α, weight of consistency"} <= set(shown)
    assert "Weights (dashed: of fusion)" not in shown, "these histories have no weights"
    assert "Consistency loss" not in texts(tmp_path / "one.svg")
    both, one = ((tmp_path / name).read_text() for name in ("both.svg", "one.svg"))
    assert [color in one for color in COLORS[:3]] == [False, True, False]
    assert [color in both for color in COLORS[:3]] == [False, True, True]
    assert "#c1121f" in both
    assert "#c1121f" not in one


def test_a_figure_holds_no_color_twice(tmp_path, monkeypatch):
    write_history(tmp_path)
    history = read_history(tmp_path / "history.csv")
    places = [2, 3, len(COLORS), len(COLORS) + 3, 2 * len(COLORS) + 1]
    groups = tell_apart([Training(str(place), history, place) for place in places])
    assert [[each.place for each in group] for group in groups] == [places[:3], places[3:]]
    assert tell_apart([]) == []
    runs = [RunLabel(str(run)) for run in range(len(COLORS) + 1)]
    for run in runs:
        write_history(tmp_path / "cam_2" / run.name)
    source = make_source(tmp_path / "data", tmp_path)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, path, **__: path.touch())
    shown = {"sources": {"cam_2": source}, "efficiency": tmp_path / "none.csv", "pairs": 0}
    written = make_figures(tmp_path, tmp_path / "figures", {"cam_2": runs}, **shown)
    assert [path.stem for path in written[::2]] == ["curves_cam_2", "curves2_cam_2"]


def test_one_epoch_and_a_history_without_losses_can_be_drawn(tmp_path):
    write(tmp_path / "history.csv", ("epoch", "stage", "train_fusion"), [(0, "fusion", 1.5)])
    draw_curves(read_trainings(tmp_path.parent, [RunLabel(tmp_path.name)]), tmp_path / "one.svg")
    write(tmp_path / "history.csv", ("epoch", "stage"), [(0, "fusion")])
    draw_curves(read_trainings(tmp_path.parent, [RunLabel(tmp_path.name)]), tmp_path / "none.svg")
    assert texts(tmp_path / "one.svg").count("Fusion loss") == texts(tmp_path / "none.svg").count("Fusion loss") == 1
