"""Two folders of one's own, without a descriptor, made ready for training."""

from __future__ import annotations

import os
from pathlib import Path

from ssvif.data.layouts import Descriptor, Layout
from ssvif.data.pack import pack_pairs
from ssvif.data.split import split_dataset
from ssvif.ops.errors import UserError

RATIOS = (0.9, 0.1, 0.0)


def pack_folders(
    visible: Path, infrared: Path, output: Path, *, seed: int = 0, alignment: Path | None = None
) -> dict[str, int]:
    """Split and pack two folders of images with equal names into output/splits.csv and output/pairs.h5.

    A tenth of the pairs becomes validation, the rest is for training.

    Args:
        visible: folder of visible images.
        infrared: folder of infrared images.
        output: the folder to write to.
        seed: of the split.
        alignment: a file of `ssvif align`.

    Returns:
        The number of pairs in each split.

    Raises:
        UserError: a folder is missing or empty, a pair lacks a side or has two sizes, or there are
            fewer than two pairs.
    """
    for folder in (visible, infrared):
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder", expected="a folder of images")
    left, right = visible.resolve(), infrared.resolve()
    root = Path(os.path.commonpath([left, right]))
    if left == right:
        raise UserError(f"{visible} is given for both sides", expected="a folder of each")
    try:
        layout = Layout(*(f"{side.relative_to(root).as_posix()}/{{name}}" for side in (left, right)))
    except ValueError as error:  # e.g. a brace in a folder's name
        raise UserError(f"The folders {visible} and {infrared} cannot be used", got=str(error)) from error
    descriptor = Descriptor("own", "Own pairs", ".", (layout,), ratios=RATIOS)
    counts = split_dataset(descriptor, root, output / "splits.csv", seed=seed)
    if "validation" not in counts:
        raise UserError(f"{visible} holds too few images to train on", expected="two pairs or more, better hundreds")
    pack_pairs(descriptor, root, output / "splits.csv", output / "pairs.h5", alignment=alignment)
    return counts
