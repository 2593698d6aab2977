"""The pictures of the page: sources, fused images, class maps and boxes of the test pairs, and their thumbnails."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.data.boxes import read_boxes
from ssvif.data.layouts import Descriptor
from ssvif.ops.choose import choose_evenly
from ssvif.ops.files import read_image, read_label
from ssvif.ops.progress import track
from ssvif.report.runs import RunLabel, read_rows, to_number

SMALL_PX = 256  # narrower pictures are stored without loss and enlarged with hard pixels
THUMBNAIL_PX = 208  # width; narrower pictures keep theirs
MOST_THREADS = 8
IGNORED_COLOR = (128, 128, 128)
# bright colors that stand out from a grey picture, one per detection class in turn
BOX_COLORS = ("#ffd60a", "#00e5ff", "#ff5fa2", "#8cff66", "#ff9f40", "#b79cff", "#ffffff", "#ff6b6b")
SPLIT_COLUMNS = ("split", "pair_id", "visible", "infrared", "label", "boxes")
BOX_COLUMNS = ("pair_id", "class", "confidence", "x_min_px", "y_min_px", "x_max_px", "y_max_px")
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


@dataclass(frozen=True)
class Box:
    """A box to draw: position and size in percent of the picture.

    Attributes:
        name: of the class.
        confidence: 0 to 1; None where the box is no guess.
        left: of its corner.
        top: of its corner.
        width: of the box.
        height: of the box.
    """

    name: str
    confidence: float | None
    left: float
    top: float
    width: float
    height: float


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
        boxes: place of a run to the boxes found in its picture.
        true_boxes: the labelled boxes; None where the pair has none.
    """

    pair_id: str
    width_px: int
    height_px: int
    suffix: str
    absent: list[int]
    segmented: list[int]
    truth: bool
    boxes: dict[int, list[Box]]
    true_boxes: list[Box] | None


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
    found: dict[str, dict[str, list[Box]] | None] = field(init=False)
    segmented: bool = field(init=False)
    rows: list[dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        """Find out what the runs have."""
        self.segmented = any(any((self._run(run) / "segmentation/predictions").glob("*.png")) for run in self.runs)
        self.found = {run.name: _read_found_boxes(self._run(run) / "detection/boxes.csv") for run in self.runs}
        self.rows = [row for row in read_rows(self.source.splits, SPLIT_COLUMNS) if row["split"] == "test"]

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

    def _run(self, run: RunLabel) -> Path:
        return self.results / run.name

    def _pair(self, row: dict[str, str]) -> PairPictures:
        name = row["pair_id"]
        visible = read_image(self.source.root / row["visible"])
        height, width = visible.shape[:2]
        suffix = ".png" if width < SMALL_PX else ".jpg"
        for kind in (PICTURES, THUMBNAILS):
            (self.folder / kind / self.results.name / name).mkdir(parents=True, exist_ok=True)
        self._save(name, "visible", suffix, visible)
        self._save(name, "infrared", suffix, read_image(self.source.root / row["infrared"]))
        fused = [self._run(run) / "fused/test" / f"{name}.png" for run in self.runs]
        places = list(enumerate(zip(self.runs, fused, strict=True), start=len(SOURCE_TITLES)))
        present = {place: run for place, (run, path) in places if path.is_file()}
        for place, (run, path) in places:
            if place in present:
                self._save(name, f"run_{run.name}", suffix, read_image(path))
        return PairPictures(
            pair_id=name,
            width_px=width,
            height_px=height,
            suffix=suffix,
            absent=[place for place, _ in places if place not in present],
            segmented=[place for place, run in present.items() if self._save_prediction(run, name)],
            truth=self._save_truth(row),
            boxes={place: found for place, run in present.items() if (found := self._found(run, name, width, height))},
            true_boxes=self._true_boxes(row, width, height),
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

    def _save_truth(self, row: dict[str, str]) -> bool:
        labelled = bool(row["label"]) and self.segmented
        if labelled:
            self._save_classes(row["pair_id"], TRUTH, read_label(self.source.root / row["label"]))
        return labelled

    def _save_prediction(self, run: RunLabel, pair: str) -> bool:
        path = self._run(run) / "segmentation/predictions" / f"{pair}.png"
        predicted = path.is_file()
        if predicted:
            self._save_classes(pair, f"classes_{run.name}", read_label(path))
        return predicted

    def _save_classes(self, pair: str, name: str, classes: NDArray[np.uint8]) -> None:
        """Write class ids as a palette image; background and unknown ids are transparent."""
        descriptor = self.source.descriptor
        palette, opacity = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
        for known in descriptor.classes:
            palette[known.id] = known.color
            opacity[known.id] = 0 if known.id == descriptor.background_id else 255
        palette[descriptor.ignore_index], opacity[descriptor.ignore_index] = IGNORED_COLOR, 255
        image = Image.fromarray(classes)
        image.putpalette(palette.tobytes())
        path = self.folder / PICTURES / self.results.name / pair / f"{name}.png"
        image.save(path, format="PNG", transparency=opacity.tobytes(), optimize=False)

    def _found(self, run: RunLabel, pair: str, width: int, height: int) -> list[Box]:
        found = self.found[run.name] or {}
        return [_in_percent(box, width, height) for box in found.get(pair, [])]

    def _true_boxes(self, row: dict[str, str], width: int, height: int) -> list[Box] | None:
        if not (row["boxes"] and self.detected):
            return None
        names = self.source.descriptor.detection_classes
        rows = read_boxes(self.source.root / row["boxes"], names, width, height).tolist()
        return [_true_box(names, each) for each in rows]


def box_color(classes: Sequence[str], name: str) -> str:
    """Return the color of a detection class; one that is not known gets the last color."""
    return BOX_COLORS[list(classes).index(name) % len(BOX_COLORS)] if name in classes else BOX_COLORS[-1]


def _true_box(classes: Sequence[str], row: Sequence[float]) -> Box:
    index, x_center, y_center, width, height = row
    corner = (x_center - width / 2, y_center - height / 2)
    return Box(classes[int(index)], None, *_percent(*corner, width, height))


def _in_percent(box: Box, width_px: int, height_px: int) -> Box:
    place = (box.left / width_px, box.top / height_px, box.width / width_px, box.height / height_px)
    return Box(box.name, box.confidence, *_percent(*place))


def _percent(left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    return round(100 * left, 2), round(100 * top, 2), round(100 * width, 2), round(100 * height, 2)


def _read_found_boxes(path: Path) -> dict[str, list[Box]] | None:
    """Return the boxes by pair, in pixels still; None where the run never went through the detector."""
    if not path.is_file():
        return None
    found: dict[str, list[Box]] = defaultdict(list)
    for row in read_rows(path, BOX_COLUMNS):
        confidence, left, top, right, bottom = (to_number(row[column], path) for column in BOX_COLUMNS[2:])
        found[row["pair_id"]].append(Box(row["class"], confidence, left, top, right - left, bottom - top))
    return dict(found)
