"""Segmentation as judge: SegFormer fine-tuned on a run's fused images (paper, appendix A-B)."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save
from torch.nn import functional
from torch.utils.data import DataLoader

from ssvif.data.descriptor import Descriptor
from ssvif.data.packed import PairsFile
from ssvif.io.device import device_name
from ssvif.io.errors import UserError
from ssvif.io.files import write_aside, write_csv, write_folder_aside
from ssvif.io.progress import track
from ssvif.io.record import Recorder
from ssvif.judging.fused_images import IGNORE, ClassIndex, FusedImages, batches_by_size
from ssvif.judging.initial_weights import initial_weights_name, load_initial_weights
from ssvif.judging.options import SegmentationOptions
from ssvif.metrics.segmentation import confusion_matrix, iou, miou
from ssvif.models.segmentation import Segmenter
from ssvif.ops.seeds import generator, make_deterministic, seed_torch
from ssvif.schema import SPLITS

IOU_COLUMNS = ("dataset", "run", "metric", "class", "value", "initial_weights")
HISTORY_COLUMNS = ("epoch", "backbone", "learning_rate", "train_loss", "validation_loss")
OWNED = ("iou.csv", "predictions", "model.safetensors", "history.csv", "record.json")
log = logging.getLogger("ssvif")


def fine_tune(
    pairs: Path,
    fused: Path,
    output: Path,
    *,
    dataset: str,
    run: str,
    options: SegmentationOptions,
    device: torch.device,
    workers: int = 0,
) -> None:
    """Train SegFormer on labelled fused images and score it on the test split.

    Writes the folder `output`, whole or not at all: `iou.csv` (fractions 0 to 1, higher is better),
    `predictions/{pair_id}.png` (class ids with the dataset's palette), `model.safetensors`, `history.csv` and
    `record.json`. Without labelled training or test pairs `iou.csv` has a header only and there is no model.
    The weights with the lowest validation loss are the ones scored; without labelled validation pairs the
    training loss decides.

    Args:
        pairs: the packed dataset, for labels and sizes.
        fused: the run's folder of fused images, one folder a split.
        output: folder to write; replaced if it exists.
        dataset: name in the tables.
        run: name in the tables.
        options: of the training.
        device: to compute on.
        workers: processes that read images; they change the speed, not the result.

    Raises:
        UserError: a fused image is missing or of another size than its pair, the initial weights are
            missing or do not fit, or the training diverged.
    """
    recorder, source = Recorder(), PairsFile(pairs)
    if options.frozen_epochs and not options.weights:
        log.info("training from scratch: a random backbone is not worth freezing, so nothing is frozen")
        options = replace(options, frozen_epochs=0)
    names = {split: labelled_names(source, split) for split in SPLITS}
    with write_folder_aside(output, OWNED) as folder:
        rows: list[dict[str, Any]] = []
        facts: dict[str, Any] = {}
        if names["train"] and names["test"]:
            make_deterministic(device)
            datasets = _open_datasets(source, fused, names, options)
            judge = _Judge(source.descriptor, options, device, workers)
            history, facts["best_epoch"] = judge.fit(datasets["train"], datasets["validation"])
            confusion = judge.predict(datasets["test"], folder / "predictions")
            weights = initial_weights_name(options.weights)
            rows = [
                {"dataset": dataset, "run": run, **row, "initial_weights": weights}
                for row in score_rows(confusion, source.descriptor)
            ]
            write_csv(folder / "history.csv", history, HISTORY_COLUMNS)
            judge.save(folder / "model.safetensors")
        else:
            (folder / "predictions").mkdir()
            log.info("%s has no labels to train and test with: segmentation is left out", dataset)
        write_csv(folder / "iou.csv", rows, IOU_COLUMNS)
        facts["labelled_pairs"] = {split: len(names[split]) for split in SPLITS}
        facts |= {"dataset": dataset, "run": run, "data_sha256": source.digest}
        recorder.write(folder / "record.json", settings=asdict(options), device=device_name(device), **facts)


def labelled_names(pairs: PairsFile, split: str) -> list[str]:
    """Return the sorted ids of the pairs of a split that have a label; empty if there is no such split."""
    if split not in pairs.splits():
        return []
    return [name for name in pairs.names(split) if pairs.label(split, name) is not None]


def score_rows(confusion: torch.Tensor, descriptor: Descriptor) -> list[dict[str, Any]]:
    """Return the rows `metric`, `class`, `value` of `iou.csv` for a confusion matrix (K,K).

    A class that the ground truth lacks has an empty value and is in no mean; without a background class
    `miou_without_background` is empty.
    """
    scores = iou(confusion).tolist()
    rows: list[dict[str, Any]] = [
        {"metric": "iou", "class": each.name, "value": _or_empty(score)}
        for each, score in zip(descriptor.classes, scores, strict=True)
    ]
    without = math.nan
    if descriptor.background_id is not None:
        ids = [each.id for each in descriptor.classes]
        without = float(miou(confusion, background_id=ids.index(descriptor.background_id)))
    rows.append({"metric": "miou", "class": "", "value": _or_empty(float(miou(confusion)))})
    rows.append({"metric": "miou_without_background", "class": "", "value": _or_empty(without)})
    return rows


def learning_rate_at(epoch: int, options: SegmentationOptions) -> float:
    """Return the rate of an epoch: one cosine over all epochs, of another height once unfrozen (assumed)."""
    frozen = epoch < options.frozen_epochs
    height = options.learning_rate if frozen else options.unfrozen_learning_rate
    return height * (1 + math.cos(math.pi * epoch / options.epochs)) / 2


def cross_entropy_sum(logits: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed cross-entropy of logits (B,K,H,W) against indices (B,H,W), and the pixels that count.

    Pixels of value 255 do not count.
    """
    # as a list of pixels: torch has no deterministic GPU kernel for the loss of whole maps
    pixels = logits.permute(0, 2, 3, 1).flatten(0, 2)
    total = functional.cross_entropy(pixels, label.flatten(), ignore_index=IGNORE, reduction="sum")
    return total, (label != IGNORE).sum()


@dataclass
class _Best:
    """The best epoch so far and how long it has not been beaten."""

    loss: float = math.inf
    epoch: int = -1
    waited: int = 0
    weights: dict[str, torch.Tensor] | None = None


class _Judge:
    """A SegFormer, how it is trained and what it says of fused images."""

    def __init__(
        self, descriptor: Descriptor, options: SegmentationOptions, device: torch.device, workers: int
    ) -> None:
        self._descriptor, self._options, self._device, self._workers = descriptor, options, device, workers
        seed_torch(options.seed, "segmentation")
        self._model = Segmenter(options.size, len(descriptor.classes))
        if options.weights:
            load_initial_weights(self._model, Path(options.weights))
        self._model.to(device)

    def fit(self, train: FusedImages, validation: FusedImages) -> tuple[list[dict[str, Any]], int]:
        """Train with early stopping, keep the best weights; return the history and the best epoch."""
        options, model = self._options, self._model
        if not validation.names:
            log.info("no labelled validation pairs: the training loss decides which epoch is kept")
        optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate)
        best, history = _Best(), []
        for epoch in track(range(options.epochs), "segmentation, epoch"):
            frozen = epoch < options.frozen_epochs
            model.encoder.requires_grad_(not frozen)
            rate = learning_rate_at(epoch, options)
            for group in optimizer.param_groups:
                group["lr"] = rate
            train_loss = self._train_epoch(train, optimizer, epoch)
            validation_loss = self._mean_loss(validation) if validation.names else None
            row = (epoch, "frozen" if frozen else "trained", rate, train_loss, validation_loss)
            history.append(dict(zip(HISTORY_COLUMNS, row, strict=True)))
            self._keep_best(best, train_loss if validation_loss is None else validation_loss, epoch, frozen)
            if best.waited >= options.patience:
                break
        if best.weights is None:
            raise UserError(
                "The segmentation training diverged: no epoch has a finite loss",
                remedy="lower `learning_rate` and `unfrozen_learning_rate` of the segmentation",
            )
        model.load_state_dict(best.weights)
        log.info("segmentation: %d epochs, best is %d with loss %.4f", len(history), best.epoch, best.loss)
        return history, best.epoch

    def _keep_best(self, best: _Best, loss: float, epoch: int, frozen: bool) -> None:
        if loss < best.loss:
            best.loss, best.epoch, best.waited = loss, epoch, 0
            state = self._model.state_dict()
            best.weights = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
        elif not frozen:  # a frozen backbone stops improving early; only what follows may end the training
            best.waited += 1

    def _train_epoch(self, dataset: FusedImages, optimizer: torch.optim.Optimizer, epoch: int) -> float:
        seed = self._options.seed
        seed_torch(seed, "segmentation dropout", epoch)
        dataset.set_epoch(epoch)
        self._model.train()
        total, pixels = 0.0, 0
        for batch in self._batches(dataset, generator(seed, "segmentation order", epoch)):
            loss_sum, count = self._loss(batch)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss_sum / count.clamp(min=1))
            optimizer.step()
            total, pixels = total + loss_sum.item(), pixels + int(count)
        return total / max(pixels, 1)

    @torch.no_grad()
    def _mean_loss(self, dataset: FusedImages) -> float:
        self._model.eval()
        sums = [self._loss(batch) for batch in self._batches(dataset)]
        return sum(total.item() for total, _ in sums) / max(sum(int(count) for _, count in sums), 1)

    def _loss(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self._model(batch["image"].to(self._device))
        return cross_entropy_sum(logits, batch["label"].to(self._device))

    def _batches(self, dataset: FusedImages, shuffle: torch.Generator | None = None) -> Iterable[Any]:
        sizes = [dataset.item_size(index) for index in range(len(dataset))]
        return DataLoader(
            dataset,
            batch_sampler=batches_by_size(sizes, self._options.batch_size, shuffle),
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # worker processes must not draw from the generator of the weights
        )

    @torch.no_grad()
    def predict(self, dataset: FusedImages, folder: Path) -> torch.Tensor:
        """Write a prediction per image; return the confusion matrix (K,K) int64 of all pixels that count."""
        self._model.eval()
        folder.mkdir(parents=True)
        classes, num_classes = ClassIndex(self._descriptor), len(self._descriptor.classes)
        confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        for batch in track(self._batches(dataset), "segmentation, test batch"):
            predictions = self._model(batch["image"].to(self._device)).argmax(dim=1).cpu()
            confusion += confusion_matrix(predictions, batch["label"], num_classes, IGNORE)
            for index, prediction in zip(batch["index"].tolist(), predictions, strict=True):
                height, width = dataset.image_sizes[index]
                ids = classes.to_ids(prediction[:height, :width].numpy())
                write_palette_png(folder / f"{dataset.names[index]}.png", ids, self._descriptor)
        return confusion

    def save(self, path: Path) -> None:
        """Write the weights, with the network's size and the classes in the file's metadata."""
        names = [each.name for each in self._descriptor.classes]
        # one entry: several would come out in an order that changes from process to process
        metadata = {"ssvif": json.dumps({"size": self._options.size, "classes": names}, sort_keys=True)}
        weights = {name: tensor.cpu().contiguous() for name, tensor in self._model.state_dict().items()}
        with write_aside(path) as aside:
            aside.write_bytes(save(weights, metadata=metadata))


def write_palette_png(path: Path, ids: NDArray[np.uint8], descriptor: Descriptor) -> None:
    """Write class ids (H,W) as a palette PNG in the classes' colors; equal ids give equal bytes."""
    palette = np.zeros((256, 3), dtype=np.uint8)
    for each in descriptor.classes:
        palette[each.id] = each.color
    image = Image.fromarray(ids)
    image.putpalette(palette.tobytes())
    with write_aside(path) as aside:
        image.save(aside, format="PNG", optimize=False, compress_level=3)


def _open_datasets(
    pairs: PairsFile, fused: Path, names: dict[str, list[str]], options: SegmentationOptions
) -> dict[str, FusedImages]:
    # all three at once, so that a missing image shows before the training and not after it
    augment: dict[str, Any] = {"augment": True, "crop": options.crop, "seed": options.seed}
    return {
        split: FusedImages(pairs, fused, split, names[split], **(augment if split == "train" else {}))
        for split in SPLITS
    }


def _or_empty(value: float) -> float | None:
    return None if math.isnan(value) else value
