"""Packed pairs with a class for each pixel: true labels for the supervised control, or clusters that mean nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.data.packed import PairsFile
from ssvif.data.training_view import TrainingView
from ssvif.io.errors import UserError

LABELLED = ("train", "validation")
BLOB_WAVES = 8  # cosines along each side that random clusters are made of


class TargetView(TrainingView):
    """Crops with a "target" (crop,crop) int64: class ids, or 255 for no class, cropped and flipped as the images are.

    It takes what `TrainingView` takes, and raises what it raises.
    """

    @abstractmethod
    def target(self, name: str, rows: slice, columns: slice) -> NDArray[Any]:
        """Return the class ids of a pair at some rows and columns, which may run backwards."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return one pair: "visible" and "infrared" as `TrainingView` does, and "target".

        Raises:
            UserError: the file is damaged.
        """
        item = super().__getitem__(index)
        name = self.names[index]
        rows, columns = self._choose(index, *self._reader.size(self.split, name))
        return item | {"target": torch.from_numpy(self.target(name, rows, columns).astype(np.int64))}


class LabelledView(TargetView):
    """Crops with the dataset's true classes: its label maps, or its boxes drawn as such.

    Raises:
        UserError: a pair to train or validate on has neither, or some have label maps and others boxes alone.
    """

    def __init__(self, path: Path, split: str, crop: int, seed: int, flip: bool = True, augment: bool = True) -> None:
        super().__init__(path, split, crop, seed, flip, augment)
        self._file = PairsFile(path)
        kinds = [
            (f"{split}/{name}", self._kind(split, name))
            for split in LABELLED
            if split in self._file.splits()
            for name in self._file.names(split)
        ]
        descriptor = self._file.descriptor
        self._file.close()  # so that forked workers inherit no open file
        counts = Counter(kind for _, kind in kinds)
        if len(counts) > 1 or "no label" in counts:
            without = next(name for name, kind in kinds if kind != "a label map")
            raise UserError(
                f"The pair {without} in {path} has no label map, which a supervised training needs",
                expected="a label map for each pair of the splits train and validation, or boxes for each of them",
                got=", ".join(f"{count} with {kind}" for kind, count in sorted(counts.items())),
                remedy="add the labels, take these pairs off splits.csv, or set another `framework`",
            )
        masks = "a label map" in counts
        self.num_classes = len(descriptor.classes) if masks else 1 + len(descriptor.detection_classes)

    def _kind(self, split: str, name: str) -> str:
        if self._file.has_label(split, name):
            return "a label map"
        return "no label" if self._file.boxes(split, name) is None else "boxes alone"

    def target(self, name: str, rows: slice, columns: slice) -> NDArray[Any]:
        """Return the true class ids of a pair at some rows and columns, 255 for no class."""
        label = self._file.mask(self.split, name)
        assert label is not None, "checked when the view was made"
        return label[rows, columns]


class RandomClusterView(TargetView):
    """Crops with clusters that do not depend on the images: smooth blobs of K classes, the same ones at each reading.

    A class is where its own sum of low-frequency cosines, with random amplitudes, exceeds those of the others. A
    negative control: nothing about the scene can be learnt from such labels.
    """

    def __init__(
        self,
        path: Path,
        split: str,
        crop: int,
        seed: int,
        flip: bool = True,
        augment: bool = True,
        num_classes: int = 15,
    ) -> None:
        super().__init__(path, split, crop, seed, flip, augment)
        self.num_classes = num_classes

    def target(self, name: str, rows: slice, columns: slice) -> NDArray[Any]:
        """Return the cluster ids of a pair, drawn by its name, at some rows and columns."""
        random = np.random.default_rng(list(name.encode()))
        amplitudes = random.standard_normal((self.num_classes, BLOB_WAVES, BLOB_WAVES))
        height, width = self._reader.size(self.split, name)
        vertical, horizontal = _cosines(height)[rows], _cosines(width)[columns]
        clusters: NDArray[np.int64] = (vertical @ amplitudes @ horizontal.T).argmax(axis=0)
        return clusters


def _cosines(size: int) -> NDArray[np.float64]:
    """Return the first waves of the discrete cosine transform at each place of a side, (size,BLOB_WAVES)."""
    places = (np.arange(size) + 0.5) / size
    return np.cos(np.pi * places[:, None] * np.arange(BLOB_WAVES))
