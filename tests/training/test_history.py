import pytest
import torch

from ssvif.io.files import read_csv, write_csv
from ssvif.training.history import COLUMNS, Means, history_row, is_collapsed
from ssvif.training.stages import Stage

TRAIN = {"loss": 3.0, "fusion": 2.0, "intensity": 0.1, "gradient": 0.2, "structural": 0.3, "color": 0.4}
CONTRACT = (
    "epoch,stage,train_loss,train_fusion,train_intensity,train_gradient,train_structural,train_color,"
    "train_consistency,validation_loss,validation_fusion,validation_consistency,weight_fusion,weight_consistency,"
    "alpha,grad_norm_fusion,grad_norm_consistency,loss_ratio_fusion,loss_ratio_consistency,projection_consistency,"
    "projection_fusion,cosine,live_classes,class_entropy,agreement,pixel_agreement,position_information,nmi_color,"
    "nmi_label,collapsed"
)


def test_columns_are_those_that_were_agreed():
    assert ",".join(COLUMNS) == CONTRACT


def test_means_weigh_by_count():
    means = Means()
    means.add({"a": torch.tensor(1.0), "b": torch.tensor(10.0)}, count=3)
    means.add({"a": torch.tensor(5.0)})
    assert means.compute() == {"a": 2.0, "b": 10.0}


@pytest.mark.parametrize(
    ("live", "collapsed"),
    [
        ([], False),
        ([1, 1], False),
        ([1, 1, 1], True),
        ([9, 3, 1, 1, 1], True),
        ([1, 1, 1, 2], False),
        ([1, 2, 1, 1], False),
        ([0, 0, 0], True),
    ],
)
def test_collapsed_is_one_class_for_three_epochs(live, collapsed):
    assert is_collapsed(live) is collapsed


def test_a_row_of_stage_one_leaves_the_rest_empty(tmp_path):
    row = history_row(1, Stage.FUSION, TRAIN, {"loss": 4.0, "fusion": 4.0}, {"fusion": 1.0})
    write_csv(tmp_path / "history.csv", [row], COLUMNS)
    (cells,) = read_csv(tmp_path / "history.csv")
    filled = {name: cell for name, cell in cells.items() if cell}
    assert filled == {
        "epoch": "1",
        "stage": "fusion",
        **{f"train_{name}": f"{value:.10g}" for name, value in TRAIN.items()},
        "validation_loss": "4",
        "validation_fusion": "4",
    }
