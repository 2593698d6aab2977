"""Settings of the downstream trainings. Imports nothing heavy, so that configuration can read it."""

from __future__ import annotations

from dataclasses import dataclass

from ssvif.schema import SEGFORMER_SIZES


@dataclass(frozen=True, kw_only=True)
class SegmentationOptions:
    """Fine-tuning of SegFormer on fused images (paper, appendix A-B).

    Attributes:
        size: SegFormer size, "b0" to "b5"; the paper uses B3.
        weights: safetensors file with initial weights; empty trains from scratch. The paper starts
            from SegMiF's released model.
        epochs: most epochs.
        frozen_epochs: epochs with a frozen backbone at the start; 0 when training from scratch makes
            sense, since a random backbone is not worth freezing.
        batch_size: pairs a step.
        learning_rate: while the backbone is frozen (assumed).
        unfrozen_learning_rate: after unfreezing (assumed); from the start when `frozen_epochs` is 0.
        patience: epochs without a better validation loss before stopping.
        crop: side of the random training crop in pixels; 0 takes whole images.
        seed: of initial weights, order, crops and flips.

    Raises:
        ValueError: a value out of range, naming the setting.
    """

    size: str = "b3"
    weights: str = ""
    epochs: int = 80
    frozen_epochs: int = 30
    batch_size: int = 12
    learning_rate: float = 1e-4
    unfrozen_learning_rate: float = 1e-5
    patience: int = 10
    crop: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        sizes = ", ".join(SEGFORMER_SIZES)
        _require(self.size in SEGFORMER_SIZES, f"size must be one of {sizes}, got {self.size!r}")
        good = not self.weights or self.weights.endswith(".safetensors")
        _require(good, f"weights {self.weights!r} must be a .safetensors file")
        for name in ("epochs", "batch_size", "patience"):
            _require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "unfrozen_learning_rate"):
            _require(getattr(self, name) > 0, f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("frozen_epochs", "seed"):
            _require(getattr(self, name) >= 0, f"{name} must not be negative, got {getattr(self, name)}")
        _require(self.crop == 0 or self.crop >= 32, f"crop must be 0 or at least 32 pixels, got {self.crop}")


@dataclass(frozen=True, kw_only=True)
class DetectionOptions:
    """Training of YOLO11n on fused images (paper, appendix B-C).

    Attributes:
        model: ultralytics' model file, built from scratch when `weights` is empty.
        weights: a local `.pt` file to start from.
        epochs: training epochs.
        batch_size: images a step.
        image_size_px: side of the square the detector sees; a multiple of 32.
        nominal_batch_size: images per update of the weights; gradients of smaller steps are summed up to it.
        warmup_epochs: epochs with a rising learning rate; ultralytics makes them at least 100 steps.
        mosaic: probability of pasting four images into one.
        seed: of everything random.

    Raises:
        ValueError: a value out of range, naming the setting.
    """

    model: str = "yolo11n.yaml"
    weights: str = ""
    epochs: int = 100
    batch_size: int = 16
    image_size_px: int = 640
    nominal_batch_size: int = 64
    warmup_epochs: float = 3.0
    mosaic: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        good = self.model.endswith(".yaml")
        _require(good, f"model {self.model!r} must be a .yaml file; a .pt goes to `weights`")
        good = not self.weights or self.weights.endswith(".pt")
        _require(good, f"weights {self.weights!r} must be a .pt file")
        for name in ("epochs", "batch_size", "nominal_batch_size"):
            _require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        _require(self.warmup_epochs >= 0, f"warmup_epochs must not be negative, got {self.warmup_epochs}")
        _require(0 <= self.mosaic <= 1, f"mosaic must be from 0 to 1, got {self.mosaic}")
        side = self.image_size_px
        # at 32 px the deepest map is one pixel, which BatchNorm cannot normalise in a batch of one
        good = side >= 64 and side % 32 == 0
        _require(good, f"image_size_px must be a multiple of 32, at least 64, got {side}")
        _require(self.seed >= 0, f"seed must not be negative, got {self.seed}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
