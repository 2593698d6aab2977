"""Configuration: YAML and TSV in, typed and validated settings out.

The only module that reads configuration; used by the command line and the Snakefile alone. What is
below takes plain arguments, so every option is defined where it is used and only assembled here.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from ssvif.data.layouts import Descriptor
from ssvif.downstream.options import DetectionOptions, SegmentationOptions
from ssvif.models.names import BASELINES, class_path
from ssvif.ops.errors import UserError
from ssvif.training.options import TrainingOptions

Option = TypeVar("Option", TrainingOptions, SegmentationOptions, DetectionOptions)
STRICT = ConfigDict(extra="forbid", frozen=True)
if TYPE_CHECKING:
    CheckedTraining = TrainingOptions
    CheckedSegmentation = SegmentationOptions
    CheckedDetection = DetectionOptions
else:
    CheckedTraining = validated(TrainingOptions, config=STRICT)
    CheckedSegmentation = validated(SegmentationOptions, config=STRICT)
    CheckedDetection = validated(DetectionOptions, config=STRICT)
CHECKED: dict[type, type] = {
    TrainingOptions: CheckedTraining,
    SegmentationOptions: CheckedSegmentation,
    DetectionOptions: CheckedDetection,
}
KINDS = ("trained", "baseline", "images")
NOT_TRAINING = ("run", "kind", "title", "images", "note")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")  # what names a folder and stands in patterns and commands
RESERVED = {"run": ("data",), "dataset": ("tables", "report", "logs", "benchmarks")}  # folders of their own


class ScenesSettings(BaseModel):
    """The generated dataset: how many pairs, how large, from which seed."""

    model_config = STRICT
    train: int = Field(64, ge=1)
    test: int = Field(16, ge=1)
    height_px: int = Field(128, ge=48)
    width_px: int = Field(160, ge=64)
    seed: int = 0


class SplitSettings(BaseModel):
    """The seed of the split, and how many pairs of each split to keep at most."""

    model_config = STRICT
    seed: int = 0
    limit: dict[Literal["train", "validation", "test"], Annotated[int, Field(ge=1)]] = {}


class ReportSettings(BaseModel):
    """The page: its title and how many test pairs it shows."""

    model_config = STRICT
    title: str = "SSVIF"
    pairs: int = Field(12, ge=0)


def _none_if_false(value: Any) -> Any:
    # a key with nothing below it is None in YAML: that asks for the defaults, not for leaving it out
    if value is None:
        return {}
    return None if str(value).lower() == "false" else value  # `--config detection=false` gives text


def _check_dataset(name: str) -> str:
    if not NAME.fullmatch(name) or name in RESERVED["dataset"]:
        raise ValueError(f"not a name for a dataset: letters, digits, - and _; not {', '.join(RESERVED['dataset'])}")
    return name


class Settings(BaseModel):
    """Everything a configuration file may say; see config/config.yaml for a commented one.

    `segmentation: false` and `detection: false` leave these scores out.
    """

    model_config = STRICT
    datasets: list[Annotated[str, AfterValidator(_check_dataset)]] = Field(min_length=1)
    experiments: Path
    data_root: Path = Path("data")
    results: Path = Path("results")
    device: str = Field("auto", pattern="^(auto|cpu|cuda)$")
    workers: int = Field(0, ge=0)
    threads: int = Field(1, ge=1)
    preset: str = ""
    scenes: ScenesSettings = ScenesSettings()
    split: SplitSettings = SplitSettings()
    training: CheckedTraining = TrainingOptions()
    segmentation: Annotated[CheckedSegmentation | None, BeforeValidator(_none_if_false)] = SegmentationOptions()
    detection: Annotated[CheckedDetection | None, BeforeValidator(_none_if_false)] = DetectionOptions()
    report: ReportSettings = ReportSettings()


@dataclass(frozen=True, kw_only=True)
class Run:
    """One row of an experiments table.

    Attributes:
        name: of the run's folder.
        kind: "trained", "baseline" or "images".
        title: how tables call it; the name when the cell is empty.
        baseline: of `ssvif.models.names.BASELINES`, for a baseline.
        images: folder of another method's images, for images.
        training: options that differ from the configuration's, for a trained run.
        note: free text.
    """

    name: str
    kind: str
    title: str
    baseline: str = ""
    images: str = ""
    training: Mapping[str, str]
    note: str = ""


def load_settings(
    values: Mapping[str, Any], last: Mapping[str, Any] | None = None, source: str = "the configuration"
) -> Settings:
    """Validate a configuration as YAML gives it; `preset: NAME` lays that entry of `presets` over it.

    Args:
        values: the configuration, `last` included as far as it goes.
        last: what was said on the command line; it wins over the preset too.
        source: the file that `values` come from, for messages.

    Raises:
        UserError: an unknown key or preset, or a wrong value; every problem is listed.
    """
    merged = dict(values)
    presets = merged.pop("presets", None) or {}
    if not (isinstance(presets, Mapping) and all(isinstance(each, Mapping) for each in presets.values())):
        raise UserError("`presets` must hold a mapping of settings by name", got=f"{presets!r:.60}")
    if preset := merged.get("preset"):
        if not isinstance(preset, str) or preset not in presets:
            raise UserError(f"Unknown preset {preset!r}", expected=" | ".join(presets) or "none is defined")
        given = {key: value for key, value in (last or {}).items() if key != "presets"}
        merged = deep_merge(deep_merge(merged, presets[preset]), given)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        known = {field.partition(".")[0] for field in _SETTINGS_KEYS}
        raise _invalid(
            f"{source} is not a valid configuration",
            error,
            known=_SETTINGS_KEYS,
            remedy=f"correct {source} or what `--config` says; the keys are {', '.join(sorted(known))}",
        ) from error
    try:
        class_path(settings.training.fusion_model)  # a table whose rows all name their own would hide a wrong one
    except UserError as error:
        raise UserError(f"{source}, training: {error.what}", expected=error.expected) from error
    return settings


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = deep_merge(merged[key], value) if both else value
    return merged


def load_descriptor(path: Path) -> Descriptor:
    """Read a dataset descriptor, e.g. config/datasets/msrs.yaml.

    Raises:
        UserError: the file is missing, not YAML, or says something that does not hold together.
    """
    values = read_yaml(path)
    try:
        descriptor: Descriptor = TypeAdapter[Any](validated(Descriptor, config=STRICT)).validate_python(values)
    except ValidationError as error:
        raise _invalid(
            f"{path} is not a valid dataset descriptor",
            error,
            known=[field.name for field in fields(Descriptor)],
            remedy=f"correct {path}; config/datasets/folder.yaml explains every key",
        ) from error
    return descriptor


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        UserError: the file is missing or holds something else.
    """
    if not path.is_file():
        nearby = sorted(each.stem for each in path.parent.glob("*.yaml"))
        raise UserError(f"{path} does not exist", expected=" | ".join(nearby))
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML", got=str(error)) from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold a mapping", got=type(values).__name__)
    return values


def load_runs(path: Path, defaults: TrainingOptions) -> list[Run]:
    """Read an experiments table: a row a run, an empty cell takes the configuration's value.

    Columns are `run`, `kind`, `title`, `images`, `note` and any setting of the training.

    Args:
        path: tab-separated, with a header line; lines that begin with # are skipped.
        defaults: the configuration's training options, against which every row is checked.

    Raises:
        UserError: an unknown column, kind, model or value, a name twice; naming the file and the run.
    """
    if not path.is_file():
        raise UserError(f"The experiments table {path} does not exist", remedy="correct `experiments`")
    columns, rows = _read_table(path)
    known = {*NOT_TRAINING, *(field.name for field in fields(TrainingOptions))}
    if longer := [row.get("run") for row in rows if None in row]:
        raise UserError(f"{path} has more cells than columns in the runs {longer}", expected="a cell a column")
    if unknown := [column for column in columns if column not in known]:
        raise UserError(f"{path} has unknown columns: {unknown}", expected=" | ".join(sorted(known)))
    if twice := _twice(columns):
        raise UserError(f"{path} has columns twice: {twice}", remedy="keep one of each")
    runs = [_load_run(path, row, defaults) for row in rows]
    if twice := _twice([run.name for run in runs]):
        raise UserError(f"{path} names runs twice: {twice}")
    if twice := _twice([run.title for run in runs]):
        raise UserError(f"{path} gives a title twice: {twice}", remedy="tables and curves tell runs apart by it")
    if not runs:
        raise UserError(f"{path} has no runs", expected="a header line and one line a run")
    return runs


def _read_table(path: Path) -> tuple[Sequence[str], list[dict[str | None, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark at the start
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text", got=str(error), remedy="save it as UTF-8") from error
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    try:
        reader = csv.DictReader(lines, delimiter="\t", strict=True)
        return reader.fieldnames or [], list(reader)
    except csv.Error as error:  # e.g. a quote that is never closed, which would swallow the runs after it
        raise UserError(f"{path} is not a tab-separated table", got=str(error)) from error


def _twice(texts: Sequence[str]) -> list[str]:
    return sorted({text for text in texts if texts.count(text) > 1})


def _load_run(path: Path, row: Mapping[str | None, Any], defaults: TrainingOptions) -> Run:
    cells = {key: (value or "").strip() for key, value in row.items() if key is not None}
    name, kind = cells.get("run", ""), cells.get("kind") or "trained"
    where = f"{path}, run {name!r}"
    if not NAME.fullmatch(name) or name in RESERVED["run"]:
        raise UserError(f"{where}: not a name for a run", expected="letters, digits, - and _; not 'data'")
    if kind not in KINDS:
        raise UserError(f"{where}: unknown kind {kind!r}", expected=" | ".join(KINDS))
    title, note = cells.get("title") or name, cells.get("note", "")
    training = {key: value for key, value in cells.items() if value and key not in NOT_TRAINING}
    if kind == "images" and not cells.get("images"):
        raise UserError(f"{where}: a run of kind 'images' needs the column `images`, a folder")
    if kind == "baseline" and training.get("fusion_model") not in BASELINES:
        got = training.get("fusion_model", "an empty cell")
        raise UserError(f"{where}: unknown baseline", expected=" | ".join(BASELINES), got=got)
    if kind != "trained":
        baseline = training.get("fusion_model", "")
        images = cells.get("images", "")
        return Run(name=name, kind=kind, title=title, baseline=baseline, images=images, training={}, note=note)
    try:
        class_path(override(defaults, training).fusion_model)
    except UserError as error:
        raise UserError(f"{where}: {error.what}", expected=error.expected, got=error.got) from error
    return Run(name=name, kind=kind, title=title, training=training, note=note)


def override(options: Option, values: Mapping[str, Any]) -> Option:
    """Return options with some values replaced, from text too ("0.1", "true").

    Raises:
        UserError: an unknown name or a wrong value.
    """
    names = [field.name for field in fields(options)]
    if unknown := sorted(set(values) - set(names)):
        raise UserError(f"Unknown settings: {', '.join(unknown)}", expected=" | ".join(names))
    checker = next(checked for kind, checked in CHECKED.items() if isinstance(options, kind))
    try:
        checked: Any = TypeAdapter(checker).validate_python({**asdict(options), **values})
    except ValidationError as error:
        raise _invalid("Not valid", error) from error
    return replace(options, **{name: getattr(checked, name) for name in names})


def parse_options(default: Option, settings: str, assignments: Sequence[str] = ()) -> Option:
    """Return options from JSON (or a file of it) and from `name=value` texts, the latter last.

    Args:
        default: the options to start from.
        settings: a JSON object, the path of a JSON or YAML file, or nothing.
        assignments: such as "epochs=3".

    Raises:
        UserError: the text is no JSON, a name is unknown or a value is wrong.
    """
    values: dict[str, Any] = {}
    if settings.lstrip().startswith("{"):
        try:
            values = json.loads(settings)
        except json.JSONDecodeError as error:
            raise UserError("--settings is not JSON", got=str(error)) from error
    elif settings:
        values = read_yaml(Path(settings))
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise UserError(f"--set {assignment!r} is not an assignment", expected="name=value")
        values[name] = value
    return override(default, values)


def to_json(options: TrainingOptions | SegmentationOptions | DetectionOptions) -> str:
    """Return options as one line of JSON with sorted keys, as `parse_options` reads it."""
    return json.dumps(asdict(options), sort_keys=True)


def _keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a configuration, those of its sections as `section.key`."""
    sections: dict[str, type[BaseModel]] = {"scenes": ScenesSettings, "split": SplitSettings, "report": ReportSettings}
    options = {"training": TrainingOptions, "segmentation": SegmentationOptions, "detection": DetectionOptions}
    keys = [*model.model_fields, "presets"]
    keys += [f"{name}.{key}" for name, section in sections.items() for key in section.model_fields]
    return keys + [f"{name}.{field.name}" for name, kind in options.items() for field in fields(kind)]


_SETTINGS_KEYS = _keys_of(Settings)


def _invalid(what: str, error: ValidationError, known: Sequence[str] = (), remedy: str = "") -> UserError:
    problems = []
    for each in error.errors():
        name = ".".join(str(part) for part in each["loc"])
        if each["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            problems.append(f"{name}: unknown key{_nearest(name, known)}")
        else:
            got = "" if each["type"] == "missing" else f", got {each['input']!r:.60}"
            if each["type"] == "value_error":
                got = _got(each["msg"], each["input"])
            problems.append(f"{name}: {each['msg'].removeprefix('Value error, ')}{got}".lstrip(": "))
    return UserError("\n  - ".join([f"{what}:", *problems]), remedy=remedy)


def _nearest(name: str, known: Sequence[str]) -> str:
    # a key of a section may stand outside of it, so its last part counts as well
    elsewhere = [key for key in known if key.rpartition(".")[2] == name]
    found = elsewhere or difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _got(message: str, value: Any) -> str:
    # a check of options gets all of them at once; its message begins with the name of the one at fault
    at_fault = message.removeprefix("Value error, ").partition(" ")[0]
    if isinstance(value, Mapping) and at_fault in value:
        value = value[at_fault]
    if ", got " in message or isinstance(value, Mapping):  # a whole section, cut off, says nothing
        return ""
    return f", got {value!r:.60}"
