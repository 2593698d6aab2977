"""`pip install .` brings no PyTorch: what fuses, checks, aligns and reports works, and the rest says what it needs."""

import os
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from report.made_results import write_scores
from ssvif.fusing.api import fuse, load_model
from ssvif.io.errors import EXTRAS
from ssvif.io.files import read_image
from ssvif.schema import PACKAGED_MODELS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ABSENT = [module for modules in EXTRAS.values() for module in modules] + ["av", "gradio", "onnx", "skimage"]
WITHOUT = f"""
import sys
from importlib.machinery import PathFinder
class Hiding:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in {ABSENT} else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
from ssvif.cli import app
sys.argv[0] = "ssvif"
app.main()
"""
IN_PYTHON = """
import numpy, sys
from PIL import Image
from ssvif import fuse
visible, infrared, fused = sys.argv[1:]
Image.fromarray(fuse(numpy.asarray(Image.open(visible)), numpy.asarray(Image.open(infrared)))).save(fused)
"""
VISIBLE, INFRARED, RESULTS = Path("scenes/test/vi"), Path("scenes/test/ir"), Path("results")
UNREACHABLE = re.compile(r"Failed to fetch|Failed to download|error sending request|timed out")
MOST_MB, MOST_S = 400, 30


def packages(names):
    return {re.split(r"[>=\[]", each)[0] for each in names} - {"ssvif"}


def run(command, folder, *words, fails=False):
    environment = {name: value for name, value in os.environ.items() if fails or name != "PYTHONPATH"}
    if command[0] == sys.executable:
        environment["PYTHONPATH"] = str(ROOT / "src")
    words = [*map(str, (*command, *words))]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == fails, done.stderr
    return done.stderr if fails else done.stdout


def test_what_is_missing_is_named_by_the_extra_that_has_it():
    extras = {name: packages(PROJECT["optional-dependencies"][name]) for name in EXTRAS}
    assert extras == {name: set(modules) for name, modules in EXTRAS.items()}
    assert packages(PROJECT["dependencies"]).isdisjoint(ABSENT)


def take_the_tour(command, folder):
    """Do in a folder what works without PyTorch; return how many levels its fused images are from PyTorch's."""
    run(command, folder, "scenes", "--output", "scenes", "--train", 1, "--test", 3)
    sides = ("--visible", VISIBLE, "--infrared", INFRARED)
    assert "0 errors" in run(command, folder, "check", *sides)
    run(command, folder, "align", *sides, "--output", "alignment.json", "--picture", "alignment.png")
    runs = {"average": ("--baseline", "average"), **{name: ("--model", name) for name in PACKAGED_MODELS}}
    fused = {name: Path("results/scenes", name, "fused/test") for name in runs}
    for name, options in runs.items():
        run(command, folder, "fuse", VISIBLE, INFRARED, "-o", fused[name], *options)
    run(command, folder, "fuse", VISIBLE, INFRARED, "-o", "aligned", "--alignment", "alignment.json")
    assert "fast.onnx: the ONNX file" in run(command, folder, "export", "fast", "-o", "fast.onnx")
    networks = run(command, folder, "models")
    assert "ssvif[torch]" in networks
    assert re.search(r"^lite +gray +yes +fast +ours$", networks, re.MULTILINE)
    assert "check:" in run(command, folder, "models", "emma")
    names = sorted(path.name for path in (folder / VISIBLE).iterdir())
    for place, name in enumerate(runs):
        scores = {metric: [0.5 + place / 10] * len(names) for metric in ("vif", "qabf")}
        write_scores(folder / "results/scenes" / name, scores, pairs=[Path(each).stem for each in names])
    dataset = ("--dataset", ROOT / "config/datasets/scenes.yaml", "--data-root", ".")
    run(command, folder, "split", *dataset, "--output", "results/scenes/data/splits.csv")
    assert "VIF" in run(command, folder, "compare", *(f"results/scenes/{name}" for name in runs))
    shown = [word for name in runs for word in ("--run", f"scenes/{name}")]
    run(command, folder, "tables", "--results", RESULTS, "--output", "tables", *shown)
    run(command, folder, "report", "--results", RESULTS, "--tables", "tables", "--output", "report", *shown,
        "--source", "scenes=scenes", "--datasets", ROOT / "config/datasets")  # fmt: skip
    assert "VIF" in (folder / "report/index.html").read_text(encoding="utf-8")
    farthest = 0
    for model in PACKAGED_MODELS:
        for name in names:
            pair = read_image(folder / VISIBLE / name), read_image(folder / INFRARED / name)
            expected = fuse(*pair, load_model(model, device="cpu"))
            found = read_image(folder / fused[model] / name)
            farthest = max(farthest, abs(found.astype(int) - expected).max())
    return farthest


def test_pairs_are_fused_checked_aligned_and_reported_without_pytorch(tmp_path):
    assert take_the_tour((sys.executable, "-c", WITHOUT), tmp_path) <= 1


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("score --visible a --infrared b --fused c --output d", "torch"),
        ("train --visible a --infrared b --output c", "torch"),
        ("pack --dataset a --splits b --output c", "torch"),
        ("fuse --pairs a -o b", "torch"),
        ("fuse a.png b.png -o c.png --model model.safetensors", "torch"),
        ("export fast -o fast.pt2", "onnx"),
        ("export model.safetensors -o fast.onnx", "onnx"),
        ("figures --results a --output b --run c/d --source c=e", "figures"),
        ("app --no-browser", "app"),
    ],
)
def test_a_command_that_needs_more_says_which_extra(tmp_path, words, extra):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    said = run((sys.executable, "-c", WITHOUT), tmp_path, *words.split(), fails=True)
    assert "Traceback" not in said
    assert f"pip install 'ssvif[{extra}]'" in said
    assert "is not installed" in said or "needs" in said


@pytest.mark.slow
def test_a_fresh_environment_is_small_and_made_soon(tmp_path):
    """Time is that of the CPU: other tests may run beside this one."""
    tool, environment = Path(sys.executable).with_name("uv"), tmp_path / "environment"
    if not tool.exists():
        pytest.skip("uv, which `make setup` installs, is not here")
    python = environment / "bin/python"
    run((tool,), tmp_path, "venv", "--quiet", "--python", sys.executable, environment)
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [tool, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, ROOT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert spent.ru_utime + spent.ru_stime - begun.ru_utime - begun.ru_stime <= MOST_S
    files = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) <= MOST_MB * 1e6
    assert not list(environment.glob("lib/*/site-packages/torch"))
    assert take_the_tour((environment / "bin/ssvif",), tmp_path) <= 1
    [first, *_] = sorted(path.name for path in (tmp_path / VISIBLE).iterdir())
    run((python, "-c", IN_PYTHON), tmp_path, VISIBLE / first, INFRARED / first, "python.png")
    same = read_image(tmp_path / "results/scenes/fast/fused/test" / first)
    np.testing.assert_array_equal(read_image(tmp_path / "python.png"), same)
