"""A made packed dataset with fused images: colored rectangles on gray, with labels and boxes."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image

from ssvif.data.descriptor import ClassInfo, Descriptor, Layout, descriptor_to_json
from ssvif.io.files import read_csv
from ssvif.judging.fused_images import JudgedRun

COLORS = ((90, 90, 90), (220, 40, 40), (40, 60, 220))
DESCRIPTOR = Descriptor(
    name="made",
    title="Made",
    folder="made",
    layouts=(Layout("vi/{name}", "ir/{name}", "label/{name}", "boxes/{name}.txt"),),
    # an order other than that of the ids, and a class that no image shows
    classes=(
        ClassInfo(1, "car", COLORS[1]),
        ClassInfo(0, "background", COLORS[0]),
        ClassInfo(2, "person", COLORS[2]),
        ClassInfo(3, "bus", (1, 2, 3)),
    ),
    background_id=0,
    detection_classes=("car", "person", "bus"),
)


def draw_pair(draw: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an image (H,W,3), its label (H,W) and its boxes (N,5)."""
    height, width = size
    image = np.full((height, width, 3), COLORS[0], dtype=np.uint8)
    label = np.zeros(size, dtype=np.uint8)
    boxes = []
    for kind in (1, 2):
        tall, wide = draw.integers(height // 4, height // 2), draw.integers(width // 4, width // 2)
        top, left = draw.integers(0, height - tall), draw.integers(0, width - wide)
        image[top : top + tall, left : left + wide] = COLORS[kind]
        label[top : top + tall, left : left + wide] = kind
        center = ((left + wide / 2) / width, (top + tall / 2) / height)
        boxes.append((kind - 1, *center, wide / width, tall / height))
    image = np.clip(image + draw.integers(-10, 10, image.shape), 0, 255).astype(np.uint8)
    label[0, :4] = 255
    return image, label, np.array(boxes)


def make_pairs(
    folder: Path,
    counts: Mapping[str, int],
    size: tuple[int, int] = (64, 64),
    *,
    odd_size: tuple[int, int] | None = None,
    labels: bool = True,
    boxes: bool = True,
) -> tuple[Path, Path]:
    """Write `pairs.h5` and `fused/` below `folder`, the first image of a split in `odd_size`; return their paths."""
    draw = np.random.default_rng(0)
    with h5py.File(folder / "pairs.h5", "w") as file:
        file.attrs["format"] = "ssvif-pairs-1"
        file.attrs["descriptor"] = descriptor_to_json(DESCRIPTOR)
        file.attrs["digest"] = "0" * 64
        for split, count in counts.items():
            (folder / "fused" / split).mkdir(parents=True)
            for index in range(count):
                image, label, rows = draw_pair(draw, odd_size if odd_size and index == 0 else size)
                pair = file.create_group(f"{split}/{index:03d}.a")
                pair["visible"], pair["infrared"] = image, image[..., 0]
                if labels:
                    pair["label"] = label
                if boxes:
                    pair["boxes"] = rows
                Image.fromarray(image).save(folder / "fused" / split / f"{index:03d}.a.png")
    return folder / "pairs.h5", folder / "fused"


def run_judge(judge, table, dataset, output, options, workers=0, name="made"):
    """Judge the fused images of `make_pairs`; return the values of a table by class, or metric where it has none."""
    judge(JudgedRun(*dataset, output, name, "average", torch.device("cpu"), workers), options)
    return {row["class"] or row["metric"]: row["value"] for row in read_csv(output / table)}
