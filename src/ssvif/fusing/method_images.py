"""Take another method's fused images as those of a run: which folders hold them, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ssvif.data.packed import PairsFile
from ssvif.fusing.packed import folder_to_fill
from ssvif.io.errors import NoImagesError, UserError, counted, shorten
from ssvif.io.files import write_png
from ssvif.io.images import RawImage, read_raw
from ssvif.io.progress import track
from ssvif.pairs.judgement import log_peculiar, peculiarities
from ssvif.pairs.match import find_images, match_names
from ssvif.pairs.paths import nfc
from ssvif.pairs.shard import WHOLE, Shard
from ssvif.schema import SPLITS

# a method's images come in the dataset's own splits, of which our validation is cut off train, or all in one folder
FOLDERS = {"train": ("train", "all"), "validation": ("validation", "train", "all"), "test": ("test", "all")}
RULES = "see config/experiments/README.md for the expected folders"
MISSING, UNREADABLE, TOO_DEEP, WRONG_SIZE = "missing", "unreadable", "not of 8 bits a channel", "of another size"


def folder_of(images: Path, split: str) -> Path | None:
    """Return the folder that holds a split's images of another method, whose folder is `images`; None if there is none.

    A folder without any of the subfolders `train`, `validation`, `test` and `all` is that of the test images.
    """
    named = next((images / name for name in FOLDERS[split] if (images / name).is_dir()), None)
    alone = split == "test" and not any((images / name).is_dir() for names in FOLDERS.values() for name in names)
    return images if alone else named


def collect_images(pairs: Path, images: Path, output: Path, shard: Shard = WHOLE) -> None:
    """Take another method's images as a run's fused images, as PNG in `output/{split}/{pair_id}.png`.

    The log says how many are gray, and stay so, how many had an alpha channel, which is dropped, and how many were
    compressed with losses, which the metrics see.

    `images` is a folder with one for each split, or one of the test images alone; see `folder_of`. A shard adds its own
    part to the output.

    Raises:
        UserError: images are missing, unreadable, not of 8 bits, or of another size than their pairs; all are
            listed at once.
    """
    source = PairsFile(pairs)
    folders = {split: folder for split in source.splits() if (folder := folder_of(images, split))}
    if "test" not in folders:
        raise UserError(f"{images} has no folder for the test images", expected=f"{images}/test", remedy=RULES)
    problems: dict[str, list[str]] = {MISSING: [], UNREADABLE: [], TOO_DEEP: [], WRONG_SIZE: []}
    jobs, others, kinds = [], set[Path](), Counter[str]()
    for split, folder in folders.items():
        names = source.names(split)
        spellings = {nfc(name): name for name in names}
        found = {spellings.get(name, name): path for name, path in _images_in(folder).items()}
        missing = [str((folder / f"{name}.png").relative_to(images)) for name in names if name not in found]
        problems[MISSING] += missing
        if missing:
            others |= {found[name] for name in found.keys() - set(names)}
        jobs += [(split, name, found[name]) for name in names if name in found]
    # two splits may have one folder, of which each leaves the other's images
    unmatched = sorted(str(path.relative_to(images)) for path in others.difference(path for _, _, path in jobs))
    jobs = list(shard.take(jobs))
    with folder_to_fill(output, shard) as folder:
        for split, name, path in track(jobs, "collecting", total=len(jobs)):
            image, problem, detail = _read(path, source.size(split, name))
            if problem:
                problems[problem].append(f"{path.relative_to(images)} ({detail})")
            elif image:
                kinds.update(peculiarities(image, path))
                write_png(folder / split / f"{name}.png", image.pixels)
        if any(problems.values()):
            raise _refusal(images, problems, unmatched, len(jobs) + len(problems[MISSING]))
    log_peculiar(images, kinds, len(jobs))


def _read(path: Path, size: tuple[int, int]) -> tuple[RawImage | None, str, str]:
    """Return an image, or what is wrong with it and the details; `size` is the height and width it should have."""
    try:
        image = read_raw(path)
    except UserError as error:
        return None, UNREADABLE, (error.got or error.what).replace(f" {str(path)!r}", "")
    height, width = image.pixels.shape[:2]
    if image.pixels.dtype != np.uint8 or "low bytes" in image.notes:
        return None, TOO_DEEP, "floats" if image.pixels.dtype == np.float32 else "16 bits"
    if (height, width) != size:
        return None, WRONG_SIZE, f"{width}×{height} instead of {size[1]}×{size[0]}"
    return image, "", ""


def _refusal(images: Path, problems: Mapping[str, Sequence[str]], unmatched: list[str], count: int) -> UserError:
    there = {problem: list(names) for problem, names in problems.items() if names}
    got = [f"{problem}: {shorten(names, most=3)}" for problem, names in there.items()]
    remedies = [RULES]
    if TOO_DEEP in there:
        remedies.insert(0, "convert them to 8 bits with one fixed range for all")
    if unmatched:
        got.append(f"{counted(len(unmatched), 'image')} without a pair of that name: {shorten(unmatched, most=3)}")
        remedies.insert(0, "rename them, or links to them, like the pairs")
    return UserError(
        f"{images} cannot be used: " + ", ".join(f"{len(names)} {problem}" for problem, names in there.items()),
        expected=f"an 8-bit image for each of {count} pairs, with the pair's name and size",
        got="; ".join(got),
        remedy="; ".join(remedies),
    )


def _images_in(folder: Path) -> dict[str, Path]:
    try:
        matching = match_names({"fused": find_images(folder)})
    except NoImagesError as error:
        there = sorted(path.name for path in folder.iterdir())
        raise error.replace(
            expected=f"images in it, or in a subfolder {', '.join(SPLITS)} or all",
            got=shorten(there) or "an empty folder",
            remedy=RULES,
        ) from error
    if matching.faults:
        raise matching.refusal(matching.faults)
    return {name: files["fused"] for name, files in matching.pairs.items()}
