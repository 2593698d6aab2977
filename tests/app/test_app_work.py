"""What the app computes, and what it offers, without a browser."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from fusing.made import smooth
from ssvif.app import work
from ssvif.app.server import running
from ssvif.app.work import fuse_files, measure
from ssvif.fusing.fuser import BaselineFuser
from ssvif.io.errors import UserError
from ssvif.io.files import write_png
from ssvif.metrics.collection import METRICS, STANDARD_SET


@pytest.fixture
def files(tmp_path):
    visible, infrared = smooth(0, 192, 200), smooth(1, 192, 200, 0)
    write_png(tmp_path / "vi.png", visible)
    write_png(tmp_path / "ir.png", infrared)
    return tmp_path / "vi.png", tmp_path / "ir.png", visible, infrared


def test_a_pair_is_fused_and_measured(files):
    *paths, visible, infrared = files
    made = fuse_files(*paths, BaselineFuser("average"))
    np.testing.assert_array_equal(made.visible, visible)
    np.testing.assert_array_equal(made.infrared, infrared)
    expected = np.floor((visible.astype(np.float64) + infrared[..., None]) / 2 + 0.5)
    np.testing.assert_array_equal(made.fused, expected)
    assert [row[0][:-2] for row in made.rows] == [METRICS[name].title for name in STANDARD_SET]
    assert {"EN ↑", "ΔE76 ↓"} <= {row[0] for row in made.rows}
    assert all(np.isfinite(row[1]) for row in made.rows)
    assert made.remarks[0].startswith("200×192 pixels in ")


def test_small_images_are_measured_as_far_as_metrics_are_defined(files):
    *_, visible, infrared = files
    titles = [row[0] for row in measure(visible[:20, :20], infrared[:20, :20], visible[:20, :20])]
    assert "EN ↑" in titles
    assert not any("MS-SSIM" in title for title in titles)


def test_very_large_images_are_not_measured_and_that_is_said(files, monkeypatch):
    monkeypatch.setattr(work, "MOST_MEASURED_PX", 1000)
    made = fuse_files(files[0], files[1], BaselineFuser("average"))
    assert made.rows == []
    assert "not measured" in made.remarks[-1]


def test_without_gradio_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"ssvif\[app\]"), running(None):
        pytest.fail("it ran")


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_the_app_ends_and_takes_its_files_along_however_it_is_told_to(told):
    """Also where a script started it in the background, whose children ignore Ctrl+C."""
    code = """
import contextlib, logging, signal
from ssvif.app import server

@contextlib.contextmanager
def running(*_, **__):
    with contextlib.ExitStack() as stack:
        stack.callback(print, "files gone")
        yield "somewhere"

logging.basicConfig(level="INFO")
signal.signal(signal.SIGINT, signal.SIG_IGN)
server.running = running
server.serve(None)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as app:
        assert "open somewhere" in app.stderr.readline()
        app.send_signal(told)
        output, errors = app.communicate(timeout=60)
    assert (app.returncode, output) == (0, "files gone\n")
    assert "the app has ended" in errors
