"""Fuse packed pairs into the images of a run, `fused/{split}/{pair_id}.png`."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from ssvif.data.packed import PairsFile
from ssvif.fusing.fuser import WHOLE_IMAGES, FuseOptions, Fuser
from ssvif.fusing.pipeline import fuse_pairs, write_behind
from ssvif.io.errors import UserError, counted
from ssvif.io.files import refuse_foreign, write_folder_aside, write_png
from ssvif.io.progress import track
from ssvif.pairs.pair import Pair
from ssvif.pairs.ranges import Range
from ssvif.pairs.shard import WHOLE, Shard
from ssvif.schema import SPLITS

log = logging.getLogger("ssvif")

OWNED = (*SPLITS, "*.png")
LEVELS = Range(0.0, 255.0)  # packed pairs are 8-bit images of one size already


def fuse_packed(
    pairs: Path, output: Path, fuser: Fuser, options: FuseOptions = WHOLE_IMAGES, shard: Shard = WHOLE
) -> None:
    """Fuse the pairs of a file of `ssvif pack` into `output/{split}/{pair_id}.png`, each of its pair's size.

    The folder `output` is replaced once all images are written; a shard adds its own to it one by one.

    Raises:
        UserError: the file is missing or damaged, or a pair cannot be fused; then `output` stays as it was.
    """
    source = PairsFile(pairs)
    names = shard.take([(split, name) for split in source.splits() for name in source.names(split)])
    jobs = [(f"{split}/{name}", partial(_read, source, split, name)) for split, name in names]
    with (
        folder_to_fill(output, shard) as folder,
        write_behind(lambda name, image: write_png(folder / f"{name}.png", image)) as write,
    ):
        for result in track(fuse_pairs(jobs, fuser, options), "fusing", len(jobs)):
            if isinstance(result, UserError):
                raise result
            write(*result)
    counts = ", ".join(f"{count} in {output / split}" for split, count in Counter(split for split, _ in names).items())
    log.info("fused %s: %s", counted(len(jobs), "pair"), counts)


def folder_to_fill(output: Path, shard: Shard) -> AbstractContextManager[Path]:
    """Give the folder for a run's fused images: one that will replace `output`, or `output` itself, which shards share.

    Raises:
        UserError: what is to be replaced holds other files.
    """
    if shard.total == 1:
        return write_folder_aside(output, OWNED)
    refuse_foreign(output, OWNED)
    return nullcontext(output)


def _read(source: PairsFile, split: str, name: str) -> Pair:
    images = source.visible(split, name), source.infrared(split, name)
    return Pair(f"{split}/{name}", *images, LEVELS, LEVELS)
