"""Detection as judge: YOLO11n retrained on a run's fused images (paper, appendix B-C).

The only module that imports ultralytics, which is licensed AGPL-3.0. It is an optional dependency: without it
everything but this judge works.
"""

from __future__ import annotations

import atexit
import copy
import functools
import importlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ssvif.data.packed import PairsFile
from ssvif.io.device import device_name
from ssvif.io.errors import UserError
from ssvif.io.files import write_csv, write_folder_aside
from ssvif.io.progress import format_seconds
from ssvif.io.record import Recorder
from ssvif.judging.options import DetectionOptions
from ssvif.judging.yolo_tree import Boxes, boxes_of, build_tree
from ssvif.schema import BOX_COLUMNS, SPLITS

AP_COLUMNS = ("dataset", "run", "metric", "class", "value", "initial_weights")
MIN_CONFIDENCE = 0.25  # of boxes that are written; the scores count all
SETTINGS_OFF = ("sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb")
log = logging.getLogger("ssvif")


def train_and_score(
    pairs: Path,
    fused: Path,
    output: Path,
    *,
    dataset: str,
    run: str,
    options: DetectionOptions,
    device: torch.device,
    workers: int = 0,
) -> None:
    """Train YOLO on the annotated fused images and score it on the test split.

    Writes the folder `output`, whole or not at all: `ap.csv` (AP at IoU 0.5 per class and their mean, fractions
    0 to 1, higher is better; empty for a class that the test split lacks), `boxes.csv` (what was found on the
    test split with a confidence of at least 0.25) and `record.json`. Without annotated training or test pairs
    both tables have a header only. The epoch with ultralytics' best validation fitness is the one scored;
    without annotated validation pairs it is the last. Everything ultralytics writes goes to a temporary
    folder; its weights are not kept, because the file holds times and so never comes out the same twice.

    Args:
        pairs: the packed dataset, for boxes and sizes.
        fused: the run's folder of fused images, one folder a split.
        output: folder to write; replaced if it exists.
        dataset: name in the tables.
        run: name in the tables.
        options: of the training; what they leave open is ultralytics' default.
        device: to compute on.
        workers: processes that read images on a GPU machine; ultralytics draws its augmentations in them, so
            another number gives another (equally valid) result.

    Raises:
        UserError: ultralytics is not installed, a fused image is missing or of another size than its pair, or
            the initial weights are missing.
    """
    recorder, source = Recorder(), PairsFile(pairs)
    boxes = {split: boxes_of(source, split) for split in SPLITS}
    facts: dict[str, Any] = {"annotated_pairs": {split: len(boxes[split]) for split in SPLITS}}
    rows: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    with (
        write_folder_aside(output, ("ap.csv", "boxes.csv", "record.json")) as folder,
        tempfile.TemporaryDirectory(prefix="ssvif-detect-") as temporary,
    ):
        if boxes["test"] and any(len(each) for each in boxes["train"].values()):
            _check_weights(options)
            detect = load_ultralytics()
            classes = source.descriptor.detection_classes
            data = build_tree(Path(temporary).resolve() / "data", source, fused, boxes, classes)
            model, facts["training"] = _train(detect, data, boxes, options, device, workers)
            scores, found = _score(detect, model, data, boxes["test"], options, device)
            weights = Path(options.weights).name if options.weights else "scratch"
            rows = [
                {"dataset": dataset, "run": run, **row, "initial_weights": weights} for row in ap_rows(scores, classes)
            ]
        else:
            log.info("%s has no boxes to train and test with: detection is left out", dataset)
        write_csv(folder / "ap.csv", rows, AP_COLUMNS)
        write_csv(folder / "boxes.csv", found, BOX_COLUMNS)
        facts |= {"dataset": dataset, "run": run, "data_sha256": source.digest}
        recorder.write(folder / "record.json", settings=asdict(options), device=device_name(device), **facts)


def ap_rows(scores: Mapping[int, float], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rows `metric`, `class`, `value` of `ap.csv`: each class, then the mean of those scored.

    Args:
        scores: AP at IoU 0.5 by class index; classes absent from the ground truth are absent here.
        classes: names in the order of the class indices.
    """
    rows: list[dict[str, Any]] = [
        {"metric": "ap50", "class": name, "value": scores.get(index)} for index, name in enumerate(classes)
    ]
    mean = float(np.mean(list(scores.values()))) if scores else None
    return [*rows, {"metric": "map50", "class": "", "value": mean}]


@functools.cache
def load_ultralytics() -> Any:
    """Return `ultralytics.models.yolo.detect`, imported so that it writes to a temporary folder and stays offline.

    Raises:
        UserError: it is not installed, or cannot be imported.
    """
    home = Path(tempfile.mkdtemp(prefix="ssvif-ultralytics-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ.update(  # read once, at import
        YOLO_CONFIG_DIR=str(home),
        YOLO_OFFLINE="true",
        YOLO_AUTOINSTALL="false",
        YOLO_VERBOSE="false",
        ULTRALYTICS_SAFE_LOAD="true",
    )
    image_open, torch_save = Image.open, torch.save
    try:
        ultralytics = importlib.import_module("ultralytics")
        detect = importlib.import_module("ultralytics.models.yolo.detect")
    except ImportError as error:
        raise UserError(
            "Detection needs ultralytics, which cannot be imported",
            got=str(error),
            remedy="`pip install ssvif[detection]`, or leave it out with `detection: false`",
        ) from error
    # it puts its own in their place for the whole process; that `open` tries to install decoders
    Image.open, torch.save = image_open, torch_save
    known = [name for name in SETTINGS_OFF if name in ultralytics.settings]
    ultralytics.settings.update(dict.fromkeys(known, False))
    _provide_fonts(Path(importlib.import_module("ultralytics.utils").USER_CONFIG_DIR))
    return detect


def _provide_fonts(folder: Path) -> None:
    # it downloads them when missing, although nothing is drawn
    import matplotlib

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):
        shutil.copyfile(font, folder / name)


def _check_weights(options: DetectionOptions) -> None:
    if options.weights and not Path(options.weights).is_file():
        raise UserError(
            f"The initial weights {options.weights} do not exist",
            remedy="correct `weights` of the detection, or leave it empty to train from scratch",
        )


def _train(
    detect: Any,
    data: Path,
    boxes: Mapping[str, Boxes],
    options: DetectionOptions,
    device: torch.device,
    workers: int,
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Train; return the best epoch's averaged model, and that epoch with what ultralytics chose."""
    trainer = detect.DetectionTrainer(
        overrides={
            **_common(data, options, device),
            "model": str(Path(options.weights).resolve()) if options.weights else options.model,
            "pretrained": bool(options.weights),
            "epochs": options.epochs,
            "nbs": options.nominal_batch_size,
            "warmup_epochs": options.warmup_epochs,
            "mosaic": options.mosaic,
            "seed": options.seed,
            "deterministic": device.type == "cuda",  # kernels of a CPU are; asking costs seconds of imports
            "workers": workers,
            "amp": False,  # its check of half precision wants to download another model
            "val": bool(boxes["validation"]),
            "name": "train",
        }
    )
    best = _Best()
    trainer.save_model = functools.partial(best.keep, trainer)
    trainer.final_eval = _nothing  # a second look at the validation images, which nobody reads
    trainer.add_callback("on_train_start", lambda _: _check_all_read(trainer.train_loader, boxes["train"], "train"))
    trainer.add_callback("on_fit_epoch_end", _EpochLog())
    try:
        trainer.train()
    except RuntimeError as error:
        if "NaN" not in str(error):
            raise
        raise UserError(
            "The detection training diverged",
            got=str(error),
            remedy="look at the fused images, or train for fewer epochs",
        ) from error
    groups = trainer.optimizer.param_groups
    return best.model, {
        "best_epoch": best.epoch,
        "optimizer": type(trainer.optimizer).__name__,
        "initial_learning_rate": max(group["initial_lr"] for group in groups),
        "weight_decay": max(group["weight_decay"] for group in groups),
    }


class _Best:
    """Takes the place of ultralytics' checkpoint files, whose writing takes longer than a small epoch."""

    def __init__(self) -> None:
        self.model = torch.nn.Module()
        self.epoch = -1

    def keep(self, trainer: Any) -> bool:
        if trainer.fitness == trainer.best_fitness:
            self.model, self.epoch = copy.deepcopy(trainer.ema.ema), trainer.epoch
        return True


def _common(data: Path, options: DetectionOptions, device: torch.device) -> dict[str, Any]:
    return {
        "data": str(data),
        "batch": options.batch_size,
        "imgsz": options.image_size_px,
        "device": "cpu" if device.type == "cpu" else str(device.index or 0),
        "plots": False,
        "verbose": False,
        "project": str(data.parent.parent / "runs"),
        "exist_ok": True,
    }


def _nothing() -> None:
    return


def _check_all_read(loader: Any, boxes: Boxes, split: str) -> None:
    read = len(loader.dataset)
    if read != len(boxes):  # ultralytics leaves out what it dislikes, and only warns
        raise UserError(
            f"ultralytics refuses some fused images or boxes of the {split} split",
            expected=f"{len(boxes)} images",
            got=f"{read}",
            remedy="check that boxes lie inside their images and that images are 10 pixels or more",
        )


class _EpochLog:
    """Logs an epoch's number, its score and the time left, at most every 20 seconds."""

    def __init__(self, every_s: float = 20.0) -> None:
        self._every_s = every_s
        self._start = self._last = time.monotonic()

    def __call__(self, trainer: Any) -> None:
        now, done = time.monotonic(), trainer.epoch + 1
        if now - self._last < self._every_s and done < trainer.epochs:
            return
        self._last = now
        left_s = (now - self._start) / done * (trainer.epochs - done)
        log.info(
            "detection: epoch %d of %d, validation mAP@0.5 %.3f, about %s left",
            done,
            trainer.epochs,
            (trainer.metrics or {}).get("metrics/mAP50(B)", 0.0),
            format_seconds(left_s),
        )


def _score(
    detect: Any,
    model: torch.nn.Module,
    data: Path,
    boxes: Boxes,
    options: DetectionOptions,
    device: torch.device,
) -> tuple[dict[int, float], list[dict[str, Any]]]:
    """Go through the test split once; return AP at IoU 0.5 by class index and the boxes found."""
    overrides = {**_common(data, options, device), "split": "test", "workers": 0, "name": "test"}
    validator = detect.DetectionValidator(args=overrides)
    found: list[dict[str, Any]] = []
    update = validator.update_metrics

    def update_and_keep(predictions: list[dict[str, torch.Tensor]], batch: dict[str, Any]) -> None:
        update(predictions, batch)
        for position, prediction in enumerate(predictions):
            found.extend(_box_rows(prediction, batch, position, validator.names))

    validator.update_metrics = update_and_keep  # one pass gives scores and boxes
    validator(model=model)
    _check_all_read(validator.dataloader, boxes, "test")
    box = validator.metrics.box
    scores = dict(zip(map(int, box.ap_class_index), map(float, box.ap50), strict=True))
    return scores, sorted(found, key=_box_order)


def _box_order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["pair_id"], row["class"], -row["confidence"], *(row[column] for column in BOX_COLUMNS[3:])


def _box_rows(
    prediction: Mapping[str, torch.Tensor], batch: Mapping[str, Any], position: int, names: Mapping[int, str]
) -> list[dict[str, Any]]:
    to_image = importlib.import_module("ultralytics.utils.ops").scale_boxes
    kept = prediction["conf"] >= MIN_CONFIDENCE
    corners = to_image(
        batch["img"].shape[2:],
        prediction["bboxes"][kept].clone(),
        batch["ori_shape"][position],
        batch["ratio_pad"][position],
    )
    columns = (prediction["cls"][kept], prediction["conf"][kept], corners)
    return [
        {
            "pair_id": Path(batch["im_file"][position]).stem,
            "class": names[int(label)],
            "confidence": round(confidence, 4),
            **dict(zip(BOX_COLUMNS[3:], (round(corner, 1) for corner in box), strict=True)),
        }
        for label, confidence, box in zip(*(column.tolist() for column in columns), strict=True)
    ]
