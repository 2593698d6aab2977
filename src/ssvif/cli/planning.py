"""What to ask before anything is run: plan, doctor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssvif.io.errors import UserError

if TYPE_CHECKING:
    from ssvif.config.forecast import Times
    from ssvif.config.jobs import Content
    from ssvif.config.plan import Plan
    from ssvif.data.descriptor import Descriptor

CONFIGURATION = "config/config.yaml"  # that of Snakemake
TRIAL_PX = (256, 256)  # of the pair for which multiply-accumulates are counted
USUAL_PX = (640, 480)  # of images that are not there yet
SAMPLED = 20  # images whose size is looked at
MEASURED_DETECTOR = "yolo11n.yaml"
LIKE = "seafusion"  # whose times, by multiply-accumulates, stand for a network without any


def plan(
    more: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="More for --config or, without =, --configfile: Snakemake, too, takes several.",
        ),
    ] = None,
    configfile: Annotated[
        list[str] | None, typer.Option(help=f"Configuration, as for Snakemake; default: {CONFIGURATION}.")
    ] = None,
    config: Annotated[list[str] | None, typer.Option(help="KEY=VALUE laid over it, as for Snakemake.")] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only jobs whose results are not there, and those that follow.")
    ] = False,
    cores: Annotated[int, typer.Option(help="CPU cores to run on; 0: those of this machine.", min=0)] = 0,
    gpus: Annotated[int, typer.Option(help="GPUs to run on, where there is one.", min=1)] = 1,
    times: Annotated[Path, typer.Option(help="Table of measured times; `make bench` renews it.")] = Path(
        "config/times.csv"
    ),
) -> None:
    """Say what a configuration will take before it is run: jobs, hours, memory and disk."""
    from ssvif.config.forecast import Times, describe
    from ssvif.config.jobs import list_jobs, list_missing
    from ssvif.io.ahead import core_count
    from ssvif.io.installation import cpu_name, gpu_name

    loaded = _load_plan([*(configfile or []), *(each for each in more or [] if "=" not in each)],
                        [*(config or []), *(each for each in more or [] if "=" in each)])  # fmt: skip
    gpu = gpu_name() if loaded.settings.device != "cpu" else ""
    if loaded.settings.device == "cuda" and not gpu:
        raise UserError("The configuration asks for a GPU, and nvidia-smi finds none", remedy="add device=cpu")
    table = Times(times, cpu=cpu_name(), gpu=gpu)
    contents, notes = {}, [*loaded.left_out, *table.notes]
    for name, descriptor in loaded.descriptors.items():
        contents[name], note = _find_content(loaded, name, descriptor)
        notes += [note] if note else []
    notes += _add_networks(table, loaded)
    if (detection := loaded.settings.detection) and detection.model != MEASURED_DETECTOR:
        notes.append(f"{detection.model} has no measured times: those of {MEASURED_DETECTOR} are taken as they are")
    jobs = list_jobs(loaded, contents)
    typer.echo(describe(list_missing(jobs) if missing else jobs, table, cores or core_count(), gpus))
    for note in notes:
        typer.echo(f"- {note}")


def _load_plan(files: list[str], assignments: list[str]) -> Plan:
    import yaml

    from ssvif.config.files import read_yaml
    from ssvif.config.plan import Plan
    from ssvif.config.settings import deep_merge

    if not (files or Path(CONFIGURATION).is_file()):
        raise UserError(f"There is no {CONFIGURATION} here", remedy="go to the project's folder, or use --configfile")
    values: dict[str, Any] = {}
    for file in files or [CONFIGURATION]:
        if not Path(file).suffix:
            raise UserError(
                f"{file} is not a configuration",
                expected="FILE.yaml or KEY=VALUE: whole configurations are planned, not targets",
            )
        values = deep_merge(values, read_yaml(Path(file)))
    last: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not (key and equals):
            raise UserError(f"--config {assignment!r} is not an assignment", expected="KEY=VALUE")
        if "." in key:
            section, _, name = key.partition(".")
            remedy = f"as for Snakemake: {section}='{{{name}: {text}}}'"
            raise UserError(f"--config {assignment!r} has a dot in its key", remedy=remedy)
        try:
            last[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            last[key] = text
    return Plan.load(deep_merge(values, last), last=last, source=", ".join(files) or CONFIGURATION)


def _find_content(plan: Plan, name: str, descriptor: Descriptor) -> tuple[Content, str]:
    """Return how many pairs of which size a dataset has, and a note where that is not known from its files."""
    from PIL import Image

    from ssvif.config.jobs import Content, Counts
    from ssvif.data.find import FoundPair, find_pairs
    from ssvif.data.split import deal_pairs
    from ssvif.schema import SPLITS

    settings = plan.settings
    root, note, sizes = plan.data_root(name) / descriptor.folder, "", [USUAL_PX]
    found, counts = {}, dict(descriptor.expected)
    if name == "scenes":
        counts = {"train": settings.scenes.train, "test": settings.scenes.test}
        sizes = [(settings.scenes.width_px, settings.scenes.height_px)]
    elif root.is_dir():
        found = find_pairs(descriptor, root)
        paths = [root / pair.visible for pairs in found.values() for pair in pairs]
        sizes = []
        for path in paths[:: -(-len(paths) // SAMPLED)]:
            with Image.open(path) as image:
                sizes.append(image.size)
    elif counts:
        note = (
            f"{root} is not there: {descriptor.title} is taken to have {sum(counts.values())} pairs,"
            f" as published, of {USUAL_PX[0]}×{USUAL_PX[1]}"
        )
    else:
        raise UserError(
            f"{root} is not there, so its pairs cannot be counted",
            remedy="set `data_root`, or say how many there are as `expected` in the descriptor",
        )
    layout = descriptor.layouts[0]
    made = {
        split: [FoundPair(str(place), "", "", layout.label, layout.boxes) for place in range(count)]
        for split, count in counts.items()
    }
    limit = {str(split): most for split, most in settings.split.limit.items()}
    dealt = deal_pairs(descriptor, found or made, seed=settings.split.seed, limit=limit)
    pairs, labelled, boxed = (
        Counts(*(sum(bool(getattr(each, kind)) for each in dealt.get(split, ())) for split in SPLITS))
        for kind in ("pair_id", "label", "boxes")
    )
    mpx = sum(width * height for width, height in sizes) / len(sizes) / 1e6
    return Content(pairs=pairs, labelled=labelled, boxed=boxed, mpx=mpx), note


def _add_networks(times: Times, plan: Plan) -> Iterator[str]:
    """Give networks without times those of `LIKE` by their multiply-accumulates; yield a note on each."""
    trained = [plan.training(run.name) for run in plan.runs.values() if run.kind == "trained"]
    for name, channels in {(each.fusion_model, each.channels) for each in trained if times.lacks(each.fusion_model)}:
        from ssvif.judging.cost import measure  # imports torch

        ratio = measure(name, channels, *TRIAL_PX).macs / measure(LIKE, 3, *TRIAL_PX).macs
        times.add_network(name, LIKE, ratio)
        yield f"{name} has no measured times: those of {LIKE} are taken {ratio:.2g} times, by multiply-accumulates"


def doctor() -> None:
    """Say what is installed and what the machine has, and what is missing for what; exit status 1 if it is broken."""
    from ssvif.io.installation import examine

    findings = list(examine())
    signs = {"ok": "✓", "missing": "–", "warning": "!", "broken": "✗"}
    width = max(len(each.part) for each in findings)
    for each in findings:
        typer.echo(f"{signs[each.state]} {each.part:{width}}  {each.what}")
    if any(each.state == "broken" for each in findings):
        raise typer.Exit(1)
