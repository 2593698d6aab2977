import itertools
import os
import sys

import pytest

from ssvif.io import launch
from ssvif.io.errors import UserError


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Nothing of a launcher around the tests, and nothing left of what they find."""
    for name in [each for each in os.environ if each.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr("logging.disable", lambda level: None)
    yield
    monkeypatch.undo()
    launch.take_part(1, 1)


TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8"}
SRUN = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"}


@pytest.mark.parametrize("started", [TORCHRUN, SRUN])
def test_a_process_finds_its_place(monkeypatch, started):
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    assert launch.take_part(4, 2)
    assert launch.place() == launch.Place(rank=3, count=8)
    assert not launch.is_first()
    sys.stdout.close()


def test_alone_it_is_the_first_and_only_one():
    assert launch.take_part(1, 1)
    assert launch.place() == launch.Place(0, 1)
    assert launch.is_first()


@pytest.mark.parametrize(
    ("started", "devices", "nodes", "got"),
    [
        (TORCHRUN, 1, 1, "8, started by torchrun"),
        (TORCHRUN, 8, 2, "8, started by torchrun"),
        (SRUN, 2, 1, "8, started by srun"),
        ({}, 2, 2, "1, started by hand"),
        ({"RANK": "0", "WORLD_SIZE": "many"}, 1, 2, "1, started by hand"),
    ],
)
def test_another_number_of_processes_is_told(monkeypatch, started, devices, nodes, got):
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="torchrun or srun") as caught:
        launch.take_part(devices, nodes)
    assert caught.value.got == got


def test_each_task_of_srun_may_train_a_network_of_its_own(monkeypatch):
    for name, value in SRUN.items():
        monkeypatch.setenv(name, value)
    assert launch.take_part(1, 1)
    assert launch.place().count == 1


@pytest.mark.parametrize(
    ("hosts", "first"),
    [("node3", "node3"), ("node[03-05,7],login", "node03"), ("a,b", "a"), ("gpu[1]-ib,x", "gpu1-ib")],
)
def test_the_first_of_slurms_hosts_is_where_they_meet(monkeypatch, hosts, first):
    monkeypatch.setenv("SLURM_STEP_NODELIST", hosts)
    monkeypatch.setenv("SLURM_JOB_ID", "41234")
    assert launch.rendezvous() == "env://"
    assert os.environ["MASTER_ADDR"] == first


def test_jobs_and_their_steps_meet_at_ports_of_their_own(monkeypatch):
    ports = set()
    for job, step in itertools.product(("41234", "41235"), ("0", "1", "4294967291")):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        monkeypatch.setenv("SLURM_STEP_ID", step)
        monkeypatch.delenv("MASTER_PORT", raising=False)
        launch.rendezvous()
        ports.add(int(os.environ["MASTER_PORT"]))
    assert len(ports) == 6
    assert all(1024 < port < 32768 for port in ports)
