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
from ssvif.data.descriptor import Descriptor
from ssvif.io.errors import UserError
from ssvif.judging.options import DetectionOptions, SegmentationOptions
from ssvif.models.names import class_path
from ssvif.training.options import TrainingOptions

RESERVED = ("tables", "figures", "report", "logs", "benchmarks")  # folders beside those of the datasets
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
    """The page: its title and how many test pairs it shows; the figures: their pairs and metric.

    `pairs` are evenly chosen; 0, or nothing after the colon, shows all.
    `figure_pairs` is how many, evenly chosen, or the list of those to show, each as dataset/pair.
    `figure_metric` is the fusion metric that the bubble diagram shows beside mIoU.
    """

    model_config = STRICT
    title: str = "SSVIF"
    pairs: Annotated[int, Field(ge=0), BeforeValidator(lambda value: 0 if value is None else value)] = 0
    figure_pairs: Annotated[int, Field(ge=0)] | list[Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")]] = 3
    figure_metric: str = "vif"


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

    `segmentation: false` and `detection: false` leave these scores out. `tables` maps a number of
    the paper's tables to the datasets it shows, where these are not to be the paper's own.
    """

    model_config = STRICT
    datasets: list[Dataset] = Field(min_length=1)
    experiments: Path
    tables: dict[str, Annotated[list[Dataset], Field(min_length=1)]] = {}
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
        for name, shown in self.tables.items():
            if unknown := sorted(set(shown) - set(self.datasets)):
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
        raise error.replace(what=f"{source}, training: {error.what}") from error
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


def check_tables(settings: Settings, runs: Iterable[Run], known: Iterable[str]) -> None:
    """Check that the tables which runs and the configuration name exist.

    Args:
        settings: the configuration.
        runs: of its experiments table.
        known: the tables there are.

    Raises:
        UserError: a run or the configuration names another.
    """
    tables = list(known)
    named = {table: f"{settings.experiments}, run {run.name!r}" for run in runs for table in run.tables}
    named |= dict.fromkeys(settings.tables, "`tables` in the configuration")
    if unknown := sorted(set(named) - set(tables)):
        raise UserError(
            f"{named[unknown[0]]}: there is no table {unknown[0]!r}",
            expected=" | ".join(tables),
            remedy="config/published/tables.yaml holds the tables",
        )


def locate(run: Run, settings: Settings, descriptor: Descriptor) -> Run:
    """Return a run for one dataset, with the paths of its images or checkpoint written out."""
    return run.located(dataset=descriptor.name, folder=descriptor.folder, data_root=settings.data_root)


def missing_files(
    settings: Settings, runs: Iterable[Run], descriptors: Mapping[str, Descriptor]
) -> dict[tuple[str, str], str]:
    """Return the released checkpoints and folders of images that runs name and that are not there.

    Nobody has all of them, so this is no error: such a run is left out where it lacks them, and that is told.

    Args:
        settings: the configuration.
        runs: of its experiments table.
        descriptors: by the datasets' names.

    Returns:
        (dataset, run) to the path that does not exist.
    """
    sources = {
        (name, run.name): locate(run, settings, descriptor).source
        for run in runs
        for name, descriptor in descriptors.items()
    }
    return {key: source for key, source in sources.items() if source and not Path(source).exists()}
