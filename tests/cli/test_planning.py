"""`ssvif plan`, `ssvif doctor` and the completion of the shell."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from ssvif.io.installation import PURPOSES

ROOT = Path(__file__).parents[2]
NETWORK = """\
from ssvif.models.seafusion import SeAFusion

class Own(SeAFusion):
    pass
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the project's configuration, and the processor that its table of times is of."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    device, _, yardstick, *_ = (tmp_path / "config/times.csv").read_text().splitlines()[1].split(",")
    monkeypatch.setattr("ssvif.io.installation.cpu_name", lambda: device)
    monkeypatch.setattr("ssvif.config.forecast.yardstick_s", lambda: float(yardstick))
    monkeypatch.setattr("ssvif.io.installation.gpu_name", lambda: "")
    return tmp_path


def seconds_of(text):
    """The time by the clock, from "about 1 h 02 min by the clock"."""
    words = text.split("about ")[1].split(" by the clock")[0].split()
    return sum(int(n) * {"h": 3600, "min": 60, "s": 1}[unit] for n, unit in zip(words[::2], words[1::2], strict=True))


def test_the_demo_is_planned_without_anything_given(call, project):
    status, text, errors = call("plan", "--cores", 2)
    assert (status, errors) == (0, "")
    assert "train " in text
    # measured on the machine of config/times.csv: 4 min 46 s
    assert 286 / 1.5 < seconds_of(text) < 286 * 1.5
    assert not (project / "results").exists()


def test_it_takes_what_snakemake_takes(call, project, shared):
    given = ["--configfile", "config/msrs_sample.yaml", "--config", f"data_root={shared / 'data'}"]
    whole, quick = call("plan", *given)[1], call("plan", *given, "preset=quick", "--cores", 2)[1]
    assert seconds_of(whole) > 5 * seconds_of(quick)
    # measured there: 17 min 35 s
    assert 1055 / 1.5 < seconds_of(quick) < 1055 * 1.5
    without = call("plan", *given, "preset=quick", "detection=false")[1]
    assert "detect " in quick
    assert "detect " not in without
    assert call("plan", "--config", "nonsense")[0] == 1
    assert "not targets" in call("plan", "table_3")[2]
    assert "training='{epochs: 2}'" in call("plan", "training.epochs=2")[2]
    assert "Unknown preset" in call("plan", "--config", "preset=nosuch")[2]
    (project / "config/config.yaml").unlink()
    assert "go to the project's folder" in call("plan")[2]


def test_data_that_is_not_there_is_taken_as_published(call, project):
    status, text, _ = call("plan", "--configfile", "config/msrs_sample.yaml", "--config", "preset=quick")
    assert status == 0
    assert "data/MSRS is not there: MSRS is taken to have 1444 pairs, as published, of 640×480" in text
    descriptor = project / "config/datasets/roadscene.yaml"
    descriptor.write_text(descriptor.read_text().partition("expected:")[0])
    status, _, errors = call("plan", "--configfile", "config/roadscene.yaml")
    assert status == 1
    assert "set `data_root`" in errors


def test_what_is_there_already_is_left_out(call, project):
    for name in ("scenes", "splits.csv", "pairs.h5"):
        (project / "results/scenes/data").mkdir(parents=True, exist_ok=True)
        (project / "results/scenes/data" / name).touch()
    text = call("plan", "--missing")[1]
    assert "pack " not in text
    assert "train " in text
    assert "pack " in call("plan")[1]


def test_a_network_of_ones_own_is_planned_by_its_cost(call, project, monkeypatch):
    (project / "my_module.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(project)
    table = project / "config/experiments/demo.tsv"
    table.write_text(table.read_text().replace("seafusion\t", "my_module:Own\t"))
    settings = project / "config/config.yaml"
    settings.write_text(settings.read_text().replace("initialization: maximum", "initialization: default"))
    text = call("plan")[1]
    assert "my_module:Own has no measured times: those of seafusion are taken 1 times" in text


def test_a_detector_without_times_is_told(call, project):
    assert "yolo11" not in call("plan")[1]
    text = call("plan", "--config", "detection={model: yolo11x.yaml}")[1]
    assert "yolo11x.yaml has no measured times: those of yolo11n.yaml are taken" in text


def test_a_gpu_without_times_takes_those_of_the_processor(call, project, monkeypatch):
    without = call("plan")[1]
    monkeypatch.setattr("ssvif.io.installation.gpu_name", lambda: "NVIDIA Nonesuch")
    text = call("plan")[1]
    assert "no times of NVIDIA Nonesuch: this is what the processor would take" in text
    assert seconds_of(text) == seconds_of(without)
    monkeypatch.setattr("ssvif.io.installation.gpu_name", lambda: "")
    assert "nvidia-smi finds none" in call("plan", "--config", "device=cuda")[2]


def test_the_doctor_finds_a_sound_installation_without_torch():
    code = "import sys; from ssvif.cli.planning import doctor; doctor(); assert 'torch' not in sys.modules"
    if shutil.which("nvidia-smi"):
        pytest.skip("a GPU is asked for by torch")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) <= 24
    assert re.search(rf"^✓ ssvif +{re.escape(metadata.version('ssvif'))}", done.stdout)
    assert re.search(r"^✓ ready +fuse, check, align, report; extras: .*torch", done.stdout, re.MULTILINE)
    assert all(
        re.search(rf"\b{extra}\b", done.stdout) for extra in metadata.metadata("ssvif").get_all("Provides-Extra")
    )


def test_the_doctor_says_what_every_optional_part_is_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(PURPOSES) == set(project["optional-dependencies"])


def test_the_doctor_names_what_is_missing_and_fails_only_where_it_is_needed(call, monkeypatch):
    wanted = ["numpy>=1", "nosuchthing>=1; extra == 'app'", "numpy>=99; extra == 'probe'", "notorch; extra == 'probe'"]
    monkeypatch.setattr(metadata, "requires", lambda _: wanted)
    status, text, _ = call("doctor")
    assert status == 0
    version, others = metadata.version("numpy"), ", ".join(each for each in PURPOSES if each not in ("app", "probe"))
    assert f"✓ ready      fuse, check, align, report; extras: {others}\n" in text
    wrong = f"of the wrong version: numpy {version} (needs >=99)"
    assert text.splitlines()[-2:] == [
        f"– probe      {PURPOSES['probe']}; {wrong}: pip install 'ssvif[probe]'",
        "– app        ssvif app: pip install 'ssvif[app]'",
    ]
    wanted.append("numpy>=1000")
    status, text, _ = call("doctor")
    assert status == 1
    assert f"✗ packages   numpy {version} (needs >=1000)" in text


@pytest.mark.parametrize(
    ("typed", "found"), [("ssvif pl", {"plan"}), ("ssvif fuse --prec", {"--precision"}), ("ssvif do", {"doctor"})]
)
def test_the_shell_completes_verbs_and_options(typed, found):
    program = Path(sys.executable).with_name("ssvif")
    words = typed.split()
    environment = os.environ | {
        "_SSVIF_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == found
