"""What the two segmentation branches are trained on: the consistency tasks by the names of a table, and true labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ssvif.losses.consistency import (
    IGNORED,
    align_distribution,
    balance_by_sinkhorn,
    consistency_loss,
    label_loss,
    make_pseudo_label,
    mutual_information_loss,
    random_gradient_loss,
)
from ssvif.ops.processes import batch_mean, batch_sum
from ssvif.training.options import TrainingOptions

UNIFORM_SHARE = 0.2  # of the prior of balanced pseudo labels; the rest is how often classes have been predicted


class Branches(NamedTuple):
    """Result of the segmentation branches, each (B,K,H,W); H×W of what is compared: the window without its margin."""

    feature_logits: torch.Tensor  # of the segmentation head
    pixel_logits: torch.Tensor  # of the segmenter
    pseudo_label: torch.Tensor  # probabilities, detached


class ConsistencyTask(nn.Module):
    """Consistency as in the paper (Eq. 4-6): both branches learn the label of the surer one, "soft" or "hard"."""

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__()
        self.options = options

    def pseudo_label(self, feature_logits: torch.Tensor, pixel_logits: torch.Tensor) -> torch.Tensor:
        """Return probabilities (B,K,H,W), detached, of the branches' logits (B,K,H,W)."""
        kind = "hard" if self.options.consistency == "hard" else "soft"
        return make_pseudo_label(feature_logits, pixel_logits, kind, self.options.label_temperature)

    def forward(self, branches: Branches, target: torch.Tensor | None) -> torch.Tensor:
        """Return the loss, of shape (); `target` are class ids (B,H,W) where the training pairs have some."""
        return consistency_loss(*branches, self.options.balance, self.options.dice_epsilon)


class TrackingTask(ConsistencyTask):
    """A task that knows how often each class has been predicted: `usage` (K), a running mean over training steps."""

    usage: torch.Tensor
    momentum = 0.99

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self.register_buffer("usage", torch.full((options.classes,), 1 / options.classes))

    def track(self, branches: Branches) -> torch.Tensor:
        """Return each branch's mean prediction (2,K); in training, take it into `usage`."""
        means = batch_mean(torch.stack([logits.softmax(dim=1).mean(dim=(0, 2, 3)) for logits in branches[:2]]))
        if self.training:
            self.usage.lerp_(means.detach().mean(dim=0), 1 - self.momentum)
        return means

    def prior(self) -> torch.Tensor:
        """Return the shares (K) that balanced pseudo labels give the classes: those in use, drawn to equal shares."""
        return (1 - UNIFORM_SHARE) * self.usage + UNIFORM_SHARE / len(self.usage)


class MutualInformation(TrackingTask):
    """The mutual information of pixel and class (TWIST): agree, be sure, use every class.

    The classes' shares are the mean of this batch's and of those of the last about ten: a batch need not hold all.
    """

    momentum = 0.9

    def forward(self, branches: Branches, target: torch.Tensor | None) -> torch.Tensor:
        """Return the loss, of shape ()."""
        usage = (self.usage.clone() + self.track(branches)) / 2
        feature, pixel = (logits.softmax(dim=1) for logits in branches[:2])
        return mutual_information_loss(feature, pixel, usage, self.options.entropy_weight)


class Sinkhorn(TrackingTask):
    """Each branch learns the other's prediction, brought to balanced shares of the classes (SwAV, CPSL)."""

    def forward(self, branches: Branches, target: torch.Tensor | None) -> torch.Tensor:
        """Return the mean cross-entropy of both branches, of shape ()."""
        logits, prior = branches[:2], self.prior()
        labels = [balance_by_sinkhorn(each, prior, self.options.label_temperature) for each in logits]
        self.track(branches)
        losses = [functional.cross_entropy(each, label) for each, label in zip(logits, reversed(labels), strict=True)]
        return batch_mean(torch.stack(losses).mean())


class DistributionAlignment(TrackingTask):
    """The paper's loss against the surer branch's label, corrected towards balanced classes (ReMixMatch)."""

    def pseudo_label(self, feature_logits: torch.Tensor, pixel_logits: torch.Tensor) -> torch.Tensor:
        """Return the aligned probabilities (B,K,H,W), detached."""
        return align_distribution(super().pseudo_label(feature_logits, pixel_logits), self.prior(), self.usage)

    def forward(self, branches: Branches, target: torch.Tensor | None) -> torch.Tensor:
        """Return the loss, of shape ()."""
        self.track(branches)
        return super().forward(branches, target)


class GivenLabel(ConsistencyTask):
    """Both branches learn given labels: true ones, the positive control, or random clusters, a negative one.

    A class of share f of the labels seen so far weighs 1/√f, scaled so that the mean weight of a pixel is 1.
    """

    counts: torch.Tensor  # (K,), pixels of each class

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self.register_buffer("counts", torch.ones(options.classes, dtype=torch.float64))

    def forward(self, branches: Branches, target: torch.Tensor | None) -> torch.Tensor:
        """Return the mean class-weighted cross-entropy of both branches, of shape ()."""
        assert target is not None, "the training view hands out the labels"
        if self.training:
            known = target[target != IGNORED]
            self.counts += batch_sum(torch.bincount(known, minlength=len(self.counts)))
        roots = (self.counts / self.counts.sum()).sqrt()
        weights = (1 / (roots * roots.sum())).to(branches.feature_logits.dtype)
        return torch.stack([label_loss(logits, target, weights) for logits in branches[:2]]).mean()


class RandomGradient(ConsistencyTask):
    """Noise in place of a task, without branches: a loss of value 0 with a new random gradient at each step.

    With `gdwa_form: balanced` it shows what a gradient of that size does which means nothing.
    """

    def __init__(self, options: TrainingOptions, fusion_model: nn.Module) -> None:
        super().__init__(options)
        self._trained = tuple(fusion_model.parameters())  # a tuple, so that they stay the fusion network's alone

    def forward(self, branches: Branches | None, target: torch.Tensor | None) -> torch.Tensor:
        """Return 0, of shape (), with a gradient."""
        return random_gradient_loss(self._trained)


CONSISTENCIES: dict[str, Callable[[TrainingOptions, nn.Module], ConsistencyTask]] = {
    "soft": lambda options, _: ConsistencyTask(options),
    "hard": lambda options, _: ConsistencyTask(options),
    "mutual_information": lambda options, _: MutualInformation(options),
    "sinkhorn": lambda options, _: Sinkhorn(options),
    "distribution_alignment": lambda options, _: DistributionAlignment(options),
    "random_clusters": lambda options, _: GivenLabel(options),
    "random_gradient": RandomGradient,
}


def build_task(options: TrainingOptions, fusion_model: nn.Module) -> ConsistencyTask:
    """Return the task of stage II that the options name; of a supervised framework, that of given labels."""
    if options.framework == "supervised":
        return GivenLabel(options)
    return CONSISTENCIES[options.consistency](options, fusion_model)
