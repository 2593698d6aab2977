"""From pairs to fused images: networks and baselines fill a run's `fused/` folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.data.packed import PairsFile
from ssvif.io.errors import UserError
from ssvif.io.files import write_folder_aside, write_png
from ssvif.io.progress import track
from ssvif.models.base import FusionModel
from ssvif.models.inference import INFERENCES
from ssvif.ops.color import to_image, to_tensor
from ssvif.schema import SPLITS

Image = NDArray[np.uint8]
# visible and infrared (1,3,H,W) in [0,1] → fused (1,3,H,W)
Fuser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Job = tuple[Path, Image, Image]

OWNED = (*SPLITS, "*.png")
BASELINE_FUSERS: dict[str, Fuser] = {
    "average": lambda visible, infrared: (visible + infrared) / 2,
    "maximum": torch.maximum,
    "visible": lambda visible, infrared: visible,
    "infrared": lambda visible, infrared: infrared,
}


def baseline_fuser(name: str) -> Fuser:
    """Return a trivial fusion: "average", "maximum", "visible" or "infrared".

    Raises:
        UserError: the name is unknown.
    """
    if name not in BASELINE_FUSERS:
        raise UserError(f"Unknown baseline {name!r}", expected=" | ".join(BASELINE_FUSERS))
    return BASELINE_FUSERS[name]


def model_fuser(model: FusionModel, device: torch.device, inference: str = "plain") -> Fuser:
    """Return what fuses with a network; a one-channel network fuses luma and keeps visible's chroma.

    Args:
        model: with C = 1 or 3.
        device: to compute on.
        inference: "plain", or whose script to follow: a key of `ssvif.models.inference.INFERENCES`.

    Raises:
        UserError: the inference is unknown.
    """
    if inference not in INFERENCES:
        raise UserError(f"Unknown inference {inference!r}", expected=" | ".join(INFERENCES))
    model, infer = model.to(device).eval(), INFERENCES[inference]
    return lambda visible, infrared: infer(model, visible.to(device), infrared.to(device))


def fuse_pairs(pairs: Path, output: Path, fuser: Fuser) -> None:
    """Fuse all pairs of an HDF5 file into `output/{split}/{pair_id}.png`, each of its pair's size."""
    source = PairsFile(pairs)
    names = [(split, name) for split in source.splits() for name in source.names(split)]
    jobs = (
        (Path(split) / f"{name}.png", source.visible(split, name), source.infrared(split, name))
        for split, name in names
    )
    _fuse_all(jobs, len(names), output, fuser)


@torch.no_grad()
def _fuse_all(jobs: Iterable[Job], count: int, output: Path, fuser: Fuser) -> None:
    # compressing a PNG costs as much as fusing it and lets other threads run meanwhile
    with write_folder_aside(output, OWNED) as aside, ThreadPoolExecutor(max_workers=2) as writers:
        written: list[Future[None]] = []
        for relative, visible, infrared in track(jobs, "fusing", total=count):
            fused = to_image(_fuse_one(fuser, relative, visible, infrared))
            if len(written) >= 8:
                written.pop(0).result()  # bounds the memory of images that wait
            written.append(writers.submit(write_png, aside / relative, fused))
        for each in written:
            each.result()


def _fuse_one(fuser: Fuser, relative: Path, visible: Image, infrared: Image) -> torch.Tensor:
    try:
        return fuser(to_tensor(visible), to_tensor(infrared))
    except ValueError as error:  # e.g. smaller than what the network can pad
        raise UserError(f"The pair {relative.stem} cannot be fused by this network", got=str(error)) from error
