"""Results of made pairs and methods, and their report: a few distinct pictures stand for all of them, as hard links."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image

from ssvif.data.descriptor import ClassInfo, Descriptor, Layout
from ssvif.io.files import write_csv
from ssvif.report.page.site import make_page
from ssvif.report.pictures import PictureSource
from ssvif.report.runs import RunLabel
from ssvif.report.tables import make_tables
from ssvif.schema import BOX_COLUMNS, FUSION_METRICS, METRIC_COLUMNS, RUN_FILES, SPLIT_COLUMNS, StandardMetric

DISTINCT = 24
METRICS = get_args(StandardMetric)
CLASSES = ("background", "car", "person", "bike")


def make_results(root: Path, pairs: int, runs: int, width: int, height: int) -> list[RunLabel]:
    """Write data, fused images, class maps, boxes and scores of so many pairs and methods; return the methods."""
    names = [f"{number:05d}{'DN'[number % 2]}" for number in range(pairs)]
    labels = [RunLabel(f"method_{number}", f"Method {number}") for number in range(runs)]
    made = _make_pictures(root / "made", width, height)
    _link(made, root / "data/vi", names, 0)
    _link(made, root / "data/ir", names, 5)
    _link(_make_labels(root / "labels", width, height), root / "data/label", names, 0)
    results = root / "results/made"
    for number, run in enumerate(labels):
        _link(made, results / run.name / "fused/test", names, 7 + number)
        _link(sorted((root / "labels").iterdir()), results / run.name / "segmentation/predictions", names, number)
        _write_scores(results / run.name, names, number)
    rows = [("test", name, f"vi/{name}.png", f"ir/{name}.png", f"label/{name}.png", "") for name in names]
    _write(root / "splits.csv", SPLIT_COLUMNS, rows)
    return labels


def make_report(root: Path, labels: list[RunLabel]) -> Path:
    """Write tables and report of what `make_results` wrote; return the overview."""
    classes = tuple(ClassInfo(place, name, (40 * place, 200 - 50 * place, 90)) for place, name in enumerate(CLASSES))
    layouts = (Layout("vi/{name}", "ir/{name}", "label/{name}"),)
    kind = Descriptor("made", "Made", "made", layouts, classes=classes, background_id=0, detection_classes=CLASSES[1:])
    source = PictureSource(descriptor=kind, splits=root / "splits.csv", root=root / "data")
    make_tables(root / "results", root / "tables", {"made": labels})
    return make_page(root / "results", root / "tables", root / "page", {"made": labels}, sources={"made": source})


def folder_mib(folder: Path) -> tuple[float, int]:
    """Return the size in MiB and the number of the files in a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes) / 2**20, len(sizes)


def _make_pictures(folder: Path, width: int, height: int) -> list[Path]:
    """Write smooth color fields with some grain: they compress about like photographs at dusk."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(DISTINCT):
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        grain = generator.normal(0, 5, (height, width, 1)).astype(np.int16)
        picture = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number:02d}.png", compress_level=1)
    return sorted(folder.iterdir())


def _make_labels(folder: Path, width: int, height: int) -> list[Path]:
    generator = np.random.default_rng(1)
    folder.mkdir(parents=True)
    for number in range(DISTINCT):
        coarse = Image.fromarray(generator.integers(0, len(CLASSES), (6, 8), np.uint8))
        coarse.resize((width, height), Image.Resampling.NEAREST).save(folder / f"{number:02d}.png")
    return sorted(folder.iterdir())


def _link(made: list[Path], folder: Path, names: list[str], offset: int) -> None:
    folder.mkdir(parents=True)
    for place, name in enumerate(names):
        os.link(made[(place + offset) % len(made)], folder / f"{name}.png")


def _write_scores(folder: Path, names: list[str], seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = [("made", folder.name, name, metric, generator.normal(1, 0.2)) for metric in METRICS for name in names]
    _write(folder / RUN_FILES[FUSION_METRICS], METRIC_COLUMNS, rows)
    boxes = [
        (name, CLASSES[1 + place % 3], 0.5, *np.round(generator.uniform(0, 200, 2), 1), 300.0, 250.0)
        for name in names
        for place in range(5)
    ]
    _write(folder / "detection/boxes.csv", BOX_COLUMNS, boxes)


def _write(path: Path, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    write_csv(path, (dict(zip(columns, row, strict=True)) for row in rows), columns)
