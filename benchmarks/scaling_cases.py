"""What `scaling.py` measures: each case by the size of what it works on, and how a point of a curve is taken."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from machine import SSVIF, find_chromium, forget_peak, least_s, measure_command, peak_mib
from PIL import Image

from ssvif.io.images import read_raw

ROOT = Path(__file__).parents[1]
DESCRIPTOR = """name: made
title: Made pairs
folder: "."
layouts:
  - {visible: "vi/{name}", infrared: "ir/{name}"}
ratios: [0.8, 0.1, 0.1]
"""
CROP_PX = 128
METHODS = 3
Found = dict[str, dict[str, float]]  # curve → "seconds" and "mib", or one of them


@dataclass(frozen=True)
class Case:
    """A family of curves over the same sizes."""

    title: str
    grows: str  # what the size is, with its unit
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    curves: dict[str, str]  # name → title
    measure: Callable[[int, Sequence[str]], Found]  # a size and names of curves → what was found of them
    power: int = 1  # the amount of data is the size to this power
    together: bool = False  # one process measures all curves of a size, which need the same files


def fuse_one(side: int, curves: Sequence[str]) -> Found:
    """Fuse a pair of noise of side×side pixels, of 8 bits, in tiles where ssvif takes tiles by itself."""
    import torch

    from ssvif.fusing.api import fuse, load_model
    from ssvif.io.device import prepare_cpu
    from ssvif.models.registry import build_fusion_model, save_fusion_model
    from ssvif.schema import PACKAGED_MODELS

    prepare_cpu(1)
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    visible, infrared = (random.integers(0, 256, shape, np.uint8) for shape in ((side, side, 3), (side, side)))
    found: Found = {}
    for name in curves:
        with tempfile.TemporaryDirectory() as folder:
            path: Path | str = name
            if name not in PACKAGED_MODELS:  # untrained, which takes as long
                path = Path(folder) / "model.safetensors"
                save_fusion_model(build_fusion_model(name), path, name=name, facts={})
            model = load_model(path, device="cpu")
        small = visible[:64, :64], infrared[:64, :64]
        found[name] = _measure(partial(fuse, visible, infrared, model), partial(fuse, *small, model))
    return found


def train_one_step(batch: int, curves: Sequence[str]) -> Found:
    """Take steps of stage I with so many crops of 128×128."""
    import torch

    from ssvif.io.device import prepare_cpu
    from ssvif.training.loop import Trainer
    from ssvif.training.options import TrainingOptions
    from ssvif.training.stages import Stage

    prepare_cpu(1)
    pairs = {name: torch.rand(batch, 3, CROP_PX, CROP_PX) for name in ("visible", "infrared")}
    found: Found = {}
    for name in curves:
        options = TrainingOptions(fusion_model=name, framework="fusion_only")
        trainer = Trainer(options, torch.device("cpu"), stage_one_only=True)
        first = {side: images[:1] for side, images in pairs.items()}
        step = partial(trainer.step, stage=Stage.FUSION)
        found[name] = _measure(partial(step, pairs), partial(step, first))
    return found


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


def decode(folder: Path) -> None:
    """Read every image of `make_pairs`."""
    for path in sorted(folder.glob("*/*.png")):
        read_raw(path)


def prepare_dataset(count: int, curves: Sequence[str]) -> Found:
    """Split, check and pack so many pairs of 16×16, each command in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pairs(folder, count, (16, 16), 8)
        dataset, splits = folder / "made.yaml", folder / "splits.csv"
        dataset.write_text(DESCRIPTOR)
        where = ["--dataset", str(dataset), "--data-root", name]
        commands = {
            "split": ["split", *where, "--output", str(splits)],
            "check": ["check", *where],
            "check_quick": ["check", "--quick", *where],
            "pack": ["pack", *where, "--splits", str(splits), "--output", str(folder / "pairs.h5")],
        }
        found: Found = {}
        for curve, command in commands.items():
            if curve in curves or (curve == "split" and "pack" in curves):  # which reads its file
                found[curve] = _run([*SSVIF, *command], folder)
        if "decode" in curves:
            start = time.process_time()
            decode(folder)
            found["decode"] = {"seconds": time.process_time() - start}
    return found


def plan_runs(count: int, curves: Sequence[str]) -> Found:
    """Let Snakemake plan so many trainings, each with its judges, of which nothing has been made yet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("config", "workflow"):
            shutil.copytree(ROOT / part, folder / part)
        rows = [f"run_{i}\ttrained\tlite\tssvif\t{i}" for i in range(count)]
        table = folder / "config/experiments/made.tsv"
        table.write_text("\n".join(["run\tkind\tfusion_model\tframework\tseed", *rows, ""]))
        command = [sys.executable, "-m", "snakemake", "-n", "--config", f"experiments={table}"]
        return {curve: _run(command, folder) for curve in curves}


def report_pairs(count: int, curves: Sequence[str]) -> Found:
    """Make the report of so many pairs of 64×48 and three methods; open its gallery if there is a Chromium.

    Opening is timed by the clock; its memory is the size of what the page's scripts read.
    """
    from report_files import folder_mib, make_report, make_results

    with tempfile.TemporaryDirectory() as name:
        runs = make_results(Path(name), count, METHODS, 64, 48)
        page = Path(name) / "page/index.html"
        found = {"make": _measure(partial(make_report, Path(name), runs), calls=1)}
        found["open"] = {"mib": folder_mib(page.parent / "data")[0]}
        if "open" in curves and find_chromium():
            found["open"]["seconds"] = _open_s(f"{page.parent.as_uri()}/gallery_made.html")
    return found


def _open_s(address: str) -> float:
    from playwright.sync_api import sync_playwright

    from report import open_page

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        seen_ms = []
        for _ in range(3):
            page, (_, shown_ms) = open_page(browser, address)
            seen_ms.append(shown_ms)
            page.context.close()
        browser.close()
    return statistics.median(seen_ms) / 1000


def _measure(
    work: Callable[[], object], warm_up: Callable[[], object] | None = None, calls: int = 3
) -> dict[str, float]:
    """Return the least processor time of some calls, and how far memory rose above what was held before.

    `warm_up` is a small work of the same kind, not timed: it loads or compiles what is needed once.
    """
    forget_peak()
    before = peak_mib()
    if warm_up:
        warm_up()
    return {"seconds": least_s(work, calls)[0], "mib": peak_mib() - before}


def _run(command: Sequence[str], folder: Path) -> dict[str, float]:
    found = measure_command(command, folder)
    return {quantity: found[quantity] for quantity in ("seconds", "mib")}


NETWORKS = {"fast": "fast", "accurate": "accurate (SeAFusion)", "emma": "EMMA", "swinfusion": "SwinFusion"}
CASES = {
    "image": Case(
        title="Fusing a pair",
        grows="pixels of the image",
        sizes=(128, 256, 512, 1024, 2048, 4096),
        quick=(64, 128),
        curves=NETWORKS,
        measure=fuse_one,
        power=2,
    ),
    "batch": Case(
        title="A training step of stage I",
        grows="crops of 128×128 in the batch",
        sizes=(1, 2, 4, 8, 10, 16),
        quick=(1,),
        curves={"lite": "lite", "seafusion": "SeAFusion", "swinfusion": "SwinFusion"},
        measure=train_one_step,
    ),
    "pairs": Case(
        title="Preparing a dataset",
        grows="pairs of 16×16",
        sizes=(100, 1_000, 10_000, 100_000),
        quick=(10, 100),
        curves={
            "split": "split",
            "check": "check",
            "check_quick": "check --quick",
            "pack": "pack",
            "decode": "only decoding",
        },
        measure=prepare_dataset,
        together=True,
    ),
    "runs": Case(
        title="Planning",
        grows="runs in the table",
        sizes=(1, 10, 100, 500),
        quick=(1, 3),
        curves={"plan": "snakemake -n"},
        measure=plan_runs,
    ),
    "report": Case(
        title="A report of three methods",
        grows="pairs of 64×48",
        sizes=(100, 1_000, 10_000),
        quick=(10, 30),
        curves={"make": "making it", "open": "opening (memory: data read)"},
        measure=report_pairs,
        together=True,
    ),
}
