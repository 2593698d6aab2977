"""Packed pairs as training reads them: the images, without access to labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ssvif.data.packed import ImageReader
from ssvif.io.errors import UserError


class ItemError(UserError):
    """A user's error that stays readable when a loader's worker process hands it to its parent.

    The parent gets the worker's traceback as one text and builds the same type of error from it;
    what the user needs comes after the last mention of the type.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text.rpartition(f"{type(self).__name__}: ")[2].rstrip())


class TrainingView(Dataset[dict[str, torch.Tensor]]):
    """Crops of the pairs of one split, for self-supervised training.

    An item depends on (seed, epoch, index) only, not on the number of workers, how they are started,
    or the order of reading. `set_epoch` reaches workers that live through many epochs too.

    Args:
        path: the file written by `ssvif pack`.
        split: "train", "validation" or "test".
        crop: side of the square crop in pixels.
        seed: of the crops' positions and of the flips.
        flip: whether crops are mirrored at random, left-right and top-bottom.
        augment: False takes the center crop and never mirrors, for validation.

    Raises:
        UserError: the file or split is missing, or an image is smaller than the crop.
        ValueError: `crop` is below 1.
    """

    def __init__(self, path: Path, split: str, crop: int, seed: int, flip: bool = True, augment: bool = True) -> None:
        if crop < 1:
            raise ValueError(f"crop must be 1 or more, got {crop}")
        self.split, self.crop, self.seed, self.flip, self.augment = split, crop, seed, flip, augment
        self._reader = ImageReader(path)
        self.names = self._reader.names(split)
        self._check_sizes()
        self._reader.close()  # so that forked workers inherit no open file
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

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

    def set_epoch(self, epoch: int) -> None:
        """Choose the crops and flips of an epoch, in this process and in its workers."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return one pair: "visible" and "infrared" (repeated as a view), (3,crop,crop) float32 in [0,1].

        Raises:
            UserError: the file is damaged.
            IndexError: `index` is not in 0 to len - 1.
        """
        if not 0 <= index < len(self.names):
            raise IndexError(f"item {index} of {len(self.names)}")
        name = self.names[index]
        try:
            visible = self._reader.visible(self.split, name)
            infrared = self._reader.infrared(self.split, name)
        except UserError as error:
            raise ItemError(str(error)) from error
        rows, columns = self._choose(index, *infrared.shape)
        return {
            "visible": _to_tensor(visible[rows, columns].transpose(2, 0, 1)),
            "infrared": _to_tensor(infrared[rows, columns][None]).expand(3, -1, -1),
        }

    def _choose(self, index: int, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns of an item's crop, in the order of its flips."""
        if not self.augment:
            return self._slice((height - self.crop) // 2, False), self._slice((width - self.crop) // 2, False)
        random = np.random.default_rng([self.seed, int(self._epoch), index])
        top, left = random.integers(height - self.crop + 1), random.integers(width - self.crop + 1)
        mirrored = random.random(2) < 0.5 if self.flip else (False, False)
        return self._slice(int(top), bool(mirrored[0])), self._slice(int(left), bool(mirrored[1]))

    def _slice(self, start: int, mirrored: bool) -> slice:
        if not mirrored:
            return slice(start, start + self.crop)
        return slice(start + self.crop - 1, start - 1 if start else None, -1)


def _to_tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).float().div_(255)
