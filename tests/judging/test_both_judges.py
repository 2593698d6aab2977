"""What the judges have in common: datasets with nothing to train with, files that are missing."""

import h5py
import numpy as np
import pytest
from made_dataset import run_judge

from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.judging.detect import train_and_score
from ssvif.judging.options import DetectionOptions, ProbeOptions, SegmentationOptions
from ssvif.judging.probe import probe
from ssvif.judging.segment import fine_tune
from ssvif.schema import BOX_COLUMNS, JUDGE_COLUMNS, LEFT_OUT, NOTE

# judge, options, its table, what it trains with, what it writes without it (folder: None)
SEGMENTATION = (fine_tune, SegmentationOptions, "iou.csv", "labels", {"predictions": None})
DETECTION = (train_and_score, DetectionOptions, "ap.csv", "boxes", {"boxes.csv": ",".join(BOX_COLUMNS) + "\n"})


@pytest.fixture(params=[SEGMENTATION, DETECTION], ids=["segmentation", "detection"])
def case(request):
    return request.param


def test_a_dataset_with_nothing_to_train_with_is_left_out(make_dataset, tmp_path, log, case):
    judge, options, table, needed, others = case
    dataset, output = make_dataset({"train": 1, "test": 1}, **{needed: False}), tmp_path / "out"
    assert run_judge(judge, table, dataset, output, options(), name="") == {LEFT_OUT: ""}
    assert run_judge(judge, table, dataset, output, options()) == {LEFT_OUT: ""}
    assert f"made has no {needed}" in log.text
    assert f"pairs.h5 has no {needed}" in log.text
    texts = {path.name: path.read_text() if path.is_file() else None for path in output.iterdir()}
    assert texts.pop("record.json")
    reason = f"made,average,{LEFT_OUT},,,,no {needed}\n"
    assert texts == {table: ",".join([*JUDGE_COLUMNS, NOTE]) + "\n" + reason} | others


def change(dataset, kind, splits, value=None):
    """Give each pair of some splits this label map or these boxes, or none."""
    with h5py.File(dataset[0], "r+") as file:
        for pair in (pair for split in splits for pair in file[split].values()):
            del pair[kind]
            if value is not None:
                pair[kind] = value


def reason_of(judge, table, dataset, output, options):
    run_judge(judge, table, dataset, output, options)
    (row,) = read_csv(output / table)
    assert (row["metric"], row["value"]) == (LEFT_OUT, "")
    return row[NOTE]


@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_or_boxes_in_one_split_only_are_no_error(make_dataset, tmp_path, case, split):
    judge, options, table, needed, _ = case
    dataset = make_dataset({"train": 1, "validation": 1, "test": 1})
    change(dataset, {"labels": "label"}.get(needed, needed), {"train", "validation", "test"} - {split})
    lacking = {"train": "test", "test": "train"}[split]
    assert reason_of(judge, table, dataset, tmp_path / "out", options()) == f"no {needed} in {lacking}"


def test_box_files_that_are_all_empty_are_no_error(make_dataset, tmp_path, log):
    dataset = make_dataset({"train": 1, "test": 1}, labels=False)
    change(dataset, "boxes", ("test",), np.zeros((0, 5)))
    assert reason_of(*detect(dataset, tmp_path)) == "no boxes in test"
    change(dataset, "boxes", ("train",), np.zeros((0, 5)))
    assert reason_of(*detect(dataset, tmp_path)) == "no boxes"
    assert "made: the boxes hold no class" in log.text
    probed = reason_of(probe, "scores.csv", dataset, tmp_path / "probe", ProbeOptions())
    assert probed == "fewer than two classes that can be told apart"


def detect(dataset, folder):
    return train_and_score, "ap.csv", dataset, folder / "detection", DetectionOptions()


@pytest.mark.parametrize("ignored", [0, 20])
def test_labels_of_one_value_teach_nothing(make_dataset, tmp_path, log, ignored):
    dataset = make_dataset({"train": 1, "test": 1})
    label = np.zeros((64, 64), np.uint8)
    label[:ignored] = 255
    change(dataset, "label", ("train", "test"), label)
    found = reason_of(fine_tune, "iou.csv", dataset, tmp_path / "out", SegmentationOptions())
    assert found == "labels of background alone in train"
    assert "made: the labels hold background alone and no car, person, bus" in log.text
    assert ("255 is ignored and covers 31% of the labeled pixels" in log.text) == bool(ignored)


@pytest.mark.parametrize(
    ("options", "splits", "reason"),
    [
        (ProbeOptions(labels="masks"), {"train": 2}, "no masks in test"),
        (ProbeOptions(labels="boxes"), {"test": 2}, "no boxes in train"),
        (
            ProbeOptions(labels="masks", folds=4),
            {"train": 2, "test": 1},
            "3 pairs with masks, fewer than the 12 pairs of 4 folds",
        ),
    ],
)
def test_a_probe_without_a_split_or_with_more_folds_than_pairs_is_left_out(
    make_dataset, tmp_path, options, splits, reason
):
    assert reason_of(probe, "scores.csv", make_dataset(splits), tmp_path / "probe", options) == reason


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
