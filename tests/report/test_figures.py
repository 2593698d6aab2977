from __future__ import annotations

from xml.etree import ElementTree

import pytest

from report.made_results import write, write_history
from ssvif.ops.errors import UserError
from ssvif.report.figures.curves import draw_curves
from ssvif.report.figures.style import COLORS
from ssvif.report.runs import read_history


def texts(path):
    return ["".join(node.itertext()).strip() for node in ElementTree.parse(path).iter() if node.tag.endswith("}text")]


def test_a_history_knows_its_switch_and_its_collapse(tmp_path):
    write_history(tmp_path, collapsed=True)
    history = read_history(tmp_path / "history.csv")
    assert history.switch == 3
    assert history.collapsed == [6, 7]
    assert history.series("alpha") == ([3, 4, 5, 6, 7], [0.1] * 5)
    assert history.series("no_such_column") == ([], [])


def test_a_fusion_only_history_has_no_switch_and_a_one_stage_one_neither(tmp_path):
    write_history(tmp_path, joint=False)
    assert read_history(tmp_path / "history.csv").switch is None
    write(tmp_path / "history.csv", ("epoch", "stage"), [(0, "joint"), (1, "joint")])
    assert read_history(tmp_path / "history.csv").switch is None


def test_a_run_without_training_has_no_history(tmp_path):
    assert read_history(tmp_path / "history.csv") is None
    write(tmp_path / "history.csv", ("epoch", "stage"), [])
    assert read_history(tmp_path / "history.csv") is None


def test_a_damaged_history_is_named(tmp_path):
    write(tmp_path / "history.csv", ("epoch", "stage", "alpha"), [("", "joint", 1)])
    with pytest.raises(UserError, match=r"history\.csv holds a value that is not a number"):
        read_history(tmp_path / "history.csv")
    write(tmp_path / "history.csv", ("epoch", "stage"), [(0, "joint", 1)])
    with pytest.raises(UserError, match="more cells than columns"):
        read_history(tmp_path / "history.csv")


def test_panels_show_what_the_histories_have(tmp_path):
    write_history(tmp_path / "a")
    write_history(tmp_path / "b", joint=False)
    histories = {run: read_history(tmp_path / run / "history.csv") for run in ("a", "b")}
    draw_curves(histories, tmp_path / "both.svg")
    draw_curves({"b": histories["b"]}, tmp_path / "fusion.svg")
    shown = texts(tmp_path / "both.svg")
    assert {"a", "b", "Consistency loss", "Live classes", "α, weight of consistency"} <= set(shown)
    assert "Weights (dashed: of fusion)" not in shown, "these histories have no weights"
    assert "Consistency loss" not in texts(tmp_path / "fusion.svg")


def test_runs_keep_their_color_and_a_collapse_is_marked(tmp_path):
    for run, collapsed in (("a", False), ("b", True)):
        write_history(tmp_path / run, collapsed=collapsed)
    histories = {run: read_history(tmp_path / run / "history.csv") for run in ("a", "b")}
    draw_curves(histories, tmp_path / "both.svg")
    draw_curves({"a": histories["a"]}, tmp_path / "one.svg")
    both, one = ((tmp_path / name).read_text() for name in ("both.svg", "one.svg"))
    assert COLORS[0] in one
    assert COLORS[1] not in one
    assert COLORS[1] in both
    assert "#c1121f" in both
    assert "#c1121f" not in one


def test_equal_histories_give_equal_bytes_without_a_date(tmp_path):
    write_history(tmp_path)
    history = read_history(tmp_path / "history.csv")
    for name in ("first.svg", "second.svg"):
        draw_curves({"run": history}, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()
    assert "<dc:date>" not in (tmp_path / "first.svg").read_text()


def test_one_epoch_and_a_history_without_losses_can_be_drawn(tmp_path):
    write(tmp_path / "history.csv", ("epoch", "stage", "train_fusion"), [(0, "fusion", 1.5)])
    draw_curves({"run": read_history(tmp_path / "history.csv")}, tmp_path / "one.svg")
    write(tmp_path / "history.csv", ("epoch", "stage"), [(0, "fusion")])
    draw_curves({"run": read_history(tmp_path / "history.csv")}, tmp_path / "none.svg")
    assert texts(tmp_path / "one.svg").count("Fusion loss") == texts(tmp_path / "none.svg").count("Fusion loss") == 1


def test_nothing_to_draw_is_a_programming_error(tmp_path):
    with pytest.raises(ValueError, match="no history"):
        draw_curves({}, tmp_path / "none.svg")
