"""The pictures, labels and boxes of one dataset's test pairs, read when a figure asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import read_image, read_label
from ssvif.ops.statistics import choose_evenly
from ssvif.report.overlays import NamedBox
from ssvif.report.pictures import Source, any_segmented, fused_of, prediction_of, read_detections
from ssvif.report.runs import RunLabel

SMALL_SHARE = 0.05  # of a label map that a class covers at most to count as one of objects, not of ground or sky
SPECK_SHARE = 0.0005  # of a label map below which an object is too small to be pointed at


@dataclass(frozen=True, kw_only=True)
class Album:
    """What a dataset's test pairs look like, to whom.

    Attributes:
        results: results/{dataset}.
        source: of the sources and the ground truth.
        runs: in the order of their columns.
        most: how many pairs a figure shows.
        chosen: names of the pairs to show instead of evenly chosen ones; empty for none.
    """

    results: Path
    source: Source
    runs: Sequence[RunLabel]
    most: int = 3
    chosen: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The dataset's."""
        return self.results.name

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The test pairs' rows of splits.csv.

        Raises:
            UserError: splits.csv is missing or damaged, or lacks a chosen pair.
        """
        rows = self.source.test_rows()
        if unknown := sorted(set(self.chosen) - {row["pair_id"] for row in rows}):
            raise UserError(
                f"{self.source.splits} has no test pair {shorten(unknown)}",
                expected=f"one of {shorten([row['pair_id'] for row in rows])}",
                remedy="name other pairs to show",
            )
        return rows

    def pairs(self, annotated: str = "") -> list[dict[str, str]]:
        """Return the rows of the pairs to show: those chosen, otherwise evenly chosen ones.

        Args:
            annotated: "label" or "boxes" to choose among the pairs that have one.
        """
        if self.chosen:
            by_name = {row["pair_id"]: row for row in self.rows}
            return [by_name[name] for name in self.chosen]
        among = [row for row in self.rows if row[annotated]] if annotated else self.rows
        return choose_evenly(among or self.rows, self.most)

    def visible(self, row: dict[str, str]) -> NDArray[np.uint8]:
        """Return the pair's visible picture, (H,W) or (H,W,3)."""
        return read_image(self.source.root / row["visible"])

    def infrared(self, row: dict[str, str]) -> NDArray[np.uint8]:
        """Return the pair's infrared picture, (H,W) or (H,W,3)."""
        return read_image(self.source.root / row["infrared"])

    def fused(self, run: RunLabel, row: dict[str, str]) -> NDArray[np.uint8] | None:
        """Return a run's picture of the pair, (H,W) or (H,W,3); None where there is none."""
        path = fused_of(self.results, run, row["pair_id"])
        return read_image(path) if path.is_file() else None

    def label(self, row: dict[str, str]) -> NDArray[np.uint8] | None:
        """Return the pair's label map, (H,W) class ids; None where there is none."""
        return read_label(self.source.root / row["label"]) if row["label"] else None

    def predicted(self, run: RunLabel, row: dict[str, str]) -> NDArray[np.uint8] | None:
        """Return a run's segmentation of the pair, (H,W) class ids; None where there is none."""
        path = prediction_of(self.results, run, row["pair_id"])
        return read_label(path) if path.is_file() else None

    def true_boxes(self, row: dict[str, str], height: int, width: int) -> list[NamedBox] | None:
        """Return the pair's annotated boxes; None where it has no box file."""
        return self.source.true_boxes(row, height, width)

    @cached_property
    def found(self) -> dict[str, dict[str, list[NamedBox]]]:
        """The boxes found, by run and pair, surest first; a run that went through no detector is not in it."""
        return read_detections(self.results, self.runs)

    @cached_property
    def segmented(self) -> bool:
        """Whether a run has a segmentation."""
        return any_segmented(self.results, self.runs)

    def objects(self, row: dict[str, str], height: int, width: int) -> list[tuple[float, float]]:
        """Return the centres (x, y) of the pair's labelled objects, in pixels.

        Those of its boxes; without boxes, of the connected regions of its label map's smaller classes.
        """
        if boxes := self.true_boxes(row, height, width):
            return [((box.left + box.right) / 2, (box.top + box.bottom) / 2) for box in boxes]
        label = self.label(row)
        return [] if label is None else self._regions(label)

    def _regions(self, label: NDArray[np.uint8]) -> list[tuple[float, float]]:
        from scipy import ndimage

        centers = []
        for known in self.source.descriptor.classes:
            mask = label == known.id
            if known.id == self.source.descriptor.background_id or not 0 < mask.mean() <= SMALL_SHARE:
                continue
            regions, count = ndimage.label(mask)
            for place in range(1, count + 1):
                ys, xs = np.nonzero(regions == place)
                if len(ys) >= SPECK_SHARE * label.size:
                    centers.append((float(xs.mean()), float(ys.mean())))
        return centers
