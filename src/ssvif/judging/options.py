"""Settings of the judges that look at fused images. Imports no torch, so that configurations are checked at once.

A value out of range is a `pydantic.ValidationError`, which names the setting and the value.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from ssvif.io.validation import AtLeastOne, NotNegative, NotNegativeFloat, PositiveFloat
from ssvif.schema import ProbeLabels, SegFormerSize

SMALLEST_CROP_PX = 32


def _suffix(suffix: str) -> AfterValidator:
    def check(name: str) -> str:
        if name and not name.endswith(suffix):
            raise ValueError(f"must be a {suffix} file")
        return name

    return AfterValidator(check)


def _check_crop(crop: int) -> int:
    if 0 < crop < SMALLEST_CROP_PX:
        raise ValueError(f"must be 0 or at least {SMALLEST_CROP_PX}")
    return crop


def _check_folds(folds: int) -> int:
    if folds == 1:
        raise ValueError("must be 0, or 2 or more")
    return folds


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class SegmentationOptions:
    """Fine-tuning of SegFormer on fused images (paper, appendix A-B)."""

    size: SegFormerSize = Field(default="b3", description="SegFormer size; the paper uses B3")
    weights: Annotated[str, _suffix(".safetensors")] = Field(
        default="",
        description="file of initial weights; empty trains from scratch. The paper starts from SegMiF's model",
    )
    epochs: AtLeastOne = Field(default=80, description="most epochs")
    frozen_epochs: NotNegative = Field(
        default=30,
        description="epochs with a frozen backbone at the start; from scratch there are none, and learning_rate holds",
    )
    batch_size: AtLeastOne = Field(default=12, description="pairs a step")
    learning_rate: PositiveFloat = Field(default=1e-4, description="while the backbone is frozen (assumed)")
    unfrozen_learning_rate: PositiveFloat = Field(
        default=1e-5, description="after unfreezing (assumed); from the start when frozen_epochs is 0"
    )
    patience: AtLeastOne = Field(default=10, description="epochs without a better validation loss before stopping")
    crop: Annotated[NotNegative, AfterValidator(_check_crop)] = Field(
        default=0, description="side of the random training crop in pixels; 0 takes whole images"
    )
    seed: NotNegative = Field(default=0, description="of initial weights, order, crops and flips")


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class DetectionOptions:
    """Training of YOLO11n on fused images (paper, appendix B-C)."""

    model: Annotated[str, Field(min_length=1), _suffix(".yaml")] = Field(
        default="yolo11n.yaml", description="ultralytics' model file, built from scratch when weights is empty"
    )
    weights: Annotated[str, _suffix(".pt")] = Field(default="", description="a local .pt file to start from")
    epochs: AtLeastOne = Field(default=100, description="training epochs")
    batch_size: AtLeastOne = Field(default=16, description="images a step")
    # at 32 px the deepest map is one pixel, which BatchNorm cannot normalize in a batch of one
    image_size_px: int = Field(
        default=640, ge=64, multiple_of=32, description="side of the square that the detector sees; a multiple of 32"
    )
    nominal_batch_size: AtLeastOne = Field(
        default=64, description="images per update of the weights; gradients of smaller steps are summed up to it"
    )
    warmup_epochs: NotNegativeFloat = Field(
        default=3.0, description="epochs with a rising learning rate; ultralytics makes them at least 100 steps"
    )
    mosaic: float = Field(default=1.0, ge=0, le=1, description="probability of pasting four images into one")
    seed: NotNegative = Field(default=0, description="of everything random")


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class ProbeOptions:
    """A linear classifier on frozen ImageNet features of fused images; ours, not the paper's. Nothing is random."""

    folds: Annotated[NotNegative, AfterValidator(_check_folds)] = Field(
        default=0,
        description="0 fits on training and validation pairs and judges the test pairs; 2 or more judge every pair "
        "by a fit to the other folds, which share no neighboring frames with it",
    )
    labels: ProbeLabels = Field(
        default="auto",
        description="what the classifier learns: masks or boxes; auto takes masks where every judged pair has one",
    )
    scale: float = Field(default=0.5, gt=0, le=1, description="size of the image that the features see")
    cell_px: AtLeastOne = Field(default=8, description="side of a cell, which is one sample, in pixels of the image")
    shrinkage: PositiveFloat = Field(
        default=1e-2, description="share of the mean variance that is added to each variance of the features"
    )


JudgeOptions = SegmentationOptions | DetectionOptions | ProbeOptions
