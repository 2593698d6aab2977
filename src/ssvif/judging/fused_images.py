"""Shared by the judges: the fused PNGs of a run, the labels of their pairs, and the folder of the result."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ssvif.data.descriptor import Descriptor
from ssvif.data.packed import PairsFile
from ssvif.data.tally import AnnotationTally, count_classes
from ssvif.io.device import device_name
from ssvif.io.errors import UserError
from ssvif.io.files import read_image, write_csv
from ssvif.io.images import open_image
from ssvif.io.record import Recorder
from ssvif.judging.options import DetectionOptions, JudgeOptions, SegmentationOptions
from ssvif.ops.seeds import generator
from ssvif.schema import JUDGE_COLUMNS, LEFT_OUT, NOTE, RUN_FILES, SPLITS

IGNORE = 255
STRIDE = 32  # of SegFormer's coarsest map
log = logging.getLogger("ssvif")
REMEDY = (
    "fuse the run again (`ssvif fuse`); of another method's images make such a folder first: "
    "`ssvif fuse --pairs PAIRS.h5 --images MYFOLDER --output OUT`"
)
Score = tuple[str, str, float | None]  # metric, class, value: one row of a table; a mean has no class


@dataclass(frozen=True)
class JudgedRun:
    """The run whose fused images are judged, and where to compute."""

    pairs: Path  # packed dataset, for sizes, labels and boxes
    fused: Path  # the run's folder of fused images, one folder a split
    output: Path  # folder to write; replaced if it exists
    dataset: str  # name in the tables
    run: str  # name in the tables
    device: torch.device
    workers: int = 0  # processes that read images
    recorder: Recorder = field(default_factory=Recorder)  # measures the time from here on

    def rows(self, scores: Iterable[Score], options: SegmentationOptions | DetectionOptions) -> list[dict[str, Any]]:
        """Return the rows of `JUDGE_COLUMNS` for the scores of a network that was trained by these options."""
        weights = Path(options.weights).name or "scratch"
        return [dict(zip(JUDGE_COLUMNS, (self.dataset, self.run, *score, weights), strict=True)) for score in scores]

    def write_result(
        self,
        table: Path,
        columns: Sequence[str],
        rows: Iterable[Mapping[str, Any]],
        options: JudgeOptions,
        *,
        left_out: str = "",
        **facts: Any,
    ) -> None:
        """Write the table of scores, and `record.json` with the options and further facts beside it.

        `left_out` says why there are no scores; it is logged and stands in the table, in a column `note`.
        """
        if left_out:
            judge = next(judge for judge, file in RUN_FILES.items() if Path(file).name == table.name)
            log.warning("%s has %s: %s is left out", self.dataset or self.pairs, left_out, judge)
            columns, rows = (*columns, NOTE), [left_out_row(self.dataset, self.run, left_out)]
            facts["left_out"] = left_out
        write_csv(table, rows, columns)
        known = {"dataset": self.dataset, "run": self.run, "device": device_name(self.device)}
        self.recorder.write(table.with_name("record.json"), settings=asdict(options), **known, **facts)

    def tally(self, source: PairsFile, kind: str, annotated: Mapping[str, Iterable[str]]) -> AnnotationTally:
        """Count what "label" or "boxes" hold, given the names of such pairs by split; log what is strange about it."""
        found = AnnotationTally(source.descriptor)
        for split, names in annotated.items():
            for name in names:
                if (part := source.label(split, name) if kind == "label" else source.boxes(split, name)) is not None:
                    found.add(split, kind, count_classes(kind, part))
        for warning in found.warnings():
            log.warning("%s: %s", self.dataset or self.pairs, warning)
        return found


def left_out_row(dataset: str, run: str, reason: str) -> dict[str, str]:
    """Return the row that stands in a table of scores where there are none."""
    return {"dataset": dataset, "run": run, "metric": LEFT_OUT, NOTE: reason}


def find_lacking(annotated: Mapping[str, Collection[object]], noun: str) -> str:
    """Return what is lacking to train and to test with: "no labels", "no labels in test"; "" if nothing is.

    `annotated` are the pairs of each split that have a label or a box, `noun` says what these are: "labels".
    """
    lacking = [split for split in ("train", "test") if not annotated[split]]
    if len(lacking) == 2:
        return f"no {noun}" + (", in validation alone" if annotated["validation"] else "")
    return f"no {noun} in {lacking[0]}" if lacking else ""


def names_by_split(pairs: PairsFile) -> dict[str, list[str]]:
    """Return the sorted pair ids of train, validation and test; none of a split that the file lacks."""
    return {split: pairs.names(split) if split in pairs.splits() else [] for split in SPLITS}


def find_labeled(pairs: PairsFile, kind: str) -> dict[str, list[str]]:
    """Return the sorted names of the pairs of each split that have "masks" or "boxes"."""

    def is_labeled(split: str, name: str) -> bool:
        return pairs.has_label(split, name) if kind == "masks" else pairs.boxes(split, name) is not None

    every = names_by_split(pairs).items()
    return {split: [name for name in names if is_labeled(split, name)] for split, names in every}


def fused_path(fused: Path, split: str, name: str, size: tuple[int, int]) -> Path:
    """Return the path of a pair's fused image after checking that it has the pair's height and width.

    Raises:
        UserError: the image is missing, unreadable or of another size.
    """
    path = fused / split / f"{name}.png"
    try:
        with open_image(path) as image:
            width, height = image.size
    except UserError as error:
        raise error.replace(remedy=REMEDY) from error
    if (height, width) != size:
        raise UserError(
            f"The fused image {path} has another size than its pair",
            expected=f"{size[1]}×{size[0]} pixels",
            got=f"{width}×{height}",
            remedy=REMEDY,
        )
    return path


def target_of(label: NDArray[np.uint8], descriptor: Descriptor) -> NDArray[np.int64]:
    """Return a label map (H,W) of class ids as a training target (H,W); the dataset's ignore value becomes 255.

    Raises:
        UserError: the label holds an id that the descriptor does not list, in a file not made by `ssvif pack`.
    """
    ignored = label == descriptor.ignore_index
    unknown = np.unique(label[~ignored & (label >= len(descriptor.classes))]).tolist()
    if unknown:
        raise UserError(
            f"A label holds the class ids {unknown}, which the dataset's descriptor does not list",
            remedy="add the classes to the descriptor and pack the dataset again",
        )
    return np.where(ignored, IGNORE, label.astype(np.int64))


class FusedImages(Dataset[dict[str, torch.Tensor]]):
    """Fused images with their labels, whole or as random crops.

    Items hold `image` (3,H,W) float32 in [0,1], `label` (H,W) int64 class ids with 255 for pixels that do not count,
    and `index`, the item's position in `names`, the ids of the labelled pairs to use. With `augment` items are flipped
    at random and, if `crop` is not 0, cropped to a square of that side in pixels. Whole images are padded at the bottom
    and right to multiples of 32 by reflection, their labels by 255. Crop and flip come from a generator seeded by
    (seed, epoch, index), so they do not depend on the number of workers. Images are never flipped vertically, since
    street scenes have an up and a down (assumed).

    Raises:
        UserError: a fused image is missing or of another size than its pair.
    """

    def __init__(
        self,
        pairs: PairsFile,
        fused: Path,
        split: str,
        names: Sequence[str],
        *,
        augment: bool = False,
        crop: int = 0,
        seed: int = 0,
    ) -> None:
        self.names = list(names)
        self.image_sizes = [pairs.size(split, name) for name in names]
        self._paths = [fused_path(fused, split, name, size) for name, size in zip(names, self.image_sizes, strict=True)]
        self._pairs, self._split, self._descriptor = pairs, split, pairs.descriptor
        self._augment, self._crop, self._seed, self._epoch = augment, crop if augment else 0, seed, 0

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.names)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose crops and flips are drawn."""
        self._epoch = epoch

    def item_size(self, index: int) -> tuple[int, int]:
        """Return height and width of an item, cropped or padded."""
        if self._crop:
            return self._crop, self._crop
        height, width = (-(-side // STRIDE) * STRIDE for side in self.image_sizes[index])
        return height, width

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return the item at `index`: its image (3,H,W), label (H,W) and index."""
        image = read_image(self._paths[index])
        image = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
        label = self._pairs.label(self._split, self.names[index])
        assert label is not None, f"{self.names[index]} has no label"
        image, target = self._fit(image, target_of(label, self._descriptor), index)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255,
            "label": torch.from_numpy(np.ascontiguousarray(target)),
            "index": torch.tensor(index),
        }

    def _fit(
        self, image: NDArray[np.uint8], label: NDArray[np.int64], index: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pad, crop and flip an image (H,W,3) and its label (H,W)."""
        height, width = self.item_size(index)
        below, right = max(height - image.shape[0], 0), max(width - image.shape[1], 0)
        image = np.pad(image, ((0, below), (0, right), (0, 0)), mode="reflect")
        label = np.pad(label, ((0, below), (0, right)), constant_values=IGNORE)
        if not self._augment:
            return image, label
        draw = torch.rand(3, generator=generator(self._seed, "item", self._epoch, index)).tolist()
        top = int(draw[0] * (image.shape[0] - height + 1))
        left = int(draw[1] * (image.shape[1] - width + 1))
        image = image[top : top + height, left : left + width]
        label = label[top : top + height, left : left + width]
        return (image[:, ::-1], label[:, ::-1]) if draw[2] < 0.5 else (image, label)


def batches_by_size(
    sizes: Sequence[tuple[int, int]], batch_size: int, shuffle: torch.Generator | None = None
) -> list[list[int]]:
    """Group the indices of images, given their heights and widths, into batches of one size; each index occurs once.

    The generator draws the order of images and batches; without it the order is kept.
    """
    order = range(len(sizes)) if shuffle is None else torch.randperm(len(sizes), generator=shuffle).tolist()
    groups: dict[tuple[int, int], list[int]] = {}
    for index in order:
        groups.setdefault(sizes[index], []).append(index)
    batches = [
        group[start : start + batch_size] for group in groups.values() for start in range(0, len(group), batch_size)
    ]
    if shuffle is None:
        return batches
    return [batches[position] for position in torch.randperm(len(batches), generator=shuffle).tolist()]
