"""Nothing reaches another machine: every process of these tests is watched by `tests/offline/sitecustomize.py`."""

import re
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from configparser import ConfigParser
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from typer.main import get_command
from workflow_tools import ROOT, asked_of_others, environment_of, run_tool, watched

from ssvif.cli import app as cli

EXTRAS = {"app": "gradio", "detect": "ultralytics", "export": "onnxscript"}
IMAGES = "results/scenes/data/scenes/test"
PAIRS = ("--visible", f"{IMAGES}/vi", "--infrared", f"{IMAGES}/ir")
PATIENCE_S = 120


@pytest.mark.parametrize(
    "code",
    [
        "import urllib.request; urllib.request.urlopen('http://example.org')",
        "import socket; socket.socket().connect(('192.0.2.1', 80))",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
        "import socket; socket.socket().bind(('', 0))",
        "import socket\ntry: socket.gethostbyname('example.org')\nexcept OSError: pass",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import socket; socket.getfqdn(\"a.org\")'])",
    ],
)
def test_whoever_asks_another_machine_fails_the_test(tmp_path, code):
    with pytest.raises(pytest.fail.Exception, match=r"example.org|192.0.2.1|a.org|socket.bind"):
        run_tool(tmp_path, "python", "-c", code, check=False)


def test_files_and_this_machine_may_be_asked(tmp_path):
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    run_tool(tmp_path, "python", "-c", code)
    assert watched(tmp_path)


def test_dvc_is_told_to_send_nothing():
    """It would do so from a process of its own, after a command has ended."""
    settings = ConfigParser()
    settings.read(ROOT / ".dvc/config")
    assert (settings["core"]["analytics"], settings["core"]["check_update"]) == ("false", "false")


def show_app(folder: Path) -> None:
    """Start `ssvif app`, read its page, and end it as Ctrl+C does."""
    command = [sys.executable, "-P", "-m", "ssvif", "app", "--no-browser", "--device", "cpu"]
    log = folder.with_name("app.log")
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=folder, env=environment_of(folder), stdout=stream, stderr=stream)
    try:
        for _ in range(PATIENCE_S * 5):
            if (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) or process.poll() is not None:
                break
            time.sleep(0.2)
        assert found, log.read_text()
        assert b"SSVIF" in urllib.request.urlopen(found[0]).read()
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert asked_of_others(folder) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_verb_does_its_work_without_the_network(finished, tmp_path):
    """The workflow has called most of them, and its processes are watched, too."""
    with tarfile.open(ROOT / "docs/data/ladder_msrs.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    declaration = (tmp_path / "declaration.json").read_text(encoding="utf-8")
    run_tool(finished, "ssvif", "check", *PAIRS)
    run_tool(finished, "ssvif", "align", *PAIRS, "--output", tmp_path / "alignment.json", check=False)
    run_tool(finished, "ssvif", "fuse", f"{IMAGES}/vi", f"{IMAGES}/ir", "-o", tmp_path / "fused", "--device", "cpu")
    run_tool(finished, "ssvif", "plan")
    run_tool(finished, "ssvif", "doctor")
    run_tool(finished, "ssvif", "models")
    run_tool(finished, "ssvif", "models", "emma")
    run_tool(finished, "ssvif", "compare", "results/scenes/average", "results/scenes/seafusion_ssvif")
    run_tool(finished, "ssvif", "ladder", "--results", tmp_path, "--declaration", declaration, "--no-pictures",
             "--output", tmp_path / "ladder")  # fmt: skip
    if find_spec(EXTRAS["export"]):
        run_tool(finished, "ssvif", "export", "results/scenes/seafusion_ssvif/model.safetensors", "-o",
                 tmp_path / "model.onnx")  # fmt: skip
    if find_spec(EXTRAS["app"]):
        show_app(finished)
    lacking = {verb for verb, module in EXTRAS.items() if not find_spec(module)}
    verbs = {verb for line in watched(finished) for name, verb in pairwise(line) if name == "ssvif"}
    assert verbs >= set(get_command(cli.app).commands) - lacking
