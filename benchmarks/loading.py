"""Packing and loading pairs of 640×480 beside only decoding their files, and beside a training step of `lite`.

Processor time, so that what else the machine does matters little; packing, which reads ahead, by the clock as well.

    .venv/bin/python benchmarks/loading.py --pairs 40
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from machine import least_s
from scaling_cases import CROP_PX, decode, make_pairs

from ssvif.data.descriptor import Descriptor, Layout
from ssvif.data.find import FoundPair
from ssvif.data.pack import pack_pairs
from ssvif.data.split import write_splits
from ssvif.data.training_view import TrainingView
from ssvif.io.device import prepare_cpu
from ssvif.training.loop import Trainer
from ssvif.training.options import TrainingOptions
from ssvif.training.stages import Stage

BATCH = 10
HEIGHT, WIDTH = 480, 640


def main() -> None:
    """Print milliseconds a pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    count = parser.parse_args().pairs
    prepare_cpu(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pairs(folder, count, (HEIGHT, WIDTH), 4)
        splits, packed = folder / "splits.csv", folder / "pairs.h5"
        names = [f"{i:06}" for i in range(count)]
        write_splits(splits, {"train": [FoundPair(name, f"vi/{name}.png", f"ir/{name}.png") for name in names]})
        descriptor = Descriptor("made", "Made pairs", ".", (Layout("vi/{name}", "ir/{name}"),))
        decoding = least_s(lambda: decode(folder))[0] / count
        packing, by_clock = (
            least_s(lambda: pack_pairs(descriptor, folder, splits, packed), clock=clock)[0] / count
            for clock in (time.process_time, time.perf_counter)
        )
        view = TrainingView(packed, "train", CROP_PX, 0)
        loading = least_s(lambda: [view[i] for i in range(count)])[0] / count
    trainer = Trainer(TrainingOptions(fusion_model="lite"), torch.device("cpu"), stage_one_only=True)
    batch = {name: torch.rand(BATCH, 3, CROP_PX, CROP_PX) for name in ("visible", "infrared")}
    step = least_s(lambda: trainer.step(batch, Stage.FUSION), calls=5)[0] / BATCH
    print(f"{WIDTH}×{HEIGHT}, ms a pair")
    rows = {"decoding": decoding, "packing": packing, "the same by the clock": by_clock, "loading a crop": loading}
    for name, seconds in {**rows, "step": step}.items():
        print(f"{name:22} {1000 * seconds:7.2f}")
    print(f"packing reaches {decoding / packing:.0%} of decoding, by the clock {decoding / by_clock:.0%}")
    print(f"the loader supplies {step / loading:.1f} × a step")


if __name__ == "__main__":
    main()
