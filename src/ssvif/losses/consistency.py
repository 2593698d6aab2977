"""Losses of the two segmentation branches: the paper's consistency (Eq. 4-6), remedies against collapse, controls."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.nn import functional

from ssvif.ops.processes import batch_mean, batch_sum

DICE_EPSILON = 1.0
TINY = 1e-30
SINKHORN_TURNS = 3
IGNORED = 255


def make_pseudo_label(
    feature_logits: torch.Tensor, pixel_logits: torch.Tensor, kind: str = "soft", temperature: float = 1.0
) -> torch.Tensor:
    """Return Eq. 4: at each pixel the distribution of the branch with the higher top confidence.

    Args:
        feature_logits: (B,K,H,W) of the segmentation head.
        pixel_logits: (B,K,H,W) of the segmenter.
        kind: "soft" keeps the distribution, "hard" its best class.
        temperature: a soft distribution p becomes p^(1/temperature), normalized; below 1 is sharper. Not in
            the paper, where it is 1.

    Returns:
        (B,K,H,W) probabilities, detached (assumed: otherwise the loss could change its own target).
    """
    with torch.no_grad():
        feature, pixel = feature_logits.softmax(dim=1), pixel_logits.softmax(dim=1)
        surer = feature.amax(dim=1, keepdim=True) >= pixel.amax(dim=1, keepdim=True)
        chosen = torch.where(surer, feature, pixel)
        if kind == "hard":
            best = chosen.argmax(dim=1, keepdim=True)
            return torch.zeros_like(chosen).scatter_(1, best, 1.0)
        return chosen if temperature == 1 else (chosen.clamp(min=TINY).log() / temperature).softmax(dim=1)


def hybrid_loss(logits: torch.Tensor, pseudo_label: torch.Tensor, dice_epsilon: str = "both") -> torch.Tensor:
    """Return Eq. 5, a scalar: cross-entropy + Dice of logits (B,K,H,W) against the pseudo label (B,K,H,W)."""
    cross_entropy = batch_mean(functional.cross_entropy(logits, pseudo_label))
    return cross_entropy + dice_loss(logits.softmax(dim=1), pseudo_label, dice_epsilon)


def dice_loss(probabilities: torch.Tensor, pseudo_label: torch.Tensor, dice_epsilon: str = "both") -> torch.Tensor:
    """Return 1 − (1/K) Σ_k (2 Σ Ŷ_k P_k + ε)/(Σ Ŷ_k + Σ P_k + ε) of P and Ŷ (B,K,H,W), a scalar in [0,1].

    The inner sums run over the batch and all pixels; ε = 1 (assumed). With `dice_epsilon` "both", a class that neither
    uses scores 1; with "denominator", which leaves ε out of the numerator, it scores 0. Source: Sudre et al. 2017 with
    the paper's plain mean over classes.
    """
    axes = (0, 2, 3)
    overlap = batch_sum((pseudo_label * probabilities).sum(axes))
    total = batch_sum(pseudo_label.sum(axes) + probabilities.sum(axes))
    above = DICE_EPSILON if dice_epsilon == "both" else 0.0
    return 1 - ((2 * overlap + above) / (total + DICE_EPSILON)).mean()


def consistency_loss(
    feature_logits: torch.Tensor,
    pixel_logits: torch.Tensor,
    pseudo_label: torch.Tensor,
    balance: float = 0.0,
    dice_epsilon: str = "both",
) -> torch.Tensor:
    """Return Eq. 6, a scalar: the mean of both branches' hybrid losses.

    Args:
        feature_logits: (B,K,H,W) of the segmentation head.
        pixel_logits: (B,K,H,W) of the segmenter.
        pseudo_label: (B,K,H,W) of `make_pseudo_label`.
        balance: weight of a term against collapse, not in the paper: ln K minus the entropy of the mean
            prediction, averaged over the branches; 0 when all classes are used equally.
        dice_epsilon: "both" or "denominator", as in `dice_loss`.
    """
    branches = (feature_logits, pixel_logits)
    loss = torch.stack([hybrid_loss(logits, pseudo_label, dice_epsilon) for logits in branches]).mean()
    if balance:
        entropies = [entropy(batch_mean(logits.softmax(dim=1).mean(dim=(0, 2, 3)))) for logits in branches]
        # at least 0, as weightings by the ratio of losses need it
        loss = loss + balance * (math.log(feature_logits.shape[1]) - torch.stack(entropies).mean())
    return loss


def entropy(distribution: torch.Tensor) -> torch.Tensor:
    """Return −Σ p log p in nats of distributions (...,K), of shape (...)."""
    return torch.special.entr(distribution).sum(dim=-1)


def mutual_information_loss(
    feature: torch.Tensor, pixel: torch.Tensor, usage: torch.Tensor, entropy_weight: float
) -> torch.Tensor:
    """Return ½[KL(p₁‖p₂) + KL(p₂‖p₁)] + mean H(p) + λ₂·(ln K − H(mean p)), a scalar of at least 0.

    It is 0 where both branches are sure, agree at every pixel, and use all classes equally. Source: Wang et al., TWIST,
    2021, eq. 2, shifted by λ₂ ln K; the mutual information of input and class of Hu et al., IMSAT, ICML 2017.

    Args:
        feature: probabilities (B,K,H,W) of the segmentation head.
        pixel: probabilities (B,K,H,W) of the segmenter.
        usage: (2,K), each branch's mean prediction.
        entropy_weight: λ₂.
    """
    log_feature, log_pixel = feature.clamp(min=TINY).log(), pixel.clamp(min=TINY).log()
    divergence = ((feature - pixel) * (log_feature - log_pixel)).sum(dim=1).mean() / 2
    unsure = -(feature * log_feature + pixel * log_pixel).sum(dim=1).mean() / 2
    unused = math.log(feature.shape[1]) - entropy(usage).mean()
    return batch_mean(divergence + unsure) + entropy_weight * unused


@torch.no_grad()
def balance_by_sinkhorn(
    logits: torch.Tensor, prior: torch.Tensor, temperature: float, turns: int = SINKHORN_TURNS
) -> torch.Tensor:
    """Return probabilities (B,K,H,W) near softmax(logits/temperature) whose means over all pixels near a prior (K,).

    A turn scales every class to its share of the prior and then every pixel to a sum of 1; with many turns both hold.
    Source: Caron et al., SwAV, NeurIPS 2020, with three turns; a prior that is not uniform as in Li et al., CPSL, CVPR
    2022.
    """
    by_class = logits.transpose(0, 1)
    scores = by_class.flatten(1) / temperature  # (K,N), logarithms
    for _ in range(turns):
        scores = scores - scores.logsumexp(dim=1, keepdim=True) + prior.log()[:, None]
        scores = scores - scores.logsumexp(dim=0, keepdim=True)
    return scores.exp().view(by_class.shape).transpose(0, 1)


def align_distribution(label: torch.Tensor, prior: torch.Tensor, usage: torch.Tensor) -> torch.Tensor:
    """Return probabilities (B,K,H,W) times prior/usage, both (K,), normalized at each pixel.

    Source: Berthelot et al., ReMixMatch, ICLR 2020, section 3.1.
    """
    aligned = label * (prior / usage.clamp(min=TINY)).view(1, -1, 1, 1)
    return aligned / aligned.sum(dim=1, keepdim=True)


def label_loss(logits: torch.Tensor, label: torch.Tensor, class_weights: torch.Tensor) -> torch.Tensor:
    """Return the class-weighted cross-entropy of logits (B,K,H,W) against class ids (B,H,W), a scalar.

    The mean over all pixels but those of id 255, each weighted by that of its class (K,); 0 if there is none.
    """
    total = functional.cross_entropy(logits, label, class_weights, ignore_index=IGNORED, reduction="sum")
    return batch_sum(total) / batch_sum((label != IGNORED).sum()).clamp(min=1)


def random_gradient_loss(parameters: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return a scalar of value 0 whose gradient is standard normal noise, drawn anew by torch's generators."""
    return torch.stack([(torch.randn_like(each) * (each - each.detach())).sum() for each in parameters]).sum()
