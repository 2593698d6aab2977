"""What a configuration will take, from a table of made-up times."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import get_args
from unittest.mock import Mock

import pytest

from ssvif.config.files import read_yaml
from ssvif.config.forecast import YARDSTICK, Times, describe, schedule, yardstick_s
from ssvif.config.jobs import FORWARD, Content, Counts, Job, Work, list_jobs, list_missing
from ssvif.config.plan import Plan
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.schema import FUSION_MODELS, FUSION_NETWORKS, SegFormerSize

ROOT = Path(__file__).parents[2]
COUNTS = Counts(90, 10, 20)
CONTENT = Content(COUNTS, COUNTS, COUNTS, mpx=0.1)


def table(path, **devices):
    """A table of works, each of a second and 1 GiB and, for each million of pixels, ten more of both."""
    lines = [f"{name},{work},1,10,1024,10240" for name, works in devices.items() for work in works]
    path.write_text("\n".join(["device,work,fixed_s,per_mpx_s,fixed_mib,per_mpx_mib", *lines, ""]))
    return path


def planned(monkeypatch, **changes):
    monkeypatch.chdir(ROOT)
    plan = Plan.load(read_yaml(Path("config/config.yaml")) | changes)
    return list_jobs(plan, {"scenes": CONTENT})


def job(name, *after, work="w", **given):
    return Job(rule="r", output=Path(name), works=[Work(work)], after=[*map(Path, after)], **given)


@pytest.fixture(autouse=True)
def _processor_of_the_tables(monkeypatch):
    monkeypatch.setattr("ssvif.config.forecast.yardstick_s", lambda: 1.0)


@pytest.fixture
def times(tmp_path):
    return Times(table(tmp_path / "t.csv", here=[YARDSTICK, "w", "fuse a", "train a"]), cpu="here")


def training_s(monkeypatch, tmp_path, **training):
    """Seconds of the training of the demo's run with a second stage, start included."""
    path = table(tmp_path / "t.csv", here=[YARDSTICK, "start train", "train seafusion", "joint b0"])
    demo = read_yaml(ROOT / "config/config.yaml")["training"]
    jobs = planned(monkeypatch, training=demo | training)
    found = next(each for each in jobs if each.output.parent.name == "seafusion_ssvif" and each.rule == "train")
    return Times(path, cpu="here").seconds(found) - 1


def test_a_training_takes_time_for_its_epochs_pairs_and_crops(monkeypatch, tmp_path):
    of_demo = training_s(monkeypatch, tmp_path)
    # ten epochs of stage II after eight of stage I: 23 steps and 3 to validate, each of four crops of 64×64
    step = 1 + 10 * 4 * 64 * 64 / 1e6
    assert of_demo == pytest.approx(10 * step * (2 * (23 + 3 * FORWARD) + 23 / 4))  # GDWA measures at every fourth step
    assert training_s(monkeypatch, tmp_path, epochs=28) == pytest.approx(2 * of_demo)
    assert training_s(monkeypatch, tmp_path, every_n_steps=1) == pytest.approx(
        10 * step * (2 * (23 + 3 * FORWARD) + 23)
    )
    assert training_s(monkeypatch, tmp_path, crop_px=128) > of_demo


def test_a_judge_trains_on_the_pairs_that_have_labels(monkeypatch, tmp_path):
    times = Times(table(tmp_path / "t.csv", here=[YARDSTICK, "start segment", "segment b0", "read"]), cpu="here")
    taken = []
    for labelled in (COUNTS, Counts(45, 10, 20)):
        monkeypatch.chdir(ROOT)
        plan = Plan.load(read_yaml(Path("config/config.yaml")))
        jobs = list_jobs(plan, {"scenes": CONTENT._replace(labelled=labelled)})
        taken.append(sum(times.seconds(each) for each in jobs if each.rule == "segment"))
    assert taken[1] < 0.7 * taken[0]


def test_a_judge_that_is_left_out_is_no_job(monkeypatch):
    rules = {each.rule for each in planned(monkeypatch, detection=False)}
    assert "segment" in rules
    assert "detect" not in rules


def test_what_is_missing_comes_with_what_follows_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = [job("a"), job("b", "a"), job("c"), job("d", "b", "c")]
    assert list_missing(jobs) == jobs
    for name in "abcd":
        Path(name).touch()
    assert list_missing(jobs) == []
    Path("b").unlink()
    assert [each.output.name for each in list_missing(jobs)] == ["b", "d"]


def test_networks_and_judges_of_every_size_have_times():
    works = {row["work"] for row in read_csv(ROOT / "config/times.csv")}
    wanted = {f"fuse {name}" for name in FUSION_NETWORKS} | {f"train {name}" for name in FUSION_MODELS}
    wanted |= {f"{work} {size}" for work in ("joint", "segment") for size in get_args(SegFormerSize)}
    assert wanted - works == set()


def test_jobs_wait_for_others_for_cores_and_for_the_gpu(tmp_path, times):
    chain, beside = [job("a"), job("b", "a")], [job("a"), job("b")]
    assert schedule(chain, times, 2) == (2, 1024)
    assert schedule(beside, times, 2) == (1, 2048)
    assert schedule(beside, times, 1) == (2, 1024)
    both = [replace(each, cores=2) for each in beside]
    assert schedule(both, times, 2)[0] == pytest.approx(2 / 1.7, rel=0.01)
    with_gpu = Times(table(tmp_path / "g.csv", here=[YARDSTICK, "w"], card=["w"]), cpu="here", gpu="card")
    both = [replace(each, on_gpu=True) for each in beside]
    assert schedule(both, with_gpu, 2)[0] == 2
    assert schedule(both, with_gpu, 2, gpus=2)[0] == 1


def test_the_text_has_a_line_for_each_rule_and_the_totals(times):
    jobs = [job("a", disk_mb=3), job("b", "a", disk_mb=4000), replace(job("c"), rule="other")]
    text = describe(jobs, times, 2)
    rows = [line.split() for line in text.splitlines()]
    assert ["r", "2", "2", "s", "1.0", "GiB", "4.0", "GB"] in rows
    assert ["all", "3", "3", "s", "1.0", "GiB", "4.0", "GB"] in rows
    assert "On 2 cores: about 2 s by the clock, 2.0 GiB of memory, 4.0 GB of results." in text
    assert describe([], times, 2) == "Nothing is missing: no job."


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.1, 3.0])
@pytest.mark.parametrize("cpu", ["here", "mine"])
def test_times_are_scaled_by_the_speed_of_the_processor(tmp_path, monkeypatch, cpu, ratio):
    """Of one without times, and of one that has the name of another machine's."""
    monkeypatch.setattr("ssvif.config.forecast.yardstick_s", lambda: ratio)
    times = Times(table(tmp_path / "t.csv", here=[YARDSTICK, "w"]), cpu=cpu)
    assert times.device == "here"
    assert times.seconds(job("a")) == pytest.approx(ratio)
    assert times.memory_mib(job("a")) == 1024
    notes = "".join(times.notes)
    assert ("has no times of mine" in notes) == (cpu == "mine")
    assert (f"The times of here are multiplied by {ratio:.2f}" in notes) == (cpu == "mine" or ratio in (0.5, 3.0))


def test_speed_is_measured_on_one_thread_whatever_was_set(monkeypatch):
    taken = {}
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    monkeypatch.setattr(subprocess, "run", lambda command, env, **_: taken.update(env) or Mock(stdout=b"0.5"))
    assert (yardstick_s(), taken["OMP_NUM_THREADS"], taken["OPENBLAS_NUM_THREADS"]) == (0.5, "1", "1")
    monkeypatch.undo()
    assert 1e-5 < yardstick_s() < 10


def test_a_network_without_times_takes_those_of_another(times):
    assert times.lacks("b")
    times.add_network("b", "a", 3)
    assert not times.lacks("b")
    assert times.seconds(job("x", work="train b")) == 3


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        ({}, "no times of a processor"),
        ({"here": ["w"]}, "no times of a processor"),
        ({"here": [YARDSTICK]}, "no times of 'w'"),
    ],
)
def test_what_has_no_times_is_told_with_the_remedy(tmp_path, devices, told):
    with pytest.raises(UserError, match=told) as error:
        Times(table(tmp_path / "t.csv", **devices), cpu="here").seconds(job("a"))
    assert "make bench" in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "device,work\na,b\n", "device,work,fixed_s,per_mpx_s,fixed_mib,per_mpx_mib\na,b,x,1,1,1\n"]
)
def test_a_damaged_table_is_told(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=r"t\.csv"):
        Times(tmp_path / "t.csv", cpu="here")
    with pytest.raises(UserError, match=r"gone\.csv does not exist"):
        Times(tmp_path / "gone.csv", cpu="here")
