"""The cross-segmentation consistency loss, Eq. 4-6: agreement of the two branches, without labels."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

DICE_EPSILON = 1.0
TINY = 1e-30


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
    cross_entropy = functional.cross_entropy(logits, pseudo_label)
    return cross_entropy + dice_loss(logits.softmax(dim=1), pseudo_label, dice_epsilon)


def dice_loss(probabilities: torch.Tensor, pseudo_label: torch.Tensor, dice_epsilon: str = "both") -> torch.Tensor:
    """Return 1 − (1/K) Σ_k (2 Σ Ŷ_k P_k + ε)/(Σ Ŷ_k + Σ P_k + ε) of P and Ŷ (B,K,H,W), a scalar in [0,1].

    The inner sums run over the batch and all pixels; ε = 1 (assumed). With `dice_epsilon` "both", a class that neither
    uses scores 1; with "denominator", which leaves ε out of the numerator, it scores 0. Source: Sudre et al. 2017 with
    the paper's plain mean over classes.
    """
    axes = (0, 2, 3)
    overlap = (pseudo_label * probabilities).sum(axes)
    total = pseudo_label.sum(axes) + probabilities.sum(axes)
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
        entropies = [entropy(logits.softmax(dim=1).mean(dim=(0, 2, 3))) for logits in branches]
        # at least 0, as weightings by the ratio of losses need it
        loss = loss + balance * (math.log(feature_logits.shape[1]) - torch.stack(entropies).mean())
    return loss


def entropy(distribution: torch.Tensor) -> torch.Tensor:
    """Return −Σ p log p in nats of a distribution (K,)."""
    total: torch.Tensor = torch.special.entr(distribution).sum()
    return total
