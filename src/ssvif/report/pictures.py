"""The pictures of the page: sources, fused images, segmentations and boxes of some test pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.data.boxes import read_boxes
from ssvif.data.layouts import Descriptor
from ssvif.ops.choose import choose_evenly
from ssvif.ops.files import read_image, read_label, write_aside
from ssvif.report.runs import RunLabel, read_rows, to_number

SMALL_PX = 256  # narrower pictures are stored without loss and enlarged with hard pixels
IGNORED_COLOR = (128, 128, 128)
# bright colors that stand out from a grey picture, one per detection class in turn
BOX_COLORS = ("#ffd60a", "#00e5ff", "#ff5fa2", "#8cff66", "#ff9f40", "#b79cff", "#ffffff", "#ff6b6b")
SPLIT_COLUMNS = ("split", "pair_id", "visible", "infrared", "label", "boxes")
BOX_COLUMNS = ("pair_id", "class", "confidence", "x_min_px", "y_min_px", "x_max_px", "y_max_px")


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
    """A box to draw: position and size in percent of the picture."""

    text: str
    color: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class FoundBox:
    """A row of detection/boxes.csv, in pixels."""

    name: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class View:
    """One picture of the page, or a word about its absence.

    Attributes:
        kind: "image", "segmentation" or "detection".
        caption: printed below the picture.
        base: relative address of the picture; empty where it is missing.
        overlay: relative address of the class map laid over it; empty for none.
        boxes: drawn over it.
    """

    kind: str
    caption: str
    base: str = ""
    overlay: str = ""
    boxes: Sequence[Box] = ()


@dataclass(frozen=True)
class Column:
    """Everything of one picture: itself, its segmentation, its boxes."""

    title: str
    views: list[View]


@dataclass(frozen=True)
class PairView:
    """A test pair: its size in pixels and a column for each source and each run."""

    pair_id: str
    width_px: int
    height_px: int
    columns: list[Column]

    @property
    def small(self) -> bool:
        """Whether its pixels should stay visible when it is enlarged."""
        return self.width_px < SMALL_PX


@dataclass
class Gallery:
    """Copies the pictures of one dataset into the page's folder.

    Attributes:
        results: results/{dataset}.
        source: of the sources and the ground truth.
        runs: the runs, in the order of their columns.
        folder: the page's folder; pictures go to pictures/{dataset}/ below it.
    """

    results: Path
    source: Source
    runs: Sequence[RunLabel]
    folder: Path
    boxes: dict[str, dict[str, list[FoundBox]] | None] = field(init=False)
    segmented: bool = field(init=False)

    def __post_init__(self) -> None:
        """Find out what the runs have."""
        self.boxes = {run.name: _read_found_boxes(self._run(run) / "detection/boxes.csv") for run in self.runs}
        self.segmented = any(any((self._run(run) / "segmentation/predictions").glob("*.png")) for run in self.runs)

    @property
    def detected(self) -> bool:
        """Whether any run has found a box."""
        return any(self.boxes.values())

    def pairs(self, most: int) -> tuple[list[PairView], int]:
        """Write the pictures of up to `most` test pairs, evenly chosen, and return them and the pairs' number.

        Raises:
            UserError: splits.csv or a picture it names is missing or damaged.
        """
        rows = [row for row in read_rows(self.source.splits, SPLIT_COLUMNS) if row["split"] == "test"]
        return [self._pair(row) for row in choose_evenly(rows, most)], len(rows)

    def _run(self, run: RunLabel) -> Path:
        return self.results / run.name

    def _pair(self, row: dict[str, str]) -> PairView:
        visible = read_image(self.source.root / row["visible"])
        height, width = visible.shape[:2]
        infrared = read_image(self.source.root / row["infrared"])
        truth = self._truth(row, width, height)
        columns = [
            self._column("Visible", self._save(row, "visible", visible), "labelled", truth),
            self._column("Infrared", self._save(row, "infrared", infrared), "labelled", truth),
        ]
        for run in self.runs:
            path = self._run(run) / "fused/test" / f"{row['pair_id']}.png"
            base = self._save(row, f"run_{run.name}", read_image(path)) if path.is_file() else ""
            found = self._prediction(run, row, width, height)
            columns.append(self._column(run.title, base, "predicted", found))
        return PairView(row["pair_id"], width, height, columns)

    def _column(self, title: str, base: str, origin: str, drawn: tuple[str, list[Box] | None]) -> Column:
        overlay, boxes = drawn
        views = [View("image", "" if base else "no fused image", base)]
        if self.segmented:
            absent = View("segmentation", f"no {origin} segmentation")
            caption = f"segmentation, {origin}"
            views.append(View("segmentation", caption, base, overlay) if base and overlay else absent)
        if self.detected:
            absent = View("detection", f"no {origin} boxes")
            count = f"{len(boxes)} box" + ("" if len(boxes) == 1 else "es") if boxes is not None else ""
            present = base and boxes is not None
            views.append(View("detection", f"{count}, {origin}", base, "", boxes or ()) if present else absent)
        return Column(title, views)

    def _truth(self, row: dict[str, str], width: int, height: int) -> tuple[str, list[Box] | None]:
        overlay, boxes = "", None
        descriptor = self.source.descriptor
        if row["label"] and self.segmented:
            overlay = self._save_classes(row, "truth", read_label(self.source.root / row["label"]))
        if row["boxes"] and self.detected:
            path = self.source.root / row["boxes"]
            found = read_boxes(path, descriptor.detection_classes, width, height)
            boxes = [_true_box(descriptor.detection_classes, box) for box in found.tolist()]
        return overlay, boxes

    def _prediction(self, run: RunLabel, row: dict[str, str], width: int, height: int) -> tuple[str, list[Box] | None]:
        path = self._run(run) / "segmentation/predictions" / f"{row['pair_id']}.png"
        overlay = self._save_classes(row, f"classes_{run.name}", read_label(path)) if path.is_file() else ""
        boxes = self.boxes[run.name]
        if boxes is None:
            return overlay, None
        return overlay, [
            _found_box(self.source.descriptor.detection_classes, found, width, height)
            for found in boxes.get(row["pair_id"], [])
        ]

    def _save(self, row: dict[str, str], name: str, picture: NDArray[np.uint8]) -> str:
        image = Image.fromarray(picture)
        small = picture.shape[1] < SMALL_PX
        path = self._path(row, name, ".png" if small else ".jpg")
        with write_aside(path) as aside:
            if small:
                image.save(aside, format="PNG")
            else:
                image.save(aside, format="JPEG", quality=90, subsampling=0)
        return self._address(path)

    def _save_classes(self, row: dict[str, str], name: str, classes: NDArray[np.uint8]) -> str:
        """Write class ids as a palette image; background and unknown ids are transparent."""
        descriptor = self.source.descriptor
        palette, opacity = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
        for known in descriptor.classes:
            palette[known.id] = known.color
            opacity[known.id] = 0 if known.id == descriptor.background_id else 255
        palette[descriptor.ignore_index], opacity[descriptor.ignore_index] = IGNORED_COLOR, 255
        image = Image.fromarray(classes)
        image.putpalette(palette.tobytes())
        path = self._path(row, name, ".png")
        with write_aside(path) as aside:
            image.save(aside, format="PNG", transparency=opacity.tobytes(), optimize=False)
        return self._address(path)

    def _path(self, row: dict[str, str], name: str, suffix: str) -> Path:
        return self.folder / "pictures" / self.results.name / row["pair_id"] / f"{name}{suffix}"

    def _address(self, path: Path) -> str:
        return quote(path.relative_to(self.folder).as_posix())


def box_color(classes: Sequence[str], name: str) -> str:
    """Return the color of a detection class; one that is not known gets the last color."""
    return BOX_COLORS[list(classes).index(name) % len(BOX_COLORS)] if name in classes else BOX_COLORS[-1]


def _true_box(classes: Sequence[str], row: Sequence[float]) -> Box:
    index, x_center, y_center, width, height = row
    name = classes[int(index)]
    corner = (x_center - width / 2, y_center - height / 2)
    return Box(name, box_color(classes, name), *_percent(*corner, width, height))


def _found_box(classes: Sequence[str], found: FoundBox, width_px: int, height_px: int) -> Box:
    place = _percent(
        found.left / width_px,
        found.top / height_px,
        (found.right - found.left) / width_px,
        (found.bottom - found.top) / height_px,
    )
    return Box(f"{found.name} {found.confidence:.2f}", box_color(classes, found.name), *place)


def _percent(left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    return round(100 * left, 2), round(100 * top, 2), round(100 * width, 2), round(100 * height, 2)


def _read_found_boxes(path: Path) -> dict[str, list[FoundBox]] | None:
    if not path.is_file():
        return None
    found: dict[str, list[FoundBox]] = defaultdict(list)
    for row in read_rows(path, BOX_COLUMNS):
        confidence, *corners = (to_number(row[column], path) for column in BOX_COLUMNS[2:])
        found[row["pair_id"]].append(FoundBox(row["class"], confidence, *corners))
    return dict(found)
