"""Values that the paper does not state, with reasons. In a file of its own: a reworded reason retrains nothing."""

from __future__ import annotations

# not stated in the paper: the report marks them as assumed
ASSUMED: dict[str, str] = {
    "classes": "K; Table VI adopts its second row, which we read as 15",
    "color_weight": "λ₄; Table VII adopts the middle of three ascending values, whose numbers are lost",
    "learning_rate": "the printed number is lost; 2e-5 (SwinFusion's) is the other candidate",
    "branch_learning_rate": "ours; 0 trains the branches at the fusion network's rate",
    "schedule": "ours where it is not constant; the paper's is not stated",
    "warmup_steps": "ours; 0 leaves the warm-up out",
    "kept_epoch": "whose network is kept is not stated; last is ours",
    "ema_decay": "a mean of the weights is not in the paper; 0 leaves it out",
    "crop_px": "the printed number is lost; SwinFusion's, whose schedule the paper follows",
    "temperature": "DWA's value",
    "consistency": "soft and detached pseudo labels; all but soft and hard are ours",
    "gdwa_form": "Eq. 2 has one weight, on the second term: α = w_consistency / w_fusion; balanced is ours",
    "structural_shares": "as in SwinFusion's released loss",
    "initialization": "not stated; scaled, maximum, accurate and fast are ours",
    "dice_epsilon": "Sudre et al. 2017 add it to both; the paper names it as what prevents a division by zero",
    "balance": "the term is not in the paper; 0 leaves it out",
    "label_temperature": "sharpening is not in the paper; 1 leaves it out",
    "consistency_window": "windows within crops are not in the paper; 1 leaves them out",
    "consistency_margin_px": "margins are not in the paper; 0 leaves them out",
    "consistency_augment": "a changed view of the fused image is not in the paper",
    "centered_logits": "the BatchNorm of the logits is not in the paper",
    "logit_temperature": "not in the paper; 1 leaves it out",
}
# the same, for what is no setting
ASSUMED_CONSTANTS: dict[str, str] = {
    "segmentation head": "width 64, BatchNorm and ReLU after each 3×3",
    "segmenter": "its input normalized by ImageNet's mean and deviation, as SegFormer's own data",
    "training data": "a network for each dataset, trained on its own pairs, unless `train_on` says otherwise",
    "Dice loss": "ε = 1, sums over the batch",
    "color loss": "mean |ΔCb| + mean |ΔCr|, BT.601",
    "augmentation": "random crops, flips left-right and top-bottom",
    "early stopping": "starts again at the switch; a run that stalls in stage I moves on to stage II",
    "segmentation": "learning rate 1e-4, 1e-5 once unfrozen, unless set; patience counts once unfrozen",
}
