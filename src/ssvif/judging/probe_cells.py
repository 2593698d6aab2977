"""What the probe classifies: cells of a regular grid with the classes of masks or boxes, and who is judged by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssvif.data.boxes import draw_boxes
from ssvif.data.packed import PairsFile
from ssvif.judging.fused_images import IGNORE, names_by_split, target_of
from ssvif.judging.options import ProbeOptions

BACKGROUND = "background"  # the class of cells whose centers no box covers
BLOCKS_A_FOLD = 4  # so that each fold has scenes of several places and times of day
LEAST_BLOCK = 3  # images of a block, so that one remains without its first and its last

Cells = NDArray[np.int64]  # (N,) class ids, `IGNORE` where a cell does not count


@dataclass(frozen=True)
class LabeledPair:
    """A pair with a label: the fits that learn from it, and the one by which it is judged."""

    split: str
    name: str
    pair_id: str  # in the table of scores; with the split where a name occurs in several
    learned_by: tuple[int, ...] = ()
    judged_by: int | None = None


class CellLabels:
    """The labels of a packed dataset's cells, from "masks" or from "boxes".

    A cell is a square of `cell_px` pixels a side, stretched in an image whose sides are no multiples of that.
    """

    def __init__(self, pairs: PairsFile, kind: str, cell_px: int) -> None:
        self.kind = kind
        self._pairs, self._cell_px, self._descriptor = pairs, cell_px, pairs.descriptor
        if kind == "masks":
            self.classes = [each.name for each in sorted(self._descriptor.classes, key=lambda each: each.id)]
            self.background = self._descriptor.background_id
        else:
            self.classes, self.background = [BACKGROUND, *self._descriptor.detection_classes], 0

    def grid(self, split: str, name: str) -> tuple[int, int]:
        """Return the number of rows and of columns of a pair's cells."""
        rows, columns = (max(1, round(side / self._cell_px)) for side in self._pairs.size(split, name))
        return rows, columns

    def read(self, split: str, name: str) -> Cells:
        """Return the class ids (N,) of a pair's cells, row by row."""
        grid = self.grid(split, name)
        if self.kind == "boxes":
            boxes = self._pairs.boxes(split, name)
            assert boxes is not None, f"{name} has no boxes"
            return draw_boxes(boxes, *grid).ravel().astype(np.int64)
        label = self._pairs.label(split, name)
        assert label is not None, f"{name} has no label"
        return cells_of_mask(target_of(label, self._descriptor), grid, len(self.classes)).ravel()


def cells_of_mask(label: NDArray[np.int64], grid: tuple[int, int], num_classes: int) -> Cells:
    """Return the most frequent class (rows, columns) of each cell of a mask (H,W); of equally frequent ones the lower.

    Pixels of value 255 do not count, nor does a cell that has more of these than of others.
    """
    rows, columns = (np.arange(side) * count // side for side, count in zip(label.shape, grid, strict=True))
    place = rows[:, None] * grid[1] + columns
    kind = np.where(label == IGNORE, num_classes, label)
    counts = np.bincount((place * (num_classes + 1) + kind).ravel(), minlength=grid[0] * grid[1] * (num_classes + 1))
    counts = counts.reshape(*grid, num_classes + 1)
    counted = counts[..., :num_classes]
    ignored = counts[..., num_classes] > counted.sum(axis=2)
    return np.where(ignored, IGNORE, counted.argmax(axis=2))


def choose_labels(pairs: PairsFile, options: ProbeOptions) -> str:
    """Return "masks" or "boxes": what is asked for; for "auto" masks if each judged pair has one or none has boxes.

    The judged pairs are those of the test split, or with folds, or where there is no such split, all.
    """
    if options.labels != "auto":
        return options.labels
    everyone = [(split, name) for split, names in names_by_split(pairs).items() for name in names]
    judged = [pair for pair in everyone if options.folds or pair[0] == "test"] or everyone
    if all(pairs.has_label(*pair) for pair in judged):
        return "masks"
    return "boxes" if any(pairs.boxes(*pair) is not None for pair in judged) else "masks"


def plan_fits(labeled: Mapping[str, Sequence[str]], folds: int) -> list[LabeledPair]:
    """Return pairs, given by split, in the order of their names, with what they are for.

    Without folds, fit 0 learns from training and validation and judges the test pairs. With N folds, of at least
    `LEAST_BLOCK` pairs each, the sorted names are cut into blocks of neighbors, dealt to the folds in turn; fit k
    judges fold k and learns from the others, less the pairs that stand next to one of fold k. Frames of one drive have
    neighboring names, so what is learned from and what is judged have no neighboring frames in common.
    """
    pairs = [(split, name) for split, names in labeled.items() for name in names]
    alike = len({name for _, name in pairs}) < len(pairs)  # each split has a sequence of its own
    pairs.sort(key=lambda pair: pair if alike else pair[::-1])
    ids = [f"{split}/{name}" if alike else name for split, name in pairs]
    parts: list[tuple[tuple[int, ...], int | None]]
    if folds:
        dealt = deal_folds(len(pairs), folds)
        near = [set(dealt[max(place - 1, 0) : place + 2]) for place in range(len(dealt))]
        parts = [
            (tuple(fit for fit in range(folds) if fit not in around), fold)
            for around, fold in zip(near, dealt, strict=True)
        ]
    else:
        parts = [((), 0) if split == "test" else ((0,), None) for split, _ in pairs]
    return [LabeledPair(*pair, pair_id, *part) for pair, pair_id, part in zip(pairs, ids, parts, strict=True)]


def deal_folds(count: int, folds: int) -> list[int]:
    """Return the fold of each of `count` sorted pairs: blocks of equal length, dealt to the folds in turn."""
    blocks = folds * max(1, min(BLOCKS_A_FOLD, count // (LEAST_BLOCK * folds)))
    return [place * blocks // count % folds for place in range(count)]
