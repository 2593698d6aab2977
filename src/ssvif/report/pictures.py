"""The pictures of one dataset's test pairs, what each run made of them, and the class maps and boxes over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssvif.data.annotation import read_classes
from ssvif.data.boxes import read_boxes
from ssvif.data.descriptor import Descriptor
from ssvif.io.errors import UserError, shorten
from ssvif.io.files import read_image, read_label
from ssvif.ops.sampling import choose_evenly
from ssvif.report.runs import RunLabel, read_rows, to_number
from ssvif.schema import BOX_COLUMNS, SPLIT_COLUMNS

IGNORED_COLOR = (0, 255, 0)  # of all colors the one farthest from every descriptor's classes, to the eye
IGNORED_TITLE = "not judged"
# colors that stand out from a gray picture, one per detection class in turn
BOX_COLORS = ("#ffd60a", "#00e5ff", "#ff5fa2", "#8cff66", "#ff9f40", "#b79cff", "#ffffff", "#ff6b6b")


@dataclass(frozen=True)
class NamedBox:
    """A box in pixels, the class in it, and the detector's confidence, 0 to 1; None for an annotated box."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class PictureSource:
    """Where a dataset's own pictures are."""

    descriptor: Descriptor  # its classes, colors and title
    splits: Path  # splits.csv
    root: Path  # the folder that the paths of splits.csv start from


@dataclass(frozen=True, kw_only=True)
class Album:
    """Reads the pictures of a dataset's test pairs; a pair is its row of splits.csv."""

    results: Path  # results/{dataset}
    source: PictureSource  # of the visible and infrared images and the ground truth
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
        """Return the pairs to show: the chosen ones, or else evenly spaced ones, of those with a "label" or "boxes"."""
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
        return read_classes(self.source.root / row["label"], self.source.descriptor) if row["label"] else None

    def predicted(self, run: RunLabel, row: dict[str, str]) -> NDArray[np.uint8] | None:
        """Return the segmentation of a run's fused image, (H,W) class ids; None where there is none."""
        path = self._predictions(run) / f"{row['pair_id']}.png"
        return read_label(path) if path.is_file() else None

    def true_boxes(self, row: dict[str, str], height: int, width: int) -> list[NamedBox] | None:
        """Return the annotated boxes of a pair of that size in pixels; None where it has no box file."""
        if not row["boxes"]:
            return None
        classes = self.source.descriptor.detection_classes
        boxes = read_boxes(self.source.root / row["boxes"], self.source.descriptor, width, height)
        lows, highs = boxes[:, 1:3] - boxes[:, 3:] / 2, boxes[:, 1:3] + boxes[:, 3:] / 2
        corners = (np.concatenate([lows, highs], axis=1) * (width, height, width, height)).tolist()
        return [NamedBox(classes[int(index)], *each) for index, each in zip(boxes[:, 0], corners, strict=True)]

    @cached_property
    def found(self) -> dict[str, dict[str, list[NamedBox]]]:
        """The detected boxes by run and pair, most confident first; only runs that went through the detector.

        Raises:
            UserError: a boxes.csv cannot be read as one of ours.
        """
        paths = {run.name: self.results / run.name / "detection/boxes.csv" for run in self.runs}
        return {name: _read_found_boxes(path) for name, path in paths.items() if path.is_file()}

    @cached_property
    def segmented(self) -> bool:
        """Whether any run has a segmentation."""
        return any(any(self._predictions(run).glob("*.png")) for run in self.runs)

    def _predictions(self, run: RunLabel) -> Path:
        return self.results / run.name / "segmentation/predictions"


def open_albums(
    results: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    sources: Mapping[str, PictureSource],
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


def class_palette(descriptor: Descriptor) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return each class id's color, (256,3), and whether it is drawn, (256,): the background is not.

    An id that the dataset does not know is drawn like the ignore index.
    """
    colors, drawn = np.full((256, 3), IGNORED_COLOR, np.uint8), np.ones(256, np.bool_)
    for known in descriptor.classes:
        colors[known.id] = known.color
    if descriptor.background_id is not None:
        drawn[descriptor.background_id] = False
    return colors, drawn


def class_legend(descriptor: Descriptor, occurring: Collection[int]) -> dict[str, str]:
    """Return name to color, "#rrggbb", of the ids that occur and are drawn; the ignore index comes last."""
    shown = [info for info in descriptor.classes if info.id in occurring and info.id != descriptor.background_id]
    colors = {info.name: info.color for info in shown}
    if set(occurring) - {info.id for info in descriptor.classes}:
        colors[IGNORED_TITLE] = IGNORED_COLOR
    return {name: "#{:02x}{:02x}{:02x}".format(*color) for name, color in colors.items()}


def box_legend(descriptor: Descriptor) -> dict[str, str]:
    """Return name to color of each detection class."""
    return {name: box_color(descriptor.detection_classes, name) for name in descriptor.detection_classes}


def box_color(classes: Sequence[str], name: str) -> str:
    """Return the color of a detection class; an unknown one gets the last color."""
    return BOX_COLORS[list(classes).index(name) % len(BOX_COLORS)] if name in classes else BOX_COLORS[-1]


def _read_found_boxes(path: Path) -> dict[str, list[NamedBox]]:
    found: dict[str, list[NamedBox]] = {}
    for row in read_rows(path, BOX_COLUMNS):
        confidence, left, top, right, bottom = (to_number(row[column], path, finite=True) for column in BOX_COLUMNS[2:])
        found.setdefault(row["pair_id"], []).append(NamedBox(row["class"], left, top, right, bottom, confidence))
    return {pair: sorted(boxes, key=lambda box: -(box.confidence or 0)) for pair, boxes in found.items()}
