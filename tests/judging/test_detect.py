import json
import socket
import sys
import tempfile

import h5py
import numpy as np
import pytest
import torch
from made_dataset import run_judge
from PIL import Image

from ssvif.data.packed import PairsFile
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.judging.detect import (
    annotated_boxes,
    ap_scores,
    box_rows,
    build_tree,
    load_ultralytics,
    train_and_score,
)
from ssvif.judging.options import DetectionOptions

QUICK = DetectionOptions(epochs=2, batch_size=4, image_size_px=64)
COUNTS = {"train": 6, "validation": 2, "test": 3}


def judge(dataset, output, options=QUICK):
    return run_judge(train_and_score, "ap.csv", dataset, output, options)


def listing(folder):
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture
def network_log(monkeypatch):
    """Forbid the network; hold what was asked for, since callers may swallow the error."""
    asked: list[str] = []

    def refuse(*target, **_):
        asked.append(str(target))
        raise OSError(f"no network in this test: {target}")

    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked


def test_a_run_is_trained_and_scored_offline_and_leaves_nothing_behind(
    make_dataset, tmp_path, network_log, monkeypatch, log
):
    dataset = make_dataset(COUNTS, odd_size=(50, 70))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    load_ultralytics()  # its settings stay until the process ends
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "here")
    before = listing(tmp_path / "dataset")

    values = judge(dataset, tmp_path / "one")

    assert list(values) == ["car", "person", "bus", "map50"]
    assert values["bus"] == ""  # no image shows one
    assert float(values["map50"]) == pytest.approx((float(values["car"]) + float(values["person"])) / 2)
    row = read_csv(tmp_path / "one" / "ap.csv")[0]
    assert (row["run"], row["metric"], row["initial_weights"]) == ("average", "ap50", "scratch")
    record = json.loads((tmp_path / "one" / "record.json").read_text())
    assert record["annotated_pairs"] == COUNTS
    assert record["training"]["optimizer"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["ap.csv", "boxes.csv", "record.json"]
    assert listing(tmp_path / "dataset") == before
    left = [name for name in listing(tmp_path / "temporary") if not name.startswith("torchinductor")]
    assert left == []
    assert listing(tmp_path / "here") == {}
    assert network_log == []

    log.clear()
    judge(dataset, tmp_path / "two")
    assert log.text.count("has validation mAP@0.5") == QUICK.epochs
    for name in ("ap.csv", "boxes.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_without_validation_the_last_epoch_counts(make_dataset, tmp_path, caplog):
    with caplog.at_level("INFO", logger="ssvif"):
        values = judge(make_dataset({"train": 4, "test": 2}), tmp_path / "out")
    assert "no annotated pairs to validate on; the last epoch, 1, is scored" in caplog.text
    assert "validation mAP" not in caplog.text
    assert values["map50"] != ""
    assert json.loads((tmp_path / "out" / "record.json").read_text())["training"]["best_epoch"] == 1


def test_a_box_is_given_in_pixels_of_the_fused_image():
    load_ultralytics()
    # a 32×16 image, doubled and then padded by 16 above and below
    batch = {
        "img": torch.zeros(1, 3, 64, 64),
        "ori_shape": [(16, 32)],
        "ratio_pad": [((2.0, 2.0), (0.0, 16.0))],
        "im_file": ["somewhere/images/test/a.b.png"],
    }
    prediction = {
        "bboxes": torch.tensor([[10.0, 20.0, 30.0, 46.0], [0.0, 16.0, 64.0, 48.0]]),
        "conf": torch.tensor([0.9, 0.2]),
        "cls": torch.tensor([1.0, 0.0]),
    }
    corners = {"x_min_px": 5.0, "y_min_px": 2.0, "x_max_px": 15.0, "y_max_px": 15.0}
    assert box_rows(prediction, batch, 0, {0: "car", 1: "person"}) == [
        {"pair_id": "a.b", "class": "person", "confidence": 0.9, **corners}
    ]


def test_weights_of_something_else_are_refused(make_dataset, tmp_path):
    torch.save({"model": type}, tmp_path / "other.pt")
    options = DetectionOptions(weights=str(tmp_path / "other.pt"))
    with pytest.raises(UserError, match=r"ultralytics cannot train .*other\.pt"):
        judge(make_dataset({"train": 2, "test": 2}), tmp_path / "out", options)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_pair_that_ultralytics_would_leave_out_is_an_error(make_dataset, tmp_path, split):
    dataset = make_dataset({"train": 2, "test": 2})
    with h5py.File(dataset[0], "a") as file:
        file[f"{split}/001.a/boxes"][0, 1] = 1.7  # right of the image
    with pytest.raises(UserError, match=f"left out some .* {split}"):
        judge(dataset, tmp_path / "out", DetectionOptions(epochs=1, batch_size=2, image_size_px=64))


def test_the_tree_links_images_and_writes_labels(make_dataset, tmp_path):
    pairs, fused = make_dataset({"train": 1, "test": 1})
    source = PairsFile(pairs)
    boxes = annotated_boxes(source)
    assert list(boxes["test"]) == ["000.a"]
    boxes["train"]["000.a"], boxes["test"]["000.a"] = np.zeros((0, 5)), np.array([[2, 0.5, 0.25, 1, 1 / 3]])
    data = build_tree(tmp_path / "tree", source, fused, boxes, ("car", "person", "bus"))
    image = tmp_path / "tree" / "images" / "test" / "000.a.png"
    assert image.resolve() == fused / "test" / "000.a.png"
    assert (tmp_path / "tree" / "labels" / "train" / "000.a.txt").read_text() == ""
    lines = (tmp_path / "tree" / "labels" / "test" / "000.a.txt").read_text()
    assert lines == "2 0.50000000 0.25000000 1.00000000 0.33333333\n"
    assert "val: images/train" in data.read_text()


def test_the_mean_leaves_out_classes_that_were_not_scored():
    scores = ap_scores({0: 0.5, 2: 0.0}, ("car", "person", "bus"))
    assert scores == [("ap50", "car", 0.5), ("ap50", "person", None), ("ap50", "bus", 0.0), ("map50", "", 0.25)]
    assert ap_scores({}, ("car",)) == [("ap50", "car", None), ("map50", "", None)]


def test_a_missing_package_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(UserError, match="needs ultralytics") as caught:
        load_ultralytics.__wrapped__()
    assert "ssvif[detection]" in caught.value.remedy
    assert "detection: false" in caught.value.remedy


def test_the_package_keeps_its_own_image_reader_to_itself():
    opener = Image.open
    load_ultralytics()
    assert Image.open is opener
    assert opener.__module__ == "PIL.Image"


@pytest.mark.slow
def test_it_learns_and_starts_from_given_weights(make_dataset, tmp_path):
    dataset = make_dataset({"train": 40, "validation": 6, "test": 8}, (96, 96))
    load_ultralytics()
    from ultralytics import YOLO

    weights = tmp_path / "start.pt"
    torch.manual_seed(0)  # else the weights depend on the tests before this one
    YOLO("yolo11n.yaml").save(weights)
    options = DetectionOptions(weights=str(weights), epochs=40, batch_size=8, image_size_px=96)
    values = judge(dataset, tmp_path / "out", options)
    assert float(values["map50"]) > 0.5
    assert read_csv(tmp_path / "out" / "ap.csv")[0]["initial_weights"] == "start.pt"
    boxes = read_csv(tmp_path / "out" / "boxes.csv")
    assert boxes
    assert all(0 <= float(row["x_min_px"]) < float(row["x_max_px"]) <= 96 for row in boxes)
    order = [(row["pair_id"], row["class"], -float(row["confidence"])) for row in boxes]
    assert order == sorted(order)
