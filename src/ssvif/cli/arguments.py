"""What several verbs take: their options' types, and what is made of the texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ssvif.io.errors import UserError
from ssvif.schema import Resizing

if TYPE_CHECKING:
    from ssvif.data.descriptor import Descriptor
    from ssvif.pairs.pair import Rules

Pairs = Annotated[Path, typer.Option(help="HDF5 file of `ssvif pack`.")]
Visible = Annotated[str | None, typer.Option(help="Folder or quoted pattern of visible images.")]
Infrared = Annotated[str | None, typer.Option(help="Folder or quoted pattern of infrared images.")]
Fused = Annotated[Path, typer.Option(help="The run's folder of fused images, one folder a split.")]
Dataset = Annotated[Path, typer.Option(help="Dataset descriptor, e.g. config/datasets/msrs.yaml.")]
DataRoot = Annotated[Path, typer.Option(help="The folder that holds the dataset's folder.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="A GPU is taken for this job alone.")]
Workers = Annotated[int, typer.Option(help="Processes that load data; 0 loads in this one.", min=0)]
Threads = Annotated[int, typer.Option(help="CPU threads of torch; 0 leaves the choice to torch.", min=0)]
SettingsText = Annotated[str, typer.Option("--settings", help="Settings: JSON, or a JSON or YAML file.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="One setting, NAME=VALUE; may be repeated.")]
DatasetName = Annotated[str, typer.Option(help="Name of the dataset in the tables.")]
RunName = Annotated[str, typer.Option(help="Name of the run in the tables.")]
Output = Annotated[Path, typer.Option(help="Where to write.")]
Runs = Annotated[list[str], typer.Option("--run", help="DATASET/RUN or DATASET/RUN=Title; may be repeated.")]
Results = Annotated[Path, typer.Option(help="The results folder, {dataset}/{run}/ below it.")]

OF_EACH = "auto, full, percentile (1st to 99th of each image), sequence (of all together) or LOW:HIGH."
OF_ALL = "auto (8 bits as they are, more as sequence), full, percentile of each image, sequence (of all) or LOW:HIGH."
InfraredRange = Annotated[str | None, typer.Option(help="What becomes black and white: " + OF_ALL)]
VisibleRange = Annotated[str | None, typer.Option(help="The same of visible images; full when left out.")]
Resize = Annotated[Resizing | None, typer.Option(help="Which image is resized where two sizes differ.")]


def read_descriptor(path: Path) -> Descriptor:
    """Return the dataset descriptor of a file; see `load_descriptor`."""
    from ssvif.config.files import load_descriptor

    return load_descriptor(path)


def check_sources(verb: str, pairs: Path | None, visible: str | None, infrared: str | None) -> None:
    """Check that pairs come from one place: packed, or two folders or patterns.

    Raises:
        UserError: they come from both, or from none.
    """
    if pairs and (visible or infrared):
        raise UserError(f"ssvif {verb} takes --pairs, or --visible and --infrared, not both")
    if not (pairs or (visible and infrared)):
        raise UserError(f"ssvif {verb} needs --pairs, or --visible and --infrared")


def parse_rules(
    infrared_range: str | None, visible_range: str | None, resize: str | None, *, otherwise: str = "infrared"
) -> Rules:
    """Return how pairs are read, from the options' texts; None is the default, of resizing it is `otherwise`.

    Raises:
        UserError: a range is none of what there is.
    """
    from ssvif.pairs.pair import Rules
    from ssvif.pairs.ranges import parse_rule

    return Rules(
        infrared_range=parse_rule("--infrared-range", infrared_range or "auto"),
        visible_range=parse_rule("--visible-range", visible_range or "full"),
        resize=resize or otherwise,
    )


def parse_pair(text: str, form: str) -> tuple[str, str]:
    """Return what stands before and after the first "=".

    Raises:
        UserError: nothing stands before or after; the message says that `text` is not `form`.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UserError(f"{text!r} is not {form}")
    return name, value
