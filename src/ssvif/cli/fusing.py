"""The verbs that fuse: fuse, app."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssvif.cli.arguments import (
    Device,
    Infrared,
    PairingOptions,
    Reading,
    ShardText,
    Threads,
    Visible,
    output_path,
    with_options,
)
from ssvif.io.errors import UserError
from ssvif.pairs.shard import WHOLE, Shard
from ssvif.schema import INFERENCE_NAMES, PUBLISHED_MODELS, ColorMode, Depth, Precision

if TYPE_CHECKING:
    from ssvif.fusing.fuser import FuseOptions
    from ssvif.fusing.load import FuserSpec
    from ssvif.pairs.pair import Rules
    from ssvif.pairs.pairing import Pairing
    from ssvif.pairs.sources import Source

MOST_PX = 1_000_000_000  # of one image
FPS = 25.0

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="[VISIBLE INFRARED]", help="Two images, two folders, two quoted patterns, or two videos."),
]
FusedOutput = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        parser=output_path,
        metavar="<path>",
        help="Image or video by its suffix, otherwise a folder; --pairs: a folder.",
    ),
]
PackedPairs = Annotated[Path | None, typer.Option(help="HDF5 file of `ssvif pack`, instead of VISIBLE INFRARED.")]
Model = Annotated[Path | None, typer.Option(help="Network: fast (default), accurate (SeAFusion's, slower), or a file.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Released checkpoint of --network, a file or a folder.")]
Network = Annotated[
    str,
    typer.Option(help=f"Network of --checkpoint: {', '.join(PUBLISHED_MODELS)}; of --model: package.module:Class."),
]
Inference = Annotated[
    str,
    typer.Option(help=f"Whose padding, stretching and rounding to use: {', '.join(INFERENCE_NAMES)}."),
]
Baseline = Annotated[str, typer.Option(help="Fuse without a network: average, maximum, visible or infrared.")]
MethodImages = Annotated[Path | None, typer.Option(help="With --pairs: another method's images, instead of fusing.")]
Color = Annotated[ColorMode | None, typer.Option(help="rgb: the network's colors; ycbcr: the visible image's chroma.")]
Batch = Annotated[int, typer.Option(help="Pairs to fuse at once; 0: chosen for the device, with --pairs 1.", min=0)]
Tile = Annotated[
    str, typer.Option(help="Side of tiles in pixels; 0: no tiles; auto: for large images only, with --pairs none.")
]
PrecisionName = Annotated[Precision, typer.Option(help="Floating-point precision of the network.")]
DepthText = Annotated[Depth, typer.Option(help="Bits of each channel; 16 are written as TIFF.")]
FramesPerSecond = Annotated[
    float, typer.Option(help="Frames per second of a video made from images.", min=0.01, max=1000)
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace images that the output folder already holds; --pairs always does."),
]


@with_options
def fuse(
    sources: Sources = None,
    output: FusedOutput = Path("fused"),
    pairs: PackedPairs = None,
    model: Model = None,
    checkpoint: Checkpoint = None,
    network: Network = "",
    inference: Inference = "",
    baseline: Baseline = "",
    images: MethodImages = None,
    color: Color = None,
    batch: Batch = 0,
    tile: Tile = "auto",
    precision: PrecisionName = "float32",
    depth: DepthText = "8",
    fps: FramesPerSecond = FPS,
    visible: Visible = None,
    infrared: Infrared = None,
    overwrite: Overwrite = False,
    shard: ShardText = "",
    device: Device = "auto",
    threads: Threads = 0,
    *,
    reading: Reading,
    pairing: PairingOptions,
) -> None:
    """Fuse visible and infrared images or videos: ssvif fuse VISIBLE INFRARED -o OUTPUT."""
    from ssvif.fusing.fuser import WHOLE_IMAGES, FuseOptions
    from ssvif.fusing.load import FuserSpec, open_fuser

    if images and not pairs:
        raise UserError("ssvif fuse --images needs --pairs, whose pairs the images belong to")
    if sum(map(bool, (model, checkpoint, baseline, images))) > 1:
        raise UserError("ssvif fuse takes only one of --model, --checkpoint, --baseline and --images")
    own = ":" in network
    if bool(model if own else checkpoint) != bool(network):
        missing = "--network" if checkpoint else "--model" if own else "--checkpoint"
        raise UserError(
            f"ssvif fuse takes --checkpoint and --network together; {missing} is missing",
            expected="--checkpoint FILE --network NAME, or --model FILE --network package.module:Class",
        )
    if sources and (visible or infrared):  # whose order would not be known
        raise UserError("ssvif fuse takes VISIBLE INFRARED, or --visible and --infrared, not both")
    sources = sources or [each for each in (visible, infrared) if each]
    spec = FuserSpec(
        path=checkpoint or model,
        network=network,
        baseline=baseline,
        inference=inference,
        precision=precision,
        device=device,
        threads=threads,
        channels_last=not pairs,
    )
    rules = reading.rules(pairing.both_in_one or "")
    default = WHOLE_IMAGES if pairs else FuseOptions()
    side = _tile_side(tile, default.tile)
    options = FuseOptions(batch=batch or default.batch, tile=side, color=color or "", depth=int(depth))
    part = Shard.parse(shard) if shard else WHOLE
    if pairs:
        _check_packed(sources, rules, pairing, fps, options)
        _fuse_packed(pairs, images, output, spec, options, part)
    else:
        from ssvif.fusing.command import fuse_source

        source = _open_own(sources, output, pairing.pairing(), options.depth)  # wrong paths are told before all else
        identity = spec.identity()
        with open_fuser(spec) as fuser:
            fuse_source(source, rules, output, fuser, options, identity, overwrite=overwrite, fps=fps, shard=part)


def app(
    model: Annotated[Path | None, typer.Option(help="Network to offer first: fast, accurate, or a file.")] = None,
    network: Annotated[str, typer.Option(help="Class of MODEL's network, if your own: package.module:Class.")] = "",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0: the first free one from 7860.", min=0, max=65535)
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    device: Device = "auto",
) -> None:
    """Fuse by drag and drop in a local browser page."""
    from ssvif.app.server import serve

    serve(model, network, port=port, browser=browser, device=device)


def _tile_side(tile: str, default: int) -> int:
    if tile == "auto":
        return default
    if not re.fullmatch("[0-9]{1,9}", tile):
        raise UserError(f"--tile {tile!r} is not a number of pixels", expected="auto | 0 | PIXELS")
    return int(tile)


def _check_packed(sources: list[str], rules: Rules, pairing: PairingOptions, fps: float, options: FuseOptions) -> None:
    from ssvif.pairs.pair import Rules

    if sources:
        raise UserError("ssvif fuse takes --pairs, or VISIBLE and INFRARED, not both")
    if rules != Rules() or fps != FPS or pairing.given:
        raise UserError(
            "ssvif fuse --pairs takes neither --infrared-range, --visible-range, --resize, --alignment nor "
            "--fps, and no option for pairing",
            expected="none of these: packed pairs are aligned, of one size and 8 bits, and become no video",
            remedy="pass the alignment and the ranges to `ssvif pack`",
        )
    if options.depth != 8:
        raise UserError(
            "ssvif fuse --pairs writes images of 8 bits, which all later steps read",
            remedy="leave out --depth, or fuse the images themselves, VISIBLE INFRARED",
        )


def _fuse_packed(
    pairs: Path, images: Path | None, output: Path, spec: FuserSpec, options: FuseOptions, shard: Shard
) -> None:
    from ssvif.fusing.fuser import WHOLE_IMAGES
    from ssvif.fusing.load import open_fuser
    from ssvif.fusing.method_images import collect_images
    from ssvif.fusing.packed import fuse_packed

    if not images:
        with open_fuser(spec) as fuser:
            fuse_packed(pairs, output, fuser, options, shard)
        return
    if options != WHOLE_IMAGES or spec.inference or spec.precision != "float32":
        raise UserError(
            "ssvif fuse --images uses the images unchanged",
            expected="none of --batch, --tile, --color, --inference and --precision",
        )
    collect_images(pairs, images, output, shard)


def _open_own(sources: list[str], output: Path, pairing: Pairing, depth: int) -> Source:
    from PIL import Image

    from ssvif.fusing.outputs import check_output
    from ssvif.pairs.sources import open_source

    wanted = 0 if pairing.listed else 1 if pairing.both_in_one else 2
    if len(sources) != wanted:
        raise UserError(
            f"ssvif fuse needs {('no source', 'one source', 'two sources')[wanted]}, or --pairs",
            expected="VISIBLE INFRARED: two images, two folders, two quoted patterns, or two videos; one of these with "
            "--both-in-one, none with --pair-list",
            got=f"{len(sources)}",
            remedy="quote patterns, for instance: ssvif fuse 'cam/*_vis.png' 'cam/*_ir.png' -o fused; "
            "if each file holds both sides, pass --both-in-one",
        )
    Image.MAX_IMAGE_PIXELS = MOST_PX // 2  # Pillow allows twice its limit, which is meant for files from strangers
    visible, infrared, *_ = *sources, "", ""
    source = open_source(visible, infrared, pairing)
    check_output(output, *sources, depth=depth)
    return source
