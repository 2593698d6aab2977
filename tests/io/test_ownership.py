import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ssvif.io.errors import UserError
from ssvif.io.files import write_aside, write_folder_aside
from ssvif.io.ownership import HOST, claim, remove_parts

HOLD = """
import sys, time
from pathlib import Path
from ssvif.io.ownership import claim
with claim(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
SHARE = HOLD.replace("[1])", "[1]), 'shards'")
# another process is forked while the output is held, and outlives this one, as a loader of pairs may
FORK = HOLD.replace("    print", "    __import__('os').fork() == 0 and time.sleep(60)\n    print")
LIVING, DEAD = os.getppid(), 2**22 + 1  # above the largest number of a process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def start():
    """A function that starts a script and waits for its first line; the processes are ended."""
    started = []

    def run(script: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True))
        assert started[-1].stdout.readline().strip() == "held"
        return started[-1]

    yield run
    for each in started:
        with suppress(ProcessLookupError):
            os.killpg(each.pid, signal.SIGKILL)
        each.wait()
        each.stdout.close()


@pytest.mark.parametrize("kind", ["new", "folder", "file", "in a new folder", "long"])
def test_an_output_has_one_owner(tmp_path, start, kind):
    output = tmp_path / {"in a new folder": "new/out", "long": "n" * 251 + ".png"}.get(kind, "out")
    if kind == "folder":
        output.mkdir()
    elif kind == "file":
        output.touch()
    owner = start(HOLD, output)
    with pytest.raises(UserError, match=f"being written by process {owner.pid} on ") as caught, claim(output):
        pass
    assert str(output) in caught.value.what
    with claim(output.with_name("other")):
        pass
    owner.kill()
    owner.wait()
    with claim(output):
        pass
    assert [name for name in names(output.parent) if "lock" in name] == []


def test_several_share_an_output_while_nobody_has_it_alone(tmp_path, start):
    output = tmp_path / "out"
    sharers = [start(SHARE, output), start(SHARE, output)]
    with claim(output, "shards"):
        pass  # and the others still have it
    for each in sharers:
        for others in ("", "shards of another number"):
            with pytest.raises(UserError, match=r"being written by shards\n"), claim(output, others):
                pass
        each.kill()
        each.wait()
    with claim(output):
        pass
    assert names(tmp_path) == []
    start(HOLD, output)
    with pytest.raises(UserError, match="being written by process"), claim(output, "shards"):
        pass


def test_who_joins_others_waits_for_those_that_come_and_go(tmp_path):
    code = "import sys; from pathlib import Path; from ssvif.io.ownership import claim\nfor _ in range(300):"
    code += "\n    with claim(Path(sys.argv[1]), 'shards'): pass"
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")]) for _ in range(3)]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert names(tmp_path) == []


def test_locks_that_are_removed_at_once_are_not_removed_again(tmp_path):
    with claim(tmp_path / "out"):
        remove_parts()
        assert names(tmp_path) == []


def test_a_lock_ends_with_its_process_though_another_was_forked(tmp_path, start):
    owner = start(FORK, tmp_path / "out")
    owner.kill()
    owner.wait()
    with claim(tmp_path / "out"):
        pass


def test_a_link_to_an_output_is_the_same_output(tmp_path, start):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    start(HOLD, tmp_path / "out")
    with pytest.raises(UserError, match="being written"), claim(tmp_path / "link"):
        pass
    with pytest.raises(UserError, match="being written"), write_folder_aside(tmp_path / "link", []):
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / ".out.lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(UserError, match=r"\.out\.lock is a link"), claim(tmp_path / "out"):
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_claim_within_one_does_nothing_and_leaves_no_empty_folders(tmp_path):
    with claim(tmp_path / "a/b/out"):
        with claim(tmp_path / "a/b/out"):
            pass
        assert names(tmp_path / "a/b") == [".out.lock"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP"])
def test_without_locks_the_work_goes_on_with_a_note(tmp_path, monkeypatch, caplog, error):
    def refuse(*_):
        raise OSError(getattr(errno, error), "no locks")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with caplog.at_level("INFO"), claim(tmp_path / "out"):
        (tmp_path / "out").touch()
    assert "file system without locks" in caplog.text
    assert names(tmp_path) == ["out"]


def leave(folder: Path) -> dict[str, Path]:
    """Leave what killed and living processes may have left of an output `out` and in it."""
    (folder / "out").mkdir(exist_ok=True)
    old = time.time() - 2 * 86_400
    left = {
        "dead": folder / f".out.{DEAD}-{HOST}.part",
        "inside": folder / f"out/.a.png.{DEAD}-{HOST}.part",
        "living": folder / f".out.{LIVING}-{HOST}.part",
        "elsewhere": folder / f".out.{DEAD}-00000000.part",
        "elsewhere, old": folder / f".out.{DEAD}-11111111.part",
        "not ours": folder / f".download.{DEAD}.part",
    }
    for path in left.values():
        path.mkdir()
        (path / "half").touch()
    os.utime(left["elsewhere, old"], (old, old))
    return left


def test_the_next_run_removes_what_no_living_process_owns(tmp_path):
    left = leave(tmp_path)
    with claim(tmp_path / "out"):
        pass
    assert {name for name, path in left.items() if path.exists()} == {"living", "elsewhere", "not ours"}


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "日" * 80 + ".png", "a\nb.png", "x"])
def test_any_name_can_be_written_aside(tmp_path, name):
    with write_aside(tmp_path / name) as aside:
        assert len(os.fsencode(aside.name)) <= 255
        aside.touch()
    assert names(tmp_path) == [name]


def test_no_message_names_a_temporary_path(tmp_path):
    with pytest.raises(OSError, match="directory") as caught, write_folder_aside(tmp_path / "out", []) as aside:
        (aside / "no such folder/file").touch()
    assert caught.value.filename == str(tmp_path / "out/no such folder/file")
