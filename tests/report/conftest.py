"""A small folder of results for two runs on four pairs, and the dataset they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from report.made_results import PAIRS, picture, write, write_iou, write_metrics
from ssvif.data.layouts import ClassInfo, Descriptor, Layout
from ssvif.report.pictures import Source


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """results/ with the scores of the runs `average` and `ours`."""
    folder = tmp_path / "results"
    write_metrics(folder, "average", {"en": [6.0, 7.0], "delta_e76": [4.0, 5.0], "ms_ssim": ["", ""]})
    write_metrics(folder, "ours", {"en": [7.0, 7.5], "delta_e76": [3.0, 3.5], "ms_ssim": ["", ""]})
    write_iou(folder, "average", 0.5)
    write_iou(folder, "ours", 0.7)
    return folder


@pytest.fixture
def source(tmp_path: Path, results: Path) -> Source:
    """A dataset of four pairs with labels and boxes, and what both runs made of them."""
    root = tmp_path / "data"
    generator = np.random.default_rng(0)
    rows = []
    for pair in PAIRS:
        visible = generator.integers(0, 256, (24, 32, 3))
        label = generator.integers(0, 3, (24, 32))
        picture(root / f"vi/{pair}.png", visible)
        picture(root / f"ir/{pair}.png", visible[..., 0])
        picture(root / f"label/{pair}.png", label)
        (root / f"{pair}.txt").write_text("0 0.5 0.5 0.25 0.5\n", encoding="utf-8")
        rows.append(("test", pair, f"vi/{pair}.png", f"ir/{pair}.png", f"label/{pair}.png", f"{pair}.txt"))
        for run in ("average", "ours"):
            picture(results / f"toy/{run}/fused/test/{pair}.png", visible // 2)
            picture(results / f"toy/{run}/segmentation/predictions/{pair}.png", label)
    rows.append(("train", "000", "vi/none.png", "ir/none.png", "", ""))
    write(root / "splits.csv", ("split", "pair_id", "visible", "infrared", "label", "boxes"), rows)
    columns = ("pair_id", "class", "confidence", "x_min_px", "y_min_px", "x_max_px", "y_max_px")
    write(results / "toy/ours/detection/boxes.csv", columns, [("001", "person", 0.876, 8, 6, 16, 18)])
    classes = (
        ClassInfo(0, "sky", (10, 20, 30)),
        ClassInfo(1, "person", (200, 0, 0)),
        ClassInfo(2, "bike", (0, 200, 0)),
    )
    descriptor = Descriptor(
        "toy",
        "Toy & Co",
        "toy",
        (Layout("vi/{name}", "ir/{name}"),),
        classes=classes,
        background_id=0,
        detection_classes=("person",),
    )
    return Source(descriptor=descriptor, splits=root / "splits.csv", root=root)
