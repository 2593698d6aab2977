"""The verbs about pairs: scenes, check, align, split, pack."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssvif.cli.arguments import (
    DataRoot,
    Dataset,
    Infrared,
    Output,
    PairingOptions,
    Reading,
    Seed,
    Visible,
    parse_pair,
    with_options,
)
from ssvif.io.errors import UserError

if TYPE_CHECKING:
    from ssvif.data.find import FoundDataset


def scenes(
    output: Output,
    train: Annotated[int, typer.Option(help="Number of training pairs.", min=1)] = 64,
    test: Annotated[int, typer.Option(help="Number of test pairs.", min=1)] = 16,
    height: Annotated[int, typer.Option(help="Height in pixels.", min=48)] = 128,
    width: Annotated[int, typer.Option(help="Width in pixels.", min=64)] = 160,
    seed: Seed = 0,
) -> None:
    """Generate a dataset of road scenes: registered pairs with exact labels and boxes."""
    from roadscenes.write import write_scenes
    from ssvif.io.files import report_full_disk
    from ssvif.io.progress import track

    sizes = {"train": train, "test": test, "height": height, "width": width}
    try:
        with report_full_disk(output):
            write_scenes(output, **sizes, seed=seed, progress=lambda jobs: track(jobs, "drawing scenes"))
    except ValueError as error:
        raise UserError(f"scenes: {error}", remedy="change that option, or `scenes` in the configuration") from error
    except FileExistsError as error:
        raise UserError(
            f"{output} {error.strerror}",
            expected="a new or empty folder, or one made by `ssvif scenes`",
            remedy="choose another output folder",
        ) from error
    except OSError as error:
        error.filename = str(output)  # not its temporary name
        raise
    typer.echo(f"{output}: {train} training pairs, {test} test pairs")


@with_options
def check(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder with subfolders such as vi and ir.")
    ] = None,
    visible: Visible = None,
    infrared: Infrared = None,
    dataset: Annotated[Path | None, typer.Option(help="Dataset descriptor; labels and boxes are checked too.")] = None,
    data_root: DataRoot = Path("data"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Measure the shift of 100 pairs only, not of up to 20,000.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="CSV file to write: every finding and every shift.")] = None,
    fix_list: Annotated[Path | None, typer.Option(help="CSV file to write: the good pairs, for `ssvif pack`.")] = None,
    seed: Seed = 0,
    *,
    reading: Reading,
    pairing: PairingOptions,
) -> None:
    """Check pairs for errors; exit status 1 if there are any."""
    from ssvif.inspecting.check import check_pairs, write_good_pairs
    from ssvif.inspecting.findings import write_findings

    found = _find_checked(folder, visible, infrared, dataset, data_root, pairing)
    rules = reading.rules(pairing.both_in_one or "")
    report = check_pairs(found, for_pack=bool(dataset) and not reading.converts, rules=rules, quick=quick)
    typer.echo("\n".join(report.lines()))
    if output:
        write_findings(output, [*report.findings, *report.measures()])
        typer.echo(f"{output}: every finding and every shift")
    if fix_list:
        counts = write_good_pairs(fix_list, report, seed)
        typer.echo(f"{fix_list}: {_counts(counts)}")
    if report.failed:
        raise typer.Exit(1)


def _find_checked(
    folder: Path | None,
    visible: str | None,
    infrared: str | None,
    dataset: Path | None,
    data_root: Path,
    pairing: PairingOptions,
) -> FoundDataset:
    """Return the pairs, from whichever way they were named."""
    from ssvif.config.files import load_descriptor
    from ssvif.data.find import find_dataset, find_sources
    from ssvif.inspecting.folders import recognise_folder

    own = bool(visible or infrared or pairing.pair_list)
    alone = bool(pairing.pair_list or pairing.both_in_one)
    if sum(map(bool, (folder, dataset, own))) != 1 or (bool(visible) != bool(infrared) and not alone):
        raise UserError("ssvif check needs one of DIR, --dataset, or --visible with --infrared")
    if own:
        return find_sources(visible, infrared, pairing=pairing.pairing())
    if pairing.given:
        raise UserError(f"ssvif check {', '.join(pairing.given)} need --visible and --infrared")
    if dataset:
        descriptor = load_descriptor(dataset)
        return find_dataset(descriptor, data_root / descriptor.folder)
    descriptor, root = recognise_folder(folder or Path())
    layout = descriptor.layouts[0]
    typer.echo(f"visible images: {root / layout.visible}, infrared images: {root / layout.infrared}")
    return find_dataset(descriptor, root)


@with_options
def align(
    output: Output,
    visible: Visible = None,
    infrared: Infrared = None,
    model: Annotated[
        str, typer.Option(help="Kind of transform: translation, similarity, affine or homography.")
    ] = "affine",
    pairs: Annotated[int, typer.Option(help="Number of pairs to use, evenly spaced.", min=1)] = 20,
    picture: Annotated[
        Path | None, typer.Option(help="PNG file to write: visible edges over infrared, before and after.")
    ] = None,
    *,
    pairing: PairingOptions,
) -> None:
    """Estimate the transform between the two images of a rigid camera pair, each side of one camera and size."""
    from ssvif.inspecting.align import align_folders

    found = align_folders(
        visible, infrared, output, model=model, most_pairs=pairs, picture=picture, pairing=pairing.pairing()
    )
    typer.echo(found)
    typer.echo(f"{output}: pass it as --alignment" + (f"; {picture}: before and after" if picture else ""))


def split(
    dataset: Dataset,
    output: Output,
    data_root: DataRoot = Path("data"),
    seed: Seed = 0,
    limit: Annotated[
        list[str] | None, typer.Option(help="SPLIT=N keeps at most N pairs of a split; may be repeated.")
    ] = None,
) -> None:
    """Write splits.csv, which assigns each pair to training, validation or test."""
    from ssvif.config.files import load_descriptor
    from ssvif.data.split import split_dataset

    descriptor = load_descriptor(dataset)
    limits = dict(_parse_limit(each) for each in limit or [])
    counts = split_dataset(descriptor, data_root / descriptor.folder, output, seed=seed, limit=limits)
    typer.echo(f"{output}: {_counts(counts)}")


@with_options
def pack(
    dataset: Dataset,
    splits: Annotated[Path, typer.Option(help="The splits.csv of `ssvif split`.")],
    output: Output,
    data_root: DataRoot = Path("data"),
    *,
    reading: Reading,
) -> None:
    """Pack the pairs that splits.csv lists into one HDF5 file.

    Images of more than 8 bits and pairs of two sizes need --infrared-range, --visible-range or --resize.
    """
    from ssvif.config.files import load_descriptor
    from ssvif.data.pack import describe_found, pack_pairs
    from ssvif.data.packed import PairsFile

    descriptor = load_descriptor(dataset)
    rules = reading.rules() if reading.converts else None
    root = data_root / descriptor.folder
    found = pack_pairs(descriptor, root, splits, output, alignment=reading.alignment, rules=rules)
    for sentence in describe_found(found):
        typer.echo(sentence)
    packed = PairsFile(output)
    typer.echo(f"{output}: {_counts({split: len(packed.names(split)) for split in packed.splits()})}")


def _counts(pairs: Mapping[str, int]) -> str:
    """Return how many pairs each split has, as text."""
    return ", ".join(f"{count} {split}" for split, count in pairs.items()) + " pairs"


def _parse_limit(text: str) -> tuple[str, int]:
    name, number = parse_pair(text, "SPLIT=N")
    if not re.fullmatch("[0-9]{1,9}", number):
        raise UserError(f"--limit {text!r}: {number!r} is not a number of pairs")
    return name, int(number)
