"""Small raw datasets, made anew for each test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssvif.config.files import load_descriptor
from ssvif.data.descriptor import ClassInfo, Descriptor, Layout
from ssvif.data.pack import pack_pairs
from ssvif.data.split import split_dataset
from ssvif.io.files import write_png

DATASETS = Path(__file__).parents[2] / "config" / "datasets"
HEIGHT, WIDTH = 24, 32


def write_pair(root: Path, split: str, name: str, *, label: bool = False, boxes: str | None = None) -> None:
    """Write one pair of noise, seeded by its name, with what annotation is asked for."""
    random = np.random.default_rng(list(name.encode()))
    write_png(root / split / "vi" / f"{name}.png", random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    write_png(root / split / "ir" / f"{name}.png", random.integers(0, 256, (HEIGHT, WIDTH), np.uint8))
    if label:
        ids = np.array([0, 1, 2, 255], np.uint8)
        write_png(root / split / "labels" / f"{name}.png", random.choice(ids, (HEIGHT, WIDTH)))
    if boxes is not None:
        path = root / split / "boxes" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(boxes)


@pytest.fixture
def load() -> Callable[[str], Descriptor]:
    """A function that reads one of the shipped descriptors."""
    return lambda name: load_descriptor(DATASETS / f"{name}.yaml")


@pytest.fixture
def descriptor() -> Descriptor:
    return Descriptor(
        name="toy",
        title="Toy",
        folder="toy",
        layouts=(
            Layout("{split}/vi/{name}", "{split}/ir/{name}", "{split}/labels/{name}", "{split}/boxes/{name}.txt"),
        ),
        official_splits={"train": "training", "test": "testing"},
        validation_fraction=0.25,
        classes=tuple(ClassInfo(i, f"class {i}", (i, i, i)) for i in range(3)),
        background_id=0,
        detection_classes=("person", "car"),
        expected={"train": 12, "test": 3},
    )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The folder of a dataset with 12 training pairs, 4 of them labelled, and 3 test pairs with everything."""
    root = tmp_path / "toy"
    for i in range(12):
        write_pair(root, "training", f"{i:02d}", label=i < 4)
    for i in range(3):
        write_pair(root, "testing", f"{i:02d}t", label=True, boxes="1 0.5 0.5 0.25 0.5\n" * i)
    return root


@pytest.fixture
def pack(descriptor: Descriptor, raw: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that splits and packs the dataset as it is when it is called."""

    def split_and_pack(name: str = "pairs.h5", **how: Any) -> Path:
        split_dataset(descriptor, raw, tmp_path / "splits.csv", seed=0)
        pack_pairs(descriptor, raw, tmp_path / "splits.csv", tmp_path / name, **how)
        return tmp_path / name

    return split_and_pack


@pytest.fixture
def packed(pack: Callable[..., Path]) -> Path:
    return pack()
