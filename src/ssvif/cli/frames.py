"""The verbs that fuse: pairs of one's own or the packed pairs of the workflow, and the same in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssvif.cli.arguments import OF_EACH, Device, Threads
from ssvif.io.errors import UserError

if TYPE_CHECKING:
    from ssvif.fusing.pipeline import FrameOptions
    from ssvif.fusing.select import Choice

AUTO_TILE = "auto"
MOST_PX = 1_000_000_000  # of one image


def fuse(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VISIBLE INFRARED]", help="Two images, two folders, two quoted patterns, or two videos."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Image or video by its suffix, else a folder; of --pairs a folder.")
    ] = Path("fused"),
    pairs: Annotated[Path | None, typer.Option(help="Instead of sources: HDF5 file of `ssvif pack`.")] = None,
    model: Annotated[Path | None, typer.Option(help="Fuse with this network; ssvif's own when left out.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Or with a released checkpoint of --network.")] = None,
    network: Annotated[str, typer.Option(help="Whose checkpoint: swinfusion, seafusion, emma, sage.")] = "",
    inference: Annotated[
        str,
        typer.Option(
            help="Pad, stretch and round as this network's authors: plain, swinfusion, seafusion, emma, sage."
        ),
    ] = "",
    baseline: Annotated[str, typer.Option(help="Or fuse by: average, maximum, visible, infrared.")] = "",
    images: Annotated[Path | None, typer.Option(help="Or take another method's images, for --pairs.")] = None,
    color: Annotated[str, typer.Option(help="rgb: the network's colors; ycbcr: visible's chroma.")] = "",
    infrared_range: Annotated[str, typer.Option(help="What becomes black and white: " + OF_EACH)] = "auto",
    visible_range: Annotated[str, typer.Option(help="The same of visible images: " + OF_EACH)] = "full",
    resize: Annotated[
        str, typer.Option(help="Which of two sizes gives way: infrared, visible, or error.")
    ] = "infrared",
    alignment: Annotated[Path | None, typer.Option(help="File of `ssvif align`, for cameras side by side.")] = None,
    batch: Annotated[int, typer.Option(help="Pairs at a time; 0 leaves it to the device.", min=0)] = 0,
    tile: Annotated[
        str, typer.Option(help="Side of tiles in pixels; auto for large images only; 0 never.")
    ] = AUTO_TILE,
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    fps: Annotated[float, typer.Option(help="Frames per second of a video made of images.", min=0.01)] = 25.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Fuse again what the folder holds already.")] = False,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Fuse visible and infrared: ssvif fuse VISIBLE INFRARED -o OUTPUT."""
    from ssvif.fusing.pipeline import FrameOptions
    from ssvif.fusing.select import Choice
    from ssvif.pairs.alignment import read_alignment
    from ssvif.pairs.pair import Rules
    from ssvif.pairs.ranges import parse_rule

    choice = Choice(
        model=model,
        checkpoint=checkpoint,
        network=network,
        baseline=baseline,
        inference=inference,
        precision=precision,
        device=device,
        threads=threads,
    )
    rules = Rules(
        visible_range=parse_rule("--visible-range", visible_range),
        infrared_range=parse_rule("--infrared-range", infrared_range),
        resize=resize,
        alignment=read_alignment(alignment) if alignment else None,
    )
    options = FrameOptions(rules=rules, batch=batch, tile=_parse_tile(tile), color=color, overwrite=overwrite, fps=fps)
    if pairs:
        _fuse_packed(pairs, images, output, choice, options, sources)
    else:
        _fuse_own(sources or [], output, choice, options, images)


def app(
    model: Annotated[Path | None, typer.Option(help="Offer this network too, first in the list.")] = None,
    port: Annotated[
        int, typer.Option(help="Of this computer; 0: the first free one from 7860 on.", min=0, max=65535)
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    device: Device = "auto",
) -> None:
    """Fuse by drag and drop, in a browser on this computer."""
    from ssvif.app.server import serve

    serve(model, port=port, browser=browser, device=device)


def _fuse_own(sources: list[str], output: Path, choice: Choice, options: FrameOptions, images: Path | None) -> None:
    if images:
        raise UserError("ssvif fuse --images needs --pairs, which says what images there should be")
    if len(sources) != 2:
        raise UserError(
            "ssvif fuse needs two sources, or --pairs",
            expected="VISIBLE INFRARED: two images, two folders, two quoted patterns, or two videos",
            got=f"{len(sources)}" + (", as if a pattern had not been quoted" if len(sources) > 2 else ""),
            remedy="for instance: ssvif fuse 'cam/*_vis.png' 'cam/*_ir.png' -o fused",
        )
    from PIL import Image

    from ssvif.fusing.select import open_fuser
    from ssvif.fusing.session import check_call, fuse_sources

    Image.MAX_IMAGE_PIXELS = MOST_PX // 2  # Pillow's own limit, of which it allows twice, is for strangers' pictures
    visible, infrared = sources
    check_call(visible, infrared, output, options)
    identity = choice.identity()
    with open_fuser(choice) as fuser:
        fuse_sources(visible, infrared, output, fuser, options, identity)


def _fuse_packed(
    pairs: Path,
    images: Path | None,
    output: Path,
    choice: Choice,
    options: FrameOptions,
    sources: list[str] | None,
) -> None:
    from ssvif.fusing import packed as fusion
    from ssvif.fusing.method_images import collect_images
    from ssvif.fusing.pipeline import FrameOptions
    from ssvif.io.device import lease_device, prepare_cpu
    from ssvif.models.published import load_published
    from ssvif.models.registry import load_fusion_model
    from ssvif.models.shipped import shipped_model

    if sources:
        raise UserError("ssvif fuse takes --pairs, or VISIBLE and INFRARED, not both")
    if options != FrameOptions() or choice.precision != "float32":
        raise UserError(
            "ssvif fuse --pairs takes packed pairs as they are",
            expected="none of --color, --infrared-range, --visible-range, --resize, --alignment, --batch, --tile, "
            "--precision, --fps, --overwrite",
        )
    if images:
        if choice.model or choice.checkpoint or choice.baseline:
            raise UserError("ssvif fuse takes one of --model, --checkpoint, --baseline and --images")
        if output.resolve() == images.resolve():  # the output replaces what its folder held
            raise UserError(f"{output} is read and would be replaced", remedy="choose another output folder")
        collect_images(pairs, images, output)
        return
    prepare_cpu(choice.threads)
    with lease_device("cpu" if choice.baseline else choice.device) as leased:
        if choice.baseline:
            fuser = fusion.baseline_fuser(choice.baseline)
        else:
            network, checkpoint = choice.network, choice.checkpoint
            own = None if checkpoint else choice.model or shipped_model()
            loaded = load_fusion_model(own) if own else load_published(network, checkpoint or Path())
            fuser = fusion.model_fuser(loaded, leased, choice.inference or network or "plain")
        fusion.fuse_pairs(pairs, output, fuser)


def _parse_tile(text: str) -> int:
    from ssvif.fusing.engine import AUTO

    if text == AUTO_TILE:
        return AUTO
    if not text.isdecimal():
        raise UserError(f"--tile {text!r} is no number of pixels", expected="auto | 0 | PIXELS")
    return int(text)
