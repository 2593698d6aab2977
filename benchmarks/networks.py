"""The three networks beside a plain transcription of their releases (`originals.py`): time and memory, as ratios.

    .venv/bin/python benchmarks/networks.py [--networks swinfusion,emma] [--precision bfloat16] [--output FILE.json]

Each measurement is a process of its own, ours and the original's in turn, the least of all repeats: the original as a
user runs it, with PyTorch's defaults, ours as `ssvif` does. "fuse" is a pair of 256×256 without gradients, "step" a
batch of 128×128 forward, through the fusion loss and backward.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from machine import describe_machine, forget_peak, peak_mib
from originals import ORIGINALS, build_pair, check

from ssvif.io.device import prepare_cpu
from ssvif.losses.fusion import fusion_terms, weighted_sum
from ssvif.schema import PRECISIONS

WEIGHTS = {"intensity": 20.0, "gradient": 20.0, "structural": 10.0, "color": 60.0}
FUSE_PX, STEP_PX = 256, 128
REPEATS_WITHIN = 3
WORK = ("fuse", "step")


def main() -> None:
    """Measure and print."""
    arguments = _parse()
    if arguments.single:
        print(json.dumps(measure(*arguments.single, arguments)))
        return
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for name in arguments.networks.split(","):
        print(f"{name}: fused images differ by {check(name):.1e} in float32")
        for work in WORK:
            runs: dict[str, list[dict[str, float]]] = {"original": [], "ours": []}
            for _ in range(arguments.repeats):
                for whose, measured in runs.items():
                    measured.append(_in_process(name, whose, work, arguments))
            found[f"{name} {work}"] = runs
            print(_line(work, runs))
    if arguments.output:
        machine = {**describe_machine(), "threads": arguments.threads, "precision": arguments.precision}
        arguments.output.write_text(json.dumps({"machine": machine, "found": found}, indent=1))


def measure(name: str, whose: str, work: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Return seconds, and the peak of memory above what the process held before, in MiB."""
    if whose == "ours":
        prepare_cpu(arguments.threads)
    torch.set_num_threads(arguments.threads)
    narrow = whose == "ours" and arguments.precision == "bfloat16"
    original, ours = build_pair(name)
    model = original if whose == "original" else ours
    side = FUSE_PX if work == "fuse" else STEP_PX
    shape = (1 if work == "fuse" else arguments.batch, 3, side, side)
    visible, infrared = torch.rand(shape), torch.rand(shape)
    if whose == "ours" and work == "step":
        model = model.to(memory_format=torch.channels_last)
        visible, infrared = (each.contiguous(memory_format=torch.channels_last) for each in (visible, infrared))
    forget_peak()
    before = peak_mib()
    seconds = float("inf")
    for _ in range(REPEATS_WITHIN):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow), torch.inference_mode(work == "fuse"):
            fused = model.train(work == "step")(visible, infrared)
        if work == "step":
            model.zero_grad(set_to_none=True)
            weighted_sum(fusion_terms(visible, infrared, fused.float()), WEIGHTS).backward()
        seconds = min(seconds, time.perf_counter() - start)
    return {"seconds": seconds, "mib": peak_mib() - before}


def _in_process(name: str, whose: str, work: str, arguments: argparse.Namespace) -> dict[str, float]:
    options = [f"--{key}={getattr(arguments, key)}" for key in ("batch", "threads", "precision")]
    command = [sys.executable, __file__, "--single", name, whose, work, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _line(work: str, runs: dict[str, list[dict[str, float]]]) -> str:
    original, ours = ({key: min(run[key] for run in runs[whose]) for key in ("seconds", "mib")} for whose in runs)
    seconds, mib = ((original[key], ours[key]) for key in ("seconds", "mib"))
    return (
        f"  {work}: {seconds[0]:.3f} s → {seconds[1]:.3f} s, {seconds[0] / seconds[1]:.2f}×;"
        f" {mib[0]:.0f} MiB → {mib[1]:.0f} MiB, {mib[1] / mib[0]:.2f} of it"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(ORIGINALS), help="comma separated")
    parser.add_argument("--batch", type=int, default=2, help="of a training step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="float32", choices=PRECISIONS, help="of ours")
    parser.add_argument("--repeats", type=int, default=2, help="processes each")
    parser.add_argument("--output", type=Path, help="JSON file to write as well")
    parser.add_argument("--single", nargs=3, metavar=("NETWORK", "WHOSE", "WORK"), help="only print one measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
