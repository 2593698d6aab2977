"""What grows with the number of pairs: split, check and pack; and packing and loading beside only decoding.

Processor time, so that what else the machine does matters little; each command runs in a process of its own.

    python benchmarks/scaling.py --sizes 100,1000,10000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ssvif.io.images import read_raw

DESCRIPTOR = """name: made
title: Made pairs
folder: "."
layouts:
  - {visible: "vi/{name}", infrared: "ir/{name}"}
ratios: [0.8, 0.1, 0.1]
"""
CROP_PX, BATCH = 128, 10
LARGE = (480, 640)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100,1000,10000", help="numbers of pairs of 16×16")
    parser.add_argument("--pairs", type=int, default=40, help="number of pairs of 640×480")
    arguments = parser.parse_args()
    print("    pairs  command     CPU s   MiB   only decoding, s")
    for size in map(int, arguments.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            _print_commands(Path(folder), size)
    with tempfile.TemporaryDirectory() as folder:
        _print_throughput(Path(folder), arguments.pairs)


def make_pairs(root: Path, count: int, shape: tuple[int, int], noise: int) -> None:
    """Write pairs of smooth scenes with noise of so many levels, `shape` being height and width in pixels."""
    random = np.random.default_rng(0)
    for side, channels in (("vi", 3), ("ir", 1)):
        (root / side).mkdir(parents=True)
        for i in range(count):
            coarse = Image.fromarray(random.integers(0, 256, (6, 8, channels), np.uint8).squeeze())
            image = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC)).astype(np.int16)
            image = image + random.integers(-noise, noise + 1, image.shape)
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(root / side / f"{i:06}.png", compress_level=1)


def _print_commands(folder: Path, size: int) -> None:
    make_pairs(folder, size, (16, 16), 8)
    dataset, splits = folder / "made.yaml", folder / "splits.csv"
    dataset.write_text(DESCRIPTOR)
    where = ["--dataset", str(dataset), "--data-root", str(folder)]
    commands = {
        "split": ["split", *where, "--output", str(splits)],
        "check": ["check", *where],
        "quick": ["check", "--quick", *where],
        "pack": ["pack", *where, "--splits", str(splits), "--output", str(folder / "pairs.h5")],
    }
    decoding = _seconds(lambda: _decode(folder), repeats=1)
    for name, command in commands.items():
        seconds, peak = _run([sys.executable, "-P", "-m", "ssvif", *command])
        print(f"{size:9,}  {name:6} {seconds:10.2f} {peak:5.0f} {decoding:10.2f}", flush=True)


def _run(command: list[str]) -> tuple[float, float]:
    """Return a command's processor time in seconds and its largest resident set in MiB (Linux)."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _decode(folder: Path) -> None:
    for path in sorted(folder.glob("*/*.png")):
        read_raw(path)


def _print_throughput(folder: Path, count: int) -> None:
    # here, since a command started from a large process would count its memory
    import torch

    from ssvif.data.descriptor import Descriptor, Layout
    from ssvif.data.find import FoundPair
    from ssvif.data.pack import pack_pairs
    from ssvif.data.split import write_splits
    from ssvif.data.training_view import TrainingView
    from ssvif.io.device import prepare_cpu
    from ssvif.training.loop import Trainer
    from ssvif.training.options import TrainingOptions
    from ssvif.training.stages import Stage

    prepare_cpu(1)
    make_pairs(folder, count, LARGE, 4)
    splits, packed = folder / "splits.csv", folder / "pairs.h5"
    names = [f"{i:06}" for i in range(count)]
    write_splits(splits, {"train": [FoundPair(name, f"vi/{name}.png", f"ir/{name}.png") for name in names]})
    descriptor = Descriptor("made", "Made pairs", ".", (Layout("vi/{name}", "ir/{name}"),))
    decoding = _seconds(lambda: _decode(folder)) / count
    packing = _seconds(lambda: pack_pairs(descriptor, folder, splits, packed)) / count
    view = TrainingView(packed, "train", CROP_PX, 0)
    loading = _seconds(lambda: [view[i] for i in range(count)]) / count
    trainer = Trainer(TrainingOptions(fusion_model="lite"), torch.device("cpu"), stage_one_only=True)
    batch = {name: torch.rand(BATCH, 3, CROP_PX, CROP_PX) for name in ("visible", "infrared")}
    step = _seconds(lambda: trainer.step(batch, Stage.FUSION), repeats=5) / BATCH
    print("\n640×480, ms a pair")
    for name, seconds in (("decoding", decoding), ("packing", packing), ("loading a crop", loading), ("step", step)):
        print(f"{name:16} {1000 * seconds:7.2f}")
    print(f"packing reaches {decoding / packing:.0%} of decoding; the loader supplies {step / loading:.1f} × a step")


def _seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least processor time of several repeats, in seconds."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


if __name__ == "__main__":
    main()
