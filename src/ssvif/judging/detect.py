"""Detection as judge: YOLO11n retrained on a run's fused images (paper, appendix B-C).

The only module that imports ultralytics, which is licensed AGPL-3.0. It is an optional dependency: without it
everything but this judge works.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from ssvif.data.packed import PairsFile
from ssvif.io.errors import UserError
from ssvif.io.files import read_image, write_csv, write_folder_aside
from ssvif.io.progress import track
from ssvif.judging.fused_images import JudgedRun, Score, find_lacking, fused_path, names_by_split
from ssvif.judging.options import DetectionOptions
from ssvif.schema import BOX_COLUMNS, JUDGE_COLUMNS, SPLITS

MIN_CONFIDENCE = 0.25  # of boxes that are written; the scores count all
SETTINGS_OFF = ("sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb")
Boxes = dict[str, NDArray[np.float64]]  # pair_id → (N,5), as `PairsFile.boxes` returns them
log = logging.getLogger("ssvif")


def train_and_score(run: JudgedRun, options: DetectionOptions) -> None:
    """Train YOLO on the annotated fused images and score it on the test split.

    Writes the folder `run.output`, whole or not at all: `ap.csv` (AP at IoU 0.5 per class and their mean, fractions
    0 to 1, higher is better; empty for a class that the test split lacks), `boxes.csv` (what was found on the
    test split with a confidence of at least 0.25) and `record.json`. Without a box to train or to test with
    `ap.csv` has one row, which says so, and `boxes.csv` none. The epoch with ultralytics' best validation fitness is
    the one scored; without annotated validation pairs it is the last. What the options leave open is ultralytics'
    default. Everything ultralytics writes goes to a temporary folder; its weights are not kept, because their file
    holds timestamps and differs from run to run. On a GPU machine ultralytics draws its augmentations in `run.workers`
    processes, so another number of workers gives another (equally valid) result.

    Raises:
        UserError: ultralytics is not installed, a fused image is missing or of another size than its pair, or
            the initial weights are missing.
    """
    source = PairsFile(run.pairs)
    boxes = annotated_boxes(source)
    annotated = {split: len(each) for split, each in boxes.items()}
    facts: dict[str, Any] = {"data_sha256": source.digest, "annotated_pairs": annotated}
    rows: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    shown = {split: [name for name, rows in each.items() if len(rows)] for split, each in boxes.items()}
    left_out = find_lacking(shown, "boxes")
    run.tally(source, "boxes", boxes)
    with (
        write_folder_aside(run.output, ("ap.csv", "boxes.csv", "record.json")) as folder,
        tempfile.TemporaryDirectory(prefix="ssvif-detect-") as temporary,
    ):
        if not left_out:
            if options.weights and not Path(options.weights).is_file():
                raise UserError(
                    f"The initial weights {options.weights} do not exist",
                    remedy="correct `weights` of the detection, or leave it empty to train from scratch",
                )
            detect = load_ultralytics()
            classes = source.descriptor.detection_classes
            data = build_tree(Path(temporary).resolve() / "data", source, run.fused, boxes, classes)
            model, facts["training"] = _train(detect, data, boxes, options, run)
            ap, found = _score(detect, model, data, boxes["test"], options, run)
            rows = run.rows(ap_scores(ap, classes), options)
        write_csv(folder / "boxes.csv", found, BOX_COLUMNS)
        run.write_result(folder / "ap.csv", JUDGE_COLUMNS, rows, options, left_out=left_out, **facts)


def annotated_boxes(pairs: PairsFile) -> dict[str, Boxes]:
    """Return the boxes (N,5) of the annotated pairs of each split, by sorted id; N may be 0."""
    return {
        split: {name: boxes for name in names if (boxes := pairs.boxes(split, name)) is not None}
        for split, names in names_by_split(pairs).items()
    }


def build_tree(tree: Path, pairs: PairsFile, fused: Path, boxes: Mapping[str, Boxes], classes: Sequence[str]) -> Path:
    """Write the folder that YOLO reads: links to fused images, labels as text, `data.yaml`; return the last one's path.

    The caches that ultralytics writes beside the labels end up here as well, and not in the data. `tree` is a new
    folder, which the caller removes; `fused` is the run's folder of fused images, `boxes` those of each split.

    Raises:
        UserError: a fused image is missing or of another size than its pair.
    """
    for split in SPLITS:
        images, labels = tree / "images" / split, tree / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for name, rows in boxes[split].items():
            image = fused_path(fused, split, name, pairs.size(split, name))
            read_image(image)  # ultralytics would leave a damaged one out
            try:
                (images / image.name).symlink_to(image.resolve())
            except OSError:  # a file system without links
                shutil.copyfile(image, images / image.name)
            # class x_center y_center width height, fractions of the image
            lines = (f"{int(row[0])} " + " ".join(f"{value:.8f}" for value in row[1:]) + "\n" for row in rows)
            (labels / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    # YOLO requires the key even without validation images; it then validates once, on the training images
    validation = "validation" if boxes["validation"] else "train"
    data = {"path": str(tree), "train": "images/train", "val": f"images/{validation}", "test": "images/test"}
    text = yaml.safe_dump({**data, "names": dict(enumerate(classes))}, allow_unicode=True)
    (tree / "data.yaml").write_text(text, encoding="utf-8")
    return tree / "data.yaml"


def ap_scores(ap: Mapping[int, float], classes: Sequence[str]) -> list[Score]:
    """Return each class's AP, then the mean of those scored, given the AP at IoU 0.5 by class index.

    A class absent from the ground truth is absent from `ap` and has no value.
    """
    mean = float(np.mean(list(ap.values()))) if ap else None
    return [*(("ap50", name, ap.get(index)) for index, name in enumerate(classes)), ("map50", "", mean)]


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
    # importing it replaces both functions for the whole process; its `open` tries to install decoders
    Image.open, torch.save = image_open, torch_save
    known = [name for name in SETTINGS_OFF if name in ultralytics.settings]
    ultralytics.settings.update(dict.fromkeys(known, False))
    # it downloads missing fonts, although nothing is drawn
    import matplotlib

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    folder = Path(importlib.import_module("ultralytics.utils").USER_CONFIG_DIR)
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):
        shutil.copyfile(font, folder / name)
    return detect


def _train(
    detect: Any, data: Path, boxes: Mapping[str, Boxes], options: DetectionOptions, run: JudgedRun
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Train; return the best epoch's averaged model, and that epoch with what ultralytics chose."""
    start = str(Path(options.weights).resolve()) if options.weights else options.model
    trainer = detect.DetectionTrainer(
        overrides={
            **_common(data, options, run.device),
            "model": start,
            "pretrained": bool(options.weights),
            "epochs": options.epochs,
            "nbs": options.nominal_batch_size,
            "warmup_epochs": options.warmup_epochs,
            "mosaic": options.mosaic,
            "seed": options.seed,
            "deterministic": run.device.type == "cuda",  # CPU kernels always are; setting it costs seconds of imports
            "workers": run.workers,
            "amp": False,  # its check of half precision downloads another model
            "val": bool(boxes["validation"]),
            "name": "train",
        }
    )
    best: dict[str, Any] = {}

    def keep_best() -> bool:  # ultralytics would write a file, which takes longer than a short epoch
        score = (trainer.metrics or {}).get("metrics/mAP50(B)", 0.0)
        if boxes["validation"]:
            log.info("detection: epoch %d has validation mAP@0.5 %.3f", trainer.epoch, score)
        if trainer.fitness == trainer.best_fitness:
            weights = {name: tensor.clone() for name, tensor in trainer.ema.ema.state_dict().items()}
            best.update(weights=weights, epoch=trainer.epoch, score=score)
        return True

    epochs = track(range(options.epochs), "detection, epoch")
    trainer.save_model = keep_best
    trainer.final_eval = lambda: None  # another validation, whose result is not used
    trainer.add_callback("on_train_start", lambda _: _check_all_read(trainer.train_loader, boxes["train"], "train"))
    if run.device.type == "cpu":
        trainer.add_callback("on_train_start", _prepare_cpu_training)
    trainer.add_callback("on_train_epoch_start", lambda _: next(epochs, None))
    trainer.add_callback("on_train_end", lambda _: next(epochs, None))
    try:
        trainer.train()
    except UserError:
        raise
    except Exception as error:  # of any kind, for instance for weights that ultralytics refuses
        what, remedy = f"ultralytics cannot train {start}", "correct `weights` or `model` of the detection"
        if isinstance(error, RuntimeError) and "NaN" in str(error):
            what, remedy = "The detection training diverged", "look at the fused images, or train for fewer epochs"
        raise UserError(what, got=f"{type(error).__name__}: {error}".partition("\n")[0], remedy=remedy) from error
    finally:
        epochs.close()
    if boxes["validation"]:
        log.info("detection: best epoch is %d with validation mAP@0.5 %.3f", best["epoch"], best["score"])
    else:
        log.info("detection: no annotated pairs to validate on; the last epoch, %d, is scored", best["epoch"])
    groups = trainer.optimizer.param_groups
    trainer.ema.ema.load_state_dict(best["weights"])
    return trainer.ema.ema, {
        "best_epoch": best["epoch"],
        "optimizer": type(trainer.optimizer).__name__,
        "initial_learning_rate": max(group["initial_lr"] for group in groups),
        "weight_decay": max(group["weight_decay"] for group in groups),
    }


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


def _prepare_cpu_training(trainer: Any) -> None:
    """Make steps a fifth faster, if the optimizer is one of PyTorch's; ultralytics' own may need another layout."""
    groups = trainer.optimizer.param_groups
    if all("fused" in group for group in groups):
        trainer.model.to(memory_format=torch.channels_last)
        for group in groups:
            group["fused"] = True


def _check_all_read(loader: Any, boxes: Boxes, split: str) -> None:
    read = len(loader.dataset)
    if read != len(boxes):  # ultralytics leaves out invalid images and only warns
        raise UserError(
            f"ultralytics left out some fused images of the {split} split",
            expected=f"{len(boxes)} images",
            got=f"{read}",
            remedy="check that boxes lie inside their images and that images are 10 pixels or more",
        )


def _score(
    detect: Any, model: torch.nn.Module, data: Path, boxes: Boxes, options: DetectionOptions, run: JudgedRun
) -> tuple[dict[int, float], list[dict[str, Any]]]:
    """Detect in the test split; return AP at IoU 0.5 by class index and the boxes found."""
    overrides = {**_common(data, options, run.device), "split": "test", "workers": 0, "name": "test"}
    validator = detect.DetectionValidator(args=overrides)
    found: list[dict[str, Any]] = []
    update = validator.update_metrics

    def update_and_keep(predictions: list[dict[str, torch.Tensor]], batch: dict[str, Any]) -> None:
        update(predictions, batch)
        for position, prediction in enumerate(predictions):
            found.extend(box_rows(prediction, batch, position, validator.names))

    validator.update_metrics = update_and_keep  # one pass gives scores and boxes
    validator(model=model)
    _check_all_read(validator.dataloader, boxes, "test")
    box = validator.metrics.box
    scores = dict(zip(map(int, box.ap_class_index), map(float, box.ap50), strict=True))
    found.sort(
        key=lambda row: (row["pair_id"], row["class"], -row["confidence"], *(row[key] for key in BOX_COLUMNS[3:]))
    )
    return scores, found


def box_rows(
    prediction: Mapping[str, torch.Tensor], batch: Mapping[str, Any], position: int, names: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Return the rows of `boxes.csv` for the boxes of one image that have a confidence of at least 0.25.

    The prediction holds `bboxes` (N,4), corners in the network's square, `conf` (N,) and `cls` (N,). The batch is of
    ultralytics' loader: `img` (B,3,H,W), and of each image, at its position, file, size and padding.
    """
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
