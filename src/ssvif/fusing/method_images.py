"""Another method's fused images: how their folders may lie, and how they become a run's."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssvif.data.packed import PairsFile
from ssvif.io.errors import ErrorKind, UserError, counted, shorten
from ssvif.io.files import write_folder_aside, write_png
from ssvif.io.images import read_raw
from ssvif.io.progress import track
from ssvif.pairs.match import find_images, match_names
from ssvif.schema import SPLITS

log = logging.getLogger("ssvif")

# a method's images come in the dataset's own splits, of which our validation is cut off train, or all in one folder
FOLDERS = {
    "train": ("train", "all"),
    "validation": ("validation", "train", "all"),
    "test": ("test", "all"),
}
OWNED = (*SPLITS, "*.png")
RULES = "config/experiments/README.md says how images are to lie"
LOSSY = (".jpg", ".jpeg")
MISSING, UNREADABLE, DEEP, MISSIZED = "missing", "unreadable", "not of 8 bits a channel", "of another size"


def folder_of(images: Path, split: str) -> Path | None:
    """Return the folder that holds another method's images of a split, or None if there is none.

    A folder without any of the subfolders `train`, `validation`, `test` and `all` is that of the test images.

    Args:
        images: the method's folder.
        split: train, validation or test.
    """
    named = next((images / name for name in FOLDERS[split] if (images / name).is_dir()), None)
    alone = split == "test" and not any((images / name).is_dir() for names in FOLDERS.values() for name in names)
    return images if alone else named


def collect_images(pairs: Path, images: Path, output: Path) -> None:
    """Take another method's images as a run's fused images, as PNG in `output/{split}/{pair_id}.png`.

    The log says how many are gray, and stay so, how many had an alpha channel, which is dropped, and how many were
    compressed with losses, which the metrics see.

    Args:
        pairs: HDF5 of the dataset.
        images: a folder per split, or a folder of the test split's images alone; see `folder_of`.
        output: the run's `fused` folder.

    Raises:
        UserError: images are missing, unreadable, not of 8 bits, or of another size than their pairs; all are
            listed at once.
    """
    source, found = PairsFile(pairs), _Found(images)
    folders = {split: folder for split in source.splits() if (folder := folder_of(images, split))}
    if "test" not in folders:
        raise UserError(f"{images} has no folder for the test images", expected=f"{images}/test", remedy=RULES)
    jobs = [
        (split, name, path)
        for split, folder in folders.items()
        for name, path in found.match(folder, source.names(split))
    ]
    with write_folder_aside(output, OWNED) as aside:
        for split, name, path in track(jobs, "collecting", total=len(jobs)):
            image = found.take(path, source.size(split, name))
            if image is not None:
                write_png(aside / split / f"{name}.png", image)
        found.refuse_unsound(len(jobs))
    found.tell(len(jobs))


@dataclass
class _Found:
    """What the images of a method turned out to be.

    Attributes:
        images: the method's folder.
        problems: what is wrong → the files.
        others: files that are named like no pair, of the folders in which some pair's image is missing.
        kinds: what is worth telling → how many.
    """

    images: Path
    problems: dict[str, list[str]] = field(
        default_factory=lambda: {problem: [] for problem in (MISSING, UNREADABLE, DEEP, MISSIZED)}
    )
    others: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def match(self, folder: Path, names: Iterable[str]) -> list[tuple[str, Path]]:
        """Return (pair id, file) of a split, where the file may be missing.

        Raises:
            UserError: the folder holds no image, or two share a name.
        """
        wanted = list(names)
        found = _images_in(folder)
        if not found.keys() >= set(wanted):
            self.others += [str(found[name].relative_to(self.images)) for name in found.keys() - set(wanted)]
        return [(name, found.get(name, folder / f"{name}.png")) for name in wanted]

    def take(self, path: Path, size: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """Return an image, (H,W) or (H,W,3); or None, and its name among the problems."""
        name = str(path.relative_to(self.images))
        if not path.is_file():
            self._note(MISSING, name)
            return None
        try:
            raw = read_raw(path)
        except UserError as error:
            self._note(UNREADABLE, f"{name} ({error.got})")
            return None
        image = raw.pixels
        if image.dtype != np.uint8 or "low bytes" in raw.notes:
            kind = "16 bits" if image.dtype != np.float32 else "floats"
            self._note(DEEP, f"{name} ({kind})")
            return None
        if image.shape[:2] != size:
            height, width = image.shape[:2]
            self._note(MISSIZED, f"{name} ({width}×{height} instead of {size[1]}×{size[0]})")
            return None
        self.kinds["gray"] += image.ndim == 2 or bool((image == image[..., :1]).all())
        self.kinds["alpha"] += "alpha" in raw.notes
        self.kinds["lossy"] += path.suffix.lower() in LOSSY
        return image

    def _note(self, problem: str, name: str) -> None:
        self.problems[problem].append(name)

    def refuse_unsound(self, count: int) -> None:
        """Raise UserError if anything is wrong with any of `count` images."""
        problems = {problem: names for problem, names in self.problems.items() if names}
        if not problems:
            return
        got = [f"{problem}: {shorten(names, most=3)}" for problem, names in problems.items()]
        remedies = []
        if MISSING in problems and self.others:
            others = shorten(sorted(self.others), most=3)
            got.append(f"{counted(len(self.others), 'image')} named like no pair: {others}")
            remedies.append("rename them as the pairs are")
        if DEEP in problems:
            remedies.append("convert them to 8 bits with one fixed range for all")
        raise UserError(
            f"{self.images} cannot be judged: "
            + ", ".join(f"{len(names)} {problem}" for problem, names in problems.items()),
            expected=f"an 8-bit image for each of {count} pairs, named like it and of its size",
            got="; ".join(got),
            remedy="; ".join([*remedies, RULES]),
        )

    def tell(self, count: int) -> None:
        """Log what is worth knowing of `count` images that were taken."""
        said: Mapping[str, str] = {
            "gray": "gray, and color metrics take them as they are",
            "alpha": "with an alpha channel, which is dropped",
            "lossy": "JPEG, whose losses the metrics see",
        }
        for kind, text in said.items():
            if self.kinds[kind]:
                log.info("%s: %d of %d images are %s", self.images, self.kinds[kind], count, text)


def _images_in(folder: Path) -> dict[str, Path]:
    try:
        matching = match_names({"fused": find_images(folder)})
    except UserError as error:
        if error.kind != ErrorKind.EMPTY:
            raise
        there = sorted(path.name for path in folder.iterdir())
        raise error.replace(
            expected=f"images in it, or in a folder {', '.join(SPLITS)} or all of it",
            got=shorten(there) or "an empty folder",
            remedy=RULES,
        ) from error
    if matching.faults:
        raise matching.refusal(matching.faults)
    return {name: files["fused"] for name, files in matching.pairs.items()}
