"""A full disk, a folder that may not be written, files that vanish, a clock that jumps, no memory, other processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from commands import contents
from stages import STAGES, check_nothing_half, files_of

pytestmark = pytest.mark.slow
STOP = {"signal": int(signal.SIGSTOP)}
OWN = STAGES["fuse own"].arguments


@pytest.fixture
def work(undisturbed, request) -> Iterator[Path]:
    """A folder beside that of the undisturbed run."""
    folder = undisturbed.folder.with_name(request.node.name.translate(str.maketrans("[]/", "   ")))
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def disk(work) -> Iterator[Callable[[str], None]]:
    """A function that mounts a small disk at `work`, or mounts it anew with other options."""

    def mount(options: str) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", work], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")

    yield mount
    if work.is_mount():
        subprocess.run(["umount", work], check=True)


@pytest.mark.parametrize("name", STAGES)
def test_a_full_disk_is_told_and_what_was_there_is_kept(name, commands, undisturbed, work, disk):
    """Room for a part of what the stage writes; then for the rest."""
    stage, made = STAGES[name], undisturbed.made[name]
    size = sum((undisturbed.folder / path).stat().st_size for path, each in made.items() if each != "folder")
    disk(f"size={max(4096, size * 6 // 10)}")
    said = commands.fail(work, *stage.arguments)
    assert "No space left while writing" in said
    now = contents(work)
    check_nothing_half(stage, now, {}, made)
    assert not [path for path in now if path.endswith((".part", ".lock"))]
    disk("remount,size=512m")
    commands.run(work, *stage.arguments)
    assert files_of(contents(work)) == files_of(made)


@pytest.mark.parametrize("name", STAGES)
def test_a_folder_that_may_not_be_written_is_told_at_once(name, commands, undisturbed, work, disk):
    disk("size=1m,ro")
    said = commands.fail(work, *STAGES[name].arguments)
    assert "ead-only file system" in said or "cannot be created" in said or "written to" in said, said
    assert len(said.strip().splitlines()) < 8


def pull_away(commands, work, arguments, opens: str, gone: Path) -> str:
    """Run a command that has to fail; before it opens a path, remove another file. Return what it said."""
    started = commands.start(work, *arguments, opens=opens, **STOP)
    started.wait_until_stopped()
    away = gone.rename(gone.with_name("away"))
    os.killpg(started.process, signal.SIGCONT)
    status = started.wait()
    away.rename(gone)
    assert status == 1, started.said
    assert "Traceback" not in started.said
    return started.said


@pytest.mark.parametrize(("name", "opens"), [("pack", "vi/00000D"), ("fuse own", "vi/00000D"), ("fuse", "pairs.h5")])
def test_a_file_that_vanishes_meanwhile_is_named(name, opens, commands, undisturbed, work):
    stage, made = STAGES[name], undisturbed.made[name]
    gone = undisturbed.folder / (
        "results/scenes/data/pairs.h5" if name == "fuse" else "data/scenes/train/ir/00008D.png"
    )
    said = pull_away(commands, work, stage.arguments, opens, gone)
    assert gone.name in said
    now = contents(work)
    check_nothing_half(stage, now, {}, made)
    if stage.completes:
        assert "holds 8 fused pairs; 1 failed" in said
        assert len([path for path in now if path.endswith(".png")]) == 8
    commands.run(work, *stage.arguments)
    assert files_of(contents(work)) == files_of(made)


@pytest.mark.parametrize("name", ["pack", "train", "fuse", "fuse own", "segment", "figures"])
def test_a_clock_that_jumps_back_changes_nothing(name, commands, undisturbed, work):
    commands.run(work, *STAGES[name].arguments, clock_back_s=3600)
    assert files_of(contents(work)) == files_of(undisturbed.made[name])


def test_the_second_of_two_processes_for_one_folder_is_refused(commands, undisturbed, work):
    started = commands.start(work, *OWN, operation=12, **STOP)
    started.wait_until_stopped()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    second = subprocess.run(
        [sys.executable, "-m", "ssvif", *OWN], cwd=work, env=environment, capture_output=True, text=True
    )
    os.killpg(started.process, signal.SIGCONT)
    assert second.returncode == 1
    assert f"own is being written by process {started.process} on " in second.stderr
    assert "Traceback" not in second.stderr
    assert started.wait() == 0, started.said
    assert files_of(contents(work)) == files_of(undisturbed.made["fuse own"])


@pytest.mark.parametrize(
    ("name", "memory_mb"), [("pack", 4), ("train", 30), ("fuse", 30), ("segment", 30), ("detect", 30), ("figures", 30)]
)
def test_too_little_memory_is_told(name, memory_mb, commands, undisturbed, work):
    said = commands.fail(work, *STAGES[name].arguments, memory_mb=memory_mb)
    assert "memory" in said.lower()
    check_nothing_half(STAGES[name], contents(work), {}, undisturbed.made[name])
    assert [path for path in contents(work) if path.endswith((".part", ".lock"))] == []


def test_a_killed_loader_of_images_is_told_and_the_training_goes_on_after_the_last_epoch(commands, undisturbed, work):
    arguments = (*STAGES["train"].arguments, "--workers", "1")
    started = commands.start(work, *arguments)
    started.wait_until_said("epoch 1/")
    children = Path(f"/proc/{started.process}/task/{started.process}/children")
    deadline = time.monotonic() + 60
    while not (workers := children.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.kill(int(workers[0]), signal.SIGKILL)
    assert started.wait() == 1, started.said
    assert "Traceback" not in started.said
    assert "was killed" in started.said
    again = commands.run(work, *arguments)
    assert "resuming after epoch" in again.said
    assert files_of(contents(work)) == files_of(undisturbed.made["train"])
