"""The pictures of one dataset's test pairs: sources, label maps and boxes, and what each run made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssvif.data.descriptor import Descriptor
from ssvif.io.errors import UserError, shorten
from ssvif.io.files import read_image, read_label
from ssvif.ops.sampling import choose_evenly
from ssvif.report.overlays import NamedBox, read_found_boxes, read_true_boxes
from ssvif.report.runs import RunLabel, read_rows
from ssvif.schema import SPLIT_COLUMNS


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a dataset's own pictures are."""

    descriptor: Descriptor  # its classes, colors and title
    splits: Path  # splits.csv
    root: Path  # the folder that the paths of splits.csv start from


@dataclass(frozen=True, kw_only=True)
class Album:
    """Reads the pictures of a dataset's test pairs; a pair is its row of splits.csv."""

    results: Path  # results/{dataset}
    source: Source  # of the visible and infrared images and the ground truth
    runs: Sequence[RunLabel]  # in the order of their columns
    most: int = 0  # how many pairs to show; 0 for all
    chosen: Sequence[str] = ()  # names of the pairs to show instead of evenly spaced ones

    @property
    def name(self) -> str:
        """The dataset's short name."""
        return self.results.name

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """All test pairs.

        Raises:
            UserError: splits.csv is missing or damaged, or lacks a chosen pair.
        """
        rows = [row for row in read_rows(self.source.splits, SPLIT_COLUMNS) if row["split"] == "test"]
        known = [row["pair_id"] for row in rows]
        if unknown := sorted(set(self.chosen) - set(known)):
            raise UserError(
                f"{self.source.splits} has no test pair {shorten(unknown)}",
                expected=f"one of {shorten(known)}",
                remedy="name other pairs to show",
            )
        return rows

    def pairs(self, annotated: str = "") -> list[dict[str, str]]:
        """Return the pairs to show: the chosen ones, otherwise evenly spaced ones.

        Args:
            annotated: "label" or "boxes" to select among the pairs that have one.
        """
        if self.chosen:
            by_name = {row["pair_id"]: row for row in self.rows}
            return [by_name[name] for name in self.chosen]
        among = [row for row in self.rows if row[annotated]] if annotated else self.rows
        return choose_evenly(among or self.rows, self.most or len(self.rows))

    def visible(self, row: dict[str, str]) -> NDArray[np.uint8]:
        """Return the visible image, (H,W) or (H,W,3)."""
        return read_image(self.source.root / row["visible"])

    def infrared(self, row: dict[str, str]) -> NDArray[np.uint8]:
        """Return the infrared image, (H,W) or (H,W,3)."""
        return read_image(self.source.root / row["infrared"])

    def fused(self, run: RunLabel, row: dict[str, str]) -> NDArray[np.uint8] | None:
        """Return a run's fused image, (H,W) or (H,W,3); None where there is none."""
        path = self.results / run.name / "fused/test" / f"{row['pair_id']}.png"
        return read_image(path) if path.is_file() else None

    def label(self, row: dict[str, str]) -> NDArray[np.uint8] | None:
        """Return the label map, (H,W) class ids; None where there is none."""
        return read_label(self.source.root / row["label"]) if row["label"] else None

    def predicted(self, run: RunLabel, row: dict[str, str]) -> NDArray[np.uint8] | None:
        """Return the segmentation of a run's fused image, (H,W) class ids; None where there is none."""
        path = self._predictions(run) / f"{row['pair_id']}.png"
        return read_label(path) if path.is_file() else None

    def true_boxes(self, row: dict[str, str], height: int, width: int) -> list[NamedBox] | None:
        """Return the annotated boxes of a pair of that size in pixels; None where it has no box file."""
        classes = self.source.descriptor.detection_classes
        return read_true_boxes(self.source.root / row["boxes"], classes, width, height) if row["boxes"] else None

    @cached_property
    def found(self) -> dict[str, dict[str, list[NamedBox]]]:
        """The detected boxes by run and pair, most confident first; only runs that went through the detector."""
        found = {run.name: read_found_boxes(self.results / run.name / "detection/boxes.csv") for run in self.runs}
        return {name: boxes for name, boxes in found.items() if boxes is not None}

    @cached_property
    def segmented(self) -> bool:
        """Whether any run has a segmentation."""
        return any(any(self._predictions(run).glob("*.png")) for run in self.runs)

    def _predictions(self, run: RunLabel) -> Path:
        return self.results / run.name / "segmentation/predictions"


def open_albums(
    results: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    sources: Mapping[str, Source],
    most: int,
    chosen: Mapping[str, Sequence[str]],
) -> list[Album]:
    """Return the album of each dataset of `runs`; each argument but `most` goes by dataset.

    Raises:
        UserError: a dataset has no source.
    """
    if unknown := [dataset for dataset in runs if dataset not in sources]:
        raise UserError(
            f"There is no source for {shorten(unknown)}",
            expected="for each dataset the folder of its own pictures",
            remedy="add --source DATASET=FOLDER",
        )
    return [
        Album(results=results / name, source=sources[name], runs=labels, most=most, chosen=chosen.get(name, ()))
        for name, labels in runs.items()
    ]
