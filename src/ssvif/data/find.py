"""Find the pairs of a dataset: by the patterns of its descriptor, or in two folders or patterns without one."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Literal

from ssvif.data.boxes import contradicts, read_class_list
from ssvif.data.descriptor import Descriptor, Layout
from ssvif.data.near_miss import describe_place, find_near_miss
from ssvif.io.errors import LISTED, UserError, counted, shorten
from ssvif.pairs.match import BY_NAME, Images, Matching, find_by_template, match_names, match_sources, refuse_same_file
from ssvif.pairs.pairing import Pairing
from ssvif.pairs.paths import spelled
from ssvif.schema import IMAGE_SUFFIXES, SIDES, SPLITS

ANNOTATIONS = {"label": "labels", "boxes": "boxes"}  # field of a layout and of a pair → what it is called
FILES = {"label": "label map", "boxes": "box file", **{side: f"{side} image" for side in SIDES}}
CLASS_LISTS = ("classes.txt", "obj.names")  # names of classes in the order of their indices, a line each
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
class Notice:
    """Something about the files of one declared pattern that its user should know."""

    # the pattern finds nothing, files of it belong to no pair, or a list of classes beside boxes has another order
    kind: Literal["not found", "no pair", "class list"]
    side: str  # or "label" or "boxes"
    text: str
    split: str


@dataclass(frozen=True)
class FoundDataset:
    """The files of a dataset, matched; a split is an official one, or "all" where there is none."""

    descriptor: Descriptor
    root: Path  # paths are relative to this folder
    patterns: Mapping[str, Mapping[str, str]]  # split → side, "label" or "boxes" → its pattern, if one is declared
    matchings: Mapping[str, Matching]  # split → its pairs, and what is in no pair

    def pair(self, name: str, files: Mapping[str, Path]) -> FoundPair:
        """Return the pair of a name, given side, "label" or "boxes" → file; a side may be missing."""
        return FoundPair(
            name, **(dict.fromkeys(SIDES, "") | {side: self._relative(path) for side, path in files.items()})
        )

    def _relative(self, path: Path) -> str:
        """Return a path relative to the dataset's root in POSIX form."""
        text, root = path.as_posix(), f"{self.root.as_posix()}/"
        if text.startswith(root) and ".." not in path.parts:  # the usual case, in a third of the time
            return text.removeprefix(root)
        return PurePath(os.path.relpath(path, self.root)).as_posix()

    def pairs(self, split: str) -> list[FoundPair]:
        """Return the pairs of a split, sorted by name."""
        return [self.pair(name, files) for name, files in self.matchings[split].pairs.items()]

    def visible_place(self) -> str:
        """Return what there is where the first split's visible images should lie; "" without a descriptor."""
        pattern = next(iter(self.patterns.values())).get("visible", "")
        return f"for {pattern}, {describe_place(self.root, pattern)}" if pattern else ""

    def notices(self) -> list[Notice]:
        """Return which declared patterns find nothing, with what they nearly found, and which files have no pair.

        Lists of classes beside the boxes that contradict the descriptor are notices, too.
        """
        return [*self._not_found(), *self._no_pair(), *self._class_lists()]

    def _not_found(self) -> Iterator[Notice]:
        matchings = self.matchings.values()
        taken = {path for each in matchings for files in each.pairs.values() for path in files.values()}
        taken |= {
            path for each in matchings for side in SIDES for paths in each.sides[side].files.values() for path in paths
        }
        for kind in (*SIDES, *ANNOTATIONS):
            lacking = [split for split in self.matchings if kind in self.patterns[split] and self._lacks(split, kind)]
            everywhere = len(lacking) == len(self.matchings)
            for split in lacking[:1] if everywhere else lacking:
                pattern, images = self.patterns[split][kind], self.matchings[split].sides
                names = {name for side in SIDES for name in images[side].files}
                near = find_near_miss(self.root, pattern, kind, names, taken) if names else ""
                # that one split alone has no labels is nothing strange
                if near or everywhere or kind in SIDES:
                    why = near or describe_place(self.root, pattern)
                    what = f"{self.root / pattern} finds no {FILES[kind]}"
                    yield Notice("not found", kind, f"{what}: {why}", split)

    def _lacks(self, split: str, kind: str) -> bool:
        """Whether no pair of a split has a label or boxes, or a split lacks one side; not both."""
        matching = self.matchings[split]
        if kind in ANNOTATIONS:
            return bool(matching.pairs) and not any(kind in files for files in matching.pairs.values())
        return not matching.sides[kind].files and (kind == "visible" or bool(matching.sides["visible"].files))

    def _no_pair(self) -> Iterator[Notice]:
        for kind in ANNOTATIONS:
            sharing: dict[str, list[str]] = {}  # pattern → the splits that have it
            for split, patterns in self.patterns.items():
                if kind in patterns:
                    sharing.setdefault(patterns[kind], []).append(split)
            for splits in sharing.values():
                images = [self.matchings[split].sides for split in splits]
                names = {name for each in images for side in SIDES for name in each[side].files}
                # programs that draw boxes keep the names of the classes beside them
                if lost := sorted(images[0][kind].files.keys() - names - {"classes"}):
                    what = f"{counted(len(lost), FILES[kind])} without a pair, ignored: {shorten(lost)}"
                    yield Notice("no pair", kind, what, splits[0])

    def _class_lists(self) -> Iterator[Notice]:
        """Yield the lists that programs keep beside YOLO text, or above, whose order is not the descriptor's."""
        taken = {files.get("boxes") for each in self.matchings.values() for files in each.pairs.values()}
        found: dict[Path, str] = {}  # list → the first split whose boxes it is beside
        for split, patterns in self.patterns.items():
            boxes = PurePosixPath(patterns.get("boxes", ""))
            if boxes.suffix.lower() == ".txt" and self.matchings[split].sides["boxes"].files:
                places = [self.root / folder / name for folder in boxes.parents for name in CLASS_LISTS]
                found = {path: split for path in places if path.is_file() and path not in taken} | found
        for path, split in found.items():
            listed = read_class_list(path)
            if contradicts(listed, self.descriptor):
                orders = [shorten(list(order), LISTED) for order in (listed, self.descriptor.detection_classes)]
                what = f"{path} lists {orders[0]}, but the descriptor's detection_classes are {orders[1]}"
                yield Notice("class list", "boxes", f"{what}: take its order if the boxes' indices follow it", split)


def find_pairs(descriptor: Descriptor, root: Path) -> dict[str, list[FoundPair]]:
    """Find all pairs below a dataset's root.

    A pair's name is what `{name}` stands for. Hidden files and files without an image suffix are
    passed over; labels and boxes are optional for each pair.

    Returns:
        Pairs sorted by name, per official split, or under "all" where there is none.

    Raises:
        UserError: the folder is missing or no split has an image, a pair lacks a side, two files share a name, or a
            name is not UTF-8.
    """
    found = find_dataset(descriptor, root)
    for notice in found.notices():
        log.warning("%s: %s", descriptor.title, notice.text)
    if not any(matching.sides[side].files for matching in found.matchings.values() for side in SIDES):
        source = next(iter(found.matchings.values())).sides["visible"].source
        raise _nothing_found(descriptor, source, f"files ending in {', '.join(IMAGE_SUFFIXES)}", found.visible_place())
    for matching in found.matchings.values():
        # a label or box file without a pair is a notice
        faults = [each for each in matching.faults if each.kind != "no_partner" or each.files.keys() & set(SIDES)]
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
    patterns = {
        split: {
            kind: pattern.replace("{split}", folder)
            for kind in (*SIDES, *ANNOTATIONS)
            if (pattern := getattr(layout, kind))
        }
        for split, folder in folders.items()
    }
    matchings = {}
    for split, declared in patterns.items():
        sides = {side: _find_images(root, declared[side]) for side in SIDES}
        sides["label"] = _find_images(root, declared["label"]) if "label" in declared else Images("")
        sides["boxes"] = _find_boxes(root, declared["boxes"]) if "boxes" in declared else Images("")
        matchings[split] = match_names(sides, optional=tuple(ANNOTATIONS))
        refuse_same_file(matchings[split].pairs)
    _refuse_shared(descriptor, matchings)
    return FoundDataset(descriptor, root, patterns, matchings)


def _refuse_shared(descriptor: Descriptor, matchings: Mapping[str, Matching]) -> None:
    """Check that no label or box file belongs to pairs of two splits, as names without `{split}` may."""
    owners: dict[Path, str] = {}
    for split, matching in matchings.items():
        for name, files in matching.pairs.items():
            for kind in ANNOTATIONS:
                owner = owners.setdefault(files[kind], split) if kind in files else split
                if owner != split:
                    raise UserError(
                        f"{files[kind]} would belong to a pair of {owner} and to one of {split}, both called {name}",
                        expected="names that occur in one split, for a pattern without {split}",
                        remedy=f"give {descriptor.title} a folder of {ANNOTATIONS[kind]} for each split",
                    )


def _find_images(root: Path, pattern: str) -> Images:
    """Find images or label maps; of a pattern with a suffix those of that suffix, if it is no part of the names."""
    found, suffix = find_by_template(root, pattern), PurePosixPath(pattern).suffix
    if found.files or suffix.lower() not in IMAGE_SUFFIXES:
        return found
    return find_by_template(root, pattern.removesuffix(suffix), (suffix.lower(),))


def _find_boxes(root: Path, pattern: str) -> Images:
    """Find box files; the case of the suffix matters only where a file of the pattern's own is there, too."""
    suffix = PurePosixPath(pattern).suffix
    found = find_by_template(root, pattern.removesuffix(suffix), (suffix,))
    for name, paths in found.files.items():
        found.files[name] = [path for path in paths if path.suffix == suffix] or paths
    found.not_utf8.clear()  # such a file is of no pair
    return found


def count_annotations(descriptor: Descriptor, splits: Mapping[str, Sequence[FoundPair]]) -> str:
    """Return how many pairs have what a descriptor declares: "labels 2 of 4 (train 2 of 2, test 0 of 2), boxes 0 of 4".

    It is "" for a descriptor that declares neither.
    """
    parts = []
    for kind, noun in ANNOTATIONS.items():
        if not any(getattr(layout, kind) for layout in descriptor.layouts):
            continue
        counts = {split: sum(bool(getattr(pair, kind)) for pair in pairs) for split, pairs in splits.items()}
        total, pairs = sum(counts.values()), sum(map(len, splits.values()))
        details = ", ".join(f"{split} {count} of {len(splits[split])}" for split, count in counts.items())
        parts.append(f"{noun} {total} of {pairs}" + (f" ({details})" if 0 < total < pairs and len(counts) > 1 else ""))
    return ", ".join(parts)


def describe_dataset(descriptor: Descriptor, root: Path) -> list[str]:
    """Return what the labels and boxes that a descriptor declares find, as lines; none where no dataset is there."""
    with suppress(UserError):
        found = find_dataset(descriptor, root)
        counts = count_annotations(descriptor, {split: found.pairs(split) for split in found.matchings})
        return [line for line in (counts, *(notice.text for notice in found.notices())) if line]
    return []


def find_sources(
    visible: str | Path | None,
    infrared: str | Path | None,
    *,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    pairing: Pairing = BY_NAME,
) -> FoundDataset:
    """Match two folders, or patterns such as 'cam/*_vis.png', for which there is no descriptor.

    `ratios` are the shares of train, validation and test, if the pairs are to be split; `pairing` says which images
    belong together.

    Raises:
        UserError: a source does not exist or holds no image, both are the same, or nothing matches.
    """
    matching = match_sources(pairing.sources(visible, infrared), pairing)
    folders = [_common_folder(images) for images in matching.sides.values()]
    root = Path(os.path.commonpath(folders))
    # braces would stand for something
    named = (re.sub("[{}]", "_", folder.relative_to(root).as_posix()) for folder in folders)
    layout = Layout(*(f"{folder}/{{name}}" for folder in named))
    descriptor = Descriptor("own", "Own pairs", ".", (layout,), ratios=ratios)
    return FoundDataset(descriptor, root, {"all": {}}, {"all": matching})


def _common_folder(images: Images) -> Path:
    folders = {path.parent for paths in images.files.values() for path in paths}
    return Path(os.path.commonpath([os.path.normpath(Path.cwd() / folder) for folder in folders]))


def _choose_layout(descriptor: Descriptor, root: Path, folders: Iterable[str]) -> Layout:
    wanted = []
    for layout in descriptor.layouts:
        for folder in folders:
            visible = PurePosixPath(layout.visible.replace("{split}", folder)).parent
            if spelled(root / visible).is_dir():
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
