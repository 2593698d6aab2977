"""Fusion from within a program: `from ssvif import load_model, fuse`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.fusing.arrays import take_apart
from ssvif.fusing.engine import AUTO, batch_size, fuse_floats
from ssvif.fusing.fuser import BASELINES, Floats, Fuser
from ssvif.fusing.select import Choice, load_fuser
from ssvif.io.images import RawImage
from ssvif.pairs.pair import Pair, Rules, make_pair, to_gray
from ssvif.pairs.ranges import Rule, parse_rule, sequence_range
from ssvif.schema import COLORS, RESIZES

if TYPE_CHECKING:
    import torch

log = logging.getLogger("ssvif")

Level = TypeVar("Level", bound=np.generic)
One = TypeVar("One", NDArray[Any], Image.Image, "torch.Tensor")
Range = str | tuple[float, float]
LEAST_UNIT, MOST_UNIT = -0.5, 1.5  # floats beyond were never meant as [0,1], overshoot of a resampling included


def load_model(
    path: str | os.PathLike[str] | None = None,
    *,
    device: str = "auto",
    precision: str = "float32",
    network: str = "",
    inference: str = "",
) -> Fuser:
    """Return a fusion that is ready to be used by `fuse`, as often as wanted.

    Args:
        path: of a network (.safetensors, or .onnx, for which torch is not imported); or "average", "maximum",
            "visible" or "infrared"; None for the network that comes with ssvif.
        device: "auto" (a GPU if there is one), "cpu", "cuda", or another that torch knows.
        precision: "float32" or "bfloat16".
        network: `path` is a released checkpoint of "swinfusion", "seafusion", "emma" or "sage".
        inference: whose script to follow, of `ssvif.models.names.INFERENCES`; "" is "plain", or for a released
            checkpoint its authors'.

    Raises:
        UserError: the file is missing, damaged or not one of ours, or a name or the device is unknown.
    """
    baseline = path if isinstance(path, str) and path in BASELINES else ""
    file = Path(path) if path is not None and not baseline else None
    choice = Choice(
        model=None if network else file,
        checkpoint=file if network else None,
        network=network,
        baseline=baseline,
        inference=inference,
        precision=precision,
        device=device,
    )
    return load_fuser(choice)


@cache
def _default_model() -> Fuser:
    return load_model()


@overload
def fuse(
    visible: NDArray[Level],
    infrared: Any,
    model: Fuser | None = None,
    *,
    color: str = "",
    visible_range: Range = "full",
    infrared_range: Range = "auto",
    resize: str = "infrared",
    tile: int = AUTO,
    batch: int = 0,
) -> NDArray[Level]: ...


@overload
def fuse(
    visible: One,
    infrared: Any,
    model: Fuser | None = None,
    *,
    color: str = "",
    visible_range: Range = "full",
    infrared_range: Range = "auto",
    resize: str = "infrared",
    tile: int = AUTO,
    batch: int = 0,
) -> One: ...


@overload
def fuse(
    visible: Sequence[One],
    infrared: Sequence[Any],
    model: Fuser | None = None,
    *,
    color: str = "",
    visible_range: Range = "full",
    infrared_range: Range = "auto",
    resize: str = "infrared",
    tile: int = AUTO,
    batch: int = 0,
) -> list[One]: ...


def fuse(
    visible: Any,
    infrared: Any,
    model: Fuser | None = None,
    *,
    color: str = "",
    visible_range: Range = "full",
    infrared_range: Range = "auto",
    resize: str = "infrared",
    tile: int = AUTO,
    batch: int = 0,
) -> Any:
    """Fuse visible and infrared images by the rules of `ssvif fuse`.

    Args:
        visible: a NumPy array (H,W), (H,W,3) or (B,H,W,3) of uint8, uint16 or floats; a torch tensor (H,W), (3,H,W)
            or (B,3,H,W) of the same types; a Pillow image; or a list of single ones, whose sizes may differ.
        infrared: as many images, of any of these kinds; several may come as (B,H,W), and colored ones count as
            their luma.
        model: of `load_model`; None for the network that comes with ssvif, which is loaded once.
        color: "rgb" for the network's own colors, "ycbcr" for its luma with visible's chroma; "" is rgb for a
            network of three channels, and ycbcr for one.
        visible_range: what becomes 0 and 1: "full" (all that the type holds), "percentile" (1st to 99th of each
            image), "sequence" (of all images of the call together), or (low, high).
        infrared_range: the same; "auto" is "full" for 8 bits and floats, "percentile" for 16 bits. Floats are
            meant to be in [0,1]; for temperatures give "percentile", "sequence" or (low, high).
        resize: which image gives way where sizes differ: "infrared", "visible", or "error" for neither.
        tile: side of tiles in pixels; -1 for large images only, 0 never.
        batch: pairs of one size that are fused at once; 0 leaves it to the device.

    Returns:
        What `visible` is: the same kind, type and device, always RGB, of visible's size (of infrared's with
        resize="visible"). Floats are in [0,1]. Nothing is differentiable; to train, call the network itself.

    Raises:
        TypeError: an argument is no image, or of integers other than uint8 and uint16.
        ValueError: shapes or numbers of images do not fit, or floats are far from [0,1].
        UserError: sizes differ by more than a common factor, or an option is unknown.
    """
    bright = take_apart("visible", visible)
    warm = take_apart("infrared", infrared, bright.stacked)
    if not (bright.pixels or isinstance(visible, (list, tuple))):
        raise ValueError("visible: there is no image in it")
    if len(bright.pixels) != len(warm.pixels):
        raise ValueError(f"{len(bright.pixels)} visible but {len(warm.pixels)} infrared images")
    for name, value, known in (("resize", resize, RESIZES), ("color", color, COLORS)):
        if value not in known:
            raise ValueError(f"{name}: expected {' | '.join(filter(None, known))}, got {value!r}")
    rules = Rules(
        visible_range=_rule("visible", visible_range, bright.pixels),
        infrared_range=_rule("infrared", infrared_range, list(map(to_gray, warm.pixels))),
        resize=resize,
    )
    fuser = _default_model() if model is None else model
    if isinstance(fuser, (str, os.PathLike)):
        raise TypeError(f"model: expected what load_model returns, got {fuser!r}; say load_model({str(fuser)!r})")
    pairs = list(_pairs(bright.pixels, warm.pixels, rules))
    fused: list[Floats] = []
    for group in _groups(fuser, pairs, batch):
        fused += fuse_floats(fuser, group, tile=tile, color=color)
    return bright.remake(fused)


def _rule(name: str, given: Range, images: Sequence[NDArray[Any]]) -> Rule:
    """Return the rule of `ops.ranges` for the images of an argument."""
    if not isinstance(given, str) and not (isinstance(given, (tuple, list)) and len(given) == 2):
        raise ValueError(f"{name}_range: expected a word or (low, high), got {given!r}")
    rule = parse_rule(f"{name}_range", given if isinstance(given, str) else f"{given[0]}:{given[1]}")
    if rule == "sequence":
        return sequence_range(images)
    if rule in ("auto", "full"):
        for each in images:
            _check_unit(name, each)
    return rule


def _check_unit(name: str, image: NDArray[Any]) -> None:
    if image.dtype.kind != "f":
        return
    finite = image[np.isfinite(image)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    if low < LEAST_UNIT or high > MOST_UNIT:
        raise ValueError(
            f"{name}: floats are expected in [0,1], got {low:g} to {high:g}; "
            f"say what becomes 0 and 1 with {name}_range, for instance 'percentile' or (low, high)"
        )


def _pairs(bright: Sequence[NDArray[Any]], warm: Sequence[NDArray[Any]], rules: Rules) -> Iterator[Pair]:
    said: set[str] = set()
    for i, (left, right) in enumerate(zip(bright, warm, strict=True)):
        pair = make_pair(f"pair {i}", RawImage(left), RawImage(right), _for_floats(rules, right))
        for kind, sentence in pair.notes:
            if kind not in said:
                log.warning("%s (said once)", sentence)
                said.add(kind)
        yield pair


def _for_floats(rules: Rules, infrared: NDArray[Any]) -> Rules:
    # files of floats hold temperatures, arrays of floats within a program mostly what networks take
    floats = rules.infrared_range == "auto" and infrared.dtype.kind == "f"
    return replace(rules, infrared_range="full") if floats else rules


def _groups(fuser: Fuser, pairs: Sequence[Pair], batch: int) -> Iterator[list[Pair]]:
    """Yield neighbours of one size, as many at once as suits."""
    for size, same in groupby(pairs, key=lambda pair: pair.size):
        listed = list(same)
        count = batch_size(fuser, size, batch)
        yield from (listed[start : start + count] for start in range(0, len(listed), count))
