"""What training steps, fusing and metrics cost on the device, a row a case in timings.csv."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gpu_rows import TRIED, GrowingTable, device_and_facts, made_images

from ssvif.metrics.collection import STANDARD_SET, evaluate, of_convention
from ssvif.models.registry import build_fusion_model
from ssvif.schema import FUSION_MODELS
from ssvif.training.loop import Trainer
from ssvif.training.options import TrainingOptions
from ssvif.training.stages import Stage

PAPER_SEVEN = of_convention(STANDARD_SET, "paper")  # the paper's table of fusion quality
KEYS = ("part", "name", "how", "compiled", "batch")
VALUES = ("milliseconds", "pairs_per_s", "first_s", "peak_memory_mb")
HOWS = ("float32", "tf32", "bfloat16")
COMPILING_S = 90  # what a compiled case may take, so that none is begun that cannot end
UNCOMPILED_S = 10
Case = tuple[dict[str, object], Callable[[], Mapping[str, object]], int]  # key, measurement, seconds it may take


def time_all(output: Path, deadline: float, tiny: bool) -> int:
    """Measure the cases that are not there yet, until the deadline; return 0 if all are there and none failed."""
    device, _ = device_and_facts(output)
    table = GrowingTable(output / "timings.csv", KEYS, VALUES)
    left_out = 0
    for key, measure, needed_s in cases(device, tiny):
        if time.time() + (0 if tiny else needed_s) > deadline:
            left_out += 1
            continue
        set_tf32(key["how"] == "tf32")
        table.add(measure, **key)
    return min(table.failed + left_out, 1)


def cases(device: torch.device, tiny: bool) -> Iterator[Case]:
    """Yield every case, those that are compiled last."""
    sizes = (1, 2) if tiny else (1, 8)
    networks = TRIED if tiny else tuple(FUSION_MODELS)
    for name in networks:
        for how in HOWS:
            for batch in sizes:
                key = {"part": "fusing", "name": name, "how": how, "compiled": "no", "batch": batch}
                yield key, partial(time_fusing, name, how, batch, device, tiny), UNCOMPILED_S
    for name, metrics in (("seven", PAPER_SEVEN), ("ten", STANDARD_SET)):
        key = {"part": "metrics", "name": name, "how": "float64", "compiled": "no", "batch": sizes[1]}
        yield key, partial(time_metrics, metrics, sizes[1], device, tiny), UNCOMPILED_S
    for compiled in (False,) if tiny else (False, True):
        for name in networks:
            for stage in Stage:
                for how in HOWS:
                    batch = 2 if tiny else 10
                    part = {Stage.FUSION: "stage I step", Stage.JOINT: "stage II step"}[stage]
                    key = {"part": part, "name": name, "how": how, "compiled": "yes" if compiled else "no"}
                    measure = partial(time_step, name, stage, how, compiled, batch, device, tiny)
                    yield key | {"batch": batch}, measure, COMPILING_S if compiled else UNCOMPILED_S


def set_tf32(on: bool) -> None:
    """Choose whether float32 products may be rounded to TF32; without a CUDA device nothing changes."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = on


def time_step(
    name: str, stage: Stage, how: str, compiled: bool, batch: int, device: torch.device, tiny: bool
) -> Mapping[str, object]:
    """Measure a training step of 128×128 crops with SegFormer-B3, as the paper's protocol has them."""
    precision = "bfloat16" if how == "bfloat16" else "float32"
    crop, segmenter = (32, "b0") if tiny else (128, "b3")
    options = TrainingOptions(
        fusion_model=name, segmenter=segmenter, batch_size=batch, crop_px=crop, precision=precision
    )
    trainer = Trainer(options, device)
    trainer.framework.train()
    if compiled:
        network: Any = trainer.framework.fusion_model
        network.backbone, network.decoder = torch.compile(network.backbone), torch.compile(network.decoder)
    images = {side: made_images(seed, batch, 3, crop, crop) for seed, side in enumerate(("visible", "infrared"))}
    return measure(lambda: trainer.step(images, stage), batch, device, tiny)


def time_fusing(name: str, how: str, batch: int, device: torch.device, tiny: bool) -> Mapping[str, object]:
    """Measure fusing pairs of 640×480 that are on the device."""
    height, width = (48, 64) if tiny else (480, 640)
    network = build_fusion_model(name, 3).eval().to(device)
    pair = [made_images(seed, batch, 3, height, width).to(device) for seed in (0, 1)]

    def fuse() -> None:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=how == "bfloat16"):
            network(*pair)

    return measure(fuse, batch, device, tiny)


def time_metrics(metrics: tuple[str, ...], batch: int, device: torch.device, tiny: bool) -> Mapping[str, object]:
    """Measure fusion metrics of images of 640×480 that are on the device."""
    height, width = (192, 200) if tiny else (480, 640)
    images = [
        (255 * made_images(seed, batch, channels, height, width)).round().byte().to(device)
        for seed, channels in ((0, 3), (1, 1), (2, 3))
    ]
    return measure(lambda: evaluate(*images, metrics), batch, device, tiny)


def measure(work: Callable[[], object], batch: int, device: torch.device, tiny: bool) -> Mapping[str, object]:
    """Return what one call costs: the mean of eight after two, whose time is `first_s`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    first_s = clock(work, 1 if tiny else 2, device)
    repeats = 1 if tiny else 8
    seconds = clock(work, repeats, device) / repeats
    peak = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None
    found = {"milliseconds": 1000 * seconds, "pairs_per_s": batch / seconds, "first_s": first_s}
    shown: dict[str, object] = {name: f"{value:.4g}" for name, value in found.items()}
    return shown | {"peak_memory_mb": "" if peak is None else round(peak)}


def clock(work: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Return the seconds that calls take until the device has done them."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
