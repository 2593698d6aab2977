"""Segmentation as judge: SegFormer fine-tuned on a run's fused images (paper, appendix A-B)."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import functional

from ssvif.data.descriptor import Descriptor
from ssvif.data.loader import BatchLoader
from ssvif.data.packed import PairsFile
from ssvif.io.checkpoints import save_tensors
from ssvif.io.errors import UserError, shorten
from ssvif.io.files import write_csv, write_folder_aside
from ssvif.io.progress import track
from ssvif.judging.fused_images import (
    IGNORE,
    FusedImages,
    JudgedRun,
    Score,
    batches_by_size,
    find_labeled,
    find_lacking,
)
from ssvif.judging.options import SegmentationOptions
from ssvif.metrics.segmentation import confusion_matrix, iou, miou
from ssvif.models.segmentation import Segmenter
from ssvif.ops.seeds import generator, make_deterministic, seed_torch
from ssvif.schema import JUDGE_COLUMNS, SPLITS

HISTORY_COLUMNS = ("epoch", "backbone", "learning_rate", "train_loss", "validation_loss")
OWNED = ("iou.csv", "predictions", "model.safetensors", "history.csv", "record.json")
BACKBONE = "network.segformer."
log = logging.getLogger("ssvif")


def fine_tune(run: JudgedRun, options: SegmentationOptions) -> None:
    """Train SegFormer on labelled fused images and score it on the test split.

    Writes the folder `run.output`, whole or not at all: `iou.csv` (fractions 0 to 1, higher is better),
    `predictions/{pair_id}.png` (class ids with the dataset's palette), `model.safetensors`, `history.csv` and
    `record.json`. Without labelled training or test pairs, or with one class alone to train with, `iou.csv` has one
    row, which says so, and there is no model.
    The weights with the lowest validation loss are the ones scored; without labelled validation pairs the
    training loss decides. The number of workers does not change the result.

    Raises:
        UserError: a fused image is missing or of another size than its pair, the initial weights are
            missing or do not fit, or the training diverged.
    """
    source = PairsFile(run.pairs)
    if options.frozen_epochs and not options.weights:
        log.info("training from scratch: nothing is frozen, and `learning_rate` holds for all epochs")
        options = replace(options, frozen_epochs=0, unfrozen_learning_rate=options.learning_rate)
    names = find_labeled(source, "masks")
    labelled = {split: len(each) for split, each in names.items()}
    facts: dict[str, Any] = {"data_sha256": source.digest, "labelled_pairs": labelled}
    rows: list[dict[str, Any]] = []
    left_out = find_lacking(names, "labels") or run.tally(source, "label", names).alone("label", "train")
    with write_folder_aside(run.output, OWNED) as folder:
        (folder / "predictions").mkdir()
        if not left_out:
            make_deterministic(run.device)
            augment: dict[str, Any] = {"augment": True, "crop": options.crop, "seed": options.seed}
            # all three at once, so that a missing image is reported before the training and not after it
            train, validation, test = (
                FusedImages(source, run.fused, split, names[split], **(augment if split == "train" else {}))
                for split in SPLITS
            )
            judge = _Judge(source.descriptor, options, run)
            history, facts["best_epoch"] = judge.fit(train, validation)
            confusion = judge.predict(test, folder / "predictions")
            rows = run.rows(iou_scores(confusion, source.descriptor), options)
            write_csv(folder / "history.csv", history, HISTORY_COLUMNS)
            judge.save(folder / "model.safetensors")
        run.write_result(folder / "iou.csv", JUDGE_COLUMNS, rows, options, left_out=left_out, **facts)


def iou_scores(confusion: torch.Tensor, descriptor: Descriptor) -> list[Score]:
    """Return the scores of a confusion matrix (K,K): each class's IoU, then the mean with and without background.

    A class that the ground truth lacks has no value and is in no mean; nor has a mean without a class.
    """
    background = descriptor.background_id
    without = math.nan if background is None else float(miou(confusion, background_id=background))
    values = iou(confusion).tolist()
    found = [("iou", each.name, values[each.id]) for each in descriptor.classes]
    found += [("miou", "", float(miou(confusion))), ("miou_without_background", "", without)]
    return [(metric, name, None if math.isnan(value) else value) for metric, name, value in found]


def learning_rate_at(epoch: int, options: SegmentationOptions) -> float:
    """Return the learning rate of an epoch: one cosine over all epochs, of another height once unfrozen (assumed)."""
    frozen = epoch < options.frozen_epochs
    height = options.learning_rate if frozen else options.unfrozen_learning_rate
    return height * (1 + math.cos(math.pi * epoch / options.epochs)) / 2


def cross_entropy_sum(logits: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed cross-entropy of logits (B,K,H,W) against class ids (B,H,W), and the pixels that count.

    Pixels of value 255 do not count.
    """
    count = (label != IGNORE).sum()
    if logits.is_cuda:  # no deterministic kernel for maps; on a CPU a list of pixels takes ten times as long
        logits, label = logits.permute(0, 2, 3, 1).flatten(0, 2), label.flatten()
    return functional.cross_entropy(logits, label, ignore_index=IGNORE, reduction="sum"), count


def load_initial_weights(model: Segmenter, path: Path) -> None:
    """Copy the weights of a safetensors file into a SegFormer, leaving what does not fit as it is and logging it.

    The backbone must fit as a whole. The decoder may be missing, and the classifier may have another number
    of classes. Names are those of `Segmenter`, or of transformers' own model.

    Raises:
        UserError: the file is missing or damaged, or its backbone is not one of this size.
    """
    if not path.is_file():
        raise UserError(
            f"The initial weights {path} do not exist",
            remedy="correct `weights` of the segmentation, or leave it empty to train from scratch",
        )
    try:
        read = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} cannot be read", expected="a whole safetensors file", got=str(error), remedy="copy it again"
        ) from error
    given = {"network." + name.removeprefix("network."): tensor for name, tensor in read.items()}
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if name in own and tensor.shape == own[name].shape}
    left = [name for name in own if name not in fitting]
    if unfit := [name for name in left if name.startswith(BACKBONE)]:
        raise UserError(
            f"{path} holds no SegFormer backbone of the chosen size",
            expected="weights of the same `size`, with the names of transformers 5",
            got=f"nothing that fits {shorten(unfit, 3)}",
            remedy="set `size` to the weights' size, or leave `weights` empty to train from scratch",
        )
    model.load_state_dict(fitting, strict=False)
    if left:
        log.info("%s does not fit %s: they start at random", path, shorten(left))


class _Judge:
    """A SegFormer, its training and its predictions on fused images."""

    def __init__(self, descriptor: Descriptor, options: SegmentationOptions, run: JudgedRun) -> None:
        self._descriptor, self._options, self._device, self._workers = descriptor, options, run.device, run.workers
        seed_torch(options.seed, "segmentation")
        self._model = Segmenter(options.size, len(descriptor.classes))
        if options.weights:
            load_initial_weights(self._model, Path(options.weights))
        self._model.to(run.device)

    def fit(self, train: FusedImages, validation: FusedImages) -> tuple[list[dict[str, Any]], int]:
        """Train with early stopping, keep the best weights; return the history and the best epoch."""
        options, model = self._options, self._model
        if not validation.names:
            log.info("no labelled validation pairs: the training loss decides which epoch is kept")
        optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, fused=True)
        history, best_loss, best_epoch, best, waited = [], math.inf, -1, model.state_dict(), 0
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
            loss = train_loss if validation_loss is None else validation_loss
            if loss < best_loss:
                best_loss, best_epoch, waited = loss, epoch, 0
                best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            elif not frozen:  # with a frozen backbone the loss soon stops improving: those epochs do not count
                waited += 1
            if waited >= options.patience:
                break
        if best_epoch < 0:
            raise UserError(
                "The segmentation training diverged: no epoch has a finite loss",
                remedy="lower `learning_rate` and `unfrozen_learning_rate` of the segmentation",
            )
        model.load_state_dict(best)
        log.info("segmentation: %d epochs, best is %d with loss %.4f", len(history), best_epoch, best_loss)
        return history, best_epoch

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

    def _batches(self, dataset: FusedImages, shuffle: torch.Generator | None = None) -> BatchLoader:
        sizes = [dataset.item_size(index) for index in range(len(dataset))]
        batches = batches_by_size(sizes, self._options.batch_size, shuffle)
        return BatchLoader(dataset, batches, self._workers, self._device)

    @torch.no_grad()
    def predict(self, dataset: FusedImages, folder: Path) -> torch.Tensor:
        """Write a palette PNG of class ids per image; return the confusion matrix (K,K) int64 of pixels that count."""
        self._model.eval()
        num_classes = len(self._descriptor.classes)
        palette = np.zeros((256, 3), dtype=np.uint8)
        for each in self._descriptor.classes:
            palette[each.id] = each.color
        confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        for batch in track(self._batches(dataset), "segmentation, test batch"):
            predictions = self._model(batch["image"].to(self._device)).argmax(dim=1).cpu()
            confusion += confusion_matrix(predictions, batch["label"], num_classes, IGNORE)
            for index, prediction in zip(batch["index"].tolist(), predictions, strict=True):
                height, width = dataset.image_sizes[index]
                image = Image.fromarray(prediction[:height, :width].to(torch.uint8).numpy())
                image.putpalette(palette.tobytes())
                image.save(folder / f"{dataset.names[index]}.png", optimize=False, compress_level=3)
        return confusion

    def save(self, path: Path) -> None:
        """Write the weights, with the network's size and the classes in the file's metadata."""
        names = [each.name for each in sorted(self._descriptor.classes, key=lambda each: each.id)]
        save_tensors(path, self._model.state_dict(), {"size": self._options.size, "classes": names})
