"""Options that several verbs share, and the parsing of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Signature, signature
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssvif import schema
from ssvif.io.errors import UserError
from ssvif.io.launch import is_first, take_part
from ssvif.io.ownership import claim
from ssvif.pairs.shard import Shard

if TYPE_CHECKING:
    import torch

    from ssvif.config.options import Option
    from ssvif.pairs.pair import Rules
    from ssvif.pairs.pairing import Pairing


def output_path(text: str) -> Path:
    """Return the path of an output; an empty one, of an unset variable in a script, would be the current folder.

    Raises:
        BadParameter: the text is empty.
    """
    if not text:
        raise typer.BadParameter("it is empty; name a file or a folder")
    return Path(text)


Pairs = Annotated[Path, typer.Option(help="HDF5 file of `ssvif pack`.")]
Visible = Annotated[str | None, typer.Option(help="Folder or quoted pattern of visible images.")]
Infrared = Annotated[str | None, typer.Option(help="Folder or quoted pattern of infrared images.")]
Fused = Annotated[Path, typer.Option(help="Folder of the run's fused images, with a subfolder for each split.")]
Dataset = Annotated[Path, typer.Option(help="Dataset descriptor, e.g. config/datasets/msrs.yaml.")]
DataRoot = Annotated[Path, typer.Option(help="Folder that contains the dataset's folder.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Device = Annotated[schema.Device, typer.Option(help="Device to use; a GPU is reserved for this job.")]
Workers = Annotated[int, typer.Option(help="Number of data loading processes; 0 uses the main process.", min=0)]
Devices = Annotated[
    int, typer.Option(help="Processes on each machine, each with a GPU of its own or a part of the CPU.", min=1)
]
Nodes = Annotated[int, typer.Option(help="Machines, whose processes torchrun or srun have started.", min=1)]
Threads = Annotated[int, typer.Option(help="Number of CPU threads; 0: chosen automatically.", min=0)]
SettingsText = Annotated[str, typer.Option("--settings", help="Settings as JSON, or a JSON or YAML file.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="Set one setting, NAME=VALUE; may be repeated.")]
DatasetName = Annotated[str, typer.Option(help="Name of the dataset in the tables.")]
RunName = Annotated[str, typer.Option(help="Name of the run in the tables.")]
ShardText = Annotated[
    str,
    typer.Option("--shard", metavar="I/N", help="Only part I of N; N such commands, on any machines, do the whole."),
]
Output = Annotated[Path, typer.Option(help="Where to write the result.", parser=output_path, metavar="<path>")]
Runs = Annotated[list[str], typer.Option("--run", help="DATASET/RUN or DATASET/RUN=Title; may be repeated.")]
Results = Annotated[Path, typer.Option(help="Folder of the results, which holds {dataset}/{run}/.")]

RANGE_HELP = (
    "Values that become black and white: full, percentile (1st to 99th of each image), sequence (of all), LOW:HIGH, or "
    "auto: full for 8 bits; for more, percentile to fuse and score, sequence for videos, to pack and to train."
)


class Options:
    """Options that several verbs share, as fields of a dataclass."""

    @property
    def given(self) -> tuple[str, ...]:
        """Those that were given, e.g. "--resize"."""
        changed = (each.name for each in fields(self) if getattr(self, each.name) != each.default)  # type: ignore[arg-type]
        return tuple("--" + name.replace("_", "-") for name in changed)


@dataclass(frozen=True)
class Reading(Options):
    """The options of every verb that reads the images of pairs: how two images become a pair."""

    infrared_range: Annotated[str | None, typer.Option(help=RANGE_HELP + " Default: auto.")] = None
    visible_range: Annotated[str | None, typer.Option(help="The same for visible images; default: full.")] = None
    resize: Annotated[
        schema.Resizing | None, typer.Option(help="Which image of a pair to resize if their sizes differ.")
    ] = None
    alignment: Annotated[
        Path | None, typer.Option(help="File of `ssvif align`, which maps visible to infrared pixels.")
    ] = None

    @property
    def converts(self) -> bool:
        """Whether deep images and two sizes may be converted, which `ssvif pack` refuses otherwise."""
        return bool(self.infrared_range or self.visible_range or self.resize)

    def rules(self, both_in_one: str = "", *, resize: str = "infrared") -> Rules:
        """Return the rules by which pairs are read; `resize` is the default of that option.

        Raises:
            UserError: a range is neither LOW:HIGH nor one of `schema.RANGES`, or the alignment cannot be read.
        """
        from ssvif.pairs.alignment import read_alignment
        from ssvif.pairs.pair import Rules
        from ssvif.pairs.ranges import parse_rule

        return Rules(
            infrared_range=parse_rule("--infrared-range", self.infrared_range or "auto"),
            visible_range=parse_rule("--visible-range", self.visible_range or "full"),
            resize=self.resize or resize,
            alignment=read_alignment(self.alignment) if self.alignment else None,
            both_in_one=both_in_one,
        )


@dataclass(frozen=True)
class PairingOptions(Options):
    """The options of every verb that takes your own images: which of them belong together."""

    pair_by: Annotated[
        schema.PairBy,
        typer.Option(help="What the two images of a pair share: the name, or the nearest number or time."),
    ] = "name"
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference of two numbers (default 0) or times (default 1 s).")
    ] = None
    offset: Annotated[
        float,
        typer.Option(
            help="What is added to infrared times or numbers: seconds by which the infrared video starts later than "
            "the visible one, or by which its clock is behind."
        ),
    ] = 0.0
    pair_list: Annotated[
        Path | None, typer.Option(help="CSV file of the pairs, visible,infrared[,name], instead of both sources.")
    ] = None
    both_in_one: Annotated[
        schema.BothInOne | None, typer.Option(help="How each file of the visible source alone holds both sides.")
    ] = None

    def pairing(self) -> Pairing:
        """Return how images are paired.

        Raises:
            UserError: options contradict each other.
        """
        from ssvif.pairs.pairing import Pairing

        return Pairing(
            by=self.pair_by,
            tolerance=self.tolerance,
            offset=self.offset,
            listed=self.pair_list,
            both_in_one=self.both_in_one or "",
        )


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


OUTPUTS = ("output", "fix_list", "picture", "state")  # parameters that name what a verb writes
SOURCES = ("visible", "infrared", "sources")  # those that name inputs and are texts, because they may be patterns
GROUPS = (Reading, PairingOptions, Job)


def with_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb whose parameters of the types in `GROUPS` are replaced by the fields of these, as options."""
    own = signature(verb, eval_str=True).parameters.values()
    groups = {each.name: each.annotation for each in own if each.annotation in GROUPS}
    shared = {name: signature(group, eval_str=True).parameters for name, group in groups.items()}

    @wraps(verb)
    def run(**given: Any) -> None:
        made = {name: group(**{each: given.pop(each) for each in shared[name]}) for name, group in groups.items()}
        verb(**given, **made)

    options = (option for parameters in shared.values() for option in parameters.values())
    parameters = [*(each for each in own if each.name not in groups), *options]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return run


def with_claim(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb that holds its output and its state alone while it runs, and overwrites none of its inputs.

    Of several processes of one training the first does so for all.
    """
    own = signature(verb, eval_str=True)
    if "output" not in own.parameters:
        return verb

    @wraps(verb)
    def run(**given: Any) -> None:
        fuses = verb.__name__ == "fuse"
        if "devices" in given and not take_part(given["devices"], given["nodes"]):
            return
        if not is_first():
            verb(**given)
            return
        _check_outputs(given, makes_images=fuses)
        output, state = given["output"], given.get("state")
        with ExitStack() as claimed:
            if fuses and given["shard"]:  # several fill one folder, each image being one's alone
                shard = Shard.parse(given["shard"])
                claimed.enter_context(claim(output, sharers=f"commands with --shard I/{shard.total}"))
                output = Path(f"{realpath(output)}.{shard}")
            for path in filter(None, (output, state)):
                claimed.enter_context(claim(path))
            verb(**given)

    run.__signature__ = own  # type: ignore[attr-defined]
    return run


def _check_outputs(given: Mapping[str, Any], *, makes_images: bool) -> None:
    """Check that what a verb writes is none of its inputs, no image in their folders, and named once.

    `makes_images` is said of a verb whose output is an image or a video; it looks after its folder itself.

    Raises:
        UserError: something would be lost.
    """
    outputs = [(name, Path(given[name])) for name in OUTPUTS if given.get(name)]
    groups = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    inputs = {
        Path(realpath(each))
        for name, group in groups.items()
        for each in group
        if name not in OUTPUTS and (isinstance(each, Path) or (each and name in SOURCES))
        if not (name == "model" and str(each) in schema.PACKAGED_MODELS)  # a name, and no file here
    }
    folders = {path if path.is_dir() else path.parent for path in inputs}
    for place, (name, path) in enumerate(outputs):
        option, resolved = "--" + name.replace("_", "-"), Path(realpath(path))
        is_image = path.suffix.lower() in schema.IMAGE_SUFFIXES
        if resolved in inputs:
            raise UserError(f"{option} {path} is an input and would be overwritten", remedy="name another")
        if name != "output" and path.is_dir():
            raise UserError(f"{option} {path} is a folder", remedy="name a file")
        if resolved in (Path(realpath(other)) for _, other in outputs[:place]):
            raise UserError(f"{option} {path} is the name of another output, too", remedy="name another")
        if is_image and not makes_images and name != "picture":
            raise UserError(f"{option} {path} is an image's name", remedy="name a file of another kind, or a folder")
        if is_image and not makes_images and path.exists() and resolved.parent in folders:
            raise UserError(
                f"{option} {path} lies among the inputs and would be overwritten", remedy="name one in another folder"
            )


def check_packed(verb: str, pairs: Path | None, *given: object, options: tuple[str, ...] = ()) -> None:
    """Check that pairs come from one place: packed, or the user's own with options of their own.

    Raises:
        UserError: there are both or neither.
    """
    if pairs and any(given):
        raise UserError(f"ssvif {verb} takes --pairs, or --visible and --infrared, not both")
    if pairs and options:
        raise UserError(
            f"ssvif {verb} {', '.join(options)} need --visible and --infrared",
            expected="none of these: packed pairs are aligned, of one size and 8 bits",
            remedy="leave them out, or pass the alignment and the ranges to `ssvif pack`",
        )
    if not pairs and not any(given) and "--pair-list" not in options:
        raise UserError(f"ssvif {verb} needs --pairs, or --visible and --infrared")


def parse_pair(text: str, form: str) -> tuple[str, str]:
    """Split NAME=VALUE at the first "=".

    Raises:
        UserError: the name or the value is missing; the message says that `text` is not `form`.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UserError(f"{text!r} is not {form}")
    return name, value
