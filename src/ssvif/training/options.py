"""Settings of the self-supervised training. Imports no torch, so that configurations are checked at once."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, replace
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from ssvif.io.errors import UserError
from ssvif.io.validation import AtLeastOne, NotNegative, NotNegativeFloat, PositiveFloat
from ssvif.models.names import initial_digest, network_fingerprint
from ssvif.schema import (
    ConsistencyName,
    DiceEpsilon,
    FrameworkName,
    GdwaForm,
    Initialization,
    KeptEpoch,
    Precision,
    Schedule,
    SegFormerSize,
    Stages,
    StructuralShares,
    WeightingName,
)

SMALLEST_SEEN_PX = 32  # side of the smallest image that SegFormer takes

# what stage I does not read: trainings that differ in these alone share it. One that is forgotten here is shared less
STAGE_TWO = (
    "framework",
    "weighting",
    "consistency",
    "classes",
    "balance",
    "label_temperature",
    "consistency_window",
    "consistency_margin_px",
    "consistency_augment",
    "centered_logits",
    "logit_temperature",
    "entropy_weight",
    "segmenter",
    "branch_learning_rate",
    "dice_epsilon",
    "fixed_alpha",
    "temperature",
    "gdwa_form",
    "gradient_share",
    "every_n_steps",
    "preference_fusion",
    "preference_consistency",
    "gradnorm_asymmetry",
    "gradnorm_learning_rate",
)
STAGE_TWO_CODE = (  # modules that it does not use
    "ssvif.data.labelled_view",
    "ssvif.losses.consistency",
    "ssvif.models.segmentation",
    "ssvif.ops.augment",
    "ssvif.training.consistency_tasks",
    "ssvif.training.diagnostics",
    "ssvif.training.gradients",
    "ssvif.training.pseudo_label_pictures",
    "ssvif.training.weighting.gradient_based",
    "ssvif.training.weighting.loss_based",
)

# a number may come as text, from a table of experiments or from --set
Channels = Annotated[Literal[1, 3], BeforeValidator(lambda given: int(given) if str(given) in ("1", "3") else given)]


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class TrainingOptions:
    """The settings that, together with the data, determine a trained run. The defaults are the paper's protocol.

    Raises:
        pydantic.ValidationError: a value out of range; names the setting and the value.
    """

    fusion_model: str = Field(default="seafusion", description="name of a fusion model, or package.module:Class")
    framework: FrameworkName = Field(
        default="ssvif",
        description="fusion_only has no segmentation branches (Table III, row iii); supervised, ours and a control, "
        "trains them on the dataset's label maps, or on its boxes as such",
    )
    weighting: WeightingName = Field(
        default="gdwa", description="how consistency is weighed against fusion: Eq. 7, or one of Table III, row ii"
    )
    consistency: ConsistencyName = Field(
        default="soft",
        description="the paper's task with a soft or a hard pseudo label; ours against collapse: mutual_information, "
        "sinkhorn, distribution_alignment; ours as negative controls: random_clusters, random_gradient",
    )
    stages: Stages = Field(
        default="two", description="fusion first, then jointly; or jointly from the start (Table III, row iv)"
    )
    dice_epsilon: DiceEpsilon = Field(
        default="both",
        description="where the Dice loss adds ε = 1: to numerator and denominator, which lets a class die at no cost, "
        "or to the denominator alone, where each dead class costs 1/K",
    )
    classes: int = Field(default=15, ge=2, description="K of the pseudo label")
    channels: Channels = Field(default=3, description="3 (color) or 1 (luma; Table VIII)")
    intensity_weight: NotNegativeFloat = Field(default=20.0, description="λ₁ of Eq. 3")
    gradient_weight: NotNegativeFloat = Field(default=20.0, description="λ₂ of Eq. 3")
    structural_weight: NotNegativeFloat = Field(default=10.0, description="λ₃ of Eq. 3")
    color_weight: NotNegativeFloat = Field(default=20.0, description="λ₄ of Eq. 3")
    structural_shares: StructuralShares = Field(
        default="gradient", description="weights of the two sources in the structural term"
    )
    initialization: Initialization = Field(
        default="default",
        description="PyTorch's, as the released networks; or ours: scaled, for short trainings; maximum, with which the"
        " network at first returns the maximum of both images (seafusion and lite); accurate or fast, the weights of a"
        " trained network in the package, whose fusion_model and channels it takes",
    )
    balance: NotNegativeFloat = Field(
        default=0.0, description="weight of the entropy term against collapse of the pseudo label; the paper has none"
    )
    label_temperature: PositiveFloat = Field(
        default=1.0,
        description="of soft pseudo labels; 1 is the paper's, below 1 sharpens them; for sinkhorn, SwAV's ε",
    )
    consistency_window: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="side of a random window of each crop, as a share of the crop's, on which the branches must agree",
    )
    consistency_margin_px: NotNegative = Field(
        default=0, description="border of that window, or of the crop, on which the branches are not compared"
    )
    consistency_augment: bool = Field(
        default=False,
        description="whether the segmenter sees the fused image flipped and in another brightness and contrast",
    )
    centered_logits: bool = Field(
        default=False, description="whether each branch ends in a BatchNorm of its logits, without affine"
    )
    logit_temperature: PositiveFloat = Field(
        default=1.0, description="what both branches' logits are divided by; below 1 makes them surer"
    )
    entropy_weight: NotNegativeFloat = Field(
        default=2.0, description="λ₂ of `consistency: mutual_information`, of the entropy of the mean prediction"
    )
    segmenter: SegFormerSize = Field(default="b3", description="SegFormer size of the pixel branch")
    epochs: AtLeastOne = Field(default=110, description="most epochs, both stages together")
    patience: AtLeastOne = Field(default=10, description="epochs without a better validation loss before stopping")
    kept_epoch: KeptEpoch = Field(
        default="best",
        description="whose network is saved: of the least validation loss; or the last, ours, for trainings whose α"
        " changes from epoch to epoch, and with it what the validation loss means",
    )
    stage_one_min_epochs: AtLeastOne = Field(default=1, description="epochs before stage I may end")
    stage_one_max_epochs: NotNegative = Field(
        default=0, description="epochs after which stage I ends in any case; 0 sets no limit"
    )
    batch_size: AtLeastOne = Field(default=10, description="pairs a step, in each of the processes")
    crop_px: AtLeastOne = Field(default=128, description="side of the random training crop")
    learning_rate: PositiveFloat = Field(default=1e-4, description="of Adam")
    branch_learning_rate: NotNegativeFloat = Field(
        default=0.0, description="of the segmentation head and the segmenter; 0 takes `learning_rate`"
    )
    schedule: Schedule = Field(
        default="constant", description="of the learning rates; cosine falls to 1 % over all `epochs`, step by step"
    )
    warmup_steps: NotNegative = Field(default=0, description="first steps, over which the learning rates rise from 0")
    ema_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="of the exponential mean of the fusion network's weights, which is validated and saved in their"
        " place; 0 leaves it out",
    )
    fixed_alpha: PositiveFloat = Field(default=0.1, description="α of the fixed weighting")
    temperature: PositiveFloat = Field(default=2.0, description="T of GDWA's and DWA's softmax over descent rates")
    gdwa_form: GdwaForm = Field(
        default="ratio",
        description="α as the ratio of GDWA's two weights or as consistency's share; or balanced, ours: α that makes "
        "consistency's gradient `gradient_share` times fusion's",
    )
    gradient_share: PositiveFloat = Field(
        default=0.5, description="of consistency's gradient, as a multiple of fusion's, for `gdwa_form: balanced`"
    )
    every_n_steps: AtLeastOne = Field(
        default=1, description="GDWA and GradNorm measure the two gradients at every n-th step"
    )
    preference_fusion: PositiveFloat = Field(default=0.4, description="SegMiF's factor on the fusion loss")
    preference_consistency: PositiveFloat = Field(default=0.8, description="SegMiF's factor on the consistency loss")
    gradnorm_asymmetry: NotNegativeFloat = Field(
        default=1.5, description="GradNorm's exponent of the relative training rate"
    )
    gradnorm_learning_rate: PositiveFloat = Field(default=0.025, description="of GradNorm's weights")
    seed: NotNegative = Field(default=0, description="of weights, order, crops and flips")
    precision: Precision = Field(default="float32", description="of the networks; bfloat16 by autocast")

    @model_validator(mode="after")
    def _segmenter_sees_enough(self) -> Self:
        if self.crop_px < self.least_crop_px:
            raise ValueError(
                f"crop_px times consistency_window must be at least {SMALLEST_SEEN_PX}, SegFormer's least,"
                f" got {self.crop_px} times {self.consistency_window:g}"
            )
        if self.has_branches and 2 * self.consistency_margin_px >= round(self.crop_px * self.consistency_window):
            raise ValueError(
                "consistency_margin_px must leave something of crop_px times consistency_window,"
                f" got {self.consistency_margin_px} px on each side of {self.crop_px * self.consistency_window:g}"
            )
        return self

    @property
    def least_crop_px(self) -> int:
        """Side of the smallest crop whose window, rounded to whole pixels, SegFormer takes."""
        return math.ceil((SMALLEST_SEEN_PX - 0.5) / self.consistency_window) if self.has_branches else 1

    @property
    def has_stage_two(self) -> bool:
        """Whether a second task follows, or goes along with, fusion."""
        return self.framework != "fusion_only"

    @property
    def has_branches(self) -> bool:
        """Whether that task has segmentation branches."""
        noise = self.framework == "ssvif" and self.consistency == "random_gradient"
        return self.has_stage_two and not noise

    @property
    def has_pseudo_label(self) -> bool:
        """Whether the branches learn a label of their own, which may collapse, and none that is given."""
        return self.has_branches and self.framework != "supervised" and self.consistency != "random_clusters"

    def stage_one(self) -> TrainingOptions:
        """Return the options of stage I alone: equal for all trainings that may share it.

        Raises:
            UserError: the training has no stage I.
        """
        if self.stages == "one":
            raise UserError("A training with `stages: one` has no stage I", remedy="set `stages: two`")
        defaults = TrainingOptions()
        return replace(self, **{name: getattr(defaults, name) for name in STAGE_TWO} | {"framework": "fusion_only"})

    def fusion_weights(self) -> dict[str, float]:
        """Return λ₁..λ₄ of Eq. 3 by the names of the loss terms."""
        return {
            "intensity": self.intensity_weight,
            "gradient": self.gradient_weight,
            "structural": self.structural_weight,
            "color": self.color_weight,
        }


def training_code(options: TrainingOptions, *, stage_one: bool = False) -> str:
    """Return the fingerprint of what trains, or of what trains stage I, initial weights included.

    The code of another network does not count.
    """
    without = STAGE_TWO_CODE if stage_one else ()
    code = network_fingerprint(options.fusion_model, "ssvif.training.loop", without=without)
    return code + initial_digest(options.initialization)


def stage_one_key(options: TrainingOptions) -> str:
    """Return the digest of all that stage I reads of the options, 16 hexadecimal digits.

    Raises:
        UserError: the training has no stage I.
    """
    text = json.dumps(asdict(options.stage_one()), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
