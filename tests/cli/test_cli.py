import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import ssvif
from ssvif.cli import app as cli
from ssvif.io.files import write_png
from ssvif.pairs.match import find_images

PAIR_VERBS = ("scenes", "check", "align", "split", "pack")
NETWORK_VERBS = ("stage-one", "train", "fuse", "app", "export", "complexity", "models")
SCORE_VERBS = ("score", "probe", "segment", "detect", "tables", "compare", "figures", "report", "ladder")
PLAN_VERBS = ("plan", "doctor")
VERBS = (*PAIR_VERBS, *NETWORK_VERBS, *SCORE_VERBS, *PLAN_VERBS)
SCENES = Path(__file__).parents[2] / "config/datasets/scenes.yaml"
COMMANDS = get_command(cli.app).commands


def python(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)


def test_every_verb_is_there():
    assert tuple(COMMANDS) == VERBS
    shown = CliRunner().invoke(cli.app, ["--help"])
    assert shown.exit_code == 0
    assert all(f"\n  {verb} " in shown.output for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_help_explains_every_option(verb):
    shown = CliRunner().invoke(cli.app, [verb, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    parameters = COMMANDS[verb].params
    assert len(parameters) >= len(inspect.signature(COMMANDS[verb].callback).parameters)
    for parameter in parameters:
        is_option = parameter.param_type_name == "option"
        assert is_option or verb in ("complexity", "check", "fuse", "export", "compare", "models", "plan"), (
            f"{parameter.name} is no option"
        )
        assert parameter.help, f"{parameter.name} has no help"
        assert (parameter.opts[0] if is_option else parameter.metavar) in shown.output


@pytest.mark.parametrize("asked", [(), *((verb,) for verb in VERBS)])
def test_h_is_short_for_help(asked):
    short, long = (CliRunner().invoke(cli.app, [*asked, option]) for option in ("-h", "--help"))
    assert short.exit_code == 0
    assert short.output == long.output


def test_a_deleted_current_folder_is_told(tmp_path):
    code = (
        f"import os, sys; os.rmdir({str(tmp_path)!r}); sys.argv[1:] = ['check']; from ssvif.cli.app import main; main()"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(ssvif.__file__).parents[1])}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("ssvif: The current folder has been deleted")


def test_a_file_that_is_missing_in_the_system_is_not_called_a_deleted_folder(monkeypatch):
    def fail(*_, **__):
        raise FileNotFoundError(2, "No such file or directory")  # without /dev/shm, for instance

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(FileNotFoundError):
        cli.main()


def test_the_version_is_shown():
    shown = CliRunner().invoke(cli.app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"ssvif {ssvif.__version__}\n")


def test_a_picture_never_takes_the_place_of_an_input(call, tmp_path):
    for side in ("vi", "ir"):
        write_png(tmp_path / side / "a.png", np.zeros((8, 8), np.uint8))
    sources = ["--visible", tmp_path / "vi", "--infrared", f"{tmp_path}/ir/*.png", "--output", tmp_path / "a.json"]
    for picture in ("vi/a.png", "ir/a.png"):
        status, _, errors = call("align", *sources, "--picture", tmp_path / picture)
        assert status == 1
        assert "lies among the inputs and would be overwritten" in errors


def test_a_home_that_no_shell_writes_out_is_found(call, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for side in ("vi", "ir"):
        write_png(tmp_path / side / "a.png", np.zeros((8, 8), np.uint8))
    sides = ("--visible", "~/vi", "--infrared=~/ir")
    assert call("fuse", *sides, "--output=~/fused", "--baseline", "average")[0] == 0
    assert (tmp_path / "fused/a.png").is_file()


HEAVY = {"torch", "transformers", "pandas", "matplotlib", "h5py"}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("ssvif.cli.app", HEAVY | {"numpy", "pydantic", "yaml", "PIL", "rich"}), ("ssvif.config.settings", HEAVY)],
)
def test_help_and_wrong_settings_import_nothing_heavy(module, heavy):
    loaded = set(python("-c", f"import sys, {module}; print(*sys.modules)").stdout.split())
    assert module in loaded
    assert loaded.isdisjoint(heavy)


def test_a_users_error_is_printed_without_a_traceback():
    done = python("-m", "ssvif", "train", "--pairs", "gone.h5", "--output", "x", "--set", "epochs=many")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("ssvif: Invalid settings:\n  - epochs: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 10


def test_a_wrong_option_is_told_and_fails(call):
    status, _, errors = call("fuse", "--nosuch")
    assert status == 2
    assert "--nosuch" in errors
    assert call("train", "--pairs", "a", "--output", "b", "--workers", "-1")[0] == 2
    assert call("fuse", "a", "b", "--fps", "inf")[0] == 2
    for words in (["fuse", "a", "b", "-o", ""], ["split", "--dataset", "a", "--output", ""]):
        assert "it is empty" in call(*words)[2]
    for verb in ("train", "fuse", "score", "pack"):
        status, _, errors = call(verb, "--resize", "both")
        assert status == 2
        assert "'both' is not one of" in errors


def test_nobody_may_write_there(call, tiny, tmp_path):
    (tmp_path / "file").touch()
    where = tmp_path / "file" / "pairs.h5"
    status, _, errors = call("fuse", "--pairs", tiny / "pairs.h5", "--baseline", "average", "--output", where)
    assert status == 1
    assert errors.startswith(f"ssvif: {tmp_path / 'file'} is not a folder")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scenes", "--output", "x", "--train", "60000"], "train is out of range: expected 0 to 50000, got 60000"),
        (["fuse", "--output", "x", "--baseline", "average", "--model", "m"], "one of --model"),
        (["fuse", "--output", "x", "--images", "i", "--model", "m", "--pairs", "p"], "--baseline and --images"),
        (["fuse", "--output", "x", "--checkpoint", "c", "--pairs", "p"], "--network is missing"),
        (["fuse", "--output", "x", "--network", "emma", "--pairs", "p"], "--checkpoint is missing"),
        (["fuse", "--output", "x", "--checkpoint", "c", "--network", "nonet", "--pairs", "p"], "'nonet' is known"),
        (["fuse", "--output", "x", "--checkpoint", "gone.pth", "--network", "emma", "--pairs", "p"], "gone.pth"),
        (["fuse", "--output", "x", "--images", "i"], "needs --pairs"),
        (["fuse", "v", "i", "--output", "x", "--baseline", "average", "--pairs", "p"], "not both"),
        (["fuse", "--output", "i", "--pairs", "p", "--images", "i"], "be overwritten"),
        (["score", "--output", "x", "--fused", "f", "--pairs", "p", "--infrared", "i"], "not both"),
        (["fuse", "--output", "x", "--baseline", "median", "--pairs", "p"], "Unknown baseline 'median'"),
        (["fuse", "--output", "x", "--model", "gone.safetensors", "--pairs", "p"], "gone.safetensors does not exist"),
        (["fuse", "--output", "x", "--baseline", "average", "--pairs", "gone.h5"], "gone.h5 does not exist"),
        (["fuse", "--output", "fast", "--model", "fast", "--pairs", "gone.h5"], "gone.h5 does not exist"),
        (["score", "--output", "x", "--fused", "f"], "--pairs, or --visible and --infrared"),
        (["score", "--output", "f/1.png", "--fused", "f", "--pairs", "p"], "f/1.png is an image's name"),
        (
            ["score", "--output", "a.csv", "--fused", "f", "--pairs", "p", "--against", "./a.csv"],
            "would be overwritten",
        ),
        (["split", "--dataset", "a.yaml", "--output", "./a.yaml"], "a.yaml is an input and would be overwritten"),
        (["pack", "--dataset", "a.yaml", "--splits", "a.csv", "--output", "a.csv"], "would be overwritten"),
        (["check", "pairs", "--output", "a.csv", "--fix-list", "./a.csv"], "is the name of another output, too"),
        (["check", "pairs", "--fix-list", "pairs/ir/a.png"], "pairs/ir/a.png is an image's name"),
        (["align", "--visible", "v", "--infrared", "i", "--output", "v/a.tif"], "v/a.tif is an image's name"),
        (["split", "--dataset", "gone.yaml", "--output", "x"], "gone.yaml does not exist"),
        *(
            (["split", "--dataset", SCENES, "--output", "x", "--limit", wrong], repr(wrong))
            for wrong in ("train", "train=", "train=x", "train=-1", "train=²")
        ),
        (["train", "--pairs", "gone.h5", "--output", "x", "--device", "cpu"], "gone.h5 does not exist"),
        (["train", "--pairs", "p", "--output", "x", "--set", "nosuch=1"], "nosuch: unknown key"),
        *(
            (["train", "--pairs", "p", "--output", "x", *words], "need --visible and --infrared")
            for words in (["--only", "a"], ["--overwrite"], ["--resize", "error"], ["--infrared-range", "1:2"])
        ),
        (["fuse", "a", "--both-in-one", "rows", "--pair-by", "time"], "Only one of --pair-by"),
        (["fuse", "a", "--visible", "b"], "VISIBLE INFRARED, or --visible and --infrared, not both"),
        (["fuse", "a", "b", "--tolerance", "1"], "--tolerance 1 has no meaning here"),
        (["fuse", "a", "b", "--both-in-one", "rows"], "one of these with --both-in-one"),
        (["score", "--visible", "a", "--pair-list", "b", "--fused", "f", "--output", "x"], "no other source"),
        (["align", "--visible", "a", "--output", "x"], "expected: visible and infrared images"),
        (["check", "a", "--pair-by", "time"], "--pair-by need --visible and --infrared"),
    ],
)
def test_a_wrong_call_is_told(call, monkeypatch, tmp_path, arguments, says):
    monkeypatch.chdir(tmp_path)
    status, output, errors = call(*arguments)
    assert (status, output) == (1, "")
    assert errors.startswith("ssvif: ")
    assert says in errors
    assert list(tmp_path.iterdir()) == []


def test_scenes_that_cannot_be_written_are_told(call, monkeypatch, tmp_path):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("roadscenes.write.write_scene", fail)
    mine = tmp_path / "mine/notes.txt"
    mine.parent.mkdir()
    mine.touch()
    for folder, says in ((mine.parent, "something other than generated scenes"), (tmp_path / "new", "No space left")):
        status, _, errors = call("scenes", "--output", folder, "--height", "48", "--width", "64")
        assert status == 1
        assert f"{folder}" in errors
        assert says in errors
        assert "remedy:" in errors
    assert list(tmp_path.iterdir()) == [mine.parent]
    assert mine.exists()


@pytest.mark.parametrize("verb", ["fuse", "train", "score", "complexity", "app"])
def test_an_unknown_device_is_told_before_anything_else(call, verb):
    """Even where none is needed, as for a baseline."""
    status, output, errors = call(verb, "--device", "gpu")
    assert (status, output) == (2, "")
    assert "'gpu' is not one of 'auto', 'cpu', 'cuda'" in errors


@pytest.fixture
def train_own(call, tmp_path):
    """A function that begins a training on two pairs smaller than any crop; returns its settings and its errors."""
    for name in ("vi/a", "vi/b", "ir/a", "ir/b"):
        write_png(tmp_path / f"{name}.png", np.zeros((20, 24), np.uint8))

    def train(*options):
        sources = ("--visible", tmp_path / "vi", "--infrared", tmp_path / "ir")
        status, _, errors = call("train", *sources, "--output", tmp_path / "out", *options)
        assert (status, "too few pairs" in errors) == (1, True)
        return json.loads((tmp_path / "out/training.json").read_text())["settings"], errors

    return train


@pytest.mark.parametrize(
    ("options", "stage_one"),
    [
        ([], (42, 42)),
        (["--set", "epochs=4"], (3, 3)),
        (["--set", "epochs=2"], (1, 1)),
        (["--set", "epochs=112"], (84, 84)),
        (["--set", "epochs=8", "--set", "stage_one_max_epochs=3"], (6, 3)),
        (["--set", "epochs=1"], (1, 1)),
        (["--settings", '{"epochs": 8}'], (6, 6)),
        (["--settings", '{"epochs": 8, "stage_one_max_epochs": 2}'], (6, 2)),
    ],
)
def test_the_first_stage_keeps_its_share_of_the_epochs(train_own, options, stage_one):
    settings, _ = train_own(*options)
    assert (settings["stage_one_min_epochs"], settings["stage_one_max_epochs"]) == stage_one


@pytest.mark.parametrize(
    ("setting", "least", "told"),
    [
        ("seed=0", 32, "no crop is below 32 px"),
        ("consistency_window=0.5", 63, "no crop is below 63 px"),
        ("framework=fusion_only", 21, "--set crop_px=20 takes it"),
    ],
)
def test_the_least_crop_is_one_that_is_accepted(train_own, setting, least, told):
    assert told in train_own("--set", setting, "--set", f"crop_px={least}")[1]


def test_from_a_folder_to_scores(call, tiny, tmp_path):
    """Each verb alone, as a user without Snakemake would call them."""
    descriptor = tmp_path / "tiny.yaml"
    descriptor.write_text(
        "name: tiny\ntitle: Tiny\nfolder: tiny\nofficial_splits: {train: train, test: test}\n"
        "layouts:\n  - {visible: '{split}/vi/{name}', infrared: '{split}/ir/{name}'}\n"
    )
    data = ["--dataset", descriptor, "--data-root", tiny]
    splits, packed, fused = tmp_path / "splits.csv", tmp_path / "pairs.h5", tmp_path / "fused"
    status, output, _ = call("split", *data, "--output", splits, "--limit", "train=4")
    assert status == 0
    assert "4 train" in output
    assert call("pack", *data, "--splits", splits, "--output", packed)[0] == 0
    arguments = ["fuse", "--pairs", packed, "--baseline", "maximum", "--output", fused]
    assert call(*arguments)[0] == 0
    assert sorted(find_images(fused / "test").files) == ["test0", "test1"]
    arguments = ["score", "--pairs", packed, "--fused", fused / "test", "--output", tmp_path / "scores.csv"]
    status, output, _ = call(*arguments, "--metrics", "en, mi")
    assert status == 0
    header, _rule, *rows = (line.split()[0] for line in output.splitlines())
    assert [header, *rows] == ["metric", "en", "mi"]


@pytest.mark.parametrize(
    "said",
    [
        "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "could not create a primitive",
        "can't start new thread",
    ],
)
def test_too_little_memory_is_told_in_one_way_whoever_says_it(call, monkeypatch, said):
    monkeypatch.setattr(cli, "app", Mock(side_effect=RuntimeError(said)))
    status, _, errors = call("train")
    assert (status, errors.startswith("ssvif: There is not enough memory")) == (1, True)
    assert said in errors
    # of what oneDNN does not compute
    monkeypatch.setattr(cli, "app", Mock(side_effect=RuntimeError("could not create a primitive descriptor for a sum")))
    with pytest.raises(RuntimeError, match="descriptor"):
        call("train")
