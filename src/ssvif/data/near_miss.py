"""What a pattern of a dataset's files nearly found: a folder of another case, a plural, a longer name, a suffix."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path, PurePosixPath

from ssvif.data.descriptor import BOX_SUFFIXES
from ssvif.io.errors import counted, shorten
from ssvif.schema import IMAGE_SUFFIXES

# of files that people keep labels and boxes in, those that are not read included
SUFFIXES = {"label": (*IMAGE_SUFFIXES, ".gif", ".webp", ".npy", ".mat"), "boxes": (*BOX_SUFFIXES, ".json", ".csv")}
MOST_FILES = 200_000  # looked at: the search must end in a root that holds much else
FEW = 0.5  # share of the pairs that names with a prefix or suffix must reach: a "1" is in many names


def find_near_miss(root: Path, pattern: str, kind: str, names: Collection[str], taken: Collection[Path]) -> str:
    """Return a sentence on the files below a root that a pattern may have meant, or "" if there are none.

    Args:
        root: the dataset's folder.
        pattern: a path in POSIX form with `{name}`, which no file matches.
        kind: "label", "boxes", or a side.
        names: of the pairs, one of which such a file has in its name.
        taken: files that are known to be something else.
    """
    known = {name.casefold() for name in names}
    found: dict[str, list[PurePosixPath]] = defaultdict(list)  # pattern → files that fit it
    for path in islice(_walk(root), MOST_FILES):
        if path.suffix.lower() in SUFFIXES.get(kind, IMAGE_SUFFIXES) and path not in taken:
            place = PurePosixPath(path.relative_to(root).as_posix())
            if stem := _generalize(place.stem, known):
                found[f"{place.parent / stem}{place.suffix}"].append(place)
    least = FEW * len(known)
    likely = {each: files for each, files in found.items() if "/{name}." in f"/{each}" or len(files) >= least}
    if not likely:
        return ""

    def nearness(near: str) -> float:
        alike = SequenceMatcher(None, near.casefold(), pattern.casefold(), autojunk=False).ratio()
        return alike + min(len(likely[near]) / len(known), 1)

    best = max(sorted(likely), key=nearness)
    files = likely[best]
    read = files[0].suffix.lower() in (BOX_SUFFIXES if kind == "boxes" else IMAGE_SUFFIXES)
    shown = best if kind == "boxes" or not read else best.removesuffix(files[0].suffix)
    count = f"{counted(len(files), 'file')}, such as {files[0]}"
    if not read:
        return f"{shown} would be {count}, but this format is not read"
    return f"did you mean {shown}? That is {count}" if shown != pattern else f"the names differ in case: {count}"


def describe_place(root: Path, pattern: str) -> str:
    """Return what there is where the files of a pattern should lie: "there is no folder a/b; a holds c, d"."""
    wanted = PurePosixPath(pattern).parent
    there = next(each for each in (wanted, *wanted.parents) if (root / each).is_dir() or each == PurePosixPath("."))
    inside = sorted(path.name for path in (root / there).iterdir()) if (root / there).is_dir() else []
    holds = f"{root / there} holds {shorten(inside, 3) or 'nothing'}"
    return holds if there == wanted else f"there is no folder {root / wanted}; {holds}"


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        yield from (Path(folder, each) for each in sorted(files) if not each.startswith("."))


def _generalize(stem: str, names: Collection[str]) -> str:
    """Return a file's stem with `{name}` in place of the longest of the names in it, or "" without one."""
    lengths: Sequence[int] = sorted({len(name) for name in names}, reverse=True)
    folded = stem.casefold()
    for length in lengths if len(folded) == len(stem) else ():
        for start in range(len(stem) - length + 1):
            if folded[start : start + length] in names:
                return f"{stem[:start]}{{name}}{stem[start + length :]}"
    return ""
