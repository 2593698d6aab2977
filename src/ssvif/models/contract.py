"""Whether a network keeps the contract of `FusionModel`, and what to do where one of the user's own does not."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable

import torch

from ssvif.io.errors import UserError, counted
from ssvif.models.base import FusionModel, blank_pair, join_features

TRIAL_SIZE = (69, 77)  # odd, so that a network which needs even sides is found out at once
EASY_SIZE = (64, 96)  # multiples of 32, which a network that does not pad takes too
SET_MULTIPLE = "return H×W, the inputs' size; a network that pads to multiples of 8, say, sets `multiple = 8`"
PAD = "set `multiple`, and in `backbone` pad with `ssvif.ops.shapes.pad_to_multiple`; SSVIF cuts off what is beyond H×W"
ONLY_COLOR = "or raise ValueError where `channels` is 1, and count the cost with `ssvif complexity --channels 3`"


@torch.no_grad()
def check_contract(model: FusionModel, height: int, width: int, device: torch.device) -> None:
    """Check a network's sizes against what `FusionModel` promises, by a pair (1,C,H,W); device "meta" computes nothing.

    Raises:
        UserError: the fused image has other channels than the inputs, or is smaller than they are or larger than
            padding explains, or the features are not `feature_channels` maps with a feature for each pixel.
    """
    name = type(model).__name__
    features = model.backbone(*blank_pair(model, height, width, device))
    fused = model.decoder(features)
    if fused.shape[:-2] != (1, model.channels):
        raise UserError(
            f"{name}'s image has the wrong number of channels",
            expected=f"(1, {model.channels}, {height}, {width}) from `decoder`",
            got=str(tuple(fused.shape)),
            remedy="return as many channels as the inputs have: the last layer makes `channels` of them",
        )
    most = [-(-side // model.multiple) * model.multiple for side in (height, width)]
    # of an image larger than padding makes it, `crop` would keep the upper left part
    large = fused.shape[-2] > most[0] or fused.shape[-1] > most[1]
    if large or fused.shape[-2] < height or fused.shape[-1] < width:
        raise UserError(
            f"{name} changes the image's size",
            expected=f"(1, {model.channels}, {height}, {width}) from `decoder`, at most {most[0]}×{most[1]} if padded",
            got=str(tuple(fused.shape)),
            remedy=SET_MULTIPLE if large else "return H×W, the inputs' size",
        )
    joined = join_features(features)
    small = joined.shape[-2] < height or joined.shape[-1] < width
    if joined.shape[:-2] != (1, model.feature_channels) or small:
        raise UserError(
            f"{name}'s features do not have the shape it declares",
            expected=f"(1, {model.feature_channels}, {height}, {width}), the first map's size or more",
            got=str(tuple(joined.shape)),
            remedy="set `feature_channels` to the channels of all maps together, and return the finest map first",
        )


def build_own(name: str, found: Callable[..., FusionModel], channels: int) -> FusionModel:
    """Return a network of the user's own, tried on a pair of odd sides.

    Raises:
        UserError: it cannot be built, or does not keep the contract; with the line of the user's file and a remedy.
    """
    try:
        model = found(channels=channels)
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        raise _explain(
            error,
            found,
            f"{name} cannot be built for {counted(channels, 'channel')}",
            _building_remedy(found, channels),
        ) from error
    _check_attributes(name, model, channels)
    height, width = (max(side, model.smallest) for side in TRIAL_SIZE)
    try:
        _try(model, height, width)
    except (Exception, SystemExit) as error:
        what = f"{name} cannot fuse a pair of {height}×{width} with {counted(channels, 'channel')}"
        remedy = _fusing_remedy(model, found, channels)
        if not isinstance(error, UserError):
            raise _explain(error, found, what, remedy) from error
        raise (error.replace(remedy=PAD) if remedy == PAD and error.remedy != SET_MULTIPLE else error) from None
    return model.train()


def _try(model: FusionModel, height: int, width: int) -> None:
    check_contract(model.eval(), height, width, torch.device("cpu"))


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (Exception, SystemExit):
        return False
    return True


def _explain(error: BaseException, found: Callable[..., FusionModel], what: str, remedy: str) -> UserError:
    """Return the error for what a user's code raised, at the last line of the user's file that was running."""
    file = getattr(sys.modules.get(found.__module__), "__file__", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = f" ({file}, line {own[-1].lineno})" if own else ""
    return UserError(
        what,
        expected="what docs/own_model.md asks of a network",
        got=f"{type(error).__name__}: {error}{line}",
        remedy=remedy or ("correct this line" if line else "return the features of `backbone`, the image of `decoder`"),
    )


def _building_remedy(found: Callable[..., FusionModel], channels: int) -> str:
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        return f"define {' and '.join(f'`{each}`' for each in missing)} in the class"
    try:
        inspect.signature(found).bind(channels=channels)
    except TypeError:
        return "let the constructor take `channels`, and give all else a default: def __init__(self, channels: int = 3)"
    if channels == 1 and _works(lambda: found(channels=3)):
        return f"build its layers for `channels`, {ONLY_COLOR}"
    return ""


def _check_attributes(name: str, model: FusionModel, channels: int) -> None:
    for attribute, remedy in (
        ("channels", "set `self.channels = channels` in the constructor"),
        ("feature_channels", "set `feature_channels` in the class: the channels of what `backbone` returns"),
    ):
        if not isinstance(getattr(model, attribute, None), int):
            raise UserError(f"{name} has no number `{attribute}`", remedy=remedy)
    if model.channels != channels:
        raise UserError(
            f"{name} was built for {counted(channels, 'channel')}, and its `channels` is {model.channels}",
            remedy=f"set `self.channels = channels`, {ONLY_COLOR}",
        )


def _fusing_remedy(model: FusionModel, found: Callable[..., FusionModel], channels: int) -> str:
    """Return what helps a network that failed on `TRIAL_SIZE`, found by what it succeeds in; "" if that is nothing."""
    height, width = (-(-model.smallest // side) * side for side in EASY_SIZE)
    if _works(lambda: _try(model, height, width)):
        return PAD
    if channels == 1 and _works(lambda: _try(found(channels=3), height, width)):
        return f"build its layers for `channels` instead of 3, {ONLY_COLOR}"
    return ""
