"""What the judges have in common: datasets with nothing to train with, files that are missing."""

import pytest
from made_dataset import run_judge

from ssvif.io.errors import UserError
from ssvif.judging.detect import train_and_score
from ssvif.judging.options import DetectionOptions, ProbeOptions, SegmentationOptions
from ssvif.judging.probe import probe
from ssvif.judging.segment import fine_tune
from ssvif.schema import BOX_COLUMNS, JUDGE_COLUMNS

# judge, options, its table, what it trains with, what it writes without it (folder: None)
SEGMENTATION = (fine_tune, SegmentationOptions, "iou.csv", "labels", {"predictions": None})
DETECTION = (train_and_score, DetectionOptions, "ap.csv", "boxes", {"boxes.csv": ",".join(BOX_COLUMNS) + "\n"})


@pytest.fixture(params=[SEGMENTATION, DETECTION], ids=["segmentation", "detection"])
def case(request):
    return request.param


def test_a_dataset_with_nothing_to_train_with_is_left_out(make_dataset, tmp_path, log, case):
    judge, options, table, needed, others = case
    dataset, output = make_dataset({"train": 1, "test": 1}, **{needed: False}), tmp_path / "out"
    assert run_judge(judge, table, dataset, output, options()) == {}
    assert run_judge(judge, table, dataset, output, options(), name="") == {}
    assert f"made has no {needed}" in log.text
    assert f"pairs.h5 has no {needed}" in log.text
    texts = {path.name: path.read_text() if path.is_file() else None for path in output.iterdir()}
    assert texts.pop("record.json")
    assert texts == {table: ",".join(JUDGE_COLUMNS) + "\n"} | others


def test_missing_weights_are_named_before_anything_is_written(make_dataset, tmp_path, case):
    judge, options, table, *_ = case
    weights = {"iou.csv": "nowhere.safetensors", "ap.csv": "nowhere.pt"}[table]
    with pytest.raises(UserError, match=rf"{weights} do not exist"):
        run_judge(judge, table, make_dataset({"train": 1, "test": 1}), tmp_path / "out", options(weights=weights))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("judge", "options", "table"), [SEGMENTATION[:3], DETECTION[:3], (probe, ProbeOptions, "scores.csv")]
)
def test_a_missing_image_shows_before_the_work_and_keeps_the_old_result(make_dataset, tmp_path, judge, options, table):
    pairs, fused = make_dataset({"train": 1, "test": 1})
    (fused / "test" / "000.a.png").unlink()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / table).write_text("old")
    with pytest.raises(UserError, match=r"000\.a\.png does not exist"):
        run_judge(judge, table, (pairs, fused), tmp_path / "out", options())
    assert (tmp_path / "out" / table).read_text() == "old"
