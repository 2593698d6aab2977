"""Options that several verbs share, and the parsing of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import wraps
from inspect import Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssvif import schema
from ssvif.io.errors import UserError
from ssvif.io.ownership import claim

if TYPE_CHECKING:
    import torch

    from ssvif.config.options import Option
    from ssvif.pairs.pair import Rules

Pairs = Annotated[Path, typer.Option(help="HDF5 file of `ssvif pack`.")]
Visible = Annotated[str | None, typer.Option(help="Folder or quoted pattern of visible images.")]
Infrared = Annotated[str | None, typer.Option(help="Folder or quoted pattern of infrared images.")]
Fused = Annotated[Path, typer.Option(help="Folder of the run's fused images, with a subfolder for each split.")]
Dataset = Annotated[Path, typer.Option(help="Dataset descriptor, e.g. config/datasets/msrs.yaml.")]
DataRoot = Annotated[Path, typer.Option(help="Folder that contains the dataset's folder.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Device = Annotated[schema.Device, typer.Option(help="Device to use; a GPU is reserved for this job.")]
Workers = Annotated[int, typer.Option(help="Number of data loading processes; 0 uses the main process.", min=0)]
Threads = Annotated[int, typer.Option(help="Number of CPU threads; 0: chosen automatically.", min=0)]
SettingsText = Annotated[str, typer.Option("--settings", help="Settings as JSON, or a JSON or YAML file.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="Set one setting, NAME=VALUE; may be repeated.")]
DatasetName = Annotated[str, typer.Option(help="Name of the dataset in the tables.")]
RunName = Annotated[str, typer.Option(help="Name of the run in the tables.")]
Output = Annotated[Path, typer.Option(help="Where to write the result.")]
Runs = Annotated[list[str], typer.Option("--run", help="DATASET/RUN or DATASET/RUN=Title; may be repeated.")]
Results = Annotated[Path, typer.Option(help="Folder of the results, which holds {dataset}/{run}/.")]

OF_EACH = "auto, full, percentile (1st to 99th of each image), sequence (of all images) or LOW:HIGH."
OF_ALL = "auto (full; sequence for more than 8 bits), full, percentile (of each image), sequence (of all) or LOW:HIGH."
InfraredRange = Annotated[str | None, typer.Option(help="Values that become black and white: " + OF_ALL)]
VisibleRange = Annotated[str | None, typer.Option(help="The same for visible images; default: full.")]
Resize = Annotated[schema.Resizing | None, typer.Option(help="Which image of a pair to resize if their sizes differ.")]


@dataclass(frozen=True)
class Job:
    """The options of every verb that trains: its settings, and what it computes on."""

    settings: SettingsText = ""
    assignments: Assignments = None
    device: Device = "auto"
    workers: Workers = 0
    threads: Threads = 0

    def options(self, defaults: Option) -> Option:
        """Return `defaults` with the settings that were given.

        Raises:
            UserError: a setting is unknown or has a wrong value.
        """
        from ssvif.config.options import parse_options

        return parse_options(defaults, self.settings, self.assignments or [])

    @contextmanager
    def leased_device(self) -> Iterator[torch.device]:
        """Yield the device, a GPU reserved until the block ends; the CPU has its number of threads."""
        from ssvif.io.device import lease_device, prepare_cpu

        prepare_cpu(self.threads)
        with lease_device(self.device) as device:
            yield device


def with_job_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb that has the fields of `Job` as options of its own, and hands them on as `job`."""
    own = signature(verb, eval_str=True)
    shared = signature(Job, eval_str=True).parameters

    @wraps(verb)
    def run(**given: Any) -> None:
        job = Job(**{name: given.pop(name) for name in shared})
        verb(**given, job=job)

    parameters = [each for each in own.parameters.values() if each.name != "job"]
    run.__signature__ = Signature([*parameters, *shared.values()])  # type: ignore[attr-defined]
    return run


def with_claim(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb that holds its output alone while it runs, if it has one."""
    own = signature(verb, eval_str=True)
    if "output" not in own.parameters:
        return verb

    @wraps(verb)
    def run(**given: Any) -> None:
        with claim(given["output"]) if given["output"] else nullcontext():
            verb(**given)

    run.__signature__ = own  # type: ignore[attr-defined]
    return run


def check_sources(verb: str, pairs: Path | None, visible: str | None, infrared: str | None) -> None:
    """Check that pairs come from one place: packed, or two folders or patterns.

    Raises:
        UserError: both or neither are given.
    """
    if pairs and (visible or infrared):
        raise UserError(f"ssvif {verb} takes --pairs, or --visible and --infrared, not both")
    if not (pairs or (visible and infrared)):
        raise UserError(f"ssvif {verb} needs --pairs, or --visible and --infrared")


def parse_rules(
    infrared_range: str | None, visible_range: str | None, resize: str | None, *, otherwise: str = "infrared"
) -> Rules:
    """Return the rules by which pairs are read, from the values of the options; `otherwise` is the default of `resize`.

    Raises:
        UserError: a range is neither LOW:HIGH nor one of `schema.RANGES`.
    """
    from ssvif.pairs.pair import Rules
    from ssvif.pairs.ranges import parse_rule

    return Rules(
        infrared_range=parse_rule("--infrared-range", infrared_range or "auto"),
        visible_range=parse_rule("--visible-range", visible_range or "full"),
        resize=resize or otherwise,
    )


def parse_pair(text: str, form: str) -> tuple[str, str]:
    """Split NAME=VALUE at the first "=".

    Raises:
        UserError: the name or the value is missing; the message says that `text` is not `form`.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UserError(f"{text!r} is not {form}")
    return name, value
