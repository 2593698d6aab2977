"""Stage I in a file of its own: going on from it gives the bytes of an unbroken training."""

import json
import shutil
from dataclasses import fields, replace

import h5py
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from reference.files import digests_of
from ssvif.io import fingerprint
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.training import loop
from ssvif.training.options import STAGE_TWO, STAGE_TWO_CODE, TrainingOptions, training_code
from ssvif.training.stage_one import FORMAT

CPU = torch.device("cpu")


def write_stage_one(pairs, path, options):
    loop.train_stage_one(pairs, path, path.with_suffix(".pt"), options=options, device=CPU)
    assert not path.with_suffix(".pt").exists()
    return path


@pytest.fixture(scope="module")
def shared_stage(pairs, options, tmp_path_factory):
    return write_stage_one(pairs, tmp_path_factory.mktemp("stage_one") / "one.safetensors", options)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"framework": "fusion_only"},
        {"weighting": "gradnorm", "branch_learning_rate": 3e-3, "classes": 4},
        {"weighting": "ucw", "consistency": "hard"},
        {"framework": "supervised", "weighting": "fixed"},
        {"consistency": "mutual_information", "centered_logits": True, "weighting": "fixed"},
    ],
)
def test_in_two_steps_as_in_one(train, options, shared_stage, tmp_path, changes):
    options = replace(options, **changes)
    whole = train(tmp_path / "whole", options)
    assert digests_of(train(tmp_path / "steps", options, stage_one=shared_stage)) == digests_of(whole)
    rows = read_csv(whole / "history.csv")
    second = "fusion" if changes.get("framework") == "fusion_only" else "joint"
    assert [row["stage"] for row in rows] == ["fusion", "fusion", second, second]
    for folder in ("whole", "steps"):
        record = json.loads((tmp_path / folder / "record.json").read_text())
        assert (record["switch_epoch"], record["epochs"]) == (2, 4)
        assert record["best_epoch"] >= 3  # counted anew after the fork, without a second task too


@pytest.mark.parametrize("limits", [(2, 0), (1, 1)])
def test_stage_one_may_use_up_all_epochs(train, pairs, options, tmp_path, limits):
    options = replace(options, framework="fusion_only", epochs=limits[0], stage_one_max_epochs=limits[1])
    shared_stage = write_stage_one(pairs, tmp_path / "one.safetensors", options)
    whole = train(tmp_path / "whole", options)
    assert digests_of(train(tmp_path / "steps", options, stage_one=shared_stage)) == digests_of(whole)
    assert len(read_csv(whole / "history.csv")) == limits[0]


def test_the_file_depends_on_what_stage_one_reads_alone(pairs, options, shared_stage, tmp_path, halted_after, log):
    other = replace(options, framework="fusion_only", weighting="fixed", segmenter="b2", classes=9, balance=1.0)
    with halted_after(1):
        write_stage_one(pairs, tmp_path / "one.safetensors", other)
    resumed = write_stage_one(pairs, tmp_path / "one.safetensors", other)
    assert resumed.read_bytes() == shared_stage.read_bytes()
    record = json.loads(resumed.with_suffix(".json").read_text())
    assert (record["epochs"], record["trained_on"]) == (2, "Tiny")
    assert "at most 0 s left" in next(each.message for each in log.records if "epoch 2/2 (fusion)" in each.message)


def test_a_training_from_a_file_resumes(train, options, shared_stage, tmp_path, halted_after, log):
    whole = train(tmp_path / "whole", options, stage_one=shared_stage)
    with halted_after(3):
        train(tmp_path / "halted", options, stage_one=shared_stage)
    assert digests_of(train(tmp_path / "halted", options, stage_one=shared_stage)) == digests_of(whole)
    assert "resuming after epoch 3" in log.text


def test_another_stage_one_is_refused(train, options, shared_stage, tmp_path):
    cases = {
        "no stage I": (replace(options, stages="one"), shared_stage),
        "does not exist": (options, tmp_path / "none.safetensors"),
        "of other settings": (replace(options, seed=1, batch_size=3), shared_stage),
    }
    for message, (other, path) in cases.items():
        with pytest.raises(UserError, match=message) as caught:
            train(tmp_path / "run", other, stage_one=path)
        assert caught.value.remedy
    assert (caught.value.expected, caught.value.got) == ("batch_size 3, seed 1", "batch_size 2, seed 0")
    assert not (tmp_path / "run").exists()


def test_other_pairs_are_refused(train, options, pairs, shared_stage, tmp_path):
    other = tmp_path / "other.h5"
    shutil.copy(pairs, other)
    with h5py.File(other, "r+") as file:
        file.attrs["digest"] = "0" * 64
    with pytest.raises(UserError, match="on other pairs"):
        train(tmp_path / "run", options, pairs=other, stage_one=shared_stage)


def test_what_is_no_such_file_is_refused(train, options, shared_stage, tmp_path):
    whole = shared_stage.read_bytes()
    bad = tmp_path / "bad.safetensors"
    for content in (b"", whole[: len(whole) // 2]):
        bad.write_bytes(content)
        with pytest.raises(UserError, match="is no stage I of a training"):
            train(tmp_path / "run", options, stage_one=bad)
    # the tensors without what describes them, or with something else
    for metadata in ({}, *({"ssvif": json.dumps({"format": FORMAT, "settings": each})} for each in ([], "no", 5))):
        save_file(load_file(shared_stage), bad, metadata)
        with pytest.raises(UserError, match="is no stage I of a training"):
            train(tmp_path / "run", options, stage_one=bad)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("history", "no rows"),
        ("history", [{"epoch": 1, "stage": "fusion", "unheard_of": 1}]),
        ("switch", {"epoch": 1}),
        ("stopping", {"best": [], "waited": 0}),
        ("stopping", "best"),
        ("network/encoder.0.weight", torch.zeros(2)),
        ("best/unheard_of", torch.zeros(2)),
        ("optimizer/0/exp_avg", torch.zeros(2)),
        ("optimizer/0/unheard_of", torch.zeros(2)),
    ],
)
def test_what_has_not_the_form_of_this_training_is_refused(train, options, shared_stage, tmp_path, name, value):
    with safe_open(shared_stage, framework="pt") as stream:
        facts = json.loads(stream.metadata()["ssvif"])
    tensors, is_tensor = load_file(shared_stage), isinstance(value, torch.Tensor)
    (tensors if is_tensor else facts)[name] = value
    bad = tmp_path / "bad.safetensors"
    save_file(tensors, bad, {"ssvif": json.dumps(facts)})
    with pytest.raises(UserError, match="is no stage I of a training"):
        train(tmp_path / "run", options, stage_one=bad)


def test_what_stage_one_does_not_read_is_no_part_of_its_options(options):
    assert {*STAGE_TWO} < {field.name for field in fields(TrainingOptions)}
    one = options.stage_one()
    assert one == replace(options, classes=7, framework="fusion_only", weighting="ucw").stage_one()
    assert one.stage_one() == one
    for changes in ({"seed": 1}, {"ema_decay": 0.9}, {"epochs": 5}, {"fusion_model": "emma"}, {"color_weight": 1.0}):
        assert replace(options, **changes).stage_one() != one
    with pytest.raises(UserError, match="has no stage I"):
        replace(options, stages="one").stage_one()


def test_the_code_of_stage_two_does_not_count_for_stage_one(options, tmp_path, monkeypatch):
    shutil.copytree(fingerprint.ROOT / "ssvif", tmp_path / "ssvif", ignore=shutil.ignore_patterns("weights"))
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)

    def codes():
        return training_code(options.stage_one(), stage_one=True), training_code(options)

    before = codes()
    for module, expected in (("losses/consistency", [True, False]), ("losses/fusion", [False, False])):
        source = tmp_path / "ssvif" / f"{module}.py"
        kept = source.read_text()
        source.write_text(kept + "\nADDED = 1\n")
        assert [code == old for code, old in zip(codes(), before, strict=True)] == expected
        source.write_text(kept)
    for name in STAGE_TWO_CODE:
        assert (tmp_path / f"{name.replace('.', '/')}.py").is_file()
