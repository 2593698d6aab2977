"""What a configuration file may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from ssvif.config.files import check
from ssvif.config.runs import NAME
from ssvif.io.errors import UserError
from ssvif.io.validation import AtLeastOne, NotNegative
from ssvif.judging.options import DetectionOptions, JudgeOptions, ProbeOptions, SegmentationOptions
from ssvif.models.names import check_trainable
from ssvif.report.ladder.declaration import LadderSettings
from ssvif.schema import Device, Split, StandardMetric, Tracker
from ssvif.training.options import TrainingOptions

NOT_DATASETS = ("tables", "figures", "report", "logs", "benchmarks")  # names of other folders in the results
# defaults of `ssvif train --visible --infrared` and the preset `own_pairs` of every configuration. Chosen by us, not
# by the paper, for a few hundred pairs: an hour or two on two CPU cores, minutes on a GPU
OWN_PAIRS: dict[str, Any] = {
    "segmenter": "b0",
    "epochs": 56,
    "patience": 56,
    "stage_one_min_epochs": 42,
    "stage_one_max_epochs": 42,
    "batch_size": 4,
    "crop_px": 64,
    "learning_rate": 1e-3,
    "color_weight": 60.0,
    "initialization": "scaled",
    "balance": 1.0,
    "label_temperature": 0.5,
    "every_n_steps": 4,
}
PRESETS: dict[str, dict[str, Any]] = {"own_pairs": {"training": OWN_PAIRS}}  # that every configuration has


def _check_dataset(name: str) -> str:
    if not NAME.fullmatch(name) or name in NOT_DATASETS or name.startswith("table_"):
        raise ValueError(f"not a name for a dataset: letters, digits, - and _; not {', '.join(NOT_DATASETS)}, table_…")
    return name


def _check_results(folder: Path) -> Path:
    if "{" in str(folder) or "}" in str(folder):
        raise ValueError("must have no braces, which stand for wildcards in Snakemake")
    return folder


def _none_if_false(value: Any) -> Any:
    if value is None or str(value).lower() == "false":  # `--config detection=false` gives text
        return None
    if isinstance(value, Mapping | JudgeOptions | LadderSettings):
        return value
    raise ValueError("must be settings, or false to leave it out")


Dataset = Annotated[str, AfterValidator(_check_dataset)]
PairName = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")]


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class ScenesSettings:
    """The generated dataset `scenes`."""

    train: AtLeastOne = Field(default=64, description="pairs to train on")
    test: AtLeastOne = Field(default=16, description="pairs to test on")
    height_px: int = Field(default=128, ge=48, description="of the images; MS-SSIM needs 161")
    width_px: int = Field(default=160, ge=64, description="of the images")
    seed: NotNegative = Field(default=0, description="of everything random")


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class SplitSettings:
    """How pairs are dealt to train, validation and test."""

    seed: NotNegative = Field(default=0, description="of the order in which pairs are dealt")
    limit: dict[Split, AtLeastOne] = Field(
        default_factory=dict, description="most pairs of a split, as {train: 100}; all where it is not named"
    )


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class ReportSettings:
    """The page and the figures."""

    title: str = Field(default="SSVIF", description="headline of the page")
    pairs: Annotated[
        NotNegative,
        BeforeValidator(lambda given: 0 if given is None else given, json_schema_input_type=NotNegative | None),
    ] = Field(default=0, description="test pairs in each gallery, evenly chosen; 0 or nothing shows all")
    figure_pairs: NotNegative | list[PairName] = Field(
        default=3, description="test pairs in the figures: how many, evenly chosen, or a list of DATASET/PAIR"
    )
    figure_metric: StandardMetric = Field(
        default="vif", description="fusion metric that the bubble diagram shows beside mIoU"
    )


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class Settings:
    """Everything that a configuration file may say; config/README.md explains how to write one."""

    datasets: list[Dataset] = Field(min_length=1, description="names of files in config/datasets, without .yaml")
    experiments: Path = Field(description="the table of runs, a row a run")
    tables: dict[str, Annotated[list[Dataset], Field(min_length=1)]] = Field(
        default_factory=dict, description="table of the paper to the datasets it shows, where not the paper's own"
    )
    data_root: Path = Field(default=Path("data"), description="folder that holds the datasets' folders")
    results: Annotated[Path, AfterValidator(_check_results)] = Field(
        default=Path("results"), description="folder to write to"
    )
    device: Device = Field(default="auto", description="auto takes a GPU where there is one")
    workers: NotNegative = Field(default=0, description="processes that load images, for each training")
    track: list[Tracker] = Field(
        default_factory=list, description="write the curves of each training while it runs; changes no result"
    )
    threads: AtLeastOne = Field(default=1, description="CPU threads of each job")
    devices: AtLeastOne = Field(
        default=1, description="processes of a training, each with a GPU or `threads` of the CPU, and a batch"
    )
    nodes: AtLeastOne = Field(
        default=1, description="machines of a training, each with `devices`; several by SLURM alone"
    )
    shards: AtLeastOne = Field(
        default=1, description="jobs that fuse, and that score, the pairs of each run; changing it recomputes them"
    )
    preset: str | list[str] = Field(default="", description="which of the presets to lay over the rest, in order")
    scenes: ScenesSettings = ScenesSettings()
    split: SplitSettings = SplitSettings()
    training: TrainingOptions = TrainingOptions()
    segmentation: Annotated[
        SegmentationOptions | None,
        BeforeValidator(_none_if_false, json_schema_input_type=SegmentationOptions | Literal[False]),
    ] = Field(default=SegmentationOptions(), description="false leaves it out")
    detection: Annotated[
        DetectionOptions | None,
        BeforeValidator(_none_if_false, json_schema_input_type=DetectionOptions | Literal[False]),
    ] = Field(default=DetectionOptions(), description="false leaves it out")
    probe: Annotated[
        ProbeOptions | None,
        BeforeValidator(_none_if_false, json_schema_input_type=ProbeOptions | Literal[False]),
    ] = Field(default=ProbeOptions(), description="false leaves it out")
    report: ReportSettings = ReportSettings()
    ladder: Annotated[
        LadderSettings | None,
        BeforeValidator(_none_if_false, json_schema_input_type=LadderSettings | Literal[False]),
    ] = Field(
        default=None,
        description="how `snakemake ladder` compares the runs that have a role; config/ladder.yaml has one",
    )

    @model_validator(mode="after")
    def _tables_show_known_datasets(self) -> Self:
        for name, shown in self.tables.items():
            if unknown := sorted(set(shown) - set(self.datasets)):
                raise ValueError(f"tables.{name}: {', '.join(unknown)} is not among the datasets")
        return self


def load_settings(
    values: Mapping[str, Any], last: Mapping[str, Any] | None = None, source: str = "the configuration"
) -> Settings:
    """Validate a configuration as YAML gives it, with its preset laid over it.

    `preset: NAME` names an entry of `presets` or of `PRESETS`, `preset: NAME,OTHER` several, of which the last wins.
    What the command line says, `last`, wins over the preset too; `values` hold it already. `source` names the file in
    messages.

    Raises:
        UserError: an unknown key or preset, or a wrong value; every problem is listed.
    """
    merged = dict(values)
    own = merged.pop("presets", None) or {}
    if not (isinstance(own, Mapping) and all(isinstance(each, Mapping) for each in own.values())):
        raise UserError("`presets` must hold a mapping of settings by name", got=f"{own!r:.60}")
    if chosen := merged.get("preset"):
        presets = {**PRESETS, **own}
        listed = chosen if isinstance(chosen, list) else chosen.split(",") if isinstance(chosen, str) else [chosen]
        for preset in [each.strip() if isinstance(each, str) else each for each in listed]:
            if not isinstance(preset, str) or preset not in presets:
                raise UserError(
                    f"Unknown preset {preset!r} in {source}",
                    expected=" | ".join(presets),
                    remedy=f"correct {source} or what `--config` says",
                )
            merged = deep_merge(merged, presets[preset])
        merged = deep_merge(merged, {key: value for key, value in (last or {}).items() if key != "presets"})
    # a key with nothing below it is None in YAML, and asks for the default
    merged = {key: value for key, value in merged.items() if value is not None}
    keys = [field.name for field in fields(Settings)]
    sections = {key: getattr(Settings, key, None) for key in keys}
    inner = [f"{key}.{field.name}" for key, each in sections.items() if is_dataclass(each) for field in fields(each)]
    settings = check(
        Settings,
        merged,
        what=f"{source} is not a valid configuration",
        known=[*keys, "presets", *inner],
        remedy=f"correct {source} or what `--config` says",
    )
    try:
        check_trainable(settings.training.fusion_model)  # a table whose rows all name their own would hide a wrong one
    except UserError as error:
        raise error.replace(what=f"{source}, training: {error.what}") from error
    return settings


def to_yaml(settings: Settings) -> str:
    """Return settings as YAML that `load_settings` reads again, presets laid over them and defaults written out."""
    values = TypeAdapter(Settings).dump_python(replace(settings, preset=""), mode="json")
    text: str = yaml.safe_dump(
        {key: False if value is None else value for key, value in values.items()}, sort_keys=False
    )
    return text


def schema_to_yaml() -> str:
    """Return the JSON schema of a configuration as YAML, for editors and for those who list workflows."""
    schema = TypeAdapter(Settings).json_schema()
    named = {"type": "object", "additionalProperties": {"type": "object"}}
    schema["properties"]["presets"] = {"description": "named sets of the other keys, for `preset`", **named}
    text: str = yaml.safe_dump({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, sort_keys=False)
    return text


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = deep_merge(merged[key], value) if both else value
    return merged
