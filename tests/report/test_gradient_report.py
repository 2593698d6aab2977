import math

import pytest

from report.made_results import write_gradients
from ssvif.report.runs import RunLabel
from ssvif.report.training import GradientMean, read_gradient_table, write_gradient_table

LABELS = [RunLabel("average"), RunLabel("ours", "Ours")]


def test_the_interval_is_students(results, tmp_path):
    write_gradients(results / "toy/ours", (0.5, 0.1, 0.3))
    path = write_gradient_table(results, tmp_path, "toy", LABELS)
    assert path == tmp_path / "gradients_toy.csv"
    means = {each.quantity: each for each in read_gradient_table(path)}
    cosine = means["cosine"]
    # t of two degrees of freedom at 97.5 % is 4.3027; the deviation of 0.5, 0.1, 0.3 is 0.2
    assert (cosine.run, cosine.label, cosine.steps, cosine.mean) == ("ours", "Ours", 3, pytest.approx(0.3))
    assert cosine.high - cosine.mean == pytest.approx(4.302653 * 0.2 / math.sqrt(3), rel=1e-6)
    assert means["projection_fusion"].mean == pytest.approx(30)
    assert len(means) == 3


def test_one_step_has_no_width_and_printed_numbers_one_minus(results, tmp_path):
    write_gradients(results / "toy/ours", (-0.25,))
    *_, cosine = read_gradient_table(write_gradient_table(results, tmp_path, "toy", LABELS))
    assert (cosine.text, cosine.interval) == ("−0.25", "−0.25 to −0.25")
    assert GradientMean("a", "A", "cosine", 0.001234, 0.001, 1, 4).text == "+0.00123"


def test_nothing_measured_gives_a_header_alone(results, tmp_path):
    for steps in (None, ()):
        if steps is not None:
            write_gradients(results / "toy/ours", steps)
        path = write_gradient_table(results, tmp_path, "toy", LABELS)
        assert path.read_text() == "dataset,run,label,quantity,mean,low,high,steps\n"
        assert read_gradient_table(path) == []
