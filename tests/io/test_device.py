import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import torch

from ssvif.io import device
from ssvif.io.errors import UserError
from ssvif.io.launch import Place


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Two pretended GPUs, a and b; returns the list of those that were set."""
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid="ab"[index]))
    monkeypatch.setattr(device, "LOCK_FOLDER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return chosen


def test_two_jobs_take_two_cards(gpus):
    with device.lease_device() as first, device.lease_device("cuda") as second:
        assert (first, second) == (torch.device("cuda", 0), torch.device("cuda", 1))
    assert gpus == [0, 1]


def test_a_card_is_free_again_after_the_job_even_a_failed_one(gpus):
    with pytest.raises(ValueError, match="mine"), device.lease_device():
        raise ValueError("mine")
    with device.lease_device() as again:
        assert again.index == 0


def test_a_third_job_waits_for_the_first_card(gpus):
    got = threading.Event()

    def third():
        with device.lease_device() as leased:
            assert leased.index == 0
            got.set()

    waiting = threading.Thread(target=third)
    with device.lease_device():
        with device.lease_device():
            waiting.start()
            assert not got.wait(0.3)
        assert not got.wait(0.1)
    assert got.wait(10)
    waiting.join()


def test_processes_of_one_training_do_not_wait_for_each_other(gpus, monkeypatch):
    monkeypatch.setattr(device, "GPU_WAIT_S", 0.2)
    monkeypatch.setattr(device, "LOCK_POLL_S", 0.1)
    monkeypatch.setattr(device, "place", lambda: Place(2, 3))
    with device.lease_device(), device.lease_device():  # noqa: SIM117 (the third is what fails)
        with pytest.raises(UserError, match=r"for process 3 of 3(?s:.*)2 visible, all in use"), device.lease_device():
            pass


HOLD = """
import sys, fcntl
stream = open(sys.argv[1], "a")
fcntl.flock(stream, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_another_processs_card_is_taken_until_it_is_killed(gpus, tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "ssvif-gpu-a.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with device.lease_device() as leased:
            assert leased.index == 1
        other.kill()
    with device.lease_device() as leased:
        assert leased.index == 0


@pytest.mark.parametrize(
    ("visible", "cards", "locks"),
    [
        ("0", "ab", ["ssvif-gpu-a.lock", "ssvif-gpu-b.lock"]),  # Slurm: every job sees its own card as 0
        ("MIG-GPU-12ab/7/0", "aa", ["ssvif-gpu-MIG-GPU-12ab-7-0.lock", "ssvif-gpu-MIG-b.lock"]),  # slices of one card
    ],
)
def test_two_jobs_that_see_different_cards_do_not_wait(gpus, monkeypatch, tmp_path, visible, cards, locks):
    found = iter(cards)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid=next(found)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with device.lease_device() as first:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0" if visible == "0" else "MIG-b")
        with device.lease_device() as second:
            assert first.index == second.index == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == locks


def test_another_users_lock_file_can_be_locked(gpus, monkeypatch, tmp_path):
    path = tmp_path / "ssvif-gpu-a.lock"
    path.touch()
    opened = []
    original = type(path).open

    def refuse_writing(self, mode="r", *rest, **more):
        opened.append(mode)
        if "a" in mode:
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, mode, *rest, **more)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(type(path), "open", refuse_writing)
    with device.lease_device() as leased:
        assert leased.index == 0
    assert opened == ["a", "r"]


@pytest.mark.parametrize(("setting", "count"), [("auto", 0), ("cpu", 0), ("cpu", 2)])
def test_without_a_gpu_or_asked_for_it_is_the_cpu(gpus, monkeypatch, tmp_path, setting, count):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with device.lease_device(setting) as leased:
        assert leased == torch.device("cpu")
        assert device.device_name(leased) == "cpu"
    assert gpus == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "says"), [("cuda", "No GPU can be used here(?s:.*)--device cpu"), ("tpu", "Unknown device 'tpu'")]
)
def test_a_device_that_is_not_there_is_told(monkeypatch, setting, says):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError, match=says), device.lease_device(setting):
        pass
