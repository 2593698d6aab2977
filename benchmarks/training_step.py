"""What a step of stage II costs with each weighting, beside a step with a fixed weight, in one run.

The steps take turns and the least of each counts; on a CPU its own time is taken, not the clock's, so that what
else the machine does matters little.

    python benchmarks/training_step.py --model swinfusion --batch 2 --crop 128 --segmenter b3
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import torch
from machine import clock_of, least_s

from ssvif.io.device import device_name, prepare_cpu
from ssvif.training.loop import Trainer
from ssvif.training.options import TrainingOptions
from ssvif.training.stages import Stage

CASES = {
    "fixed": {"weighting": "fixed"},
    "gdwa": {"weighting": "gdwa"},
    "gdwa, every 10th": {"weighting": "gdwa", "every_n_steps": 2},  # so that both kinds of step are timed in turn
    "ucw": {"weighting": "ucw"},
    "gradnorm": {"weighting": "gradnorm"},
}
CYCLE = 10  # steps between two measured ones, in the case of every 10th


def main() -> None:
    """Print milliseconds a step and the ratio to the fixed weight's."""
    arguments = _parse()
    device = torch.device(arguments.device)
    clock = clock_of(device)
    prepare_cpu(arguments.threads)
    torch.manual_seed(0)
    shape = (arguments.batch, 3, arguments.crop, arguments.crop)
    batch = {name: torch.rand(shape) for name in ("visible", "infrared")}
    given = {"segmenter": arguments.segmenter, "precision": arguments.precision}
    options = TrainingOptions(fusion_model=arguments.model, **given)
    cases = {name: CASES[name] for name in arguments.cases.split(",")} if arguments.cases else CASES
    trainers = {name: Trainer(replace(options, **case), device) for name, case in cases.items()}
    measured: dict[str, list[float]] = {name: [] for name in trainers}
    plain: dict[str, list[float]] = {name: [] for name in trainers}
    for repeat in range(arguments.repeats + 1):
        for name, trainer in trainers.items():
            step = partial(trainer.step, batch, Stage.JOINT)
            first, _ = least_s(step, calls=1, clock=clock)
            other, _ = least_s(step, calls=1, clock=clock) if "every" in name else (first, None)
            if repeat:  # the first one warms up
                measured[name].append(first)
                plain[name].append(other)
    print(f"{arguments.model}, {arguments.segmenter}, {shape}, {arguments.precision}, {device_name(device)}")
    costs = {name: (min(measured[name]) + (CYCLE - 1) * min(plain[name])) / CYCLE for name in trainers}
    for name, cost in costs.items():
        print(f"{name:18} {1000 * cost:9.1f} ms   {cost / costs['fixed']:.3f} × fixed")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="swinfusion")
    parser.add_argument("--segmenter", default="b3")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--cases", default="", help="comma separated, fixed among them; all when left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
