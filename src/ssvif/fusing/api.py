"""Fusion from within a program: `from ssvif import load_model, fuse`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ssvif.fusing.fuser import AUTO, Floats, FuseOptions, Fuser
from ssvif.fusing.load import FuserSpec, load_fuser
from ssvif.fusing.pipeline import fuse_pairs
from ssvif.io.errors import UserError
from ssvif.io.images import ORIENTATION, RawImage, drop_alpha, pixels_of, upright
from ssvif.pairs.alignment import Alignment, read_alignment
from ssvif.pairs.pair import LEAST_UNIT, MOST_UNIT, Rules, make_pair
from ssvif.pairs.ranges import Rule, parse_rule, to_levels
from ssvif.pairs.sequence import check_depths, depth_name, with_sequence
from ssvif.schema import BASELINES, COLOR_MODES, RESIZES, SIDES

if TYPE_CHECKING:
    import torch

Images = TypeVar("Images")  # fused images have the type of the visible ones
ORDERS = ("rgb", "bgr")
RangeLike = str | tuple[float, float]


def load_model(
    path: str | os.PathLike[str] | None = None,
    *,
    device: str = "auto",
    precision: str = "float32",
    network: str = "",
    inference: str = "",
) -> Fuser:
    """Return a fuser for `fuse`, to be used as often as wanted.

    Args:
        path: "fast" or "accurate", the networks that come with ssvif; file of another one (.safetensors, or .onnx, for
            which torch is not imported); or "average", "maximum", "visible" or "infrared"; None for "fast".
        device: "auto" (a GPU if there is one), "cpu", "cuda", or another that torch knows.
        precision: "float32" or "bfloat16".
        network: `path` is a released checkpoint of one of `ssvif.schema.PUBLISHED_MODELS`, a file or a folder of files,
            or holds a network of your own, "package.module:Class"; a file alone never decides what is imported.
        inference: whose script to follow: "plain", one of these networks, "timfusion_stored" or "segmif_luma"
            (docs/workflow.md, "Released checkpoints"); "" is "plain", or for a released checkpoint that of its authors.

    Raises:
        UserError: the file is missing, damaged or not of ssvif, or a name or the device is unknown.
    """
    baseline = path if isinstance(path, str) and path in BASELINES else ""
    spec = FuserSpec(
        path=None if path is None or baseline else Path(path),
        network=network,
        baseline=baseline,
        inference=inference,
        precision=precision,
        device=device,
    )
    return load_fuser(spec)


_load_once = cache(load_model)


def fuse(
    visible: Images,
    infrared: Any,
    model: Fuser | None = None,
    *,
    color: str = "",
    visible_range: RangeLike = "full",
    infrared_range: RangeLike = "auto",
    resize: str = "infrared",
    alignment: Alignment | str | os.PathLike[str] | None = None,
    tile: int = AUTO,
    batch: int = 0,
    order: str = "rgb",
) -> Images:
    """Fuse visible and infrared images by the rules of `ssvif fuse`.

    Args:
        visible: a NumPy array (H,W), (H,W,3) or (B,H,W,3) of uint8, uint16 or floats; a torch tensor (H,W), (3,H,W)
            or (B,3,H,W) of the same types; a Pillow image; or a list of single ones, whose sizes may differ. NaN, and
            what is masked in floats, is missing and becomes black.
        infrared: as many images, of any of these kinds; several may come as (B,H,W), and colored ones are converted
            to luma.
        model: of `load_model`; None for the network `fast`, which is loaded once.
        color: "rgb" for the network's own colors, "ycbcr" for its luma with the visible image's chroma; "" is rgb
            for networks with three channels and ycbcr for those with one.
        visible_range: what becomes 0 and 1: "full" (all that the type holds), "percentile" (1st to 99th of each
            image), "sequence" (of all images of the call together), or (low, high).
        infrared_range: the same; "auto" is "full" for 8 bits and floats, "percentile" for 16 bits. Floats are
            expected in [0,1]; for temperatures give "percentile", "sequence" or (low, high).
        resize: which image is resized where sizes differ: "infrared", "visible", or "error" for neither.
        alignment: the file of `ssvif align`, or what `read_alignment` made of it, for cameras whose images do not lie
            on each other. Beyond what the infrared camera sees the visible image is kept.
        tile: side of tiles in pixels; -1 for large images only, 0 never.
        batch: pairs of one size that are fused at once; 0 leaves it to the device.
        order: of the channels of arrays and tensors, given and returned: "rgb", or "bgr" as in OpenCV.

    Returns:
        What `visible` is: the same kind, type and device, always of three channels, of visible's size (of infrared's
        with resize="visible"). Floats are in [0,1]. Nothing is differentiable; to train, call the network itself.

    Raises:
        TypeError: an argument is no image, or has integers other than uint8 and uint16.
        ValueError: shapes or numbers of images do not fit, floats are far outside [0,1], or an option is unknown.
        UserError: the two images of a pair differ in shape, images that shall have one range are of several depths,
            a range cannot be read, or the alignment cannot be or is of other sizes.
    """
    colors = _unpack("visible", visible, order)
    grays = _unpack("infrared", infrared, order, colors.stacked)
    if not (colors.pixels or isinstance(visible, (list, tuple))):
        raise ValueError("visible: expected at least one image")
    if len(colors.pixels) != len(grays.pixels):
        raise ValueError(f"{len(colors.pixels)} visible but {len(grays.pixels)} infrared images")
    for name, value, known in (("resize", resize, RESIZES), ("color", color, COLOR_MODES), ("order", order, ORDERS)):
        if value not in known:
            raise ValueError(f"{name}: expected {' | '.join(filter(None, known))}, got {value!r}")
    asked = Rules(
        visible_range=_rule("visible", visible_range, colors.pixels),
        infrared_range=_rule("infrared", infrared_range, grays.pixels),
        resize=resize,
        alignment=read_alignment(Path(alignment)) if isinstance(alignment, (str, os.PathLike)) else alignment,
    )
    sides = dict(zip(SIDES, (colors.pixels, grays.pixels), strict=True))
    for side, images in sides.items():
        depths = [(f"pair {i}", depth_name(image.dtype)) for i, image in enumerate(images)]
        check_depths(side, asked.range_of(side), depths)
    rules = with_sequence(asked, lambda side: ((f"pair {i}", RawImage(each)) for i, each in enumerate(sides[side])))
    fuser = _load_once() if model is None else model
    if isinstance(fuser, (str, os.PathLike)):
        raise TypeError(f"model: expected what load_model returns, got {fuser!r}; call load_model({str(fuser)!r})")
    jobs = []
    for i, (left, right) in enumerate(zip(colors.pixels, grays.pixels, strict=True)):
        own = rules
        for side, image in zip(SIDES, (left, right), strict=True):
            # files of floats hold temperatures, arrays of floats in a program mostly what networks take
            if rules.range_of(side) == "auto" and image.dtype.kind == "f":
                own = own.with_range(side, "full")
        jobs.append((f"pair {i}", partial(make_pair, f"pair {i}", RawImage(left), RawImage(right), own)))
    fused = {}
    for result in fuse_pairs(jobs, fuser, FuseOptions(batch=batch, tile=tile, color=color, depth=32)):
        if isinstance(result, UserError):
            raise result
        fused[result[0]] = result[1]
    made: Images = colors.remake([fused[name] for name, _ in jobs])
    return made


def _rule(name: str, given: RangeLike, images: Sequence[NDArray[Any]]) -> Rule:
    """Return the range rule for the images (H,W) or (H,W,3) of an argument."""
    if not isinstance(given, str) and not (isinstance(given, (tuple, list)) and len(given) == 2):
        raise ValueError(f"{name}_range: expected a string or (low, high), got {given!r}")
    rule = parse_rule(f"{name}_range", given if isinstance(given, str) else f"{given[0]}:{given[1]}")
    for image in images if rule in ("auto", "full") else ():
        finite = image[np.isfinite(image)] if image.dtype.kind == "f" else image[:0]
        low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
        if low < LEAST_UNIT or high > MOST_UNIT:
            raise ValueError(
                f"{name}: expected floats in [0,1], got {low:g} to {high:g}; "
                f"for other values pass {name}_range, for instance 'percentile' or (low, high)"
            )
    return rule


@dataclass(frozen=True)
class _Images:
    """The images of one argument."""

    pixels: list[NDArray[Any]]  # one by one, (H,W) or (H,W,3) RGB; uint8, uint16 or float32
    remake: Callable[[Sequence[Floats]], Any]  # as many fused images (H,W,3) in [0,1] → the same as the caller's type
    stacked: bool = False  # whether the caller gave one array or tensor of several images


def _unpack(name: str, images: Any, order: str, stacked: bool = False) -> _Images:
    """Return the images of an argument: an array (H,W), (H,W,C) or (B,H,W,C), a tensor, a Pillow image, or a list.

    C is 1 or 3, with alpha 2 or 4. Where `stacked`, an array or tensor of three axes is (B,H,W).
    """
    torch = sys.modules.get("torch")  # there are no tensors where it was not imported
    if isinstance(images, (list, tuple)):
        parts = [_unpack(f"{name}[{i}]", each, order) for i, each in enumerate(images)]
        if any(part.stacked for part in parts):
            raise ValueError(f"{name}: expected a list of single images, not of batches")
        return _Images(
            [part.pixels[0] for part in parts],
            lambda fused: [part.remake([each]) for part, each in zip(parts, fused, strict=True)],
        )
    if isinstance(images, Pillow.Image):
        turned = upright(pixels_of(images), images.getexif().get(ORIENTATION, 1))
        return _Images([np.ascontiguousarray(turned)], lambda fused: Pillow.fromarray(to_levels(fused[0])))
    if torch and isinstance(images, torch.Tensor):
        return _unpack_tensor(name, images, order, stacked)
    if isinstance(images, np.ndarray):
        return _unpack_array(name, images, order, stacked)
    if images is None:
        raise TypeError(f"{name}: expected an image, got None, which cv2.imread returns for a file it cannot read")
    raise TypeError(f"{name}: expected NumPy arrays, Pillow images or torch tensors, got {type(images).__name__}")


def _unpack_array(name: str, images: NDArray[Any], order: str, stacked: bool) -> _Images:
    """Unpack an array (H,W), (H,W,C), (B,H,W) or (B,H,W,C)."""
    images = images.astype(images.dtype.newbyteorder("="), copy=False)
    dtype, floats = images.dtype, images.dtype.kind == "f"
    if isinstance(images, np.ma.MaskedArray):
        if not floats and np.ma.is_masked(images):
            raise TypeError(f"{name}: integers cannot be masked; pass floats, or an array of `images.filled(VALUE)`")
        images = images.filled(np.nan) if floats else images.data
    if not floats and dtype not in (np.uint8, np.uint16):
        raise TypeError(f"{name}: expected uint8, uint16 or floats, got {dtype}")
    several = images.ndim == 4 or (images.ndim == 3 and stacked)
    step = -1 if order == "bgr" else 1
    pixels = []
    for image in images if several else [images]:
        if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (2,), (3,), (4,)) or not image.size:
            raise ValueError(f"{name}: expected an image with 1 or 3 channels, got shape {image.shape}, channels last")
        image = drop_alpha(image)
        image = image[..., ::step] if image.ndim == 3 else image
        pixels.append(np.ascontiguousarray(image, np.float32 if floats else dtype))

    def remake(fused: Sequence[Floats]) -> NDArray[Any]:
        typed = (each.astype(dtype) if floats else to_levels(each, dtype.type) for each in fused)
        made = [np.ascontiguousarray(each[..., ::step]) for each in typed]
        return np.stack(made) if several else made[0]

    return _Images(pixels, remake, several)


def _unpack_tensor(name: str, images: torch.Tensor, order: str, stacked: bool) -> _Images:
    """Unpack a tensor (H,W), (C,H,W), (B,H,W) or (B,C,H,W) as an array with channels last."""
    import torch

    held = images.detach().cpu()
    if held.is_floating_point() and held.dtype != torch.float64:
        held = held.float()  # NumPy has no bfloat16
    channels = held.ndim == 4 or (held.ndim == 3 and not stacked)
    unpacked = _unpack_array(name, (held.movedim(-3, -1) if channels else held).numpy(), order, stacked)

    def remake(fused: Sequence[Floats]) -> torch.Tensor:
        made = torch.from_numpy(unpacked.remake(fused)).movedim(-1, -3)
        return made.contiguous().to(images.device, images.dtype)

    return replace(unpacked, remake=remake)
