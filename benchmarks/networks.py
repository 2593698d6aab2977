"""All networks beside plain transcriptions of their releases (`originals/`): time, memory and multiply-accumulates.

    .venv/bin/python benchmarks/networks.py [--networks swinfusion,emma] [--work 640x480] [--output FILE.json]

Each measurement is a process of its own, ours and the original's in turn, the least of all repeats: the original as a
user runs it, with PyTorch's defaults, ours as `ssvif` does. A size is a pair fused without gradients, "step" a batch of
128×128 forward, through the fusion loss and backward. Of one thread the processor's time counts, of more the clock's.
`--output` is written after every measurement; a second call makes what is missing. `--figure FILE.png` draws it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine, forget_peak, least_s, peak_mib
from networks_figure import draw, markdown
from originals import ORIGINALS, build_pair, check

from ssvif.io.device import prepare_cpu
from ssvif.io.files import write_json
from ssvif.judging.cost import count
from ssvif.losses.fusion import fusion_terms, weighted_sum
from ssvif.models.names import channel_choices
from ssvif.models.registry import build_network
from ssvif.schema import FUSION_MODELS, FUSION_NETWORKS, PRECISIONS

WEIGHTS = {"intensity": 20.0, "gradient": 20.0, "structural": 10.0, "color": 60.0}
WORK = {"256x256": (256, 256), "640x480": (480, 640), "step": (128, 128)}  # height and width, in pixels
WHOSE = ("original", "ours")


def main() -> None:
    """Measure, print, and draw."""
    arguments = _parse()
    if arguments.single:
        print(json.dumps(measure(*arguments.single, arguments)))
        return
    there = arguments.output is not None and arguments.output.is_file()
    found = json.loads(arguments.output.read_text()) if there else {"machine": describe_machine(), "networks": {}}
    for name in arguments.networks.split(","):
        row = found["networks"].setdefault(name, _facts(name))
        for work in arguments.work.split(","):
            if work not in row and (work != "step" or name in FUSION_MODELS):
                row[work] = _compare(name, work, arguments)
                print(f"{name} {work}: {row[work]}", flush=True)
                if arguments.output:
                    write_json(arguments.output, found)
    print(markdown(found["networks"]))
    if arguments.figure:
        draw(found["networks"], arguments.figure)


def measure(name: str, whose: str, work: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Return seconds, and the peak of memory above what the process held before, in MiB."""
    if whose == "ours":
        prepare_cpu(arguments.threads)
    torch.set_num_threads(arguments.threads)
    narrow = whose == "ours" and arguments.precision == "bfloat16"
    model = (
        build_pair(name)[WHOSE.index(whose)] if name in ORIGINALS else build_network(name, channel_choices(name)[-1])
    )
    shape = (arguments.batch if work == "step" else 1, channel_choices(name)[-1], *WORK[work])
    visible, infrared = torch.rand(shape), torch.rand(shape)
    if whose == "ours" and work == "step":
        model = model.to(memory_format=torch.channels_last)
        visible, infrared = (each.contiguous(memory_format=torch.channels_last) for each in (visible, infrared))
    clock = time.process_time if arguments.threads == 1 else time.perf_counter

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow), torch.inference_mode(work != "step"):
            fused = model.train(work == "step")(visible, infrared)
        if work == "step":
            model.zero_grad(set_to_none=True)
            weighted_sum(fusion_terms(visible, infrared, fused.float()), WEIGHTS).backward()

    forget_peak()
    before = peak_mib()
    return {"seconds": least_s(run, clock=clock)[0], "mib": peak_mib() - before}


def _facts(name: str) -> dict[str, Any]:
    channels = channel_choices(name)[-1]
    with torch.device("meta"):
        model = build_network(name, channels).eval()
    facts = {f"{work} macs": count(model, *size)[0] for work, size in WORK.items() if work != "step"}
    return facts | {"difference": check(name) if name in ORIGINALS else None}


def _compare(name: str, work: str, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the least of all repeats, of the original where there is one and ours."""
    runs: dict[str, list[dict[str, float]]] = {whose: [] for whose in WHOSE if whose == "ours" or name in ORIGINALS}
    for _ in range(arguments.repeats):
        for whose, measured in runs.items():
            measured.append(_in_process(name, whose, work, arguments))
    return {whose: {key: min(run[key] for run in each) for key in ("seconds", "mib")} for whose, each in runs.items()}


def _in_process(name: str, whose: str, work: str, arguments: argparse.Namespace) -> dict[str, float]:
    options = [f"--{key}={getattr(arguments, key)}" for key in ("batch", "threads", "precision")]
    command = [sys.executable, __file__, "--single", name, whose, work, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(FUSION_NETWORKS), help="comma separated")
    parser.add_argument("--work", default=",".join(WORK), help="comma separated")
    parser.add_argument("--batch", type=int, default=2, help="of a training step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="float32", choices=PRECISIONS, help="of ours")
    parser.add_argument("--repeats", type=int, default=2, help="processes each")
    parser.add_argument("--output", type=Path, help="JSON file to write as well")
    parser.add_argument("--figure", type=Path, help="PNG file to draw")
    parser.add_argument("--single", nargs=3, metavar=("NETWORK", "WHOSE", "WORK"), help="only print one measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
