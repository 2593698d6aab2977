"""SegFormer's and YOLO's training as judges beside bare loops: what reading, augmenting and keeping the best cost.

    .venv/bin/python benchmarks/judges.py [--epochs 2,8] [--side 160]

Processor time of one thread. A judge's epoch is the difference of two trainings of different length, so that starting
does not count; patience and the choice of the best epoch are as always. The bare loop trains as many steps on one batch
that stays in memory, and looks at as many validation images.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from machine import least_s
from torch.nn import functional

from ssvif.io.device import prepare_cpu
from ssvif.judging.detect import load_ultralytics
from ssvif.models.segmentation import Segmenter

PAIRS, BATCH, CLASSES, BOXES = 52, 4, 9, 20
REPEATS = 7
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
    """Run a command of ssvif; return its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-P", "-m", "ssvif", *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _segformer_epoch(side: int) -> float:
    model = Segmenter("b0", CLASSES)
    images, labels = torch.rand(BATCH, 3, side, side), torch.randint(CLASSES, (BATCH, side, side))
    return _epoch(model, lambda: functional.cross_entropy(model(images), labels), lambda: model(images))


def _yolo_epoch(side: int) -> float:
    load_ultralytics()  # quiet and offline
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import DEFAULT_CFG

    model = DetectionModel("yolo11n.yaml", nc=3, verbose=False)
    model.args = DEFAULT_CFG
    batch = {
        "img": torch.rand(BATCH, 3, side, side),
        "batch_idx": torch.arange(BATCH).repeat_interleave(BOXES // BATCH).float(),
        "cls": torch.randint(3, (BOXES, 1)).float(),
        "bboxes": torch.rand(BOXES, 4) * 0.3 + 0.2,
    }
    return _epoch(model, lambda: model(batch)[0].sum(), lambda: model(batch["img"]))


def _epoch(model: torch.nn.Module, loss: Callable[[], torch.Tensor], look: Callable[[], object]) -> float:
    """Return the processor time in seconds of an epoch's steps and validation, from the least of several repeats."""
    prepare_cpu(1)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        torch.autograd.backward(loss())
        optimizer.step()
        optimizer.zero_grad()

    training = STEPS * least_s(step, REPEATS)[0]
    model.eval()
    with torch.no_grad():
        return training + VALIDATION / BATCH * least_s(look, REPEATS)[0]


if __name__ == "__main__":
    main()
