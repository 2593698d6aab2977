"""What a configuration file may say, and a dataset's descriptor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass as validated

from ssvif.config.options import (
    STRICT,
    CheckedDetection,
    CheckedSegmentation,
    CheckedTraining,
    invalid,
    read_yaml,
)
from ssvif.config.runs import NAME, Run
from ssvif.data.layouts import Descriptor
from ssvif.downstream.options import DetectionOptions, SegmentationOptions
from ssvif.models.names import class_path
from ssvif.ops.errors import UserError
from ssvif.training.options import TrainingOptions

RESERVED = ("tables", "report", "logs", "benchmarks")  # folders beside those of the datasets
Dataset = Annotated[str, AfterValidator(lambda name: _check_dataset(name))]


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


class TableSettings(BaseModel):
    """A table of the paper, a target of its own: its runs' datasets, and their scores beside the fusion metrics.

    `published` sets other methods' printed numbers below: those of the paper's comparisons, not its ablations.
    """

    model_config = STRICT
    datasets: list[Dataset] = Field(min_length=1)
    scores: list[Literal["segmentation", "detection"]] = []
    published: bool = False


def _none_if_false(value: Any) -> Any:
    # a key with nothing below it is None in YAML: that asks for the defaults, not for leaving it out
    if value is None:
        return {}
    return None if str(value).lower() == "false" else value  # `--config detection=false` gives text


def _check_dataset(name: str) -> str:
    if not NAME.fullmatch(name) or name in RESERVED or name.startswith("table_"):
        raise ValueError(f"not a name for a dataset: letters, digits, - and _; not {', '.join(RESERVED)}, table_…")
    return name


class Settings(BaseModel):
    """Everything a configuration file may say; see config/config.yaml for a commented one.

    `segmentation: false` and `detection: false` leave these scores out. `tables` maps a number, as the
    experiments table's column `tables` has it, to what that table needs.
    """

    model_config = STRICT
    datasets: list[Dataset] = Field(min_length=1)
    experiments: Path
    tables: dict[str, TableSettings] = {}
    data_root: Path = Path("data")
    results: Path = Path("results")
    device: str = Field("auto", pattern="^(auto|cpu|cuda)$")
    workers: int = Field(0, ge=0)
    threads: int = Field(1, ge=1)
    preset: str | list[str] = ""
    scenes: ScenesSettings = ScenesSettings()
    split: SplitSettings = SplitSettings()
    training: CheckedTraining = TrainingOptions()
    segmentation: Annotated[CheckedSegmentation | None, BeforeValidator(_none_if_false)] = SegmentationOptions()
    detection: Annotated[CheckedDetection | None, BeforeValidator(_none_if_false)] = DetectionOptions()
    report: ReportSettings = ReportSettings()

    @model_validator(mode="after")
    def _tables_show_known_datasets(self) -> Settings:
        for name, table in self.tables.items():
            if unknown := sorted(set(table.datasets) - set(self.datasets)):
                raise ValueError(f"tables.{name}: {', '.join(unknown)} is not among the datasets")
        return self


def load_settings(
    values: Mapping[str, Any], last: Mapping[str, Any] | None = None, source: str = "the configuration"
) -> Settings:
    """Validate a configuration as YAML gives it, with its preset laid over it.

    `preset: NAME` names an entry of `presets`, `preset: NAME,OTHER` several, of which the last wins.

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
    if chosen := merged.get("preset"):
        listed = chosen.split(",") if isinstance(chosen, str) else chosen
        for preset in [each.strip() if isinstance(each, str) else each for each in listed]:
            if not isinstance(preset, str) or preset not in presets:
                raise UserError(f"Unknown preset {preset!r}", expected=" | ".join(presets) or "none is defined")
            merged = deep_merge(merged, presets[preset])
        merged = deep_merge(merged, {key: value for key, value in (last or {}).items() if key != "presets"})
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        known = {field.partition(".")[0] for field in _SETTINGS_KEYS}
        raise invalid(
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
        raise invalid(
            f"{path} is not a valid dataset descriptor",
            error,
            known=[field.name for field in fields(Descriptor)],
            remedy=f"correct {path}; config/datasets/folder.yaml explains every key",
        ) from error
    return descriptor


def _keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a configuration, those of its sections as `section.key`."""
    sections: dict[str, type[BaseModel]] = {"scenes": ScenesSettings, "split": SplitSettings, "report": ReportSettings}
    options = {"training": TrainingOptions, "segmentation": SegmentationOptions, "detection": DetectionOptions}
    keys = [*model.model_fields, "presets"]
    keys += [f"{name}.{key}" for name, section in sections.items() for key in section.model_fields]
    return keys + [f"{name}.{field.name}" for name, kind in options.items() for field in fields(kind)]


_SETTINGS_KEYS = _keys_of(Settings)


def check_tables(settings: Settings, runs: Iterable[Run]) -> None:
    """Check that the tables which runs name are those which the configuration has, if it has any.

    Raises:
        UserError: a run names another, or a table has no run.
    """
    if not settings.tables:
        return
    named = {table: run.name for run in runs for table in run.tables}
    if unknown := sorted(set(named) - set(settings.tables)):
        raise UserError(
            f"{settings.experiments}, run {named[unknown[0]]!r}: no table {unknown[0]!r} in the configuration",
            expected=" | ".join(settings.tables),
        )
    if empty := sorted(set(settings.tables) - set(named)):
        raise UserError(
            f"No run of {settings.experiments} stands in table {empty[0]}",
            remedy="name the table in the column `tables` of its runs, or take it out of `tables`",
        )


def check_files(settings: Settings, runs: Iterable[Run]) -> None:
    """Check that the released checkpoints and folders of images which runs name are there.

    Raises:
        UserError: one is missing, naming the table, the run and the path.
    """
    for run in runs:
        path = run.checkpoint or run.images
        if path and not Path(path).exists():
            raise UserError(
                f"{settings.experiments}, run {run.name!r}: {path} does not exist",
                remedy="put it there, correct the path, or begin the line with # to leave the run out",
            )
