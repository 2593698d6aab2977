"""The pictures of the page: sources, fused images, class maps and boxes of the test pairs, and their thumbnails."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.data.descriptor import Descriptor
from ssvif.io.files import read_image, read_label
from ssvif.io.progress import track
from ssvif.ops.statistics import choose_evenly
from ssvif.report.overlays import NamedBox, class_palette, read_found_boxes, read_true_boxes
from ssvif.report.runs import RunLabel, read_rows
from ssvif.schema import SPLIT_COLUMNS

SMALL_PX = 256  # narrower pictures are stored without loss and enlarged with hard pixels
THUMBNAIL_PX = 208  # width; narrower pictures keep theirs
MOST_THREADS = 8
PICTURES, THUMBNAILS, TRUTH = "pictures", "thumbnails", "truth"
SOURCE_TITLES = {"visible": "Visible", "infrared": "Infrared"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a dataset's own pictures are.

    Attributes:
        descriptor: its classes, colors and title.
        splits: splits.csv.
        root: the folder that the paths of splits.csv start from.
    """

    descriptor: Descriptor
    splits: Path
    root: Path

    def test_rows(self) -> list[dict[str, str]]:
        """Return the test pairs' rows of splits.csv.

        Raises:
            UserError: it is missing or damaged.
        """
        return [row for row in read_rows(self.splits, SPLIT_COLUMNS) if row["split"] == "test"]

    def true_boxes(self, row: dict[str, str], height_px: int, width_px: int) -> list[NamedBox] | None:
        """Return the labelled boxes of a pair of that size; None where it has no box file."""
        if not row["boxes"]:
            return None
        return read_true_boxes(self.root / row["boxes"], self.descriptor.detection_classes, width_px, height_px)


@dataclass(frozen=True)
class PairPictures:
    """What there is of a test pair, in the order of `Gallery.keys`.

    Attributes:
        pair_id: its name.
        width_px: of each of its pictures.
        height_px: of each of its pictures.
        suffix: of the full pictures' files.
        absent: places of the pictures that are missing.
        segmented: places of the runs with a class map.
        truth: whether there is a labelled class map.
        classes: the ids in its class maps.
        boxes: place of a run that went through the detector to what was found in its picture.
        true_boxes: the labelled boxes; None where the pair has none.
    """

    pair_id: str
    width_px: int
    height_px: int
    suffix: str
    absent: list[int]
    segmented: list[int]
    truth: bool
    classes: frozenset[int]
    boxes: dict[int, list[NamedBox]]
    true_boxes: list[NamedBox] | None


@dataclass
class Gallery:
    """Copies the pictures of one dataset into the page's folder.

    A picture lies at pictures/{dataset}/{pair}/{key}.jpg, or .png where it is small, its thumbnail at
    thumbnails/{dataset}/{pair}/{key}.jpg, the class map of a run at pictures/{dataset}/{pair}/classes_{run}.png
    and the labelled one at truth.png beside it.

    Attributes:
        results: results/{dataset}.
        source: of the sources and the ground truth.
        runs: the runs, in the order of their columns.
        folder: the page's folder.
    """

    results: Path
    source: Source
    runs: Sequence[RunLabel]
    folder: Path
    found: dict[str, dict[str, list[NamedBox]]] = field(init=False)
    segmented: bool = field(init=False)
    rows: list[dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        """Find out what the runs have."""
        self.segmented = any_segmented(self.results, self.runs)
        self.found = read_detections(self.results, self.runs)
        self.rows = self.source.test_rows()

    @property
    def detected(self) -> bool:
        """Whether any run has found a box."""
        return any(self.found.values())

    @property
    def keys(self) -> list[str]:
        """The names of a pair's pictures: its two sources and every run."""
        return [*SOURCE_TITLES, *(f"run_{run.name}" for run in self.runs)]

    @property
    def titles(self) -> list[str]:
        """What the pictures of `keys` are called."""
        return [*SOURCE_TITLES.values(), *(run.title for run in self.runs)]

    def pairs(self, most: int) -> list[PairPictures]:
        """Write the pictures of up to `most` test pairs, evenly chosen, of all for 0, and tell what there is.

        Raises:
            UserError: splits.csv or a picture it names is missing or damaged.
        """
        chosen = choose_evenly(self.rows, most) if most else self.rows
        # Pillow lets go of Python's lock while it reads, scales and writes
        with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as threads:
            return list(track(threads.map(self._pair, chosen), f"{self.results.name}: pictures", total=len(chosen)))

    def _pair(self, row: dict[str, str]) -> PairPictures:
        name = row["pair_id"]
        visible = read_image(self.source.root / row["visible"])
        height, width = visible.shape[:2]
        suffix = ".png" if width < SMALL_PX else ".jpg"
        for kind in (PICTURES, THUMBNAILS):
            (self.folder / kind / self.results.name / name).mkdir(parents=True, exist_ok=True)
        self._save(name, "visible", suffix, visible)
        self._save(name, "infrared", suffix, read_image(self.source.root / row["infrared"]))
        fused = [fused_of(self.results, run, name) for run in self.runs]
        places = list(enumerate(zip(self.runs, fused, strict=True), start=len(SOURCE_TITLES)))
        present = {place: run for place, (run, path) in places if path.is_file()}
        for place, (run, path) in places:
            if place in present:
                self._save(name, f"run_{run.name}", suffix, read_image(path))
        predicted = [place for place, run in present.items() if prediction_of(self.results, run, name).is_file()]
        truth = bool(row["label"]) and self.segmented
        maps = {TRUTH: self.source.root / row["label"]} if truth else {}
        maps |= {
            f"classes_{(run := present[place]).name}": prediction_of(self.results, run, name) for place in predicted
        }
        occurring = [self._save_classes(name, key, read_label(path)) for key, path in maps.items()]
        return PairPictures(
            pair_id=name,
            width_px=width,
            height_px=height,
            suffix=suffix,
            absent=[place for place, _ in places if place not in present],
            segmented=predicted,
            truth=truth,
            classes=frozenset().union(*occurring),
            boxes={
                place: self.found[run.name].get(name, []) for place, run in present.items() if run.name in self.found
            },
            true_boxes=self.source.true_boxes(row, height, width) if self.detected else None,
        )

    def _save(self, pair: str, key: str, suffix: str, picture: NDArray[np.uint8]) -> None:
        image = Image.fromarray(picture)
        path = self.folder / PICTURES / self.results.name / pair / f"{key}{suffix}"
        if suffix == ".png":
            image.save(path, format="PNG")
        else:
            image.save(path, format="JPEG", quality=90, subsampling=0)
        image.thumbnail((THUMBNAIL_PX, image.height), Image.Resampling.LANCZOS, reducing_gap=1.5)
        thumbnail = self.folder / THUMBNAILS / self.results.name / pair / f"{key}.jpg"
        image.save(thumbnail, format="JPEG", quality=82)

    def _save_classes(self, pair: str, name: str, classes: NDArray[np.uint8]) -> set[int]:
        """Write class ids as a palette image whose background is transparent, and return those that occur."""
        colors, drawn = class_palette(self.source.descriptor)
        image = Image.fromarray(classes)
        image.putpalette(colors.tobytes())
        path = self.folder / PICTURES / self.results.name / pair / f"{name}.png"
        image.save(path, format="PNG", transparency=(drawn * np.uint8(255)).tobytes(), optimize=False)
        return set(np.unique(classes).tolist())


def prediction_of(results: Path, run: RunLabel, pair: str) -> Path:
    """Return where a run's segmentation of a test pair lies below results/{dataset}, if there is one."""
    return results / run.name / "segmentation/predictions" / f"{pair}.png"


def fused_of(results: Path, run: RunLabel, pair: str) -> Path:
    """Return where a run's picture of a test pair lies below results/{dataset}, if there is one."""
    return results / run.name / "fused/test" / f"{pair}.png"


def any_segmented(results: Path, runs: Sequence[RunLabel]) -> bool:
    """Return whether any of the runs below results/{dataset} has a segmentation."""
    return any(any(prediction_of(results, run, "_").parent.glob("*.png")) for run in runs)


def read_detections(results: Path, runs: Sequence[RunLabel]) -> dict[str, dict[str, list[NamedBox]]]:
    """Return the boxes found, by run and pair, surest first; a run that went through no detector is not in it."""
    found = {run.name: read_found_boxes(results / run.name / "detection/boxes.csv") for run in runs}
    return {name: boxes for name, boxes in found.items() if boxes is not None}
