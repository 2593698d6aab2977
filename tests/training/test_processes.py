"""One training in several processes: the numbers of one with the larger batch, one writer, one state for all."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reference.files import digests_of
from ssvif.io.files import read_csv

SETTINGS = {
    "segmenter": "b0",
    "classes": 4,
    "epochs": 4,
    "stage_one_max_epochs": 2,
    "crop_px": 32,
    "ema_decay": 0.5,
    "warmup_steps": 3,
}
TASKS = {
    "paper": {},
    "remedy": {"consistency": "mutual_information", "consistency_augment": True, "stages": "one", "epochs": 1},
    "labels": {"framework": "supervised", "weighting": "ucw", "stages": "one", "epochs": 1},
}
FILES = {"gradients.csv", "history.csv", "model.safetensors", "pseudo_labels", "record.json"}


def launched(command, count, store, **more):
    """Start a command in several processes, with what torchrun sets for each."""
    shared = os.environ | {"SSVIF_STORE": str(store), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    return [subprocess.Popen(command, env=shared | {"RANK": str(rank)}, **more) for rank in range(count)]


def train_in(count, folder, jobs):
    file = folder / f"jobs_{count}_{len(jobs)}.json"
    file.write_text(json.dumps(jobs))
    command = [sys.executable, str(Path(__file__).with_name("several.py")), str(file)]
    processes = launched(command, count, folder / f"store_{count}_{len(jobs)}")
    assert [each.wait() for each in processes] == [0] * count


@pytest.fixture(scope="module")
def trained(uneven, tmp_path_factory):
    """A folder of trainings in one process, and in two with half of the batch each."""
    folder = tmp_path_factory.mktemp("processes")

    def job(name, batch_size, task="paper", **more):
        settings = SETTINGS | TASKS[task] | {"batch_size": batch_size}
        return {"pairs": str(uneven), "output": str(folder / name), "settings": settings, **more}

    alone = [job(f"{task}_1", 2, task) for task in TASKS]
    train_in(1, folder, [*alone, job("one_then_two", 1, stop_after=3)])
    shared = [job(f"{task}_2", 1, task) for task in TASKS]
    halted = [job("two_again", 1, stop_after=3), job("two_again", 1), job("one_then_two", 1)]
    train_in(2, folder, [*shared, *halted, job("two_then_one", 1, stop_after=3)])
    train_in(1, folder, [job("two_then_one", 1)])
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_two_processes_have_the_losses_of_one_with_the_doubled_batch(trained, task):
    """The validation's last batch is one pair, of which one process has none."""
    one, two = (read_csv(trained / f"{task}_{count}" / "history.csv") for count in (1, 2))
    assert {row["stage"] for row in one} == ({"joint"} if "stages" in TASKS[task] else {"fusion", "joint"})
    for alone, shared in zip(one, two, strict=True):
        losses = [name for name in alone if name.startswith(("train_", "validation_")) and alone[name]]
        assert [float(shared[name]) for name in losses] == pytest.approx([float(alone[name]) for name in losses], 1e-4)
        for name in ("alpha", "grad_norm_fusion", "grad_norm_consistency", "class_entropy", "live_classes"):
            assert bool(alone[name]) == bool(shared[name])
            if alone[name]:
                assert float(shared[name]) == pytest.approx(float(alone[name]), 1e-2), name


def test_the_first_process_alone_writes(trained):
    assert [each.name for each in trained.iterdir() if "_of_" in each.name] == []
    for each in ("paper_2", "remedy_2"):
        assert {file.name for file in (trained / each).iterdir()} == FILES
    assert json.loads((trained / "paper_2" / "record.json").read_text())["processes"] == 2


def test_a_state_is_gone_on_from_with_as_many_processes_and_with_others(trained):
    assert digests_of(trained / "two_again") == digests_of(trained / "paper_2")
    rows = {name: read_csv(trained / name / "history.csv") for name in ("paper_2", "two_then_one", "one_then_two")}
    assert rows["two_then_one"][:3] == rows["paper_2"][:3]
    assert rows["two_then_one"][3] != rows["paper_2"][3]  # with half the batch
    assert rows["one_then_two"][2] != rows["paper_2"][2]
    assert [len(each) for each in rows.values()] == [4] * 3
    assert not list(trained.glob("*/state.pt"))


@pytest.fixture
def several(uneven, tmp_path):
    """A function that returns a command of a training in two processes, and its output."""

    def make(name, *more, module="-m"):
        sets = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
        where = ["--pairs", str(uneven), "--output", str(tmp_path / name), "--set", "batch_size=1"]
        words = ["ssvif", "train", *where, *sets, "--device", "cpu", *more]
        return [sys.executable, module, *words], tmp_path / name

    return make


def ended(command, **more):
    return subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, **more)


def wait_for(path, process):
    deadline = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("change", [{}, {"MASTER_ADDR": "no.invalid"}, {"MASTER_PORT": "22x"}])
def test_where_processes_cannot_meet_it_is_told(several, change):
    """The port is taken, by another training most likely; nobody knows the machine; or it is no port."""
    command, _ = several("apart", "--nodes", "2")
    with socket.create_server(("localhost", 0)) as taken:
        place = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(taken.getsockname()[1])} | change
        environment = os.environ | {"RANK": "0", "WORLD_SIZE": "2"} | place
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Process 1 of 2 cannot meet the others at {MASTER_ADDR}:{MASTER_PORT}\n".format_map(place) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_torchrun_srun_and_the_command_itself_start_the_processes(several, tmp_path):
    """And whichever does, the bytes are the same, and one process speaks."""
    own, first = several("own", "--devices", "2")
    done = ended(own, check=True)
    assert done.stderr.count("epoch 4/4") == 1
    assert "2 processes: 2 pairs a step, 1 in each" in done.stderr
    assert done.stdout.count("trained:") == 1

    command, by_torchrun = several("torchrun", "--devices", "2")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = ended([*launcher, *command[1:]], check=True)
    assert done.stderr.count("epoch 4/4") == 1

    command, by_srun = several("srun", "--devices", "1", "--nodes", "2")
    slurm = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost", "SLURM_JOB_ID": str(os.getpid())}
    tasks = [
        subprocess.Popen(command, env=os.environ | slurm | {"SLURM_PROCID": str(rank), "OMP_NUM_THREADS": "1"})
        for rank in range(2)
    ]
    assert [each.wait() for each in tasks] == [0, 0]
    assert digests_of(first) == digests_of(by_torchrun) == digests_of(by_srun)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["own", "srun", "torchrun"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_ended_one_leaves_no_process_and_goes_on(several, number):
    command, output = several("ended", "--devices", "2")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(output / "state.pt", process)
        process.send_signal(number)
        begun = time.monotonic()
        assert process.wait() == (143 if number == signal.SIGTERM else -number)
        said = process.stderr.read()  # at its end no process is left that could write
    assert time.monotonic() - begun < 10
    assert "Traceback" not in said
    assert said.count("ended by SIGTERM") == (number == signal.SIGTERM)
    assert "resuming after epoch" in ended(command, check=True).stderr


@pytest.mark.slow
def test_a_process_that_fails_ends_the_others_with_one_message(several):
    command, output = several("wild", "--devices", "2", "--set", "learning_rate=1e30", "--set", "stages=one")
    done = ended(command)
    assert done.returncode == 1
    assert done.stderr.count("diverged in epoch 1, step") == 1
    assert "Traceback" not in done.stderr
    assert not output.exists()


@pytest.mark.slow
def test_a_lost_process_is_told(several, tmp_path):
    command, output = several("lost", "--devices", "2")
    processes = launched(command, 2, tmp_path / "store", stderr=subprocess.PIPE, text=True)
    wait_for(output / "state.pt", processes[0])
    processes[1].kill()
    said = processes[0].communicate(timeout=60)[1]
    assert processes[0].returncode == 1
    assert "lost the others" in said
    assert "goes on after the last complete epoch" in said
    assert "Traceback" not in said
    processes[1].communicate()
