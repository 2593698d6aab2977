"""From pairs to fused images: every way to fill a run's `fused/` folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.data.layouts import SPLITS
from ssvif.data.method_folders import folder_of
from ssvif.data.pairs import PairsFile
from ssvif.models.base import FusionModel
from ssvif.models.inference import INFERENCES
from ssvif.ops.errors import UserError, shorten
from ssvif.ops.files import images_by_stem, read_image, write_folder_aside, write_png
from ssvif.ops.levels import to_image, to_tensor
from ssvif.ops.progress import track

log = logging.getLogger("ssvif")
Image = NDArray[np.uint8]
# visible and infrared (1,3,H,W) in [0,1] → fused (1,3,H,W)
Fuser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Job = tuple[Path, Image, Image]

OWNED = (*SPLITS, "*.png")
HOW_TO_LAY = "mend these images; config/experiments/README.md says how they are to lie"
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


def collect_images(pairs: Path, images: Path, output: Path) -> None:
    """Take another method's images as a run's fused images, as PNG in `output/{split}/{pair_id}.png`.

    Gray ones stay gray, and the log says so.

    Args:
        pairs: HDF5 of the dataset.
        images: a folder per split, or a folder of the test split's images alone; see `ssvif.data.method_folders`.
        output: the run's `fused` folder.

    Raises:
        UserError: images are missing, unreadable, or of another size than their pairs; all are listed at once.
    """
    source = PairsFile(pairs)
    folders = {split: folder for split in source.splits() if (folder := folder_of(images, split))}
    if "test" not in folders:
        raise UserError(f"{images} has no folder for the test images", expected=f"{images}/test", remedy=HOW_TO_LAY)
    jobs = [
        (split, name, path)
        for split, folder in folders.items()
        for name, path in _paths_of(folder, source.names(split))
    ]
    problems: dict[str, list[str]] = {"missing": [], "unreadable": [], "of another size": []}
    gray = 0
    with write_folder_aside(output, OWNED) as aside:
        for split, name, path in track(jobs, "collecting", total=len(jobs)):
            image = _take(images, path, source.size(split, name), problems)
            if image is not None:
                gray += image.ndim == 2 or bool((image == image[..., :1]).all())
                write_png(aside / split / f"{name}.png", image)
        _refuse_unsound(images, problems, len(jobs))
    if gray:
        log.info("%s: %d of %d images are gray, and color metrics take them as they are", images, gray, len(jobs))


def _paths_of(folder: Path, names: Iterable[str]) -> list[tuple[str, Path]]:
    found = images_by_stem(folder)
    return [(name, found.get(name, folder / f"{name}.png")) for name in names]


def _take(images: Path, path: Path, size: tuple[int, ...], problems: Mapping[str, list[str]]) -> Image | None:
    """Return an image of another method; or None, and its name among the problems."""
    name = str(path.relative_to(images))
    if not path.is_file():
        problems["missing"].append(name)
        return None
    try:
        image = read_image(path)
    except UserError as error:
        problems["unreadable"].append(f"{name} ({error.got})")
        return None
    if image.shape[:2] != size:
        height, width = image.shape[:2]
        problems["of another size"].append(f"{name} ({width}×{height} instead of {size[1]}×{size[0]})")
        return None
    return image


def _refuse_unsound(images: Path, problems: Mapping[str, list[str]], count: int) -> None:
    counted = {problem: names for problem, names in problems.items() if names}
    if counted:
        raise UserError(
            f"{images} cannot be judged: " + ", ".join(f"{len(names)} {each}" for each, names in counted.items()),
            expected=f"an 8-bit image for each of {count} pairs, named like it and of its size",
            got="; ".join(f"{each}: {shorten(names, most=3)}" for each, names in counted.items()),
            remedy=HOW_TO_LAY,
        )


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
