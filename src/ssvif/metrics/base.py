"""Base of the fusion metrics: checked input, results that several metrics share, a description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch

from ssvif.ops.color import luma
from ssvif.schema import MEASURES

Result = TypeVar("Result")
Convention = Literal["both", "paper", "standard"]


class Triple:
    """A batch of visible, infrared and fused images, with a store for intermediate results that metrics share.

    All are (B,C,H,W) uint8, each with C 1 or 3.

    Raises:
        TypeError: an image is no tensor.
        ValueError: no images, another dtype or number of channels, or different sizes; the message names the image.
    """

    def __init__(self, visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor) -> None:
        self.visible, self.infrared, self.fused = visible, infrared, fused
        named = {"visible": visible, "infrared": infrared, "fused": fused}
        for name, image in named.items():
            if not isinstance(image, torch.Tensor):
                raise TypeError(f"{name}: expected a torch tensor, got {type(image).__name__}")
            if image.ndim != 4 or image.shape[1] not in (1, 3):
                raise ValueError(f"{name}: expected shape (B,1,H,W) or (B,3,H,W), got {tuple(image.shape)}")
            if image.dtype != torch.uint8:
                raise ValueError(f"{name}: expected uint8, got {image.dtype}; round x·255 half up first")
            if not image.numel():
                raise ValueError(f"{name}: no images, shape {tuple(image.shape)}")
        for name, image in named.items():
            if (image.shape[0], *image.shape[2:]) != (fused.shape[0], *fused.shape[2:]):
                raise ValueError(
                    f"{name} is {tuple(image.shape)} but fused is {tuple(fused.shape)}: "
                    "number and size must be equal (nothing is resized)"
                )
        self._shared: dict[Callable[[Triple], Any], Any] = {}

    def share(self, compute: Callable[[Triple], Result]) -> Result:
        """Return compute(self), computed at the first call only."""
        if compute not in self._shared:
            self._shared[compute] = compute(self)
        result: Result = self._shared[compute]
        return result


def lumas(images: Triple) -> torch.Tensor:
    """Return the BT.601 luma of visible, infrared and fused: (3,B,H,W) uint8."""
    return torch.stack([luma(each)[:, 0] for each in (images.visible, images.infrared, images.fused)])


def centred_lumas(images: Triple) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the lumas less their rounded means, and those means.

    Variances do not change, but their rounding errors shrink, and a constant image gets exactly 0.

    Returns:
        (B,3,H,W) and (B,3,1,1) float64, all of them whole numbers.
    """
    values = images.share(lumas).transpose(0, 1).to(torch.float64, memory_format=torch.contiguous_format)
    offsets = values.mean(dim=(2, 3), keepdim=True).round_()
    return values.sub_(offsets), offsets


@dataclass(frozen=True)
class Metric:
    """A fusion metric: call it with visible, infrared and fused (B,C,H,W) uint8, get (B,) float64."""

    compute: Callable[[Triple], torch.Tensor]  # the metric of a checked triple
    name: str  # in commands and files: the function's name
    title: str  # in tables, with the convention where there are two
    unit: str  # of its values; empty for a pure number
    better: Literal["up", "down"]
    smallest_side: int  # the least height and width in pixels it is defined for
    # of two metrics of one name: "paper", as published fusion tables need it, or "standard", as its source defines it
    convention: Convention = "both"

    def __call__(self, visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
        """Return the metric of every image, (B,) float64; see `of` for errors."""
        return self.of(Triple(visible, infrared, fused))

    def of(self, images: Triple) -> torch.Tensor:
        """Return the metric of every image of a triple, (B,) float64, sharing work with others.

        Raises:
            ValueError: the images are below the smallest side.
        """
        height, width = images.fused.shape[2:]
        if min(height, width) < self.smallest_side:
            raise ValueError(
                f"{self.title}: the images are {height}×{width}, the smallest side is {self.smallest_side}"
            )
        return self.compute(images)


def metric(
    *, smallest_side: int = 1, convention: Convention = "both"
) -> Callable[[Callable[[Triple], torch.Tensor]], Metric]:
    """Describe a function of a triple, one of `MEASURES` by its name, as a `Metric`; its docstring stays with it."""

    def describe(compute: Callable[[Triple], torch.Tensor]) -> Metric:
        name, measure = compute.__name__, MEASURES[compute.__name__]
        better: Literal["up", "down"] = "up" if measure.arrow == "↑" else "down"
        described = Metric(compute, name, measure.heading, measure.unit, better, smallest_side, convention)
        object.__setattr__(described, "__doc__", compute.__doc__)
        return described

    return describe
