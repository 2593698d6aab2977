"""The `ssvif` command: parse, call, print. Everything heavy is imported inside the verb that needs it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssvif.ops.errors import UserError

if TYPE_CHECKING:
    from ssvif.data.layouts import Descriptor
    from ssvif.training.options import TrainingOptions

app = typer.Typer(
    name="ssvif",
    help="Fuse visible and infrared images so that machines see more, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes as long to import as the rest of the help
)

Pairs = Annotated[Path, typer.Option(help="HDF5 file of `ssvif pack`.")]
Fused = Annotated[Path, typer.Option(help="The run's folder of fused images, one folder a split.")]
Dataset = Annotated[Path, typer.Option(help="Dataset descriptor, e.g. config/datasets/msrs.yaml.")]
DataRoot = Annotated[Path, typer.Option(help="The folder that holds the dataset's folder.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda; a GPU is taken for this job alone.")]
Workers = Annotated[int, typer.Option(help="Processes that load data; 0 loads in this one.", min=0)]
Threads = Annotated[int, typer.Option(help="CPU threads of torch; 0 leaves the choice to torch.", min=0)]
SettingsText = Annotated[str, typer.Option("--settings", help="Settings: JSON, or a JSON or YAML file.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="One setting, NAME=VALUE; may be repeated.")]
DatasetName = Annotated[str, typer.Option(help="Name of the dataset in the tables.")]
RunName = Annotated[str, typer.Option(help="Name of the run in the tables.")]
Output = Annotated[Path, typer.Option(help="Where to write.")]
Runs = Annotated[list[str], typer.Option("--run", help="DATASET/RUN or DATASET/RUN=Title; may be repeated.")]
Results = Annotated[Path, typer.Option(help="The results folder, {dataset}/{run}/ below it.")]


def main() -> None:
    """Run the command; what the user can mend is printed without a traceback, exit status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("ssvif").setLevel(logging.INFO)
    try:
        app()
    except UserError as error:
        typer.echo(f"ssvif: {error}", err=True)
        raise SystemExit(1) from None
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"ssvif: {error.filename}: {error.strerror}", err=True)  # e.g. a folder nobody may write to
        raise SystemExit(1) from None


@app.command()
def scenes(
    output: Output,
    train: Annotated[int, typer.Option(help="Pairs to train on.", min=1)] = 64,
    test: Annotated[int, typer.Option(help="Pairs to test on.", min=1)] = 16,
    height: Annotated[int, typer.Option(help="Height in pixels.", min=48)] = 128,
    width: Annotated[int, typer.Option(help="Width in pixels.", min=64)] = 160,
    seed: Seed = 0,
) -> None:
    """Make a dataset of road scenes: registered pairs, exact labels and boxes."""
    from ssvif.data.scenes.write import write_scenes

    write_scenes(output, train=train, test=test, height=height, width=width, seed=seed)


@app.command()
def split(
    dataset: Dataset,
    output: Output,
    data_root: DataRoot = Path("data"),
    seed: Seed = 0,
    limit: Annotated[
        list[str] | None, typer.Option(help="SPLIT=N keeps at most N pairs of a split; may be repeated.")
    ] = None,
) -> None:
    """Write splits.csv: which pair is for training, validation and test."""
    from ssvif.data.split import split_dataset

    descriptor = _descriptor(dataset)
    limits = dict(_parse_limit(each) for each in limit or [])
    counts = split_dataset(descriptor, data_root / descriptor.folder, output, seed=seed, limit=limits)
    typer.echo(", ".join(f"{count} {name}" for name, count in counts.items()))


@app.command()
def pack(
    dataset: Dataset,
    splits: Annotated[Path, typer.Option(help="The splits.csv of `ssvif split`.")],
    output: Output,
    data_root: DataRoot = Path("data"),
) -> None:
    """Pack the pairs that splits.csv lists into one HDF5 file."""
    from ssvif.data.pack import pack_pairs

    descriptor = _descriptor(dataset)
    pack_pairs(descriptor, data_root / descriptor.folder, splits, output)


@app.command()
def train(
    pairs: Pairs,
    output: Output,
    state: Annotated[Path | None, typer.Option(help="File for the state between epochs.")] = None,
    settings: SettingsText = "",
    assignments: Assignments = None,
    device: Device = "auto",
    workers: Workers = 0,
    threads: Threads = 0,
) -> None:
    """Train a fusion network on unlabelled pairs; resumes where a killed training stopped."""
    from ssvif.config.options import parse_options
    from ssvif.training.options import TrainingOptions

    options = parse_options(TrainingOptions(), settings, assignments or [])
    from ssvif.ops.device import lease_device, prepare_cpu
    from ssvif.training.loop import train as run

    prepare_cpu(threads)
    with lease_device(device) as leased:
        run(pairs, output, state or output / "state.pt", options=options, device=leased, workers=workers)


@app.command()
def fuse(
    output: Output,
    pairs: Annotated[Path | None, typer.Option(help="HDF5 file of `ssvif pack`.")] = None,
    visible: Annotated[Path | None, typer.Option(help="Instead of pairs: folder of visible images.")] = None,
    infrared: Annotated[Path | None, typer.Option(help="Instead of pairs: folder of infrared images.")] = None,
    model: Annotated[Path | None, typer.Option(help="Fuse with this network: model.safetensors.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Or with a released checkpoint of --network.")] = None,
    network: Annotated[str, typer.Option(help="Whose checkpoint: swinfusion, seafusion, emma.")] = "",
    inference: Annotated[
        str, typer.Option(help="Pad, stretch and round as this network's authors: plain, swinfusion, seafusion, emma.")
    ] = "",
    baseline: Annotated[str, typer.Option(help="Or fuse by: average, maximum, visible, infrared.")] = "",
    images: Annotated[Path | None, typer.Option(help="Or take another method's images from here.")] = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Write fused images as PNG, each of its pair's size."""
    from ssvif import fusion
    from ssvif.models.published import load_published
    from ssvif.models.registry import load_fusion_model
    from ssvif.ops.device import lease_device, prepare_cpu

    if sum(map(bool, (model, checkpoint, baseline, images))) != 1:
        raise UserError("ssvif fuse needs one of --model, --checkpoint, --baseline and --images")
    if bool(checkpoint) != bool(network):
        raise UserError("ssvif fuse takes --checkpoint and --network together")
    if images and not pairs:
        raise UserError("ssvif fuse --images needs --pairs, which says what images there should be")
    _check_sources("fuse", pairs, visible, infrared)
    for source in filter(None, (visible, infrared, images)):
        if output.resolve() == source.resolve():  # the output replaces what its folder held
            raise UserError(f"{output} is read and would be replaced", remedy="choose another output folder")
    if pairs and images:
        fusion.collect_images(pairs, images, output)
        return
    prepare_cpu(threads)
    with lease_device("cpu" if baseline else device) as leased:
        if baseline:
            fuser = fusion.baseline_fuser(baseline)
        else:
            loaded = load_fusion_model(model) if model else load_published(network, checkpoint or Path())
            fuser = fusion.model_fuser(loaded, leased, inference or network or "plain")
        if pairs:
            fusion.fuse_pairs(pairs, output, fuser)
        elif visible and infrared:
            fusion.fuse_folders(visible, infrared, output, fuser)


@app.command()
def complexity(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Names or package.module:Class; ours when left out."),
    ] = None,
    height: Annotated[int, typer.Option(help="Height in pixels.", min=1)] = 256,
    width: Annotated[int, typer.Option(help="Width in pixels.", min=1)] = 256,
    channels: Annotated[list[int] | None, typer.Option(help="1 or 3; both when left out.")] = None,
    device: Device = "auto",
    published: Annotated[Path | None, typer.Option(help="The paper's Table IV; the project's if there is one.")] = None,
    output: Annotated[Path | None, typer.Option(help="CSV to write as well.")] = None,
) -> None:
    """Count parameters, multiply-accumulates and peak memory of fusion networks, beside the paper's Table IV."""
    from ssvif.complexity import measure, read_published, to_text, write_complexity
    from ssvif.models.names import FUSION_MODELS
    from ssvif.ops.device import lease_device

    names = dict.fromkeys(models or FUSION_MODELS)
    with lease_device(device) as leased:
        rows = [measure(name, each, height, width, leased) for name in names for each in channels or (1, 3)]
    default = Path("config/published/efficiency.csv")  # absent where somebody counts a network outside the project
    paper = published or (default if default.is_file() else None)
    typer.echo(to_text(rows, read_published(paper) if paper else {}))
    if output:
        write_complexity(output, rows)


@app.command()
def score(
    fused: Annotated[Path, typer.Option(help="Folder of fused images.")],
    output: Output,
    pairs: Annotated[Path | None, typer.Option(help="HDF5 file of `ssvif pack`; its test pairs count.")] = None,
    visible: Annotated[Path | None, typer.Option(help="Instead of pairs: folder of visible images.")] = None,
    infrared: Annotated[Path | None, typer.Option(help="Instead of pairs: folder of infrared images.")] = None,
    metrics: Annotated[str, typer.Option(help="Names separated by commas, or all; the paper's when left out.")] = "",
    convention: Annotated[str, typer.Option(help="paper, standard or both, for metrics that have two.")] = "both",
    only: Annotated[str, typer.Option(help="Pattern of names without suffix, e.g. '00*N'.")] = "*",
    against: Annotated[Path | None, typer.Option(help="Compare with this file of scores, of the same images.")] = None,
    dataset: DatasetName = "",
    run: RunName = "",
    device: Device = "auto",
    workers: Annotated[int, typer.Option(help="Images measured at once; 0 takes one a core, 8 at most.", min=0)] = 0,
) -> None:
    """Measure fused images, image by image: EN, MI, VIF, Qabf, SSIM, MS-SSIM, ΔE and others; mean and 95 % interval."""
    from ssvif import scores, scoring
    from ssvif.metrics.collection import METRICS
    from ssvif.ops.device import lease_device, prepare_cpu
    from ssvif.ops.files import IMAGE_SUFFIXES

    _check_sources("score", pairs, visible, infrared)
    names = scoring.choose_metrics(metrics, convention)
    if output.suffix.lower() in IMAGE_SUFFIXES or (against and against.resolve() == output.resolve()):
        raise UserError(f"{output} is read and would be replaced", remedy="choose another file, such as scores.csv")
    if against:
        scores.read_scores(against)  # before the work, not after
    prepare_cpu(0)
    with lease_device(device) as leased:
        measuring = scoring.Measuring(names, only, leased, workers)
        if pairs:
            scoring.score_pairs(pairs, fused, output, dataset=dataset, run=run, measuring=measuring)
        elif visible and infrared:
            scoring.score_folders(visible, infrared, fused, output, dataset=dataset, run=run, measuring=measuring)
    lines = scores.summary_table(scores.summarize_scores(output), METRICS)
    if against:
        lines += ["", *scores.comparison_report(output, against, METRICS)]
    typer.echo("\n".join(lines))


@app.command()
def segment(
    pairs: Pairs,
    fused: Fused,
    output: Output,
    settings: SettingsText = "",
    assignments: Assignments = None,
    dataset: DatasetName = "",
    run: RunName = "",
    device: Device = "auto",
    workers: Workers = 0,
    threads: Threads = 0,
) -> None:
    """Fine-tune SegFormer on the fused images and score it: IoU per class, mIoU."""
    from ssvif.config.options import parse_options
    from ssvif.downstream.options import SegmentationOptions

    options = parse_options(SegmentationOptions(), settings, assignments or [])
    from ssvif.downstream.segmentation import fine_tune
    from ssvif.ops.device import lease_device, prepare_cpu

    prepare_cpu(threads)
    with lease_device(device) as leased:
        fine_tune(pairs, fused, output, dataset=dataset, run=run, options=options, device=leased, workers=workers)


@app.command()
def detect(
    pairs: Pairs,
    fused: Fused,
    output: Output,
    settings: SettingsText = "",
    assignments: Assignments = None,
    dataset: DatasetName = "",
    run: RunName = "",
    device: Device = "auto",
    workers: Workers = 0,
    threads: Threads = 0,
) -> None:
    """Train YOLO11n on the fused images and score it: AP@0.5 per class, mAP@0.5 (uses ultralytics, AGPL-3.0)."""
    from ssvif.config.options import parse_options
    from ssvif.downstream.options import DetectionOptions

    options = parse_options(DetectionOptions(), settings, assignments or [])
    from ssvif.downstream.detection import train_and_score
    from ssvif.ops.device import lease_device, prepare_cpu

    prepare_cpu(threads)
    with lease_device(device) as leased:
        train_and_score(pairs, fused, output, dataset=dataset, run=run, options=options, device=leased, workers=workers)


@app.command()
def tables(
    results: Results,
    output: Output,
    runs: Runs,
    titles: Annotated[list[str] | None, typer.Option("--title", help="DATASET=Title; may be repeated.")] = None,
    published: Annotated[Path | None, typer.Option(help="Folder of the paper's numbers.")] = None,
) -> None:
    """Gather the scores of many runs into tables: CSV, Markdown, LaTeX."""
    from ssvif.report.runs import parse_runs
    from ssvif.report.tables import make_tables

    named = dict(_parse_pair(each, "DATASET=Title") for each in titles or [])
    for path in make_tables(results, output, parse_runs(runs), published=published, titles=named):
        typer.echo(path)


@app.command()
def report(
    results: Results,
    tables: Annotated[Path, typer.Option(help="The folder of `ssvif tables`.")],
    output: Output,
    runs: Runs,
    sources: Annotated[list[str], typer.Option("--source", help="DATASET=FOLDER of its own pictures; repeatable.")],
    datasets: Annotated[Path, typer.Option(help="Folder of the dataset descriptors.")] = Path("config/datasets"),
    title: Annotated[str, typer.Option(help="Headline of the page.")] = "SSVIF",
    pairs: Annotated[int, typer.Option(help="Test pairs to show of each dataset.", min=0)] = 12,
    settings: SettingsText = "",
    command: Annotated[list[str] | None, typer.Option(help="A command that makes it all again; repeatable.")] = None,
) -> None:
    """Make the page: tables, curves and pictures of every run."""
    from ssvif.config.options import parse_options
    from ssvif.report.page import make_page
    from ssvif.report.pictures import Source
    from ssvif.report.runs import parse_runs
    from ssvif.training.options import ASSUMED, ASSUMED_CONSTANTS, TrainingOptions

    options = parse_options(TrainingOptions(), settings)
    folders = dict(_parse_pair(each, "DATASET=FOLDER") for each in sources)
    page = make_page(
        results,
        tables,
        output,
        parse_runs(runs),
        sources={
            name: Source(
                descriptor=_descriptor(datasets / f"{name}.yaml"),
                splits=results / name / "data/splits.csv",
                root=Path(folder),
            )
            for name, folder in folders.items()
        },
        title=title,
        assumed={name: _assumption(options, name, reason) for name, reason in ASSUMED.items()} | ASSUMED_CONSTANTS,
        reproduce=command or [],
        most_pairs=pairs,
    )
    typer.echo(page)


def _descriptor(path: Path) -> Descriptor:
    from ssvif.config.settings import load_descriptor

    return load_descriptor(path)


def _check_sources(verb: str, pairs: Path | None, visible: Path | None, infrared: Path | None) -> None:
    if pairs and (visible or infrared):
        raise UserError(f"ssvif {verb} takes --pairs, or --visible and --infrared, not both")
    if not (pairs or (visible and infrared)):
        raise UserError(f"ssvif {verb} needs --pairs, or --visible and --infrared")


def _assumption(options: TrainingOptions, name: str, reason: str) -> str:
    used, default = getattr(options, name), getattr(type(options)(), name)
    # the reason speaks for the default; a configuration's own value must not pass for it
    return f"{used} ({reason})" if used == default else f"{used}, set here; otherwise {default} ({reason})"


def _parse_pair(text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UserError(f"{text!r} is not {form}")
    return name, value


def _parse_limit(text: str) -> tuple[str, int]:
    name, number = _parse_pair(text, "SPLIT=N")
    if not number.isdigit():
        raise UserError(f"--limit {text!r}: {number!r} is not a number of pairs")
    return name, int(number)
