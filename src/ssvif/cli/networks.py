"""The verbs of fusion networks: stage-one, train, export, complexity, models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssvif.cli.arguments import (
    DataRoot,
    Device,
    Devices,
    Infrared,
    Job,
    Nodes,
    Output,
    PairingOptions,
    Pairs,
    Reading,
    Visible,
    check_packed,
    with_options,
)
from ssvif.io.errors import UserError
from ssvif.schema import FUSION_NETWORKS, PACKAGED_MODELS

if TYPE_CHECKING:
    from ssvif.training.options import TrainingOptions

PAPER_TABLE = Path("config/experiments/paper.tsv")


@with_options
def stage_one(
    pairs: Pairs,
    output: Annotated[Path, typer.Option(help="File to write, .safetensors; its record lies beside it.")],
    state: Annotated[Path | None, typer.Option(help="File of the training state; default: OUTPUT with .pt.")] = None,
    devices: Devices = 1,
    nodes: Nodes = 1,
    *,
    job: Job,
) -> None:
    """Train stage I alone, for several trainings that differ in stage II only (`ssvif train --stage-one`).

    Settings are those of `ssvif train`; what only stage II reads does not matter. An interrupted training is resumed.
    """
    from ssvif.ops.processes import joined
    from ssvif.training.loop import train_stage_one
    from ssvif.training.options import TrainingOptions

    options, state = job.options(TrainingOptions()), state or output.with_suffix(".pt")
    with job.leased_device() as device, joined():
        train_stage_one(pairs, output, state, options=options, device=device, workers=job.workers)
    typer.echo(f"stage I: ssvif train --pairs {pairs} --stage-one {output}")


@with_options
def train(
    output: Output,
    pairs: Annotated[Path | None, typer.Option(help="HDF5 file of `ssvif pack`.")] = None,
    visible: Visible = None,
    infrared: Infrared = None,
    only: Annotated[Path | None, typer.Option(help="Pairs to use: a file of `ssvif check --fix-list`.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Discard the training that OUTPUT holds.")] = False,
    stage_one: Annotated[Path | None, typer.Option(help="File of `ssvif stage-one` to go on from.")] = None,
    state: Annotated[Path | None, typer.Option(help="File of the training state; default: OUTPUT/state.pt.")] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(help="tensorboard or dvclive: curves while it trains, in OUTPUT/NAME; may be repeated."),
    ] = None,
    devices: Devices = 1,
    nodes: Nodes = 1,
    *,
    reading: Reading,
    pairing: PairingOptions,
    job: Job,
) -> None:
    """Train a fusion network on unlabeled pairs; an interrupted training is resumed.

    The default settings are the paper's with --pairs, and suit a few hundred pairs with --visible and --infrared.
    """
    from ssvif.training.options import TrainingOptions
    from ssvif.training.trackers import check_trackers, open_trackers

    check_trackers(track or [])
    own_only = ("--only",) * bool(only) + ("--overwrite",) * overwrite
    check_packed("train", pairs, visible, infrared, options=reading.given + pairing.given + own_only)
    state = state or output / "state.pt"
    if stage_one and not pairs:
        raise UserError("ssvif train --stage-one needs --pairs", remedy="leave it out: stage I is then trained first")
    if not pairs and devices * nodes > 1:
        raise UserError(
            "ssvif train with several processes needs --pairs",
            remedy="pack the pairs first: `ssvif split` and `ssvif pack` with a copy of config/datasets/folder.yaml",
        )
    if not pairs:
        from dataclasses import asdict

        from ssvif.data.prepare import begin_training, find_own_pairs, pack_own_pairs

        options = _own_options(job)
        rules = reading.rules(pairing.both_in_one or "")
        own = find_own_pairs(visible, infrared, only=only, pairing=pairing.pairing())
        data = own.digest(rules, reading.alignment)
        if not begin_training(output, state, settings=asdict(options), data=data, overwrite=overwrite):
            typer.echo(f"{output / 'model.safetensors'} is up to date: trained with these settings and pairs")
            return
        counts = pack_own_pairs(
            own,
            output,
            seed=options.seed,
            alignment=reading.alignment,
            rules=rules,
            crop_px=options.crop_px,
            least_crop_px=options.least_crop_px,
        )
        typer.echo(", ".join(f"{count} {name}" for name, count in counts.items()))
        pairs = output / "pairs.h5"
    else:
        options = job.options(TrainingOptions())
    from ssvif.ops.processes import joined
    from ssvif.training.loop import train as run

    with job.leased_device() as device, joined(), open_trackers(track or [], output) as on_epoch:
        run(
            pairs,
            output,
            state,
            options=options,
            device=device,
            workers=job.workers,
            stage_one=stage_one,
            on_epoch=on_epoch,
        )
    named = f" --network {options.fusion_model}" if ":" in options.fusion_model else ""
    typer.echo(f"trained: ssvif fuse VISIBLE INFRARED --model {output / 'model.safetensors'}{named}")


def _own_options(job: Job) -> TrainingOptions:
    """Return the settings for own pairs; the first stage keeps its share of another number of epochs."""
    from dataclasses import replace

    from ssvif.config.options import override
    from ssvif.config.settings import OWN_PAIRS
    from ssvif.training.options import TrainingOptions

    defaults = override(TrainingOptions(), OWN_PAIRS)
    options = job.options(defaults)
    if options.epochs != defaults.epochs:
        first = max(1, min(options.epochs - 1, round(options.epochs * defaults.stage_one_max_epochs / defaults.epochs)))
        scaled = replace(defaults, stage_one_min_epochs=first, stage_one_max_epochs=first)
        options = job.options(scaled)
    return options


def export(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="Network: fast (default), accurate, or a file.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("model.onnx"),
    form: Annotated[str, typer.Option("--format", help="onnx or torch; default: by the suffix of OUTPUT.")] = "",
    network: Annotated[
        str, typer.Option(help="MODEL is a released checkpoint of this network, or of your own package.module:Class.")
    ] = "",
) -> None:
    """Export a network for images of any size to ONNX or torch.export, and compare the file with the network.

    Of `fast` and `accurate` the package holds the ONNX file, which is copied: that needs no PyTorch.
    """
    from ssvif.fusing.load import has_torch
    from ssvif.models.names import find_model, read_header

    name = str(model or PACKAGED_MODELS[0])
    if name in PACKAGED_MODELS and not network and form in ("", "onnx") and output.suffix.lower() == ".onnx":
        from shutil import copyfile

        from ssvif.io.files import write_aside

        if (held := find_model(model).with_suffix(".onnx")).is_file():
            with write_aside(output) as aside:
                copyfile(held, aside)
            typer.echo(f"{output}: the ONNX file of {name} in the package, {output.stat().st_size / 1e6:.1f} MB")
            return
    if not has_torch():
        raise UserError(
            "ssvif export needs PyTorch, which is not installed",
            remedy="pip install 'ssvif[onnx]', or in the project's folder: pip install '.[onnx]'",
        )
    from ssvif.fusing.export import SUFFIXES, describe, export_model
    from ssvif.io.files import sha256_of
    from ssvif.models.published import load_published
    from ssvif.models.registry import load_fusion_model

    released = network and ":" not in network
    if released and not model:
        raise UserError(f"The released network {network!r} needs a checkpoint", remedy="pass its path as MODEL")
    path = model if model and released else find_model(model)
    if released:
        loaded, header = load_published(network, path), {"fusion_model": network}
    else:
        loaded, header = load_fusion_model(path, network), read_header(path)
    form = form or next((each for each, suffix in SUFFIXES.items() if suffix == output.suffix.lower()), "onnx")
    name = header.pop("fusion_model")
    facts = describe(loaded, name, header) | ({"weights_sha256": sha256_of(path)} if path.is_file() else {})
    worst = export_model(loaded, output, facts=facts, form=form)
    size_mb = output.stat().st_size / 1e6
    typer.echo(
        f"{output}: {name}, {loaded.channels} channels, {size_mb:.1f} MB; differs from PyTorch by at most {worst:.1e}"
    )


def complexity(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...", help="Names or package.module:Class, MODEL/3 for three channels; default: ssvif's."
        ),
    ] = None,
    height: Annotated[int, typer.Option(help="Height in pixels.", min=1)] = 256,
    width: Annotated[int, typer.Option(help="Width in pixels.", min=1)] = 256,
    channels: Annotated[list[int] | None, typer.Option(help="1 or 3; default: both.")] = None,
    device: Device = "auto",
    published: Annotated[Path | None, typer.Option(help="The paper's Table IV; default: that of the project.")] = None,
    output: Annotated[Path | None, typer.Option(help="CSV file to write too.")] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Skip networks that cannot be measured.")] = False,
) -> None:
    """Count parameters, multiply-accumulates and peak memory of fusion networks, beside the paper's Table IV."""
    from ssvif.io.device import lease_device
    from ssvif.judging.cost import measure, read_published, to_text, write_complexity
    from ssvif.models.names import channel_choices

    wanted = dict.fromkeys(
        pair for text in models or FUSION_NETWORKS for pair in _with_channels(text, channels or channel_choices(text))
    )
    rows = []
    with lease_device(device) as leased:
        for name, each in wanted:
            try:
                rows.append(measure(name, each, height, width, leased))
            except UserError as error:
                if not keep_going:
                    raise
                typer.echo(f"skipped: {error}", err=True)
    default = Path("config/published/efficiency.csv")  # absent where somebody counts a network outside the project
    paper = published or (default if default.is_file() else None)
    typer.echo(to_text(rows, read_published(paper) if paper else {}))
    if output:
        write_complexity(output, rows)


def models(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A network, for where it comes from.")] = "",
    checkpoint: Annotated[
        Path | None, typer.Argument(metavar="[CHECKPOINT]", help="A released file or folder of it, to be checked.")
    ] = None,
    experiments: Annotated[Path, typer.Option(help="Table whose rows say where checkpoints lie.")] = PAPER_TABLE,
    data_root: DataRoot = Path("data"),
) -> None:
    """List the fusion networks, or say which checkpoint of one to get and where to put it, and check one you have."""
    from ssvif.config.runs import checkpoints_of
    from ssvif.judging.overview import check_checkpoint, describe_network, list_networks

    name = name.casefold() if name.casefold() in FUSION_NETWORKS else name
    places = checkpoints_of(experiments, data_root) if experiments.is_file() else {}
    if not name:
        typer.echo(list_networks(places))
    elif checkpoint is None:
        typer.echo(describe_network(name, places.get(name)))
    else:
        typer.echo(check_checkpoint(name, checkpoint))


def _with_channels(text: str, channels: Sequence[int]) -> list[tuple[str, int]]:
    name, _, count = text.rpartition("/")
    return [(name, int(count))] if name and re.fullmatch("[0-9]{1,9}", count) else [(text, each) for each in channels]
