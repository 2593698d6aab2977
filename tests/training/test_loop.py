"""The whole training on the tiny pairs: some seconds a run, most of them the library's import."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import pytest
import torch
from torch.utils.data import DataLoader

from reference.files import digests_of
from ssvif.data.training_view import TrainingView
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.models.registry import load_fusion_model
from ssvif.training import loop
from ssvif.training.stages import Stage

CPU = torch.device("cpu")
FILES = ["gradients.csv", "history.csv", "model.safetensors", "pseudo_labels", "record.json"]
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # a small machine's warning


def read_history(folder):
    return read_csv(folder / "history.csv")


@pytest.fixture(scope="module")
def undisturbed(train, options, tmp_path_factory):
    return train(tmp_path_factory.mktemp("undisturbed"), options)


def test_writes_its_files_and_leaves_no_state(undisturbed):
    assert sorted(each.name for each in undisturbed.iterdir()) == FILES
    assert load_fusion_model(undisturbed / "model.safetensors").channels == 3
    record = json.loads((undisturbed / "record.json").read_text())
    assert record["settings"]["crop_px"] == 32
    assert record["trained_on"] == "Tiny"
    assert (record["epochs"], record["device"], record["switch_epoch"]) == (4, "cpu", 2)
    assert 3 <= record["best_epoch"] <= 4
    assert record["collapsed"] in (True, False)
    assert len(record["data_sha256"]) == 64


def test_history_fills_the_columns_of_each_stage(undisturbed, options):
    rows = read_history(undisturbed)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["stage"] for row in rows] == ["fusion", "fusion", "joint", "joint"]
    always = {"epoch", "stage", "train_loss", "validation_loss", "validation_fusion"}
    always |= {f"train_{name}" for name in ("fusion", "intensity", "gradient", "structural", "color")}
    for row in rows[:2]:
        assert {name for name, cell in row.items() if cell} == always
        assert row["train_loss"] == row["train_fusion"]
    for row in rows[2:]:
        assert all(row.values())
        alpha = float(row["weight_consistency"]) / float(row["weight_fusion"])
        assert float(row["alpha"]) == pytest.approx(alpha)
        assert 1 <= int(row["live_classes"]) <= options.classes
        assert float(row["validation_loss"]) == pytest.approx(
            float(row["validation_fusion"]) + alpha * float(row["validation_consistency"]), rel=1e-5
        )
        assert 0 <= float(row["agreement"]) <= 1


def test_the_fusion_loss_is_the_weighted_sum_of_its_terms_and_falls(undisturbed, options):
    rows = read_history(undisturbed)
    for row in rows:
        total = sum(weight * float(row[f"train_{name}"]) for name, weight in options.fusion_weights().items())
        assert float(row["train_fusion"]) == pytest.approx(total, rel=1e-5)
    assert float(rows[-1]["train_fusion"]) < 0.9 * float(rows[0]["train_fusion"])


def test_the_same_again_gives_the_same_bytes(undisturbed, train, options, tmp_path):
    assert digests_of(train(tmp_path, options, workers=2)) == digests_of(undisturbed)


@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
def test_an_interrupted_training_ends_with_the_same_bytes(
    undisturbed, train, options, tmp_path, halted_after, epoch, log
):
    with halted_after(epoch):
        train(tmp_path, options)
    torch.manual_seed(epoch)  # whatever the process did before must not matter
    train(tmp_path, options)
    assert f"resuming after epoch {epoch}" in log.text
    assert digests_of(tmp_path) == digests_of(undisturbed)
    assert not (tmp_path / "state.pt").exists()


def test_another_settings_state_is_ignored(undisturbed, train, options, tmp_path, halted_after, log):
    with halted_after(1):
        train(tmp_path, replace(options, seed=1))
    train(tmp_path, options)
    assert "resuming" not in log.text
    assert digests_of(tmp_path) == digests_of(undisturbed)


def test_a_state_of_another_form_is_refused_and_kept(train, options, tmp_path, halted_after):
    with halted_after(1):
        train(tmp_path, options)
    path = tmp_path / "state.pt"
    stored = torch.load(path, weights_only=True)
    for name, value in (
        ("best", {}),
        ("gradients", [5]),
        ("optimizer", {"state": {0: {}}, "param_groups": []}),
        ("switch", 1),
    ):
        torch.save(stored | {"state": stored["state"] | {name: value}}, path)
        before = path.read_bytes()
        with pytest.raises(UserError, match=r"state\.pt is no state of a training, and would be lost"):
            train(tmp_path, options)
        assert path.read_bytes() == before


def test_labels_do_not_matter_but_to_the_column_that_compares_with_them(undisturbed, train, options, pairs, tmp_path):
    bare = tmp_path / "bare.h5"
    bare.write_bytes(pairs.read_bytes())
    with h5py.File(bare, "r+") as file:
        removed = [group.pop("label") for split in file.values() for group in split.values() if "label" in group]
    assert len(removed) == 10
    without = train(tmp_path / "run", options, pairs=bare)
    rows = read_history(undisturbed)
    assert all(0 <= float(row["nmi_label"]) <= 1 for row in rows[2:])
    assert read_history(without) == [row | {"nmi_label": ""} for row in rows]
    digests, others = digests_of(without), digests_of(undisturbed)
    assert {name for name in digests if digests[name] != others[name]} == {"history.csv"}


def test_fusion_only_builds_no_branch_and_goes_on_after_the_switch(train, options, tmp_path, monkeypatch):
    monkeypatch.setattr("ssvif.training.framework.Segmenter", None)
    monkeypatch.setattr("ssvif.training.framework.SegmentationHead", None)
    train(tmp_path, replace(options, framework="fusion_only", stage_one_max_epochs=1, epochs=3))
    rows = read_history(tmp_path)
    assert [row["stage"] for row in rows] == ["fusion"] * 3
    assert not any(row["alpha"] or row["live_classes"] or row["collapsed"] for row in rows)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["switch_epoch"] == 1
    assert record["best_epoch"] >= 2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_one_stage_one_channel_fixed_and_hard(train, options, tmp_path, precision):
    changes = {"stages": "one", "channels": 1, "weighting": "fixed", "consistency": "hard", "epochs": 1}
    train(tmp_path, replace(options, precision=precision, **changes))
    (row,) = read_history(tmp_path)
    assert (row["stage"], row["alpha"]) == ("joint", "0.1")
    assert float(row["train_loss"]) > 0
    assert not row["train_color"]
    assert not row["grad_norm_fusion"]
    assert load_fusion_model(tmp_path / "model.safetensors").channels == 1


@pytest.fixture
def staged(options, monkeypatch):
    """A trainer whose epochs are told, not trained: train and validation losses."""

    def make(told, **changes):
        trainer = loop.Trainer(replace(options, framework="fusion_only", weighting="fixed", **changes), CPU)
        trainer.switch = loop.StageSwitch(Stage.FUSION, may_switch=True, max_epochs=changes["stage_one_max_epochs"])
        steps = iter(told)

        def step(batch, stage):
            trainer.told = next(steps)
            loss = torch.tensor(trainer.told[0])
            terms = {"loss": loss, "fusion": loss}
            return terms | ({"consistency": torch.tensor(1.0)} if stage is Stage.JOINT else {})

        def validate(batches, stage):
            found = {"loss": trainer.told[1], "fusion": trainer.told[1]}
            return found | ({"live_classes": 3, "consistency": 1.0} if stage is Stage.JOINT else {})

        monkeypatch.setattr(trainer, "step", step)
        monkeypatch.setattr(trainer, "validate", validate)
        while not trainer.finished:
            trainer.run_epoch([{}], [])
        return trainer

    return make


def test_two_branches_in_one_class_are_seen_and_told(pairs, options, log):
    """Both branches are so sure of one class that the consistency loss is at its trivial optimum."""
    trainer = loop.Trainer(replace(options, stages="one", ema_decay=0), CPU)
    with torch.no_grad():
        for bias in (
            trainer.framework.segmentation_head[-1].bias,
            trainer.framework.segmenter.network.decode_head.classifier.bias,
        ):
            bias[2] += 40
    batches = list(DataLoader(TrainingView(pairs, "train", options.crop_px, 0), batch_size=2))
    for _ in range(4):
        trainer.run_epoch(batches, batches)
        loop.log_epoch(trainer, 1.0)
    assert [row["live_classes"] for row in trainer.history] == [1, 1, 1, 1]
    assert [row["collapsed"] for row in trainer.history] == [0, 0, 1, 1]
    assert all(row["class_entropy"] == 0 and row["agreement"] == 1 for row in trainer.history)
    assert all(row["validation_consistency"] < 0.8 for row in trainer.history)  # and the loss is content
    loud = [each.levelno for each in log.records if "COLLAPSED" in each.message]
    assert loud == [logging.WARNING] * 2


@pytest.mark.parametrize("name", ["dwa", "ucw", "segmif", "gradnorm"])
def test_every_weighting_trains_and_resumes(train, options, tmp_path, halted_after, name):
    options = replace(options, weighting=name, stage_one_max_epochs=1)
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    with halted_after(3):
        train(halted, options)
    assert digests_of(train(whole, options)) == digests_of(train(halted, options))
    joint = read_history(whole)[1:]
    assert {row["stage"] for row in joint} == {"joint"}
    assert len({row["alpha"] for row in joint}) == (2 if name == "dwa" else 3)  # DWA's first two epochs are alike
    measured = (whole / "gradients.csv").read_text().splitlines()
    assert len(measured) == 1 + (2 * len(joint) if name == "gradnorm" else 0)


def test_gradients_are_compared_at_every_measured_step(undisturbed):
    rows = [{name: float(cell) for name, cell in row.items()} for row in read_csv(undisturbed / "gradients.csv")]
    steps = [(row["epoch"], row["step"]) for row in rows]
    assert steps == [(epoch, step) for epoch in (3, 4) for step in (1, 3)]
    for epoch, history in enumerate(read_history(undisturbed), start=1):
        for name in ("projection_consistency", "projection_fusion", "cosine"):
            means = [row[name] for row in rows if row["epoch"] == epoch]
            if means:
                assert float(history[name]) == pytest.approx(sum(means) / len(means), rel=1e-6)
            else:
                assert history[name] == ""


def test_stopping_starts_anew_at_the_switch_and_keeps_the_best_of_stage_two(staged):
    """Losses of stage II are higher by nature; they neither stop the run nor lose to stage I's best."""
    told = [(3.0, 1.0), (2.0, 2.0), (1.0, 50.0), (1.0, 40.0), (1.0, 41.0), (1.0, 42.0), (1.0, 1.0)]
    trainer = staged(told, stage_one_max_epochs=2, epochs=7, patience=2)
    assert trainer.switch.epoch == 2
    assert trainer.epoch == 6
    assert trainer.best_epoch == 4


def test_the_last_epoch_may_be_kept_whatever_its_loss(staged):
    told = [(3.0, 1.0), (1.0, 2.0), (1.0, 3.0), (1.0, 4.0)]
    assert staged(told, stage_one_max_epochs=1, epochs=4).best_epoch == 2
    assert staged(told, stage_one_max_epochs=1, epochs=4, kept_epoch="last").best_epoch == 4


def test_a_stalled_stage_one_moves_on(staged):
    told = [(3.0, 1.0), (2.0, 2.0), (1.0, 3.0), (0.5, 9.0), (0.4, 8.0)]
    trainer = staged(told, stage_one_max_epochs=0, epochs=5, patience=2)
    assert [row["stage"] for row in trainer.history] == ["fusion"] * 3 + ["joint"] * 2


def test_a_run_without_stage_two_is_told(train, options, tmp_path, caplog):
    train(tmp_path, replace(options, epochs=1))
    assert "Stage I will last the whole training (1 epoch), without" in caplog.text
    assert "stage II never began" in caplog.text
    assert not list((tmp_path / "pseudo_labels").glob("*.png"))


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (
            (1, 4, 10),
            "Stage I may last the whole training (4 epochs)",
        ),  # a risen loss or (below) a stalled one may end it
        ((4, 9, 10), "Stage I will last the whole training (4 epochs)"),
        ((4, 0, 2), "Stage I may last the whole training (4 epochs)"),
        ((1, 0, 10), ""),
        ((9, 3, 10), ""),
    ],
)
def test_a_first_stage_as_long_as_the_training_is_told_before_it(train, options, tmp_path, caplog, limits, told):
    names = ("stage_one_min_epochs", "stage_one_max_epochs", "patience")
    options = replace(options, crop_px=99, **dict(zip(names, limits, strict=True)))
    for changes in ({}, {"framework": "fusion_only"}, {"stages": "one"}):
        caplog.clear()
        with pytest.raises(UserError, match="smaller than the training crop"):
            train(tmp_path, replace(options, **changes))
        said = [] if changes or not told else [told]
        assert [each.message.partition(",")[0] for each in caplog.records] == said


def test_batches_hold_every_pair_once():
    batches = loop.shuffled_batches(10, 5, seed=0, epoch=3)
    assert sorted(index for batch in batches for index in batch) == list(range(10))
    assert batches == loop.shuffled_batches(10, 5, seed=0, epoch=3)
    assert batches != loop.shuffled_batches(10, 5, seed=0, epoch=4)
    assert batches != loop.shuffled_batches(10, 5, seed=1, epoch=3)


@pytest.mark.parametrize(("count", "sizes"), [(7, [3, 3]), (2, [2]), (6, [3, 3]), (1, [1])])
def test_an_incomplete_batch_is_left_out_unless_it_is_the_only_one(count, sizes):
    assert [len(batch) for batch in loop.shuffled_batches(count, 3, seed=0, epoch=0)] == sizes


@pytest.mark.slow
def test_a_killed_process_ends_with_the_same_bytes(pairs, tmp_path):
    """SIGKILL at a moment of its own choosing: of the whole, twice; of stage I, and of what goes on from it."""
    settings = ["segmenter=b0", "classes=4", "epochs=8", "stage_one_max_epochs=3", "batch_size=2", "crop_px=32"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

    def command(folder, *more):
        sets = [part for each in settings for part in ("--set", each)]
        where = ["--pairs", str(pairs), "--output", str(folder), "--state", str(tmp_path / f"{folder.stem}.pt")]
        verb = "stage-one" if folder.suffix else "train"
        return [sys.executable, "-m", "ssvif", verb, *where, *sets, *more, "--device", "cpu", "--threads", "1"]

    def kill_and_finish(words, output, delays_s):
        state = tmp_path / f"{output.stem}.pt"
        for more_s in delays_s:
            seen = state.stat().st_mtime_ns if state.exists() else 0
            process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 300
            while not (state.exists() and state.stat().st_mtime_ns > seen):
                assert process.poll() is None, "it ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(more_s)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            assert not output.exists()
        last = subprocess.run(words, check=True, env=environment, capture_output=True, text=True)
        assert "resuming after epoch" in last.stderr
        assert not state.exists()

    subprocess.run(command(tmp_path / "whole"), check=True, env=environment, capture_output=True)
    killed, stage_one, steps = tmp_path / "killed", tmp_path / "stage_one.safetensors", tmp_path / "steps"
    kill_and_finish(command(killed), killed, (0.0, 0.35))
    kill_and_finish(command(stage_one), stage_one, (0.0,))
    kill_and_finish(command(steps, "--stage-one", str(stage_one)), steps, (0.0,))
    assert digests_of(killed) == digests_of(tmp_path / "whole")
    assert digests_of(steps) == digests_of(tmp_path / "whole")
