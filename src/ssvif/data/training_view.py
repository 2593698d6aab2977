"""Packed pairs as training reads them: the images, without access to labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ssvif.data.packed import ImageReader
from ssvif.io.errors import UserError


class TrainingView(Dataset[dict[str, torch.Tensor]]):
    """Crops of the pairs of one split, for self-supervised training.

    An item depends on (seed, epoch, index) only, not on the number of workers, how they are started,
    or the order of reading.

    Args:
        path: the file written by `ssvif pack`.
        split: "train", "validation" or "test".
        crop: side of the square crop in pixels.
        seed: of the crops' positions and of the flips.
        flip: whether crops are mirrored at random, left-right and top-bottom.
        augment: False takes the center crop and never mirrors, for validation.

    Raises:
        UserError: the file or split is missing, or an image is smaller than the crop.
    """

    def __init__(self, path: Path, split: str, crop: int, seed: int, flip: bool = True, augment: bool = True) -> None:
        self.split, self.crop, self.seed, self.flip, self.augment = split, crop, seed, flip, augment
        self._reader = ImageReader(path)
        self.names = self._reader.names(split)
        self._check_sizes()
        self._reader.close()  # so that forked workers inherit no open file
        self._epoch = 0

    def _check_sizes(self) -> None:
        sizes = {name: self._reader.size(self.split, name) for name in self.names}
        name, (height, width) = min(sizes.items(), key=lambda item: min(item[1]))
        if min(height, width) < self.crop:
            raise UserError(
                f"The pair {name} ({self.split}) in {self._reader.path} is smaller than the training crop",
                expected=f"at least {self.crop}×{self.crop} px",
                got=f"{width}×{height} px, the smallest of {len(self.names)} pairs",
                remedy=f"set the crop to {min(height, width)} px or less, or take small pairs off splits.csv",
            )

    @property
    def digest(self) -> str:
        """The SHA-256 over all that was packed, as provenance."""
        return self._reader.digest

    @property
    def dataset(self) -> str:
        """The dataset's title, as provenance."""
        return self._reader.dataset

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose crops and flips are drawn, before workers are started."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return one pair: "visible" and "infrared" (repeated as a view), (3,crop,crop) float32 in [0,1].

        Raises:
            UserError: the file is damaged.
        """
        name = self.names[index]
        visible, infrared = self._reader.visible(self.split, name), self._reader.infrared(self.split, name)
        rows, columns = self._choose(index, *infrared.shape)
        return {
            "visible": _to_tensor(visible[rows, columns].transpose(2, 0, 1)),
            "infrared": _to_tensor(infrared[rows, columns][None]).expand(3, -1, -1),
        }

    def _choose(self, index: int, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns of an item's crop, in the order of its flips."""
        if not self.augment:
            return self._slice((height - self.crop) // 2, False), self._slice((width - self.crop) // 2, False)
        random = np.random.default_rng([self.seed, self._epoch, index])
        top, left = random.integers(height - self.crop + 1), random.integers(width - self.crop + 1)
        mirrored = random.random(2) < 0.5 if self.flip else (False, False)
        return self._slice(int(top), bool(mirrored[0])), self._slice(int(left), bool(mirrored[1]))

    def _slice(self, start: int, mirrored: bool) -> slice:
        if not mirrored:
            return slice(start, start + self.crop)
        return slice(start + self.crop - 1, start - 1 if start else None, -1)


def _to_tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).float().div_(255)
