"""Find the pairs of a dataset: by the patterns of its descriptor, or in two folders or patterns without one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from ssvif.data.descriptor import Descriptor, Layout
from ssvif.io.errors import UserError, shorten
from ssvif.pairs.match import Images, Matching, find_by_template, match_names, match_sources
from ssvif.schema import IMAGE_SUFFIXES, SIDES, SPLITS

log = logging.getLogger("ssvif")


@dataclass(frozen=True)
class FoundPair:
    """One pair's files, as POSIX paths relative to the dataset's root; empty where there is none."""

    pair_id: str
    visible: str
    infrared: str
    label: str = ""
    boxes: str = ""


@dataclass(frozen=True)
class FoundDataset:
    """The files of a dataset, matched; a split is an official one, or "all" where there is none."""

    descriptor: Descriptor
    root: Path  # paths are relative to this folder
    boxes: Mapping[str, str]  # split → pattern of the box files, with `{name}`
    matchings: Mapping[str, Matching]  # split → its pairs, and what is in no pair

    def pair(self, split: str, name: str, files: Mapping[str, Path]) -> FoundPair:
        """Return the pair of a name in a split, given side → file; a side may be missing."""
        relative = {side: PurePath(os.path.relpath(path, self.root)).as_posix() for side, path in files.items()}
        boxes = self.boxes[split].replace("{name}", name)
        boxes = boxes if boxes and (self.root / boxes).is_file() else ""
        return FoundPair(name, **(dict.fromkeys(SIDES, "") | relative), boxes=boxes)

    def pairs(self, split: str) -> list[FoundPair]:
        """Return the pairs of a split, sorted by name."""
        return [self.pair(split, name, files) for name, files in self.matchings[split].pairs.items()]


def find_pairs(descriptor: Descriptor, root: Path) -> dict[str, list[FoundPair]]:
    """Find all pairs below a dataset's root.

    A pair's name is what `{name}` stands for. Hidden files and files without an image suffix are
    passed over; labels and boxes are optional for each pair.

    Returns:
        Pairs sorted by name, per official split, or under "all" where there is none.

    Raises:
        UserError: the folder is missing or empty, a pair lacks a side, two files share a name, or a name is not UTF-8.
    """
    found = find_dataset(descriptor, root)
    for matching in found.matchings.values():
        if not any(matching.sides[side].files for side in SIDES):
            source = matching.sides["visible"].source
            raise _nothing_found(descriptor, source, f"files ending in {', '.join(IMAGE_SUFFIXES)}")
        labels = [fault.name for fault in matching.faults if [*fault.files] == ["label"] and fault.missing]
        if labels:
            log.warning("%s: labels without a pair are ignored: %s", descriptor.title, shorten(labels))
        faults = [fault for fault in matching.faults if fault.name not in labels]
        if faults:
            raise matching.refusal(faults)
    return {split: found.pairs(split) for split in found.matchings}


def find_dataset(descriptor: Descriptor, root: Path) -> FoundDataset:
    """Find and match the files below a dataset's root by the first layout whose folder of visible images exists.

    Raises:
        UserError: the folder is missing, or no layout fits it.
    """
    official = descriptor.official_splits
    folders = {split: official[split] for split in SPLITS if split in official} or {"all": ""}
    layout = _choose_layout(descriptor, root, folders.values())
    matchings = {}
    for split, folder in folders.items():
        templates = {side: getattr(layout, side).replace("{split}", folder) for side in (*SIDES, "label")}
        sides = {side: find_by_template(root, each) if each else Images("") for side, each in templates.items()}
        matchings[split] = match_names(sides, optional=("label",))
    boxes = {split: layout.boxes.replace("{split}", folder) for split, folder in folders.items()}
    return FoundDataset(descriptor, root, boxes, matchings)


def find_sources(
    visible: str | Path, infrared: str | Path, *, ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> FoundDataset:
    """Match two folders, or patterns such as 'cam/*_vis.png', for which there is no descriptor.

    `ratios` are the shares of train, validation and test, if the pairs are to be split.

    Raises:
        UserError: a source does not exist or holds no image, both are the same, nothing matches, or a folder's name
            holds a brace.
    """
    if Path(visible).resolve() == Path(infrared).resolve():
        raise UserError(f"{visible} is given for both sides", expected="a folder or a pattern of each")
    matching = match_sources({"visible": str(visible), "infrared": str(infrared)})
    folders = [_common_folder(images) for images in matching.sides.values()]
    root = Path(os.path.commonpath(folders))
    try:
        layout = Layout(*(f"{folder.relative_to(root).as_posix()}/{{name}}" for folder in folders))
    except ValueError as error:  # e.g. a brace in a folder's name
        raise UserError(
            f"{visible} and {infrared} cannot be used together", got=str(error), remedy="rename the folder"
        ) from error
    descriptor = Descriptor("own", "Own pairs", ".", (layout,), ratios=ratios)
    return FoundDataset(descriptor, root, {"all": ""}, {"all": matching})


def _common_folder(images: Images) -> Path:
    folders = {path.parent for paths in images.files.values() for path in paths}
    return Path(os.path.commonpath([os.path.normpath(Path.cwd() / folder) for folder in folders]))


def _choose_layout(descriptor: Descriptor, root: Path, folders: Iterable[str]) -> Layout:
    wanted = []
    for layout in descriptor.layouts:
        for folder in folders:
            visible = PurePosixPath(layout.visible.replace("{split}", folder)).parent
            if (root / visible).is_dir():
                return layout
            wanted.append(f"{visible}")
    got = "it does not exist"
    if root.is_dir():
        got = f"it holds {shorten(sorted(path.name for path in root.iterdir())) or 'nothing'}"
    raise _nothing_found(descriptor, root, f"a folder {shorten(wanted)} in it", got)


def _nothing_found(descriptor: Descriptor, folder: str | Path, expected: str, got: str = "") -> UserError:
    origin = f"; source of the dataset: {descriptor.source}" if descriptor.source else ""
    return UserError(
        f"{folder} holds no visible images of {descriptor.title}",
        expected=expected,
        got=got,
        remedy=f"copy the dataset there, set `data_root` to the folder that holds {descriptor.folder!r}, or fix "
        f"folder, layouts or official_splits in the descriptor{origin}",
    )
