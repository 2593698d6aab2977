"""What the fusion metrics cost, beside other libraries in the same run: time, memory, whole folders.

    .venv/bin/python benchmarks/metrics.py            # the whole table
    .venv/bin/python benchmarks/metrics.py --repeats 3 --pairs 0 --output metrics.json

Everything is measured at one thread on made images of 640×480; the least of the repeats counts, taken from the
process's own time and not the clock's, so that what else the machine does matters little. piq and pytorch-msssim are
the optional extra `bench`; scikit-image is in `dev`. A library that is missing has an empty column.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import RIVALS, SSVIF, describe_machine, forget_peak, least_s, measure_command, peak_mib

from ssvif.io.device import prepare_cpu
from ssvif.io.files import write_json, write_png
from ssvif.metrics.collection import METRICS, STANDARD_SET, evaluate, of_convention
from ssvif.ops.color import luma

HEIGHT, WIDTH = 480, 640
PAPER_SEVEN = of_convention(STANDARD_SET, "paper")  # the paper's table of fusion quality
BATCH = 8
WORKERS = 2
MODULES = {"scikit-image": "skimage", "piq": "piq", "pytorch-msssim": "pytorch_msssim"}
# seconds a pair, MiB, seconds: what the project asks of itself
BUDGETS = {"seven": 0.04, "ten": 0.07, "memory_mib": 1536, "folder_s": 20.0}

Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Rival = Callable[[], float]


def main() -> None:
    """Measure, print the tables, write JSON when asked for."""
    arguments = _parse()
    prepare_cpu(1)
    if arguments.memory_of_batch:
        _say(str(_memory_rise_mib(arguments.memory_of_batch)))
        return
    triple = _tensors(made_triple(0))
    result: dict[str, Any] = {"machine": describe_machine(), "repeats": arguments.repeats}
    _say("  ".join(f"{key}: {value}" for key, value in result["machine"].items()))
    result["metrics"] = _compare(triple, arguments.repeats)
    result["groups"] = {
        name: least_s(partial(evaluate, *triple, names), arguments.repeats + 1)[0]
        for name, names in (("seven", PAPER_SEVEN), ("ten", STANDARD_SET), ("all", tuple(METRICS)))
    }
    _show_metrics(result)
    result["memory_mib"] = _run_memory()
    _say(f"memory of a batch of {BATCH}, ten metrics: {result['memory_mib']:.0f} MiB above what was there before"
         f" (at most {BUDGETS['memory_mib']})")  # fmt: skip
    if arguments.pairs:
        result["folder"] = _score_folder(arguments.pairs)
        _show_folder(result["folder"])
    if arguments.output:
        write_json(arguments.output, result)


def made_triple(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return visible (H,W,3), infrared (H,W) and fused (H,W,3) uint8 with smooth parts, edges and noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    scene = np.stack([np.sin(9 * rows + 5 * columns + shift) for shift in (0, 0.4, 1.1)], axis=2)
    for _ in range(30):
        top, left = random.integers(0, HEIGHT - 40), random.integers(0, WIDTH - 60)
        high, wide = random.integers(8, 160, 2)
        scene[top : top + high, left : left + wide] = random.uniform(-1, 1, 3)
    visible = 120 + 80 * scene + random.normal(0, 4, scene.shape)
    infrared = 110 - 60 * scene[..., 0] * scene[..., 1] + random.normal(0, 4, rows.shape)
    fused = 0.6 * visible + 0.4 * infrared[..., None]
    visible, infrared, fused = (np.clip(np.round(each), 0, 255).astype(np.uint8) for each in (visible, infrared, fused))
    return visible, infrared, fused


def _tensors(images: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Triple:
    planes = [image[None] if image.ndim == 2 else image.transpose(2, 0, 1) for image in images]
    visible, infrared, fused = (torch.tensor(np.ascontiguousarray(each))[None] for each in planes)
    return visible, infrared, fused


def rivals(triple: Triple) -> dict[str, dict[str, Rival]]:
    """Return metric → library → a call that does the same work for the same images, in the library's own way.

    Where our metric is a sum over two sources the library is called twice. Conversion from uint8 is done
    beforehand and not timed; piq and pytorch-msssim compute in float32, as their users do.
    """
    found: dict[str, dict[str, Rival]] = {name: {} for name in METRICS}
    present = {library for library in RIVALS if importlib.util.find_spec(MODULES[library])}
    lumas = [luma(image)[0, 0] for image in triple]
    if "scikit-image" in present:
        _add_skimage(found, triple, [each.numpy() for each in lumas])
    sources = [(each[None, None].float(), lumas[2][None, None].float()) for each in lumas[:2]]
    if "piq" in present:
        import piq

        calls = {
            "ssim255": partial(piq.ssim, data_range=255.0, downsample=False),
            "ms_ssim255": partial(piq.multi_scale_ssim, data_range=255.0),
            # it takes the judged image first
            "vif": lambda source, fused: piq.vif_p(fused, source, data_range=255.0),
        }
        for name, call in calls.items():
            found[name]["piq"] = partial(_sum, call, sources)
    if "pytorch-msssim" in present:
        import pytorch_msssim

        for name in ("ssim", "ms_ssim"):
            call = partial(getattr(pytorch_msssim, name), data_range=255.0)
            found[f"{name}255"]["pytorch-msssim"] = partial(_sum, call, sources)
    return found


def _add_skimage(found: dict[str, dict[str, Rival]], triple: Triple, lumas: list[np.ndarray]) -> None:
    from skimage import color, measure, metrics

    def similarity(data_range: float, source: np.ndarray, fused: np.ndarray) -> float:
        return metrics.structural_similarity(
            source, fused, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )

    def difference(formula: Callable[..., np.ndarray]) -> float:
        return float(formula(color.rgb2lab(visible), color.rgb2lab(fused)).mean())

    visible, fused = (triple[i][0].permute(1, 2, 0).numpy() for i in (0, 2))
    sources = [(each.astype(np.float64), lumas[2].astype(np.float64)) for each in lumas[:2]]
    found["en"]["scikit-image"] = partial(measure.shannon_entropy, lumas[2])
    found["ssim"]["scikit-image"] = partial(_sum, partial(similarity, 1.0), sources)
    found["ssim255"]["scikit-image"] = partial(_sum, partial(similarity, 255.0), sources)
    found["delta_e76"]["scikit-image"] = partial(difference, color.deltaE_cie76)
    found["delta_e2000"]["scikit-image"] = partial(difference, color.deltaE_ciede2000)


def _sum(call: Callable[[Any, Any], Any], sources: list[tuple[Any, Any]]) -> float:
    return sum(float(call(*each)) for each in sources)


def _compare(triple: Triple, repeats: int) -> dict[str, dict[str, Any]]:
    others = rivals(triple)
    result: dict[str, dict[str, Any]] = {}
    for name, metric in METRICS.items():
        seconds, value = least_s(partial(metric, *triple), repeats + 1)
        result[name] = {"seconds": seconds, "value": float(value), "others": {}}
        for library, call in others[name].items():
            with torch.no_grad():
                seconds, value = least_s(call, repeats + 1)
            result[name]["others"][library] = {"seconds": seconds, "value": float(value)}
    return result


def _show_metrics(result: dict[str, Any]) -> None:
    _say(f"\n{'ms a pair':12}{'ssvif':>9}" + "".join(f"{library:>26}" for library in RIVALS))
    for name, found in result["metrics"].items():
        cells = ""
        for library in RIVALS:
            other = found["others"].get(library)
            ratio = f"{other['seconds'] / found['seconds']:.1f}×" if other else ""
            cells += f"{1000 * other['seconds']:9.1f} {ratio:>6} {other['value']:9.4f}" if other else " " * 26
        _say(f"{name:12}{1000 * found['seconds']:9.1f}{cells}{'' if cells.isspace() else '   ours'}"
             + ("" if cells.isspace() else f" {found['value']:.4f}"))  # fmt: skip
    _say("(× says how many times longer the other library takes; then its value, at the end ours)")
    for name, seconds in result["groups"].items():
        budget = f" (at most {1000 * BUDGETS[name]:.0f})" if name in BUDGETS else ""
        _say(f"together, {name}: {1000 * seconds:.1f} ms a pair{budget}")


def _memory_rise_mib(batch: int) -> float:
    visible, infrared, fused = (each.expand(batch, -1, -1, -1).clone() for each in _tensors(made_triple(0)))
    evaluate(*(each[:1, :, :170, :170] for each in (visible, infrared, fused)), STANDARD_SET)  # loads what is lazy
    forget_peak()  # that of importing
    before = peak_mib()
    evaluate(visible, infrared, fused, STANDARD_SET)
    return peak_mib() - before


def _run_memory() -> float:
    # a process of its own: the peak of this one is past
    command = [sys.executable, __file__, "--memory-of-batch", str(BATCH)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _score_folder(pairs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / each for each in ("visible", "infrared", "fused")]
        for seed in range(min(pairs, 12)):
            for folder, image in zip(folders, made_triple(seed), strict=True):
                write_png(folder / f"{seed:05d}.png", image)
        for i in range(12, pairs):
            for folder in folders:
                (folder / f"{i:05d}.png").hardlink_to(folder / f"{i % 12:05d}.png")
        sources = [f"--{folder.name}={folder}" for folder in folders]
        command = [*SSVIF, "score", *sources, f"--output={name}/scores.csv", "--device=cpu"]
        return {"pairs": pairs, "workers": WORKERS} | {
            convention: measure_command([*command, f"--workers={WORKERS}", f"--convention={convention}"])
            for convention in ("paper", "both")
        }


def _show_folder(folder: dict[str, Any]) -> None:
    for convention, title in (("paper", "seven"), ("both", "ten")):
        found = folder[convention]
        _say(
            f"ssvif score, {folder['pairs']} pairs, {title}, {folder['workers']} workers, start, reading and statistics"
            f" included: {found['wall_s']:.1f} s by the clock, {found['seconds']:.1f} s of CPU,"
            f" at best {found['seconds'] / folder['workers']:.1f} s on {folder['workers']} free cores"
            f" (at most {BUDGETS['folder_s']:.0f})"
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=7, help="of every measurement; the least counts")
    parser.add_argument("--pairs", type=int, default=361, help="to score as a folder; 0 leaves that out")
    parser.add_argument("--output", type=Path, help="JSON file to write as well")
    parser.add_argument("--memory-of-batch", type=int, help="only print how far evaluating such a batch raises memory")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
