"""The verbs of fusion networks: train, fuse, complexity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssvif.cli.arguments import Assignments, Device, Output, Pairs, SettingsText, Threads, Workers, check_sources
from ssvif.ops.errors import UserError


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
    check_sources("fuse", pairs, visible, infrared)
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
