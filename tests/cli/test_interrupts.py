import signal
import subprocess
import sys
import time

import pytest

WORK = """
import hashlib, logging, sys, time
from pathlib import Path
from ssvif.cli.interrupts import interruptible
from ssvif.io.files import write_folder_aside
from ssvif.io.ownership import claim
sys.argv = ["ssvif", sys.argv[2], *sys.argv[:2]]
with interruptible(), claim(Path("out")), write_folder_aside(Path("out"), ["*.png"]) as folder:
    (folder / "a.png").touch()
    print("at work", flush=True)
    {work}
"""
IN_PYTHON = "time.sleep(60)"
OUTSIDE = "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"  # comes back to Python in some minutes
IN_A_DESTRUCTOR = "while True: type('Busy', (), {'__del__': lambda self: time.sleep(60)})()"  # which can raise nothing


@pytest.mark.parametrize("work", [IN_PYTHON, OUTSIDE, IN_A_DESTRUCTOR])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_cleanly_and_soon(tmp_path, work, number, status):
    # a shell's background jobs, these tests among them, may have SIGINT ignored
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + WORK.format(work=work)
    command = [sys.executable, "-c", script, "x", "train"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "at work"
        assert [path.name for path in tmp_path.iterdir() if path.name == ".out.lock"]
        time.sleep(0.3)  # then the work has begun
        start = time.monotonic()
        process.send_signal(number)
        try:
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()  # or leaving the block would wait for it
    assert process.returncode == status
    assert time.monotonic() - start < 5
    assert list(tmp_path.iterdir()) == []
    assert errors.strip().splitlines() == [
        f"ssvif: ended by {number.name}; no half-written file is left; "
        "the same command goes on after the last complete epoch"
    ]


def test_a_signal_that_was_ignored_stays_ignored(tmp_path):
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + WORK.format(work="time.sleep(1)")
    command = [sys.executable, "-c", script, "x", "pack"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "at work"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
