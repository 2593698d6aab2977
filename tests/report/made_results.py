"""Writers of small results, as the commands before the report would leave them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

PAIRS = ("001", "002", "003", "004 #4")
HISTORY = ("epoch", "stage", "train_loss", "train_fusion", "validation_fusion", "train_consistency", "alpha")
DIAGNOSTICS = ("live_classes", "class_entropy", "agreement", "collapsed")
IOU = ("dataset", "run", "metric", "class", "value", "initial_weights")


def write(path: Path, columns, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_metrics(results: Path, run: str, values: dict[str, list]) -> None:
    rows = [
        ("toy", run, pair, metric, value)
        for metric, found in values.items()
        for pair, value in zip(PAIRS, found, strict=False)
    ]
    write(results / "toy" / run / "fusion_metrics.csv", ("dataset", "run", "pair_id", "metric", "value"), rows)


def write_iou(results: Path, run: str, person: float, weights: str = "scratch") -> None:
    rows = [
        ("toy", run, "iou", "sky", 0.9, weights),
        ("toy", run, "iou", "person", person, weights),
        ("toy", run, "iou", "bike", "", weights),
        ("toy", run, "miou", "", (0.9 + person) / 2, weights),
    ]
    write(results / "toy" / run / "segmentation/iou.csv", IOU, rows)


def write_history(folder: Path, *, collapsed: bool = False, joint: bool = True) -> None:
    rows = []
    for epoch in range(8):
        second = joint and epoch >= 3
        loss = 10 / (epoch + 1)
        end = (2.5, 0.1, 5 - epoch // 2, 1.2, 0.8, int(collapsed and epoch > 5)) if second else ("",) * 6
        rows.append((epoch, "joint" if second else "fusion", loss, loss, loss * 1.1, *end))
    write(folder / "history.csv", HISTORY + DIAGNOSTICS, rows)


def picture(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8)).save(path)


def write_gradients(folder: Path, cosines=(0.5, 0.1, 0.3)) -> None:
    columns = ("epoch", "step", "projection_consistency", "projection_fusion", "cosine")
    rows = [(4, step, value / 100, value * 100, value) for step, value in enumerate(cosines, start=1)]
    write(folder / "gradients.csv", columns, rows)


def write_pseudo_labels(folder: Path) -> None:
    write(folder / "pseudo_labels/classes.csv", ("class", "share"), [(3, 0.75), (1, 0.2495), (0, 0.0005)])
    write(
        folder / "pseudo_labels/follows.csv",
        ("cue", "explained"),
        [("visible", 0.2), ("infrared", 0.625), ("row", 0), ("border", 1)],
    )
    picture(folder / "pseudo_labels/001 #1.png", np.zeros((8, 48, 3)))
