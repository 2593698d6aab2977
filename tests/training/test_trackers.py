"""Curves for TensorBoard and DVCLive hold what history.csv holds, and change nothing else."""

import csv
import json
from typing import get_args

import pytest

from reference.files import digests_of
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.schema import Tracker
from ssvif.training import trackers
from ssvif.training.trackers import check_trackers, open_trackers

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # a small machine's warning


def numbers_of(folder):
    """The columns of history.csv but `epoch`, each epoch → number."""
    rows = read_csv(folder / "history.csv")
    columns = [name for name in rows[0] if name not in ("epoch", "stage")]
    found = {name: {int(row["epoch"]): float(row[name]) for row in rows if row[name]} for name in columns}
    return {name: values for name, values in found.items() if values}


def column_of(tag):
    group, _, rest = tag.partition("/")
    return rest if group == "joint" else f"{group}_{rest}"


def read_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {column_of(tag): {each.step: each.value for each in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def read_dvclive(folder):
    root = folder / "dvclive/plots/metrics"
    found = {}
    for path in root.rglob("*.tsv"):
        with path.open() as stream:
            rows = [*csv.DictReader(stream, delimiter="\t")]
        tag = path.relative_to(root).with_suffix("").as_posix()
        assert json.loads((folder / "dvclive/metrics.json").read_text())["step"] == 4
        found[column_of(tag)] = {int(row["step"]): float(row[path.stem]) for row in rows}
    return found


READERS = {"tensorboard": read_tensorboard, "dvclive": read_dvclive}


@pytest.mark.parametrize("name", READERS)
def test_curves_are_those_of_the_history_even_of_a_training_that_was_halted(
    train, options, halted_after, tmp_path, name
):
    if name == "tensorboard":
        pytest.importorskip(name, reason="the extra ssvif[tensorboard] is not installed")
    plain = train(tmp_path / "plain", options)
    with halted_after(3), open_trackers([name], tmp_path / "tracked") as on_epoch:
        train(tmp_path / "tracked", options, on_epoch=on_epoch)
    with open_trackers([name], tmp_path / "tracked") as on_epoch:
        tracked = train(tmp_path / "tracked", options, on_epoch=on_epoch)
    same = ["history.csv", "gradients.csv", "model.safetensors"]
    assert [(plain / each).read_bytes() == (tracked / each).read_bytes() for each in same] == [True] * 3
    read, expected = READERS[name](tracked), numbers_of(tracked)
    assert read.keys() == expected.keys()
    for column, values in expected.items():
        assert read[column] == pytest.approx(values, rel=1e-6, abs=1e-9), column


def test_tensorboard_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    check_trackers(["dvclive"])
    with pytest.raises(UserError, match="TensorBoard, which is not installed") as caught:
        check_trackers(["dvclive", "tensorboard"])
    assert "pip install 'ssvif[tensorboard]'" in caught.value.remedy


def test_an_unknown_tracker_is_told():
    with pytest.raises(UserError, match="Unknown tracker") as caught:
        check_trackers(["dvclive", "wandb"])
    assert (caught.value.got, caught.value.expected) == ("wandb", "tensorboard | dvclive")


def test_the_configuration_knows_the_same_trackers():
    assert get_args(Tracker) == tuple(trackers.TRACKERS)


def test_without_trackers_nothing_is_written(tmp_path):
    with open_trackers([], tmp_path) as on_epoch:
        on_epoch({"epoch": 1, "stage": "fusion", "train_loss": 0.5})
    assert digests_of(tmp_path) == {}
