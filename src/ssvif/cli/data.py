"""The verbs that make pairs: scenes, split, pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssvif.cli.arguments import DataRoot, Dataset, Output, Seed, parse_pair, read_descriptor
from ssvif.ops.errors import UserError


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

    descriptor = read_descriptor(dataset)
    limits = dict(_parse_limit(each) for each in limit or [])
    counts = split_dataset(descriptor, data_root / descriptor.folder, output, seed=seed, limit=limits)
    typer.echo(", ".join(f"{count} {name}" for name, count in counts.items()))


def pack(
    dataset: Dataset,
    splits: Annotated[Path, typer.Option(help="The splits.csv of `ssvif split`.")],
    output: Output,
    data_root: DataRoot = Path("data"),
) -> None:
    """Pack the pairs that splits.csv lists into one HDF5 file."""
    from ssvif.data.pack import pack_pairs

    descriptor = read_descriptor(dataset)
    pack_pairs(descriptor, data_root / descriptor.folder, splits, output)


def _parse_limit(text: str) -> tuple[str, int]:
    name, number = parse_pair(text, "SPLIT=N")
    if not number.isdigit():
        raise UserError(f"--limit {text!r}: {number!r} is not a number of pairs")
    return name, int(number)
