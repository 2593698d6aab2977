"""Settings of the self-supervised training. Imports no torch, so that the configuration can use it."""

from __future__ import annotations

import math
from dataclasses import dataclass

FRAMEWORKS = ("ssvif", "fusion_only")
WEIGHTINGS = ("gdwa", "fixed", "dwa", "ucw", "segmif", "gradnorm")
STAGES = ("two", "one")
PSEUDO_LABEL_KINDS = ("soft", "hard")
INITIALIZATIONS = ("default", "scaled")
GDWA_FORMS = ("ratio", "share")
STRUCTURAL_SHARES = ("gradient", "equal")
PRECISIONS = ("float32", "bfloat16")
WEIGHTS = ("intensity_weight", "gradient_weight", "structural_weight", "color_weight")
POSITIVE = (
    "learning_rate",
    "fixed_alpha",
    "temperature",
    "label_temperature",
    "preference_fusion",
    "preference_consistency",
    "gradnorm_learning_rate",
)
SMALLEST_SEEN_PX = 32
SEGMENTERS = ("b0", "b1", "b2", "b3", "b4", "b5")

# not stated in the paper: the report marks them, so that nobody takes them for the paper's
ASSUMED: dict[str, str] = {
    "classes": "K; Table VI adopts its second row, which we read as 15",
    "color_weight": "λ₄; Table VII adopts the middle of three ascending values, whose numbers are lost",
    "learning_rate": "the printed number is lost; 2e-5 (SwinFusion's) is the other candidate",
    "crop_px": "the printed number is lost; SwinFusion's, whose schedule the paper follows",
    "temperature": "DWA's value",
    "consistency": "soft and detached pseudo labels",
    "gdwa_form": "Eq. 2 has one weight, on the second term: α = w_consistency / w_fusion",
    "structural_shares": "as in SwinFusion's released loss",
    "balance": "the term is not in the paper; 0 leaves it out",
    "label_temperature": "sharpening is not in the paper; 1 leaves it out",
    "consistency_window": "windows within crops are not in the paper; 1 leaves them out",
}
# the same, for what is no setting
ASSUMED_CONSTANTS: dict[str, str] = {
    "segmentation head": "width 64, BatchNorm and ReLU after each 3×3",
    "Dice loss": "ε = 1, sums over the batch",
    "color loss": "mean |ΔCb| + mean |ΔCr|, BT.601",
    "augmentation": "random crops, flips left-right and top-bottom",
    "early stopping": "counts anew at the switch; a run that stalls in stage I moves on to stage II",
    "segmentation": "learning rates 1e-4 and, unfrozen, 1e-5 unless set; patience counts once unfrozen",
}


# for one's own few hundred pairs: an hour or two on two CPU cores, minutes on a GPU. Ours, not the paper's
OWN_PAIRS: dict[str, object] = {
    "segmenter": "b0",
    "epochs": 56,
    "patience": 56,
    "stage_one_min_epochs": 42,
    "stage_one_max_epochs": 42,
    "batch_size": 4,
    "crop_px": 64,
    "learning_rate": 1e-3,
    "color_weight": 60.0,
    "initialization": "scaled",
    "balance": 1.0,
    "label_temperature": 0.5,
    "every_n_steps": 4,
}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What decides the weights of a trained run, besides its data.

    Attributes:
        fusion_model: a name in `ssvif.models.names.FUSION_MODELS` or `package.module:Class`.
        framework: "ssvif", or "fusion_only" (no segmentation branches; Table III, row iii).
        weighting: how consistency is weighed against fusion: "gdwa" (Eq. 7), "fixed", "dwa", "ucw", "segmif"
            (Table III, row ii) or "gradnorm".
        consistency: "soft" or "hard" pseudo labels.
        stages: "two" (fusion first, then jointly) or "one" (jointly from the start; Table III, row iv).
        classes: K of the pseudo label.
        channels: 3 (color) or 1 (luma; Table VIII).
        intensity_weight: λ₁ of Eq. 3.
        gradient_weight: λ₂ of Eq. 3.
        structural_weight: λ₃ of Eq. 3.
        color_weight: λ₄ of Eq. 3.
        structural_shares: weights of the sources in the structural term, "gradient" or "equal".
        initialization: "default" (PyTorch's, as the released networks) or "scaled" (ours, for short trainings).
        balance: weight of the entropy term against collapse; 0 is the paper's loss.
        label_temperature: of soft pseudo labels; 1 is the paper's, below 1 sharpens them.
        consistency_window: side of a random window of each crop, as a share of the crop's, on which the branches
            must agree; 1 is the whole crop, as the paper has it.
        segmenter: SegFormer size of the pixel branch, "b0" to "b5".
        epochs: most epochs, both stages together.
        patience: epochs without a better validation loss before stopping.
        stage_one_min_epochs: epochs before stage I may end.
        stage_one_max_epochs: epochs after which stage I ends in any case; 0 sets no limit.
        batch_size: pairs a step.
        crop_px: side of the random training crop.
        learning_rate: Adam's, constant.
        fixed_alpha: α of the fixed weighting.
        temperature: T of GDWA's and DWA's softmax over descent rates.
        gdwa_form: α as the "ratio" of GDWA's weights or as consistency's "share".
        every_n_steps: GDWA and GradNorm measure the two gradients at every n-th step.
        preference_fusion: SegMiF's factor on the fusion loss.
        preference_consistency: SegMiF's factor on the consistency loss.
        gradnorm_asymmetry: GradNorm's exponent of the relative training rate.
        gradnorm_learning_rate: of GradNorm's weights.
        seed: of weights, order, crops and flips.
        precision: "float32", or "bfloat16" autocast in the networks.
    """

    fusion_model: str = "seafusion"
    framework: str = "ssvif"
    weighting: str = "gdwa"
    consistency: str = "soft"
    stages: str = "two"
    classes: int = 15
    channels: int = 3
    intensity_weight: float = 20.0
    gradient_weight: float = 20.0
    structural_weight: float = 10.0
    color_weight: float = 20.0
    structural_shares: str = "gradient"
    initialization: str = "default"
    balance: float = 0.0
    label_temperature: float = 1.0
    consistency_window: float = 1.0
    segmenter: str = "b3"
    epochs: int = 110
    patience: int = 10
    stage_one_min_epochs: int = 1
    stage_one_max_epochs: int = 0
    batch_size: int = 10
    crop_px: int = 128
    learning_rate: float = 1e-4
    fixed_alpha: float = 0.1
    temperature: float = 2.0
    gdwa_form: str = "ratio"
    every_n_steps: int = 1
    preference_fusion: float = 0.4
    preference_consistency: float = 0.8
    gradnorm_asymmetry: float = 1.5
    gradnorm_learning_rate: float = 0.025
    seed: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        choices = {
            "framework": FRAMEWORKS,
            "weighting": WEIGHTINGS,
            "consistency": PSEUDO_LABEL_KINDS,
            "stages": STAGES,
            "structural_shares": STRUCTURAL_SHARES,
            "segmenter": SEGMENTERS,
            "initialization": INITIALIZATIONS,
            "gdwa_form": GDWA_FORMS,
            "precision": PRECISIONS,
            "channels": (1, 3),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}")
        for name in ("epochs", "patience", "batch_size", "crop_px", "every_n_steps", "stage_one_min_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite")
        for name in (*WEIGHTS, "balance", "stage_one_max_epochs", "gradnorm_asymmetry"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and not negative")
        if not 0 < self.consistency_window <= 1:
            raise ValueError("consistency_window must be above 0 and at most 1")
        if self.framework == "ssvif" and round(self.crop_px * self.consistency_window) < SMALLEST_SEEN_PX:
            raise ValueError(f"crop_px times consistency_window must be at least {SMALLEST_SEEN_PX}, SegFormer's least")
        if self.classes < 2:
            raise ValueError("classes must be at least 2")

    def fusion_weights(self) -> dict[str, float]:
        """Return λ₁..λ₄ of Eq. 3 by the names of the loss terms."""
        return {
            "intensity": self.intensity_weight,
            "gradient": self.gradient_weight,
            "structural": self.structural_weight,
            "color": self.color_weight,
        }

    def task_preference(self) -> dict[str, float]:
        """Return SegMiF's factors by the names of the tasks."""
        return {"fusion": self.preference_fusion, "consistency": self.preference_consistency}
