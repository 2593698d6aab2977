"""Diagnostics of the pseudo label: is it alive, do the branches agree, and what do its classes follow?

Without labels, one class for every pixel would minimize the consistency loss, and so would classes that follow the
position in the image, or its colors, whatever the scene. True labels are read here to be compared with, never to train.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans, vq

from ssvif.data.packed import PairsFile
from ssvif.metrics.segmentation import confusion_matrix
from ssvif.ops.processes import add_up, batch_size, own_share
from ssvif.schema import LIVE_SHARE

COLLAPSED_EPOCHS = 3
GRID = 8  # cells along each side of the grid of `position_information`
IGNORED = 255  # in a reference map
CLUSTERED_PIXELS = 20_000  # from which the centers of the color clusters are found

References = Mapping[str, torch.Tensor]


class ClassUsage:
    """Counts, over the validation pairs, which of K classes the branches use, where, and whether they agree.

    Args:
        classes: K.
        references: for each column of history.csv named `nmi_…`, the maps (N,H,W) uint8 of all validation pairs in
            order, with which the pseudo label is compared; 255 is left out.
    """

    def __init__(self, classes: int, references: References | None = None) -> None:
        self._classes = classes
        self._references = references or {}
        self._pairs = 0
        self._confusion = torch.zeros(classes, classes, dtype=torch.float64)
        self._by_cell = torch.zeros(GRID**2, classes, dtype=torch.float64)
        self._shared = {name: torch.zeros(classes, IGNORED, dtype=torch.float64) for name in self._references}

    def update(self, feature_logits: torch.Tensor, pixel_logits: torch.Tensor, pseudo_label: torch.Tensor) -> None:
        """Add a batch, or this process's share of it: both branches' logits and the pseudo label, each (B,K,H,W)."""
        whole = batch_size(len(pseudo_label))
        share = own_share(whole)
        count = share.stop - share.start  # 0 where the batch has fewer pairs than there are processes
        label = pseudo_label.argmax(dim=1)[:count].cpu()
        best = pixel_logits.argmax(dim=1)[:count], feature_logits.argmax(dim=1)[:count]
        self._confusion += confusion_matrix(*best, self._classes, ignore_index=-1).cpu()
        self._by_cell += _count(_cells(*label.shape[1:]).expand_as(label), label, GRID**2, self._classes)
        here = slice(self._pairs + share.start, self._pairs + share.stop)
        for name, maps in self._references.items():
            kept = maps[here] != IGNORED
            self._shared[name] += _count(label[kept], maps[here][kept].long(), self._classes, IGNORED)
        self._pairs += whole

    def compute(self) -> dict[str, float]:
        """Return the diagnostics by column of history.csv; none where no batch was added.

        Of the pseudo label: `live_classes` (of K, above 0.1 % of the pixels), `class_entropy` of their usage and
        `position_information` (nats), and with each reference the normalized mutual information (0..1). Of the
        branches' best classes: `agreement`, their mIoU, and `pixel_agreement`, the share of the pixels (0..1).
        """
        if not self._pairs:
            return {}
        add_up((self._confusion, self._by_cell, *self._shared.values()))
        usage = self._by_cell.sum(dim=0)
        share = usage / usage.sum()
        overlap = self._confusion.diagonal()
        union = self._confusion.sum(0) + self._confusion.sum(1) - overlap
        found = {
            "live_classes": int((share > LIVE_SHARE).sum()),
            "class_entropy": _entropy(share),
            "agreement": float((overlap / union)[union > 0].mean()),
            "pixel_agreement": float(overlap.sum() / self._confusion.sum()),
            "position_information": mutual_information(self._by_cell),
        }
        compared = {name: counts for name, counts in self._shared.items() if counts.any()}
        return found | {name: normalized_mutual_information(counts) for name, counts in compared.items()}


def mutual_information(counts: torch.Tensor) -> float:
    """Return I(X;Y) in nats, 0 or more, of how often x and y came together, (X,Y).

    I = Σ_x p(x) KL(p(y|x) ‖ p(y)): with the cells of a grid as x, the mean divergence of a cell's usage of the classes
    from the whole's. Source: Cover and Thomas, Elements of Information Theory, Eq. 2.28.
    """
    joint = counts.double() / counts.sum()
    return max(0.0, _entropy(joint.sum(dim=0)) + _entropy(joint.sum(dim=1)) - _entropy(joint))


def normalized_mutual_information(counts: torch.Tensor) -> float:
    """Return 2 I(X;Y) / (H(X) + H(Y)) in 0..1 of how often x and y came together, (X,Y); 0 where neither varies.

    Source: Vinh, Epps and Bailey, Information Theoretic Measures for Clusterings Comparison, JMLR 2010, NMI_sum.
    """
    joint = counts.double() / counts.sum()
    total = _entropy(joint.sum(dim=0)) + _entropy(joint.sum(dim=1))
    return min(1.0, 2 * mutual_information(counts) / total) if total > 0 else 0.0


def read_references(pairs: Path, names: Sequence[str], crop: int, clusters: int) -> dict[str, torch.Tensor]:
    """Return the maps that the pseudo labels of the validation pairs are compared with, (N,crop,crop) uint8 by column.

    `nmi_color` are k-means clusters of (R, G, B, infrared), their centers found once on evenly spaced pixels, so that
    equal pairs give equal clusters; `nmi_label` the masks, or boxes drawn as such, where a pair has any.

    Args:
        pairs: HDF5 of `ssvif pack`.
        names: of the pairs to validate on, in the order in which they are validated.
        crop: side in pixels of the crop from the middle of each image.
        clusters: how many; at most 255 are made.

    Raises:
        UserError: the file is damaged.
    """
    file = PairsFile(pairs)
    colors = np.empty((len(names), crop, crop, 4), np.uint8)
    labels = np.full((len(names), crop, crop), IGNORED, np.uint8)
    for place, name in enumerate(names):
        top, left = ((side - crop) // 2 for side in file.size(file.validation, name))
        middle = slice(top, top + crop), slice(left, left + crop)
        colors[place, ..., :3] = file.visible(file.validation, name)[middle]
        colors[place, ..., 3] = file.infrared(file.validation, name)[middle]
        if (mask := file.mask(file.validation, name)) is not None:
            labels[place] = mask[middle]
    file.close()
    return {"nmi_color": _cluster(colors, clusters), "nmi_label": torch.from_numpy(labels)}


def _cluster(colors: NDArray[np.uint8], clusters: int) -> torch.Tensor:
    """Return the k-means cluster of each pixel of (N,H,W,4) images, (N,H,W) uint8."""
    pixels = colors.reshape(-1, 4)
    sample = pixels[:: max(1, len(pixels) // CLUSTERED_PIXELS)].astype(np.float64)
    # fewer where a center loses all its pixels
    centers, _ = kmeans(sample, min(clusters, len(sample), IGNORED), iter=3, seed=0)
    found = [vq(image.reshape(-1, 4).astype(np.float64), centers)[0] for image in colors]
    return torch.from_numpy(np.stack(found).astype(np.uint8).reshape(colors.shape[:3]))


def _count(first: torch.Tensor, second: torch.Tensor, firsts: int, seconds: int) -> torch.Tensor:
    """Count how often ids of two int64 tensors of one shape come together, (firsts,seconds) float64."""
    counts = torch.bincount((first * seconds + second).flatten(), minlength=firsts * seconds)
    return counts.view(firsts, seconds).double()


def _cells(height: int, width: int) -> torch.Tensor:
    """Return each pixel's cell of the grid, (H,W) int64."""
    rows, columns = (torch.arange(side) * GRID // side for side in (height, width))
    return rows[:, None] * GRID + columns


def _entropy(distribution: torch.Tensor) -> float:
    return float(torch.special.entr(distribution).sum())
