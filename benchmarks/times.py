"""What each kind of work of the workflow takes on this machine, for `ssvif plan`: the rows of config/times.csv.

    .venv/bin/python benchmarks/times.py                        # half an hour; replaces the rows of this machine
    .venv/bin/python benchmarks/times.py --only "train lite"    # those of works that begin so

Time and memory of a work are taken to be a fixed part and a part in proportion to millions of pixels, and are measured
at two sizes. On a CPU its own processor time counts, with one thread; on a GPU the clock and the GPU's memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from judges import make_step, make_yolo
from machine import SSVIF, clock_of, least_s, measure_command, peak_mib
from torch.nn import functional

from ssvif.config.forecast import COLUMNS, YARDSTICK, Cost, yardstick_s
from ssvif.fusing.api import fuse
from ssvif.fusing.torch_fuser import TorchFuser
from ssvif.io.device import prepare_cpu
from ssvif.io.files import read_csv, read_image, write_csv, write_png
from ssvif.io.installation import cpu_name, gpu_name
from ssvif.models.registry import build_network
from ssvif.models.segmentation import Segmenter
from ssvif.schema import FUSION_MODELS, FUSION_NETWORKS
from ssvif.training.loop import Trainer
from ssvif.training.options import TrainingOptions
from ssvif.training.stages import Stage

ROOT = Path(__file__).parents[1]
CLASSES = 9
SCENES = {"small": (12, 4, 168, 208), "large": (24, 24, 336, 416)}  # train, test, height and width in pixels
RUNS = ("average", "maximum")
SMALL = "epochs=1 batch_size=4 crop=32 frozen_epochs=0 size=b0"
Point = tuple[float, float, float]  # millions of pixels, seconds, MiB


# networks, each in a process of its own


def fuse_pair(name: str, device: torch.device, side: int) -> Callable[[], object]:
    """Fuse a pair of side×side pixels."""
    model = TorchFuser(build_network(name), device)
    random = np.random.default_rng(0)
    pair = (random.integers(0, 256, shape, np.uint8) for shape in ((side, side, 3), (side, side)))
    return partial(fuse, *pair, model)


def train_step(name: str, device: torch.device, side: int, *, joint: bool = False) -> Callable[[], object]:
    """Take a step with two crops of side×side: of stage I, or what stage II of SeAFusion adds with a segmenter."""
    options = TrainingOptions(framework="fusion_only", fusion_model=name)
    if joint:
        options = TrainingOptions(segmenter=name, weighting="fixed")
    trainer = Trainer(options, device, stage_one_only=not joint)
    batch = {each: torch.rand(2, 3, side, side) for each in ("visible", "infrared")}
    return partial(trainer.step, batch, Stage.JOINT if joint else Stage.FUSION)


def segmenter_step(size: str, device: torch.device, side: int) -> Callable[[], object]:
    """Train SegFormer on two images of side×side."""
    model = Segmenter(size, CLASSES).to(device)
    images = torch.rand(2, 3, side, side, device=device)
    labels = torch.randint(CLASSES, (2, side, side), device=device)
    return make_step(model, lambda: functional.cross_entropy(model(images), labels))


def detector_step(_: str, device: torch.device, side: int) -> Callable[[], object]:
    """Train YOLO11n on two images of side×side with five boxes each."""
    model, batch = make_yolo(2, side, device)
    return make_step(model, lambda: model(batch)[0].sum())


def read_image_of(_: str, device: torch.device, side: int) -> Callable[[], object]:
    """Read a fused image, smooth with some grain, of side×side."""
    random = np.random.default_rng(0)
    grain = random.integers(-4, 5, (side, side, 3)) + np.linspace(20, 220, side)[:, None, None]
    folder = tempfile.TemporaryDirectory(prefix="ssvif-times-")  # there as long as what is returned
    path = Path(folder.name, "fused.png")
    write_png(path, grain.astype(np.uint8))
    return lambda: (folder, read_image(path))


# kind of work → what makes one, its names, the two sides, images a step
NETWORKS = {
    "fuse": (fuse_pair, tuple(FUSION_NETWORKS), (96, 320), 1),
    "train": (train_step, tuple(FUSION_MODELS), (48, 128), 2),
    "joint": (partial(train_step, joint=True), ("b0", "b1", "b2", "b3", "b4", "b5"), (48, 128), 2),
    "segment": (segmenter_step, ("b0", "b1", "b2", "b3", "b4", "b5"), (96, 224), 2),
    "read": (read_image_of, ("",), (96, 640), 1),
    "detect": (detector_step, ("",), (96, 224), 2),
}


def measure_here(work: str, device: torch.device) -> list[Point]:
    """Measure one work at both sides; "train seafusion" is one, "joint b0" is what comes on top of it in stage II."""
    kind, _, name = work.partition(" ")
    make, _, sides, images = NETWORKS[kind]
    prepare_cpu(1)
    points: list[Point] = []
    for side in sides:
        call = make(name, device, side)
        call()  # loads and compiles what is needed once
        seconds, _ = least_s(call, clock=clock_of(device))
        on_gpu = device.type == "cuda"
        mib = torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else peak_mib()
        points.append((images * side * side / 1e6, seconds, mib))
    if kind == "joint":
        without = measure_here("train seafusion", device)
        points = [(mpx, s - less, mib) for (mpx, s, mib), (_, less, _) in zip(points, without, strict=True)]
    return points


# commands


def measure_commands(device: str) -> Iterator[tuple[str, list[Point]]]:
    """Run the commands of the workflow on a few generated scenes of two sizes; yield works and what they took."""
    found: dict[str, list[Point]] = {}
    with tempfile.TemporaryDirectory(prefix="ssvif-times-") as name:
        for size, (train, test, height, width) in SCENES.items():
            root, mpx = Path(name) / size, height * width / 1e6
            for work, images, words in _commands(root, train, test, height, width, device):
                taken = measure_command([*SSVIF, *words])
                seconds = taken["wall_s" if device == "cuda" else "seconds"]
                if work:
                    found.setdefault(work, []).append((images * mpx, seconds, taken["mib"]))
    for work, points in found.items():
        # these have works of their own for their steps: the smallest training is a start
        yield work, points[:1] if work.startswith("start") or work in ("split", "tables", "complexity") else points


def _commands(
    root: Path, train: int, test: int, height: int, width: int, device: str
) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each command with its work ("" where it is not measured) and how many images it looks at."""
    data, every = root / "scenes/data", train + test
    dataset = ["--dataset", str(ROOT / "config/datasets/scenes.yaml"), "--data-root", str(data)]
    packed = ["--pairs", str(data / "pairs.h5")]
    fused = [*packed, "--fused", str(root / "scenes/average/fused")]
    runs = [f"--run=scenes/{run}" for run in RUNS]
    shown = [f"--results={root}", *runs, f"--source=scenes={data / 'scenes'}"]
    shown += [f"--datasets={ROOT / 'config/datasets'}"]
    counts = [f"--train={train}", f"--test={test}", f"--height={height}", f"--width={width}"]
    yield "scenes", every, ["scenes", f"--output={data / 'scenes'}", *counts]
    yield "split", every, ["split", *dataset, f"--output={data / 'splits.csv'}"]
    yield "pack", every, ["pack", *dataset, f"--splits={data / 'splits.csv'}", f"--output={data / 'pairs.h5'}"]
    for run in RUNS:
        folder = root / "scenes" / run
        words = ["fuse", *packed, "--baseline", run, f"--output={folder / 'fused'}"]
        yield "write" if run == RUNS[0] else "", every, words
        scored = ["--dataset=scenes", f"--run={run}", "--device=cpu", "--workers=1"]
        words = ["score", *packed, f"--fused={folder}/fused/test", f"--output={folder}/fusion_metrics.csv", *scored]
        yield "score" if run == RUNS[0] else "", test, words
    on = [f"--device={device}", "--threads=1"]
    yield "probe", every, ["probe", *fused, f"--output={root}/probe", "--set=labels=masks", *on]
    small = [f"--set={each}" for each in SMALL.split()]
    yield "start segment", 0, ["segment", *fused, f"--output={root}/segmentation", *small, *on]
    small = ["--set=epochs=1", "--set=batch_size=4", "--set=image_size_px=64", "--set=mosaic=0"]
    yield "start detect", 0, ["detect", *fused, f"--output={root}/detection", *small, *on]
    small = ["epochs=2", "stage_one_max_epochs=1", "batch_size=4", "crop_px=32", "segmenter=b0", "fusion_model=lite"]
    yield "start train", 0, ["train", *packed, f"--output={root}/train", *(f"--set={each}" for each in small), *on]
    yield "start fuse", 0, ["fuse", *packed, "--model=fast", f"--output={root}/fast", *on]
    yield "complexity", 0, ["complexity", "seafusion/3", "--device=cpu"]
    yield "tables", 0, ["tables", f"--results={root}", f"--output={root}/tables", *runs]
    yield "figures", min(3, test) * 4, ["figures", *shown, f"--output={root}/figures"]
    yield "report", test * 4, ["report", *shown, f"--tables={root}/tables", f"--output={root}/report"]


# the table


def fit(points: list[Point]) -> Cost:
    """Return the line through two points, or a fixed cost for one; neither part is below 0."""
    first, last = points[0], points[-1]
    parts = []
    for place in (1, 2):
        slope = (last[place] - first[place]) / (last[0] - first[0]) if len(points) > 1 else 0.0
        parts.append((max(first[place] - slope * first[0], 0.0), max(slope, 0.0)))
    (fixed_s, per_mpx_s), (fixed_mib, per_mpx_mib) = parts
    return Cost(
        fixed_s=round(fixed_s, 5),
        per_mpx_s=round(per_mpx_s, 4),
        fixed_mib=round(fixed_mib),
        per_mpx_mib=round(per_mpx_mib),
    )


def measure_all(device: str, only: str) -> Iterator[tuple[str, Cost]]:
    """Yield every work whose name begins with `only`, as it is measured."""
    if device == "cpu" and YARDSTICK.startswith(only):  # rows that stay belong to the one that was measured with them
        yield YARDSTICK, Cost(fixed_s=round(yardstick_s(), 5))
    if only in ("", "commands"):
        for work, points in measure_commands(device):
            yield work, fit(points)
    for kind, (_, names, _, _) in NETWORKS.items():
        for work in (f"{kind} {name}".strip() for name in names):
            if work.startswith(only):
                words = [sys.executable, __file__, f"--device={device}", f"--one={work}"]
                done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
                yield work, fit([tuple(point) for point in json.loads(done.stdout)])


def write(path: Path, device: str, rows: Iterable[tuple[str, Cost]]) -> None:
    """Put works into the table one after the other, printing each; other rows stay."""
    table = {(row["device"], row["work"]): row for row in (read_csv(path) if path.is_file() else [])}
    for work, cost in rows:
        table[device, work] = {
            "device": device,
            "work": work,
            **{name: f"{part:g}" for name, part in cost._asdict().items()},
        }
        print("  ".join(f"{each:>12}" for each in table[device, work].values()), flush=True)
        write_csv(path, table.values(), COLUMNS)


def main() -> None:
    """Measure everything, or one work in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="", choices=("", "cpu", "cuda"), help="default: all that are here")
    parser.add_argument("--only", default="", help="'commands', or works of networks that begin so: 'train lite'")
    parser.add_argument("--output", type=Path, default=ROOT / "config/times.csv")
    parser.add_argument("--quick", action="store_true", help="measure one work, write nothing")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one or arguments.quick:
        print(json.dumps(measure_here(arguments.one or "fuse lite", torch.device(arguments.device or "cpu"))))
        return
    for device in [arguments.device] if arguments.device else ["cpu", *["cuda"] * torch.cuda.is_available()]:
        write(arguments.output, gpu_name() if device == "cuda" else cpu_name(), measure_all(device, arguments.only))


if __name__ == "__main__":
    main()
