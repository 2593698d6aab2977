"""Find a dataset's pairs on disk, by the patterns of its descriptor."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ssvif.data.descriptor import Descriptor, Layout
from ssvif.io.errors import UserError, shorten
from ssvif.schema import IMAGE_SUFFIXES, SPLITS

log = logging.getLogger("ssvif")


@dataclass(frozen=True)
class FoundPair:
    """One pair's files, as POSIX paths relative to the dataset's root; empty where there is none."""

    pair_id: str
    visible: str
    infrared: str
    label: str = ""
    boxes: str = ""


def find_pairs(descriptor: Descriptor, root: Path) -> dict[str, list[FoundPair]]:
    """Find all pairs below a dataset's root.

    A pair's name is what `{name}` stands for. Hidden files and files without an image suffix are
    passed over; labels and boxes are optional for each pair.

    Args:
        descriptor: the dataset's descriptor.
        root: the dataset's folder, `data_root / descriptor.folder`.

    Returns:
        Pairs sorted by name, per official split, or under "all" where there is none.

    Raises:
        UserError: the folder is missing or empty, a pair lacks a side, or two files share a name.
    """
    folders = split_folders(descriptor)
    layout = choose_layout(descriptor, root)
    return {split: _find_split(descriptor, root, layout, folder) for split, folder in folders.items()}


def split_folders(descriptor: Descriptor) -> dict[str, str]:
    """Return what `{split}` stands for, per official split; {"all": ""} where there is none."""
    folders = {split: descriptor.official_splits[split] for split in SPLITS if split in descriptor.official_splits}
    return folders or {"all": ""}


def _origin(descriptor: Descriptor) -> str:
    return f"; the dataset comes from {descriptor.source}" if descriptor.source else ""


def choose_layout(descriptor: Descriptor, root: Path) -> Layout:
    """Return the descriptor's first layout whose folder of visible images exists.

    Raises:
        UserError: the dataset's folder does not exist, or no layout fits it.
    """
    if not root.is_dir():
        raise UserError(
            f"The folder of {descriptor.title} does not exist: {root}",
            expected=f"the raw files of {descriptor.name} there",
            remedy=f"set `data_root` to the folder that holds {descriptor.folder!r}, or mend the "
            f"descriptor's `folder`{_origin(descriptor)}",
        )
    wanted = []
    for layout in descriptor.layouts:
        for folder in split_folders(descriptor).values():
            visible = _parent(layout.visible, folder)
            if (root / visible).is_dir():
                return layout
            wanted.append(f"{visible}")
    raise UserError(
        f"{root} holds no visible images of {descriptor.title}",
        expected=f"a folder {shorten(wanted)} in it",
        got=f"it holds {shorten(sorted(path.name for path in root.iterdir())) or 'nothing'}",
        remedy=f"copy the dataset there, set `data_root` to the folder that holds {descriptor.folder!r}, or "
        f"mend the layouts of the descriptor{_origin(descriptor)}",
    )


def _find_split(descriptor: Descriptor, root: Path, layout: Layout, split: str) -> list[FoundPair]:
    visible = _list_images(root, layout.visible, split)
    infrared = _list_images(root, layout.infrared, split)
    label = _list_images(root, layout.label, split) if layout.label else {}
    names = sorted(visible.keys() | infrared.keys())
    if not names:
        raise UserError(
            f"There are no images in {root / _parent(layout.visible, split)}",
            expected=f"visible images of {descriptor.title} ({', '.join(IMAGE_SUFFIXES)})",
            remedy="copy the dataset there, set `data_root` to the folder that holds "
            f"{descriptor.folder!r}, or leave this split out of the descriptor's official_splits",
        )
    _check_sides(root, layout, split, names, visible, infrared)
    if orphans := sorted(label.keys() - visible.keys()):
        log.warning("%s: labels without a pair are ignored: %s", descriptor.title, shorten(orphans))
    pairs = []
    for name in names:
        boxes = boxes_of(root, layout, split, name)
        pairs.append(FoundPair(name, visible[name], infrared[name], label.get(name, ""), boxes))
    return pairs


def _check_sides(
    root: Path,
    layout: Layout,
    split: str,
    names: list[str],
    visible: dict[str, str],
    infrared: dict[str, str],
) -> None:
    for side, files, pattern in (
        ("visible", visible, layout.visible),
        ("infrared", infrared, layout.infrared),
    ):
        missing = [name for name in names if name not in files]
        if missing:
            raise UserError(
                f"{len(missing)} of {len(names)} pairs lack their {side} image",
                expected=f"an image for each pair in {root / _parent(pattern, split)}",
                got=f"none for {shorten(missing)}",
                remedy="add the missing files, or remove the other side of these pairs",
            )


def list_images(root: Path, pattern: str, split: str) -> list[tuple[str, str]]:
    """List the images that fit a layout's pattern.

    Args:
        root: the dataset's folder.
        pattern: with `{name}`, and `{split}` where there are official splits.
        split: what `{split}` stands for.

    Returns:
        Name and file (relative to the root) of each, sorted by file; none if the folder does not exist. Two files
        may have one name, with different suffixes.
    """
    folder = _parent(pattern, split)
    before, after = PurePosixPath(pattern.replace("{split}", split)).name.split("{name}")
    if not (root / folder).is_dir():
        return []
    named = [(_match(path, before, after), path) for path in sorted((root / folder).iterdir())]
    return [(name, (folder / path.name).as_posix()) for name, path in named if name]


def _list_images(root: Path, pattern: str, split: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, file in list_images(root, pattern, split):
        if name in found:
            raise UserError(
                f"Two files in {root / _parent(pattern, split)} are named {name}",
                got=f"{PurePosixPath(found[name]).name} and {PurePosixPath(file).name}",
                remedy="remove one of them",
            )
        found[name] = file
    return found


def _match(path: Path, before: str, after: str) -> str:
    image = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    long_enough = len(path.stem) > len(before) + len(after)
    if not (image and long_enough and path.stem.startswith(before) and path.stem.endswith(after)):
        return ""
    return path.stem[len(before) : len(path.stem) - len(after)]


def _parent(pattern: str, split: str) -> PurePosixPath:
    return PurePosixPath(pattern.replace("{split}", split)).parent


def boxes_of(root: Path, layout: Layout, split: str, name: str) -> str:
    """Return a pair's file of boxes, relative to the dataset's root, or nothing if there is none."""
    boxes = layout.boxes.replace("{split}", split).replace("{name}", name)
    return boxes if boxes and (root / boxes).is_file() else ""
