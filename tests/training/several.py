"""Trainings in one of several processes, for test_processes.py: `python several.py JOBS.json`, started as by torchrun.

Each job is the arguments of `train`, its options given as settings; "stop_after" names an epoch after which it is left.
A process that is not the first is given another output, which nobody may write. SegFormer draws no dropout here: that
differs with the number of processes.
"""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import torch

from ssvif.io.launch import place, take_part
from ssvif.models.segmentation import Segmenter
from ssvif.ops.processes import joined
from ssvif.training import framework, loop
from ssvif.training.options import TrainingOptions


def without_dropout(size, classes):
    segmenter = Segmenter(size, classes)
    for module in segmenter.modules():
        for name in ("p", "drop_prob"):
            if hasattr(module, name):
                setattr(module, name, 0.0)
    return segmenter


class LeftError(Exception):
    """The training is stopped between two epochs."""


def run(job):
    rank = place().rank
    folder = Path(job["output"] + f"_of_{rank}" * bool(rank))
    options = TrainingOptions(**job["settings"])

    def leave(trainer, seconds):
        if trainer.epoch == job.get("stop_after"):
            raise LeftError

    loop.log_epoch = leave  # what each process calls once the state is saved
    with suppress(LeftError):
        loop.train(Path(job["pairs"]), folder, folder / "state.pt", options=options, device=torch.device("cpu"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    framework.Segmenter = without_dropout
    take_part(int(os.environ.get("WORLD_SIZE", "1")), 1)
    with joined():
        for each in json.loads(Path(sys.argv[1]).read_text()):
            run(each)
