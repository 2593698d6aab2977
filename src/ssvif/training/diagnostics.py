"""Diagnostics of collapse: without labels, one class for every pixel would minimize the loss."""

from __future__ import annotations

import torch

from ssvif.metrics.segmentation import confusion_matrix
from ssvif.schema import LIVE_SHARE

COLLAPSED_EPOCHS = 3


class ClassUsage:
    """Counts, over the validation pairs, which of K classes the branches use and whether they agree."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._usage = torch.zeros(classes, dtype=torch.float64)
        self._confusion = torch.zeros(classes, classes, dtype=torch.float64)

    def update(self, feature_logits: torch.Tensor, pixel_logits: torch.Tensor, pseudo_label: torch.Tensor) -> None:
        """Add a batch: both branches' logits and the pseudo label, each (B,K,H,W)."""
        label = pseudo_label.argmax(dim=1).flatten()
        self._usage += torch.bincount(label, minlength=self._classes).double().cpu()
        best = pixel_logits.argmax(dim=1), feature_logits.argmax(dim=1)
        self._confusion += confusion_matrix(*best, self._classes, ignore_index=-1).cpu()

    def compute(self) -> dict[str, float]:
        """Return the diagnostics by column of history.csv.

        `live_classes` (of K, above 0.1 % of the pixels), `class_entropy` in nats of the pseudo label's usage, and
        `agreement`, the mIoU (0..1) of the branches' best classes.
        """
        share = self._usage / self._usage.sum()
        overlap = self._confusion.diagonal()
        union = self._confusion.sum(0) + self._confusion.sum(1) - overlap
        return {
            "live_classes": int((share > LIVE_SHARE).sum()),
            "class_entropy": float(torch.special.entr(share).sum()),
            "agreement": float((overlap / union)[union > 0].mean()),
        }
