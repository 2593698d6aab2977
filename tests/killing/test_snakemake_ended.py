"""Snakemake is ended while it trains, by a cluster, Ctrl-C and SIGKILL, and a second one is started meanwhile."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workflow_tools import TINY, copy_project, run_snakemake

pytestmark = pytest.mark.slow
TARGET = "results/scenes/seafusion_fusion_only/model.safetensors"
EPOCHS = {"epochs: 2, stage_one_max_epochs: 1": "epochs: 130, stage_one_min_epochs: 120, stage_one_max_epochs: 120"}


def begin(project: Path, epoch: int) -> subprocess.Popen[str]:
    """Start Snakemake, and return once stage I has done an epoch of this number or a later one."""
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "1", TARGET]
    environment = os.environ | {"PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"}
    more = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    # a shell's background jobs, these tests among them, may have SIGINT ignored
    more["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    started = subprocess.Popen(command, cwd=project, env=environment, **more)
    deadline = time.monotonic() + 400
    while epoch_of(project) < epoch:
        assert started.poll() is None, started.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return started


def epoch_of(project: Path) -> int:
    """The last epoch of stage I that its log tells of."""
    lines = [line for line in log_of(project).splitlines() if line.startswith("epoch ")]
    return int(lines[-1].split()[1].partition("/")[0]) if lines else 0


def log_of(project: Path) -> str:
    return "".join(each.read_text() for each in (project / "results/logs/scenes/stage_one").glob("*.log"))


def end(started: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal to Snakemake and all that it runs; return what Snakemake says."""
    os.killpg(started.pid, number)
    return started.communicate(timeout=120)[1]


def test_an_ended_snakemake_goes_on_and_only_one_works_in_a_folder(tmp_path):
    project = copy_project(tmp_path)
    text = TINY
    for former, new in EPOCHS.items():
        text = text.replace(former, new)
    (project / "config/config.yaml").write_text(text)

    first = begin(project, 2)
    second = run_snakemake(project, "--cores", "1", TARGET, check=False)
    assert second.returncode
    assert "Directory cannot be locked" in second.stderr
    assert "Traceback" not in second.stderr
    for number in (signal.SIGTERM, signal.SIGINT):
        done = epoch_of(project)
        told = end(first, number)
        assert first.returncode
        assert "Traceback" not in told + log_of(project)
        assert f"ended by {number.name}; no half-written file is left" in log_of(project)
        first = begin(project, done + 2)

    end(first, signal.SIGKILL)
    done = epoch_of(project)
    refused = run_snakemake(project, "--cores", "1", TARGET, check=False)
    assert refused.returncode
    assert "--unlock" in refused.stderr
    run_snakemake(project, "--unlock")
    run_snakemake(project, "--cores", "1", TARGET)
    assert int(log_of(project).split("resuming after epoch ")[1].split()[0]) >= done
    assert (project / TARGET).is_file()
