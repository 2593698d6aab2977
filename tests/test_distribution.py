"""The wheel and the source archive: their contents, and their use in a fresh environment, alone and with extras."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from roadscenes.render import render_scene
from ssvif.io.files import read_image, write_png

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCES = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "src", ".gitignore"}
UNREACHABLE = re.compile(r"Failed to fetch|Failed to download|error sending request|timed out")
LOCKED = ("--constraints", ROOT / "requirements.lock")  # `make setup` has left these versions in uv's cache
IMPORTED = """
import re, sys
from importlib import import_module
from importlib.metadata import packages_distributions
modules = {}
for module, names in packages_distributions().items():
    for name in names:
        modules.setdefault(re.sub("[-_.]+", "-", name).lower(), []).append(module)
for name in sys.argv[1:]:
    for module in modules[name]:
        if module.isidentifier() and not module.startswith("_"):
            import_module(module)
"""


def uv(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the uv of `make setup`; skip where it needs the package index and cannot reach it."""
    program = Path(sys.executable).with_name("uv")
    if not program.is_file():
        pytest.skip("uv is not installed beside this Python")
    done = subprocess.run([program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the source archive, the wheel made from it, and, in `tree/`, the wheel made from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--out-dir", folder, ROOT)
    uv("build", "--quiet", "--wheel", "--out-dir", folder / "tree", ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    [wheel] = built.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_packages_and_nothing_else(built, wheel):
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src"]
    tracked = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert names == {name.removeprefix("src/") for name in tracked}
    assert names >= {
        "roadscenes/py.typed",
        "ssvif/models/weights/fast.safetensors",
        "ssvif/py.typed",
        "ssvif/report/templates/index.html.j2",
    }
    assert len(licences) == 1
    [from_tree] = (built / "tree").glob("*.whl")
    assert wheel.read_bytes() == from_tree.read_bytes()


def test_the_source_archive_holds_what_the_wheel_is_built_from(built):
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert {member.name.split("/")[1] for member in members} == SOURCES
    assert max(member.size for member in members) < 2**20
    assert path.stat().st_size < 4 * 2**20


@pytest.fixture(scope="module")
def environment(tmp_path_factory, wheel):
    """A fresh environment with the wheel and what it needs, no extra."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    uv("venv", "--python", sys.executable, folder)
    uv("pip", "install", "--python", folder, *LOCKED, wheel)
    yield folder
    shutil.rmtree(folder)  # gigabytes


@pytest.fixture
def run(environment, tmp_path):
    """A function that runs a program of the environment in an empty folder, away from this checkout."""
    outside = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def call(program, *arguments):
        command = [environment / "bin" / program, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)

    return call


def test_the_plain_install_fuses(run, tmp_path):
    scene = render_scene(0, 48, 64, "day")
    write_png(tmp_path / "visible.png", scene.visible)
    write_png(tmp_path / "infrared.png", scene.infrared)
    assert run("ssvif", "--version").stdout.split() == ["ssvif", PROJECT["version"]]
    done = run("ssvif", "fuse", "visible.png", "infrared.png", "--output", "fused.png", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    fused = read_image(tmp_path / "fused.png")
    assert fused.shape == (48, 64, 3)
    assert np.ptp(fused) > 100


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_an_extra_brings_what_it_names(environment, wheel, run, extra):
    before = uv("pip", "freeze", "--python", environment).stdout.splitlines()
    names = [re.sub("[-_.]+", "-", re.split(r"[\[<>=!~; ]", each)[0]).lower() for each in EXTRAS[extra]]
    assert run("python", "-c", IMPORTED, *names).returncode, "the plain install brings all of it"
    uv("pip", "install", "--python", environment, *LOCKED, f"ssvif[{extra}] @ {wheel.as_uri()}")
    done = run("python", "-c", IMPORTED, *names)
    after = uv("pip", "freeze", "--python", environment).stdout.splitlines()
    added = sorted(set(after) - set(before))
    assert sorted(set(before) - set(after)) == [], "the extra changes what the plain install brought"
    uv("pip", "uninstall", "--python", environment, *(line.partition("==")[0] for line in added))
    assert done.returncode == 0, done.stderr


def test_an_export_says_which_extra_it_needs_and_works_with_it(environment, wheel, run, tmp_path):
    [network] = environment.glob("lib/*/site-packages/ssvif/models/weights/fast.safetensors")
    export = ("ssvif", "export", network, "--output", "fast.onnx")
    without = run(*export)
    assert without.returncode == 1
    assert "ssvif[onnx]" in without.stderr
    uv("pip", "install", "--python", environment, *LOCKED, f"ssvif[onnx] @ {wheel.as_uri()}")
    done = run(*export)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fast.onnx").is_file()
