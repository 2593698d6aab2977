"""The folder that YOLO reads: links to a run's fused images, labels as text, one `data.yaml`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from ssvif.data.packed import PairsFile
from ssvif.judging.fused_images import fused_path
from ssvif.schema import SPLITS

Boxes = dict[str, NDArray[np.float64]]


def boxes_of(pairs: PairsFile, split: str) -> Boxes:
    """Return the boxes (N,5) of each pair of a split that was annotated, by sorted id; N may be 0."""
    if split not in pairs.splits():
        return {}
    found = {name: pairs.boxes(split, name) for name in pairs.names(split)}
    return {name: boxes for name, boxes in found.items() if boxes is not None}


def build_tree(tree: Path, pairs: PairsFile, fused: Path, boxes: Mapping[str, Boxes], classes: Sequence[str]) -> Path:
    """Write `images/{split}`, `labels/{split}` and `data.yaml` below `tree`; return the last one's path.

    The caches that ultralytics writes beside the labels end up here as well, and not in the data.

    Args:
        tree: an empty folder that the caller removes.
        pairs: the packed dataset, for the sizes.
        fused: the run's folder of fused images.
        boxes: those of each split, rows as `PairsFile.boxes` returns them.
        classes: names in the order of the class indices.

    Raises:
        UserError: a fused image is missing or of another size than its pair.
    """
    for split in SPLITS:
        images, labels = tree / "images" / split, tree / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for name, rows in boxes[split].items():
            image = fused_path(fused, split, name, pairs.size(split, name))
            _link(image, images / image.name)
            (labels / f"{name}.txt").write_text(format_labels(rows), encoding="utf-8")
    # without validation images YOLO still wants the key; it then looks at the training images, once
    validation = "validation" if boxes["validation"] else "train"
    data = {"path": str(tree), "train": "images/train", "val": f"images/{validation}", "test": "images/test"}
    path = tree / "data.yaml"
    names = dict(enumerate(classes))
    path.write_text(yaml.safe_dump({**data, "names": names}, allow_unicode=True), encoding="utf-8")
    return path


def format_labels(rows: NDArray[np.float64]) -> str:
    """Return boxes (N,5) as YOLO's lines `class x_center y_center width height`, fractions of the image."""
    return "".join(f"{int(row[0])} " + " ".join(f"{value:.8f}" for value in row[1:]) + "\n" for row in rows)


def _link(target: Path, link: Path) -> None:
    try:
        link.symlink_to(target.resolve())
    except OSError:  # a file system without links
        shutil.copyfile(target, link)
