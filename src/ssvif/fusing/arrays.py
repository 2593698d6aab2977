"""Images as programs hold them, NumPy arrays, Pillow images and torch tensors: to pixels, and back when fused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ssvif.fusing.fuser import Floats, to_levels
from ssvif.io.images import ORIENTATION, drop_alpha, pixels_of, upright

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pictures:
    """The images of one argument.

    Attributes:
        pixels: one by one, (H,W) or (H,W,3) RGB; uint8, uint16 or float32.
        remake: as many fused images (H,W,3) in [0,1] → what the caller gave, fused.
        stacked: whether the caller gave one array or tensor of several images.
    """

    pixels: list[NDArray[Any]]
    remake: Callable[[Sequence[Floats]], Any]
    stacked: bool = False


def take_apart(name: str, images: Any, stacked: bool | None = None) -> Pictures:
    """Return the images of an argument.

    Args:
        name: of the argument, for messages.
        images: an array (H,W), (H,W,C) or (B,H,W,C) of uint8, uint16 or floats; a tensor (H,W), (C,H,W) or
            (B,C,H,W); a Pillow image; or a list of such of one image each. C is 1 or 3, with alpha 2 or 4.
        stacked: whether an array of three axes is (B,H,W); None if that cannot be.

    Raises:
        TypeError: it is of another kind.
        ValueError: it is of another shape.
    """
    if isinstance(images, (list, tuple)):
        parts = [take_apart(f"{name}[{i}]", each) for i, each in enumerate(images)]
        if any(part.stacked for part in parts):
            raise ValueError(f"{name}: a list is of single images, not of batches")
        return Pictures(
            [part.pixels[0] for part in parts],
            lambda fused: [part.remake([each]) for part, each in zip(parts, fused, strict=True)],
        )
    if isinstance(images, Pillow.Image):
        turned = upright(pixels_of(images), images.getexif().get(ORIENTATION, 1))
        return Pictures([np.ascontiguousarray(turned)], lambda fused: Pillow.fromarray(to_levels(fused[0])))
    if _is_tensor(images):
        return _of_tensor(name, images, stacked)
    if isinstance(images, np.ndarray):
        return _of_array(name, images, stacked)
    raise TypeError(f"{name}: expected NumPy arrays, Pillow images or torch tensors, got {type(images).__name__}")


def _is_tensor(value: object) -> TypeGuard[torch.Tensor]:
    """Return whether a value is a tensor, without importing torch."""
    found = sys.modules.get("torch")
    return found is not None and isinstance(value, found.Tensor)


def _of_array(name: str, images: NDArray[Any], stacked: bool | None) -> Pictures:
    """Take apart an array (H,W), (H,W,C), (B,H,W) or (B,H,W,C)."""
    dtype = images.dtype
    if dtype.kind != "f" and dtype not in (np.uint8, np.uint16):
        raise TypeError(f"{name}: expected uint8, uint16 or floats, got {dtype}")
    several = images.ndim == 4 or (images.ndim == 3 and stacked is True)
    singles = [_checked(name, each) for each in (images if several else [images])]
    plain = [each.astype(np.float32) if dtype.kind == "f" else each for each in singles]

    def remake(fused: Sequence[Floats]) -> NDArray[Any]:
        made = [to_dtype(each, dtype) for each in fused]
        return np.stack(made) if several else made[0]

    return Pictures(plain, remake, several)


def _of_tensor(name: str, images: torch.Tensor, stacked: bool | None) -> Pictures:
    """Take apart a tensor (H,W), (C,H,W), (B,H,W) or (B,C,H,W) as an array with channels last."""
    import torch

    held = images.detach().cpu()
    if held.is_floating_point() and held.dtype != torch.float64:
        held = held.float()  # NumPy has no bfloat16
    channels = held.ndim == 4 or (held.ndim == 3 and not stacked)
    pictures = _of_array(name, (held.movedim(-3, -1) if channels else held).numpy(), stacked)

    def remake(fused: Sequence[Floats]) -> torch.Tensor:
        made = torch.from_numpy(pictures.remake(fused)).movedim(-1, -3)
        return made.contiguous().to(images.device, images.dtype)

    return Pictures(pictures.pixels, remake, pictures.stacked)


def _checked(name: str, image: NDArray[Any]) -> NDArray[Any]:
    """Return an image (H,W) or (H,W,3) of one that may have a single channel or alpha."""
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (2,), (3,), (4,)) or not image.size:
        raise ValueError(f"{name}: expected an image with 1 or 3 channels, got shape {image.shape}, channels last")
    return np.ascontiguousarray(drop_alpha(image))


def to_dtype(fused: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert floats (H,W,3) in [0,1] to another type: integers fill their range, rounded half up."""
    if dtype == np.uint8:
        return to_levels(fused)
    if dtype == np.uint16:
        return (fused.astype(np.float64) * np.iinfo(np.uint16).max + 0.5).astype(np.uint16)
    return fused.astype(dtype)
