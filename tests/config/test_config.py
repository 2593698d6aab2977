import csv
import json
import re
from dataclasses import asdict, fields
from pathlib import Path

import jsonschema
import pytest
import yaml

from ssvif.config.files import load_descriptor, read_yaml
from ssvif.config.options import override, parse_options, to_json
from ssvif.config.runs import load_runs
from ssvif.config.settings import deep_merge, load_settings, schema_to_yaml
from ssvif.io.errors import UserError
from ssvif.judging.options import DetectionOptions, SegmentationOptions
from ssvif.schema import BASELINES, FUSION_MODELS
from ssvif.training.options import TrainingOptions

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
EXPERIMENTS = sorted((ROOT / "config" / "experiments").glob("*.tsv"))
LEAST = {"datasets": ["scenes"], "experiments": "demo.tsv"}


def by_stem(path):
    return path.stem


def presets_of(path):
    return ["", *yaml.safe_load(path.read_text()).get("presets", {})]


@pytest.mark.parametrize(
    ("path", "preset"), [(path, preset) for path in CONFIGS for preset in presets_of(path)], ids=str
)
def test_every_shipped_configuration_loads(path, preset):
    settings = load_settings(read_yaml(path) | {"preset": preset})
    runs = load_runs(ROOT / settings.experiments, settings.training)
    for run in runs:
        override(settings.training, run.training)
    for name in settings.datasets:
        assert load_descriptor(ROOT / "config" / "datasets" / f"{name}.yaml").name == name


@pytest.mark.parametrize("path", CONFIGS, ids=by_stem)
def test_the_exported_schema_is_current_and_takes_every_shipped_configuration(path):
    text = (ROOT / "workflow/schemas/config.schema.yaml").read_text()
    assert text == schema_to_yaml(), "run `make schema`"
    jsonschema.validate(read_yaml(path), yaml.safe_load(text))
    with pytest.raises(jsonschema.ValidationError, match="trainin"):
        jsonschema.validate(read_yaml(path) | {"trainin": {}}, yaml.safe_load(text))


def test_every_file_that_a_page_or_a_configuration_names_is_shipped():
    pages = [page for folder in ("docs", "config", "src") for page in (ROOT / folder).rglob("*.md")]
    text = "".join(path.read_text("utf-8") for path in (ROOT / "README.md", *pages, *CONFIGS))
    named = set(re.findall(r"config/[\w/]+\.(?:yaml|tsv|csv|md)", text))
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing == {"config/experiments/mine.tsv", "config/experiments/theirs.tsv"}  # the reader's own


@pytest.mark.parametrize("path", EXPERIMENTS, ids=by_stem)
def test_every_shipped_table_loads(path):
    assert len(load_runs(path, TrainingOptions())) >= 3


def test_the_papers_configuration_is_the_defaults():
    """What the paper's file says and what is left out must be one protocol."""
    settings = load_settings(read_yaml(ROOT / "config" / "paper.yaml"))
    assert asdict(settings.training) == asdict(TrainingOptions())
    assert asdict(settings.segmentation) == asdict(SegmentationOptions())
    assert asdict(settings.detection) == asdict(DetectionOptions())


def test_a_minimal_configuration_takes_defaults():
    settings = load_settings(LEAST)
    assert settings.training == TrainingOptions()
    assert settings.segmentation == SegmentationOptions()
    assert settings.data_root == Path("data")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "datasets: Field required"),
        (LEAST | {"datasets": []}, "datasets: .*at least 1"),
        (LEAST | {"nosuch": 1}, "nosuch: unknown key"),
        (LEAST | {"training": {"nosuch": 1}}, "training.nosuch: unknown key"),
        (LEAST | {"training": {"epochs": "many"}}, "training.epochs: .*'many'"),
        (LEAST | {"training": {"epochs": 0}}, r"training\.epochs: .*greater than or equal to 1, got 0"),
        (LEAST | {"training": {"segmenter": "b9"}}, r"training\.segmenter: Input should be 'b0', .*, got 'b9'"),
        (LEAST | {"training": {"learning_rate": float("nan")}}, r"training\.learning_rate: .*finite number, got nan"),
        (LEAST | {"training": 3}, "training: must be settings, `name: value`, got 3"),
        (LEAST | {"segmentation": {"sise": "b0"}}, "segmentation.sise: unknown key"),
        (LEAST | {"segmentation": {"size": "b9"}}, r"segmentation\.size: .*'b0'.*, got 'b9'"),
        (LEAST | {"segmentation": "no"}, "segmentation: must be settings, or false to leave it out, got 'no'"),
        (LEAST | {"report": {"figure_pairs": "x"}}, r"figure_pairs: .*integer.*\n.*figure_pairs: .*list"),
        (LEAST | {"results": "a{b}c"}, r"results: must have no braces"),
        (LEAST | {"detection": {"image_size_px": 100}}, "image_size_px"),
        (LEAST | {"scenes": {"train": 0}}, "scenes.train: .*0"),
        (LEAST | {"split": {"limit": {"trian": 4}}}, "split.limit.trian"),
        (LEAST | {"split": {"limit": {"train": 0}}}, "split.limit.train: .*0"),
        (LEAST | {"device": "tpu"}, "device: .*'tpu'"),
        (LEAST | {"threads": 0}, "threads"),
        (LEAST | {"preset": "quick"}, r"(?s)Unknown preset 'quick' in the configuration.*remedy"),
        (LEAST | {"preset": "fast", "presets": {"quick": {}, "slow": {}}}, r"(?s)'fast'.*quick \| slow"),
        (LEAST | {"preset": "quick", "presets": {"quick": None}}, "presets"),
        (LEAST | {"presets": ["quick"]}, "presets"),
        (LEAST | {"preset": [["quick"]], "presets": {"quick": {}}}, "Unknown preset"),
        (LEAST | {"preset": 3}, "Unknown preset 3"),
        (
            LEAST | {"training": {"framework": "magic"}},
            r"training\.framework: .*'ssvif', 'fusion_only' or 'supervised', got 'magic'",
        ),
        (LEAST | {"training": {"fusion_model": "seafuson"}}, "training: Unknown fusion model 'seafuson'"),
        (LEAST | {"report": {"figure_metric": "sd"}}, r"report\.figure_metric: .*'vif', .*got 'sd'"),
        (LEAST | {"datasets": ["a/b"]}, "not a name for a dataset: .*'a/b'"),
        (LEAST | {"datasets": ["tables"]}, "not a name for a dataset: .*'tables'"),
    ],
)
def test_a_wrong_configuration_is_named(values, says):
    with pytest.raises(UserError, match=says):
        load_settings(values)


def test_every_problem_is_listed():
    wrong = {"training": {"nosuch": 1, "epochs": "x"}, "device": "tpu", "more": 2}
    with pytest.raises(UserError) as caught:
        load_settings(LEAST | wrong)
    assert str(caught.value).count("\n  - ") == 4


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scnes": {}}, "scnes: unknown key; did you mean scenes?"),
        ({"training": {"epoch": 3}}, "training.epoch: unknown key; did you mean training.epochs?"),
        ({"patience": 3}, "patience: unknown key; did you mean training.patience"),
        ({"zzz": 3}, "zzz: unknown key; the keys are data_root, datasets"),
    ],
)
def test_an_unknown_key_names_the_file_what_was_meant_and_what_to_do(wrong, says):
    with pytest.raises(UserError) as caught:
        load_settings(LEAST | wrong, source="config/own.yaml")
    told = str(caught.value)
    assert told.startswith("config/own.yaml is not a valid configuration")
    assert says in told
    assert "remedy:   correct config/own.yaml" in told
    assert len(told.splitlines()) == 3


def test_a_score_is_left_out_by_false_and_not_by_an_empty_key():
    off = load_settings(LEAST | {"segmentation": False, "detection": False})
    assert off.segmentation is None
    assert off.detection is None
    empty = load_settings(LEAST | yaml.safe_load("segmentation: # size: b0\ntraining:\nreport:\n"))
    assert empty.training == TrainingOptions()
    assert asdict(empty.segmentation) == asdict(SegmentationOptions())


def test_presets_lie_over_the_rest():
    values = LEAST | {
        "training": {"epochs": 60, "crop_px": 64},
        "detection": {"epochs": 5},
        "presets": {"quick": {"training": {"epochs": 2}, "threads": 3, "detection": False}},
    }
    assert load_settings(values).training.epochs == 60
    quick = load_settings(values | {"preset": "quick"})
    assert (quick.training.epochs, quick.training.crop_px, quick.threads) == (2, 64, 3)
    assert quick.detection is None
    assert values["training"]["epochs"] == 60


def test_a_later_preset_lies_over_an_earlier_one():
    presets = {"quick": {"threads": 3, "training": {"epochs": 2}}, "alive": {"training": {"epochs": 4, "balance": 1}}}
    settings = load_settings(LEAST | {"preset": "quick, alive", "presets": presets})
    listed = load_settings(LEAST | {"preset": ["quick", "alive"], "presets": presets})
    assert listed.training == settings.training
    assert (settings.threads, settings.training.epochs, settings.training.balance) == (3, 4, 1)
    with pytest.raises(UserError, match="Unknown preset 'dead'"):
        load_settings(LEAST | {"preset": "quick,dead", "presets": presets})


def test_the_command_line_wins_over_a_preset():
    values = LEAST | {"preset": "quick", "presets": {"quick": {"threads": 3, "training": {"epochs": 2, "seed": 5}}}}
    given = {"preset": "quick", "threads": 1, "training": {"epochs": 9}}
    settings = load_settings(deep_merge(values, given), last=given)
    assert (settings.threads, settings.training.epochs, settings.training.seed) == (1, 9, 5)


def test_merging_goes_down_and_changes_neither():
    base, over = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}, {"a": {"c": {"d": 4}}, "e": {"f": 5}}
    assert deep_merge(base, over) == {"a": {"b": 1, "c": {"d": 4}}, "e": {"f": 5}}
    assert base == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}


def write_table(folder, *lines):
    path = folder / "runs.tsv"
    path.write_text("\n".join(line.replace("|", "\t") for line in lines) + "\n", encoding="utf-8")
    return path


def test_a_table_gives_runs(tmp_path):
    path = write_table(
        tmp_path,
        "# what is tried",
        "run|kind|title|fusion_model|classes|seed|images|note",
        "average|baseline|Average|average||||",
        "",
        "ours||||9|3||by us",
        "theirs|images|Theirs||||/some/folder|",
    )
    average, ours, theirs = load_runs(path, TrainingOptions())
    assert (average.kind, average.fusion_model, average.training) == ("baseline", "average", {})
    assert (ours.kind, ours.title, ours.note) == ("trained", "ours", "by us")
    assert override(TrainingOptions(), ours.training) == TrainingOptions(classes=9, seed=3)
    assert (theirs.kind, theirs.images, theirs.title) == ("images", "/some/folder", "Theirs")


def test_a_table_as_spreadsheets_write_it(tmp_path):
    path = tmp_path / "runs.tsv"
    path.write_bytes("\ufeffrun\tseed\r\nours\t4\r\n".encode())
    (run,) = load_runs(path, TrainingOptions())
    assert (run.name, run.training) == ("ours", {"seed": "4"})


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["run|kindd", "a|trained"], "unknown columns: ['kindd']"),
        *((["run|kind".replace("|", mark), "a|trained"], "has no tabs") for mark in (" ", "    ", ",", ", ", ";")),
        (["run|fusion_model", "a|no_such:Net"], "run 'a': There is no module no_such"),
        (["run|fusion_model", "a|no_such.part:Net"], "run 'a': There is no module no_such.part"),
        (["run|kind", "a|magic"], "run 'a': unknown kind 'magic'"),
        (["run|fusion_model", "a|nosuch"], "run 'a': Unknown fusion model 'nosuch'"),
        (["run|fusion_model", "a|:"], "run 'a': Unknown fusion model ':'"),
        (["run|fusion_model", "a|mrfs"], "run 'a': The network mrfs cannot be trained here"),
        (["run|kind|fusion_model", "a|baseline|median"], "run 'a': unknown baseline 'median'"),
        (["run|kind", "a|baseline"], "run 'a': unknown baseline 'an empty cell'"),
        (["run|kind|images", "a|images|"], "run 'a': a run of kind 'images' needs the column `images`"),
        (["run|epochs", "a|many"], "run 'a': … epochs: … unable to parse string as an integer, got 'many'"),
        (["run|epochs", "a|0"], "run 'a': … epochs: Input should be greater than or equal to 1, got '0'"),
        (["run|framework", "a|magic"], "run 'a': … framework: Input should be … got 'magic'"),
        (["run|seed", "a|1", "b|2", "a|3"], "names runs twice: ['a']"),
        *((["run|seed", f"{name}|1"], f"run {name!r}: not a name") for name in ("a b", "../a", "data", "-a", "ü", "")),
        (["seed", "1"], "run '': not a name"),
        (["run|seed|seed", "a|1|2"], "columns twice: ['seed']"),
        (["run|title", "a|Same", "b|Same"], "a title twice: ['Same']"),
        (["run|title", 'a|"open', "b|lost"], "not a tab-separated table"),
        (["run|seed", "a|1|", "b|1"], "more cells than columns in the runs ['a']"),
        (["run|seed", "a|1", "b|1|2"], "more cells than columns in the runs ['b']"),
        (["run|seed"], "has no runs"),
        ([""], "has no runs"),
        (["run|kind|fusion_model|checkpoint", "a|published|emma|"], "run 'a': … needs the column `checkpoint`"),
        (["run|kind|fusion_model|checkpoint", "a|published|nonet|x.pth"], "run 'a': no released checkpoint of 'nonet'"),
        (["run|kind|images", "a|images|x/{datset}/y"], "run 'a': x/{datset}/y holds {datset}, which stands for"),
        (["run|kind|fusion_model|checkpoint", "a|published|emma|{}.pth"], "run 'a': {}.pth holds {}, which stands for"),
        (["run|kind|checkpoint", "a|trained|x.pth"], "run 'a': … 'trained' does not use checkpoint"),
        (["run|kind|fusion_model|seeds", "a|baseline|average|1 2"], "run 'a': … 'baseline' does not use seeds"),
        (["run|inference", "a|nosuch"], "run 'a': unknown inference 'nosuch'"),
        (["run|seed|seeds", "a|1|2"], "run 'a' has both `seed` and `seeds`"),
        (["run|seeds", "a|1 1"], "run 'a' has seeds twice: ['1']"),
        (["run|seeds", "a|2 +1 -1 01 1_0 one"], "run 'a' has seeds … no numbers: ['+1', '-1', '01', '1_0', 'one']"),
        (["run|seed", "a|-1"], "run 'a': … seed: … greater than or equal to 0, got '-1'"),
        (["run|kind|fusion_model|weighting", "a|baseline|average|ucw"], "run 'a': … does not use weighting"),
        (["run|kind|fusion_model|inference", "a|baseline|average|emma"], "run 'a': … does not use inference"),
        (["run|kind|images|fusion_model", "a|images|x|emma"], "run 'a': … does not use fusion_model"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, lines, says):
    with pytest.raises(UserError) as caught:
        load_runs(write_table(tmp_path, *lines), TrainingOptions())
    assert all(part in str(caught.value) for part in ["runs.tsv", *says.split("…")])


def test_a_class_that_its_file_does_not_have_is_named_without_importing_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/mine.py").write_text("class DualDense(FusionModel): ...\nraise SystemExit\n")
    (tmp_path / "nets/all.py").write_text("from nets.mine import *\n")
    for name in ("nets.mine:DualDense", "nets.all:DualDense", "torch.nn:Module"):
        load_runs(write_table(tmp_path, "run|fusion_model", f"a|{name}"), TrainingOptions())
    with pytest.raises(UserError, match=r"run 'a': nets/mine\.py has no class Dual\n  expected: DualDense"):
        load_runs(write_table(tmp_path, "run|fusion_model", "a|nets.mine:Dual"), TrainingOptions())


def test_a_table_that_is_not_utf8_or_missing_is_named(tmp_path):
    (tmp_path / "runs.tsv").write_bytes("run\ttitle\na\té\n".encode("latin-1"))
    for name, says in (("runs.tsv", r"runs\.tsv is not UTF-8"), ("gone.tsv", r"gone\.tsv does not exist")):
        with pytest.raises(UserError, match=says):
            load_runs(tmp_path / name, TrainingOptions())


@pytest.mark.parametrize(
    ("kind", "model"), [*(("trained", each) for each in FUSION_MODELS), *(("baseline", each) for each in BASELINES)]
)
def test_every_fusion_model_and_baseline_may_stand_in_a_table(tmp_path, kind, model):
    path = write_table(tmp_path, "run|kind|fusion_model", f"a|{kind}|{model}")
    (run,) = load_runs(path, TrainingOptions())
    assert (run.fusion_model, run.training) == (model, {"fusion_model": model} if kind == "trained" else {})


WHOLE = "name: x\ntitle: X\nfolder: x\nlayouts: [{visible: 'v/{name}', infrared: 'i/{name}'}]\n"
A_GAP = "classes: [{id: 0, name: a, color: [0, 0, 0]}, {id: 2, name: b, color: [1, 1, 1]}]\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [", "is not YAML"),
        ("- a\n- b\n", "must hold a mapping"),
        ("", "must hold a mapping"),
        ("name: x\ntitle: X\nfolder: x\nlayouts: []\n", r"layouts: .*at least 1(?s:.*)remedy:   correct \S*mine\.yaml"),
        (WHOLE + "nosuch: 1\n", "nosuch"),
        (WHOLE.replace("infrared", "infra"), "infra"),
        (WHOLE.replace("title: X\n", ""), "title"),
        # a list is not called too short because its items are wrong, and a whole descriptor is not printed
        (WHOLE.replace("v/{name}", "v/x"), r"(?s)^(?!.*at least 1).*layouts\.0\.visible"),
        (WHOLE + A_GAP, r"(?s)^(?!.*layouts).*class ids must be 0, 1, 2.*\[0, 2\].*remedy:   correct \S*mine\.yaml"),
    ],
)
def test_a_wrong_descriptor_is_named(tmp_path, text, says):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        load_descriptor(path)
    assert "mine.yaml" in str(caught.value)


def test_a_missing_descriptor_names_its_neighbours(tmp_path):
    (tmp_path / "msrs.yaml").touch()
    with pytest.raises(UserError, match=r"mrss\.yaml does not exist") as caught:
        load_descriptor(tmp_path / "mrss.yaml")
    assert caught.value.expected == "msrs"
    with pytest.raises(UserError, match=r"nowhere.msrs\.yaml does not exist\n +expected(?s:.*)remedy"):
        load_descriptor(tmp_path / "nowhere/msrs.yaml")


@pytest.mark.parametrize("default", [TrainingOptions(), SegmentationOptions(), DetectionOptions()], ids=type)
def test_options_go_to_json_and_back(default):
    text = to_json(default)
    assert json.loads(text) == asdict(default)
    assert parse_options(type(default)(epochs=default.epochs + 1), text) == default


def test_assignments_come_last_and_are_texts():
    options = parse_options(TrainingOptions(), '{"epochs": 3, "seed": 1}', ["seed=2", "learning_rate=1e-3"])
    assert options == TrainingOptions(epochs=3, seed=2, learning_rate=1e-3)
    assert type(options.learning_rate) is float


def test_settings_may_come_from_a_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("epochs: 7\n")
    assert parse_options(TrainingOptions(), str(tmp_path / "mine.yaml")).epochs == 7


@pytest.mark.parametrize(
    ("settings", "assignments", "says"),
    [
        ('{"epochs": ', [], "--settings is not JSON"),
        ("nosuch.yaml", [], r"^nosuch\.yaml does not exist\n +remedy"),  # no names of other files in the folder
        ('{"nosuch": 1}', [], "nosuch: unknown key"),
        ("", ["epochs"], "'epochs' is not an assignment"),
        ("", ["nosuch=1"], "nosuch: unknown key"),
        ("", ["epochs=x"], "epochs"),
        ("", ["epochs=-1"], r"epochs: .*or equal to 1, got '-1'"),
    ],
)
def test_wrong_options_are_named(settings, assignments, says):
    with pytest.raises(UserError, match=says):
        parse_options(TrainingOptions(), settings, assignments)


def test_every_training_setting_may_be_a_column(tmp_path):
    names = [field.name for field in fields(TrainingOptions)]
    values = [str(getattr(TrainingOptions(), name)) for name in names]
    path = write_table(tmp_path, "|".join(["run", *names]), "|".join(["a", *values]))
    (run,) = load_runs(path, TrainingOptions())
    assert override(TrainingOptions(), run.training) == TrainingOptions()


def test_several_seeds_make_several_runs(tmp_path):
    path = write_table(tmp_path, "run|title|seeds|tables", "a|A|0, 1 2,|3 6", "b||7|", "c|||")
    runs = load_runs(path, TrainingOptions())
    assert [run.name for run in runs] == ["a_seed0", "a_seed1", "a_seed2", "b_seed7", "c"]
    assert [run.title for run in runs] == ["A (seed 0)", "A (seed 1)", "A (seed 2)", "b", "c"]
    assert [run.training.get("seed") for run in runs] == ["0", "1", "2", "7", None]
    assert {run.tables for run in runs[:3]} == {("3", "6")}
    assert runs[3].tables == ()


def test_a_released_checkpoint_is_used_as_its_authors_do(tmp_path):
    path = write_table(
        tmp_path,
        "run|kind|fusion_model|checkpoint|inference",
        "a|published|emma|x.pth|",
        "b|published|emma|x.pth|plain",
    )
    theirs, plain = load_runs(path, TrainingOptions())
    assert (theirs.kind, theirs.fusion_model, theirs.checkpoint, theirs.inference) == (
        "published", "emma", "x.pth", "emma",
    )  # fmt: skip
    assert plain.inference == "plain"


def test_every_method_that_the_paper_compares_with_has_a_row():
    settings = load_settings(read_yaml(ROOT / "config/paper.yaml"))
    runs = load_runs(ROOT / settings.experiments, settings.training)
    for table, name in (("1", "segmentation"), ("2", "fusion_metrics"), ("5", "detection")):
        with (ROOT / f"config/published/{name}.csv").open(encoding="utf-8") as stream:
            methods = {row["method"] for row in csv.DictReader(stream)} - {"SSVIF"}
        assert methods == {run.title for run in runs if table in run.tables and run.source}
