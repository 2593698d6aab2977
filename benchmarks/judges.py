"""SegFormer's and YOLO's training as judges beside bare loops: what reading, augmenting and keeping the best cost.

    .venv/bin/python benchmarks/judges.py [--epochs 2,8] [--side 160]

Processor time of one thread. A judge's epoch is the difference of two trainings of different length, so that starting
does not count; patience and the choice of the best epoch are as always. The bare loop trains as many steps on one batch
that stays in memory, and looks at as many validation images.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from machine import SSVIF, least_s, measure_command
from torch.nn import functional

from ssvif.io.device import prepare_cpu
from ssvif.judging.detect import load_ultralytics
from ssvif.models.segmentation import Segmenter

PAIRS, BATCH, CLASSES = 52, 4, 9
CALLS = 8
VALIDATION = 5  # of the training pairs, by config/datasets/scenes.yaml
STEPS = -(-(PAIRS - VALIDATION) // BATCH)
DATASET = ("--dataset", str(Path(__file__).parents[1] / "config/datasets/scenes.yaml"), "--data-root")
JUDGES = {
    "segment": f"size=b0 frozen_epochs=0 patience=1000 batch_size={BATCH} crop={{side}}",
    "detect": f"image_size_px={{side}} warmup_epochs=0 mosaic=0 batch_size={BATCH} nominal_batch_size={BATCH}",
}


def main() -> None:
    """Print seconds an epoch and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", default="2,8", help="of the shorter and of the longer training")
    parser.add_argument("--side", type=int, default=160, help="of the crops and of what YOLO sees, in pixels")
    arguments = parser.parse_args()
    shorter, longer = map(int, arguments.epochs.split(","))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _prepare(root)
        print(f"{STEPS} steps of {BATCH} images of {arguments.side}×{arguments.side} and {VALIDATION} to validate")
        for judge, bare in (("segment", _segformer_epoch), ("detect", _yolo_epoch)):
            settings = [f"--set={each}" for each in JUDGES[judge].format(side=arguments.side).split()]
            taken = [_judge(root, judge, [*settings, f"--set=epochs={epochs}"]) for epochs in (shorter, longer)]
            epoch, loop = (taken[1] - taken[0]) / (longer - shorter), bare(arguments.side)
            print(f"{judge:8} {epoch:6.2f} s an epoch, bare loop {loop:6.2f} s: {epoch / loop:.2f} × the bare loop")


def _prepare(root: Path) -> None:
    splits, packed = str(root / "splits.csv"), str(root / "pairs.h5")
    size = ["--height", "168", "--width", "208"]
    _run("scenes", "--output", str(root / "scenes"), "--train", str(PAIRS), "--test", "2", *size)
    _run("split", *DATASET, str(root), "--output", splits)
    _run("pack", *DATASET, str(root), "--splits", splits, "--output", packed)
    _run("fuse", "--pairs", packed, "--baseline", "average", "--output", str(root / "fused"))


def _judge(root: Path, judge: str, settings: list[str]) -> float:
    where = ["--pairs", str(root / "pairs.h5"), "--fused", str(root / "fused"), "--output", str(root / judge)]
    return _run(judge, *where, *settings, "--device", "cpu", "--threads", "1")


def _run(*command: str) -> float:
    return measure_command([*SSVIF, *command])["seconds"]


def _segformer_epoch(side: int) -> float:
    model = Segmenter("b0", CLASSES)
    images, labels = torch.rand(BATCH, 3, side, side), torch.randint(CLASSES, (BATCH, side, side))
    return _epoch(model, lambda: functional.cross_entropy(model(images), labels), lambda: model(images))


def _yolo_epoch(side: int) -> float:
    model, batch = make_yolo(BATCH, side, torch.device("cpu"))
    return _epoch(model, lambda: model(batch)[0].sum(), lambda: model(batch["img"]))


def _epoch(model: torch.nn.Module, loss: Callable[[], torch.Tensor], look: Callable[[], object]) -> float:
    """Return the processor time in seconds of an epoch's steps and validation, from the least of several repeats."""
    prepare_cpu(1)
    training = STEPS * least_s(make_step(model, loss), CALLS)[0]
    model.eval()
    with torch.no_grad():
        return training + VALIDATION / BATCH * least_s(look, CALLS)[0]


def make_yolo(images: int, side: int, device: torch.device) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """Return YOLO11n and a batch of images of side×side with five boxes each."""
    load_ultralytics()  # quiet and offline
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import DEFAULT_CFG

    model = DetectionModel("yolo11n.yaml", nc=3, verbose=False).to(device)
    model.args = DEFAULT_CFG
    batch = {
        "img": torch.rand(images, 3, side, side),
        "batch_idx": torch.arange(images).repeat_interleave(5).float(),
        "cls": torch.randint(3, (5 * images, 1)).float(),
        "bboxes": torch.rand(5 * images, 4) * 0.3 + 0.2,
    }
    return model, {name: values.to(device) for name, values in batch.items()}


def make_step(model: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    """Return a training step of a network with AdamW."""
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        torch.autograd.backward(loss())
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    main()
