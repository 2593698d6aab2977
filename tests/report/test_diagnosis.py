import pytest

from report.made_results import write, write_history
from ssvif.report.training import diagnose, read_history

COLUMNS = ("live_classes", "class_entropy", "pixel_agreement", "position_information", "nmi_color", "nmi_label")
HEALTHY = (12, 2.0, 0.7, 0.2, 0.3, 0.125)


def judge(folder, *values, columns=COLUMNS, collapsed=0):
    """The diagnosis of a history whose last epoch has these values, and whose first joint one had collapsed."""
    empty, first = [""] * len(values), [1, *[0] * (len(values) - 1)]
    rows = [(1, "fusion", *empty, ""), (2, "joint", *first, 1), (3, "joint", *values, collapsed)]
    write(folder / "history.csv", ("epoch", "stage", *columns, "collapsed"), rows)
    return diagnose(read_history(folder / "history.csv"))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "healthy"),
        ({"live_classes": 1, "class_entropy": 0, "position_information": 0, "pixel_agreement": 1}, "collapsed"),
        ({"live_classes": 1, "pixel_agreement": 0.1}, "collapsed"),
        ({"pixel_agreement": 0.49}, "branches disagree"),
        ({"position_information": 0.79}, "healthy"),
        ({"position_information": 0.81, "nmi_color": 0.9}, "follows the border"),
        ({"nmi_color": 0.51}, "only color"),
        ({"nmi_label": ""}, "healthy"),
    ],
)
def test_the_verdict_is_the_first_limit_that_the_last_epoch_passes(tmp_path, changes, verdict):
    values = dict(zip(COLUMNS, HEALTHY, strict=True)) | changes
    assert judge(tmp_path, *values.values()).verdict == verdict


def test_each_diagnostic_has_a_sentence_with_its_limit(tmp_path):
    said = judge(tmp_path, *HEALTHY).sentences
    beginnings = ("12 classes are live", "The branches agree on 70%", "The position in the image explains 10%")
    for sentence, beginning in zip(said, (*beginnings, "With clusters of color", "With the true labels"), strict=True):
        assert sentence.startswith(beginning)
    assert "0.13" in said[-1] or "0.12" in said[-1]
    assert len(judge(tmp_path, *HEALTHY[:-1], "").sentences) == len(said) - 1
    assert judge(tmp_path, 1, *HEALTHY[1:]).sentences[0].startswith("1 class is live")


def test_nothing_is_said_without_a_second_stage_or_its_diagnostics(tmp_path):
    write_history(tmp_path, joint=False)
    assert diagnose(read_history(tmp_path / "history.csv")) is None
    assert judge(tmp_path, 5, 1.5, columns=("live_classes", "class_entropy")) is None


def test_nothing_is_said_of_labels_that_were_given(tmp_path):
    """Whether a label collapses is recorded of a run's own pseudo label alone."""
    assert judge(tmp_path, *HEALTHY, collapsed="") is None
