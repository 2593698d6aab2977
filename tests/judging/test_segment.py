import json

import h5py
import numpy as np
import pytest
import torch
from made_dataset import DESCRIPTOR, run_judge
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from reference.files import digests_of
from ssvif.data.packed import PairsFile
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv, read_label
from ssvif.judging.options import SegmentationOptions
from ssvif.judging.segment import cross_entropy_sum, fine_tune, iou_scores, learning_rate_at, load_initial_weights
from ssvif.models.segmentation import Segmenter

QUICK = SegmentationOptions(size="b0", epochs=2, frozen_epochs=1, batch_size=4, learning_rate=1e-3)
COUNTS = {"train": 6, "validation": 2, "test": 3}


def judge(dataset, output, options=QUICK, workers=0):
    return run_judge(fine_tune, "iou.csv", dataset, output, options, workers)


def expected_iou(dataset, output, class_id):
    hits = union = 0
    for name in PairsFile(dataset[0]).names("test"):
        label = PairsFile(dataset[0]).label("test", name)
        assert label is not None
        predicted = read_label(output / "predictions" / f"{name}.png")
        for truth, guess in zip(label.flat, predicted.flat, strict=True):
            if truth != DESCRIPTOR.ignore_index:
                hits += truth == class_id and guess == class_id
                union += class_id in (truth, guess)
    return hits / union


def test_a_run_is_trained_and_scored(make_dataset, tmp_path):
    dataset = make_dataset(COUNTS, odd_size=(50, 70))
    output = tmp_path / "segmentation"
    values = judge(dataset, output)

    assert list(values) == ["car", "background", "person", "bus", "miou", "miou_without_background"]
    assert values["bus"] == ""  # no image shows one
    for info in DESCRIPTOR.classes[:3]:
        assert float(values[info.name]) == pytest.approx(expected_iou(dataset, output, info.id))
    present = [float(values[name]) for name in ("car", "background", "person")]
    assert float(values["miou"]) == pytest.approx(np.mean(present))
    assert float(values["miou_without_background"]) == pytest.approx((present[0] + present[2]) / 2)
    row = read_csv(output / "iou.csv")[0]
    assert (row["dataset"], row["run"], row["metric"]) == ("made", "average", "iou")
    assert row["initial_weights"] == "scratch"

    with Image.open(output / "predictions" / "000.a.png") as image:
        assert (image.mode, image.size) == ("P", (70, 50))
        palette = image.getpalette()
    assert palette is not None
    assert palette[3:6] == [220, 40, 40]
    with safe_open(output / "model.safetensors", framework="pt") as file:
        facts = json.loads(file.metadata()["ssvif"])
    assert facts == {"size": "b0", "classes": ["background", "car", "person", "bus"]}
    history = read_csv(output / "history.csv")
    assert [row["backbone"] for row in history] == ["trained", "trained"]  # nothing to freeze from scratch
    assert float(history[0]["learning_rate"]) == QUICK.learning_rate
    record = json.loads((output / "record.json").read_text())
    assert record["labelled_pairs"] == COUNTS

    judge(dataset, tmp_path / "again")
    assert digests_of(output) == digests_of(tmp_path / "again")


def test_training_starts_from_given_weights_and_leaves_a_frozen_backbone_alone(make_dataset, tmp_path, log):
    torch.manual_seed(5)
    weights = tmp_path / "start.safetensors"
    save_file(Segmenter("b0", num_classes=7).state_dict(), weights)
    options = SegmentationOptions(size="b0", weights=str(weights), epochs=1, frozen_epochs=1, batch_size=4)
    dataset = make_dataset({"train": 3, "test": 1})
    judge(dataset, tmp_path / "out", options)

    assert "classifier" in log.text  # of 7 classes, so it starts at random
    assert "no labelled validation pairs" in log.text
    before, after = load_file(weights), load_file(tmp_path / "out" / "model.safetensors")
    for name, tensor in after.items():
        if name.startswith("network.segformer."):
            assert torch.equal(tensor, before[name]), name
    fuse = "network.decode_head.linear_fuse.weight"
    assert not torch.equal(before[fuse], after[fuse])
    assert read_csv(tmp_path / "out" / "iou.csv")[0]["initial_weights"] == "start.safetensors"


def test_weights_of_another_size_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"network.segformer.nothing": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="no SegFormer backbone"):
        load_initial_weights(Segmenter("b0", 2), path)
    path.write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be read"):
        load_initial_weights(Segmenter("b0", 2), path)


def test_weights_with_transformers_own_names_fit(tmp_path):
    torch.manual_seed(6)
    given = Segmenter("b0", 2).network.state_dict()
    save_file({name: tensor for name, tensor in given.items() if "segformer." in name}, tmp_path / "a.safetensors")
    model = Segmenter("b0", 2)
    load_initial_weights(model, tmp_path / "a.safetensors")
    backbone = {name: tensor for name, tensor in model.network.state_dict().items() if "segformer." in name}
    assert all(torch.equal(tensor, given[name]) for name, tensor in backbone.items())


def test_the_rate_falls_along_a_cosine_and_changes_at_unfreezing():
    options = SegmentationOptions(epochs=4, frozen_epochs=2, learning_rate=1.0, unfrozen_learning_rate=0.1)
    rates = [learning_rate_at(epoch, options) for epoch in range(4)]
    cosine = [(1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)]
    np.testing.assert_allclose(rates, np.array(cosine) * [1.0, 1.0, 0.1, 0.1])


def test_ignored_pixels_are_not_in_the_loss():
    logits = torch.tensor([[[[2.0, 5.0]], [[0.0, -5.0]]]])  # one image of one row, two classes
    total, count = cross_entropy_sum(logits, torch.tensor([[[0, 255]]]))
    assert int(count) == 1
    assert total.item() == pytest.approx(np.log(1 + np.exp(-2.0)))


@pytest.mark.parametrize(
    ("counts", "values"),
    [((9, 4, 0, 0), [1.0, 1.0, None, None, 1.0, 1.0]), ((9, 0, 0, 0), [None, 1.0, None, None, 1.0, None])],
)
def test_the_means_of_a_perfect_prediction_leave_out_absent_classes(counts, values):
    scores = iou_scores(torch.diag(torch.tensor(counts)), DESCRIPTOR)
    assert [value for _, _, value in scores] == values
    assert scores[-1][:2] == ("miou_without_background", "")


@pytest.mark.slow
def test_it_learns_and_workers_change_nothing(make_dataset, tmp_path):
    dataset = make_dataset({"train": 24, "validation": 4, "test": 6})
    options = SegmentationOptions(
        size="b0", epochs=12, frozen_epochs=0, batch_size=4, unfrozen_learning_rate=1e-3, crop=48
    )
    values = judge(dataset, tmp_path / "alone", options)
    assert float(values["miou"]) > 0.8
    judge(dataset, tmp_path / "workers", options, workers=2)
    assert digests_of(tmp_path / "alone") == digests_of(tmp_path / "workers")


@pytest.mark.slow
def test_training_stops_when_validation_does_not_improve(make_dataset, tmp_path):
    # validation calls every car a person: what is learnt makes its loss worse
    dataset = make_dataset({"train": 8, "validation": 2, "test": 1})
    with h5py.File(dataset[0], "r+") as file:
        for pair in file["validation"].values():
            label = pair["label"][()]
            pair["label"][...] = np.array([0, 2, 1, *range(3, 256)])[label]
    options = SegmentationOptions(
        size="b0", epochs=60, frozen_epochs=0, batch_size=4, unfrozen_learning_rate=1e-3, patience=2
    )
    judge(dataset, tmp_path / "out", options)
    history = read_csv(tmp_path / "out" / "history.csv")
    losses = [float(row["validation_loss"]) for row in history]
    best = int(np.nanargmin(losses))
    assert len(history) == best + 3 < options.epochs
    assert json.loads((tmp_path / "out" / "record.json").read_text())["best_epoch"] == best
