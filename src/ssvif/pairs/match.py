"""Which visible image belongs to which infrared one: by name, or by what a pattern's wildcards stand for."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from glob import has_magic
from pathlib import Path

from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import printable
from ssvif.schema import IMAGE_SUFFIXES, VIDEO_SUFFIXES

FORMS = "two images, two folders, two quoted patterns ('cam/*_vis.png' 'cam/*_ir.png') or two videos"


@dataclass(frozen=True)
class Matching:
    """Pairs of files, and what is none.

    Attributes:
        pairs: name → visible and infrared file, sorted by name.
        faults: why other images are in no pair: no partner, a name that two share.
        notes: in words, what else the sources hold that is no image, or lies in folders of its own.
    """

    pairs: dict[str, tuple[Path, Path]]
    faults: tuple[UserError, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Side:
    """The images of one source by name, with what cannot be named, and how many of what else is there."""

    images: dict[str, Path] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)
    faults: list[UserError] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def kind_of(source: str) -> str:
    """Return what a source is: "image", "video", "folder" or "pattern".

    Args:
        source: a path, or a pattern with *, ? or [].

    Raises:
        UserError: it does not exist.
    """
    path = Path(source)
    if path.is_dir():
        return "folder"
    if path.exists() or not has_magic(source):
        if not path.exists():
            raise UserError(f"{printable(source)} does not exist", expected=FORMS, remedy="check the path")
        return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "image"
    return "pattern"


def kind_of_both(visible: str, infrared: str) -> str:
    """Return what both sources are; see `kind_of`.

    Raises:
        UserError: they are of different kinds, or one does not exist.
    """
    kinds = kind_of(visible), kind_of(infrared)
    if len(set(kinds)) > 1 and set(kinds) != {"folder", "pattern"}:
        raise UserError(
            "The two sources are of different kinds", expected=FORMS, got=f"visible: {kinds[0]}, infrared: {kinds[1]}"
        )
    return "pattern" if "pattern" in kinds else kinds[0]


def match_files(visible: str, infrared: str) -> Matching:
    """Match the images of two sources: two files, or folders and patterns.

    Two files are a pair, called like the visible one. In a folder, an image's name is its file's without suffix. In
    a pattern it is what the wildcards stand for, without suffix: 'cam/*_vis.png' calls cam/007_vis.png 007; beside a
    folder that knows no such name it is the whole name. Images that share a name are left out.

    Raises:
        UserError: a source holds no image, or nothing matches.
    """
    if kind_of_both(visible, infrared) == "image":
        return Matching({Path(visible).stem: (Path(visible), Path(infrared))})
    left, right = _look(visible), _look(infrared)
    if not left.images.keys() & right.images.keys() and {kind_of(visible), kind_of(infrared)} == {"folder", "pattern"}:
        left, right = _look(visible, whole_names=True), _look(infrared, whole_names=True)
    both = sorted(left.images.keys() & right.images.keys())
    faults = [*left.faults, *right.faults]
    if not both:
        names = (shorten(sorted(side.images), most=3) for side in (left, right))
        raise UserError(
            "No visible image has an infrared one of the same name",
            expected="equal names but for the suffix; for other names say in patterns which part is equal",
            got="visible: {}; infrared: {}".format(*names) + "".join(f"; {each.what}" for each in faults[:3]),
            remedy="for instance: ssvif fuse 'cam/*_vis.png' 'cam/*_ir.png' -o fused",
        )
    faults += _without_partner("visible", left, right) + _without_partner("infrared", right, left)
    notes = [_passed_over(*each) for each in ((visible, left), (infrared, right)) if each[1].others]
    pairs = {name: (left.images[name], right.images[name]) for name in both}
    return Matching(pairs, tuple(faults), tuple(notes))


def _without_partner(label: str, side: _Side, other: _Side) -> list[UserError]:
    names = sorted(side.images.keys() - other.images.keys() - other.unclear)
    return [UserError(f"{label} {side.images[name].name} has no partner") for name in names]


def _passed_over(source: str, side: _Side) -> str:
    what = _counts(side)
    inside = f"; for images in folders pass '{source.rstrip('/')}/**/*.png'" if "folder" in side.others else ""
    return f"{source}: passed over {what}, as only {' '.join(IMAGE_SUFFIXES)} are read{inside}"


def _counts(side: _Side) -> str:
    kinds = sorted(side.others, key=lambda kind: (" " not in kind, kind))  # by suffix, then what has none
    return ", ".join(counted(side.others[kind], kind) for kind in kinds)


def _look(source: str, *, whole_names: bool = False) -> _Side:
    side, named = _Side(), defaultdict[str, list[Path]](list)
    for path, name in _named(source, whole_names):
        is_folder, is_device = path.is_dir(), path.exists() and not (path.is_file() or path.is_dir())
        if path.name.startswith(".") or is_device or (is_folder and kind_of(source) == "pattern"):
            continue
        if is_folder or path.suffix.lower() not in IMAGE_SUFFIXES:
            side.others["folder" if is_folder else f"{path.suffix.lower()} file".lstrip()] += 1
        elif printable(path.name) != path.name:
            fault = f"{printable(path)} has a name that is not UTF-8"
            side.faults.append(UserError(fault, remedy="rename what is not UTF-8"))
        else:
            named[name].append(path)
    if not named:
        raise UserError(
            f"{source} {'holds' if kind_of(source) == 'folder' else 'matches'} no image",
            expected="files ending in " + " ".join(IMAGE_SUFFIXES),
            got="; ".join(filter(None, [*(each.what for each in side.faults[:3]), _counts(side)])),
        )
    for name, paths in named.items():
        if len(paths) == 1:
            side.images[name] = paths[0]
        else:
            side.unclear.add(name)
            fault = f"{shorten([str(path) for path in paths])} share the name {name}"
            side.faults.append(UserError(fault, remedy="rename one of those that share a name"))
    return side


def _named(source: str, whole_names: bool) -> Iterable[tuple[Path, str]]:
    """Return what a folder holds or a pattern matches, each with its name, sorted."""
    path = Path(source)
    if kind_of(source) == "folder":
        return [(each, each.stem) for each in sorted(path.iterdir())]
    shape = re.compile(_as_expression(str(path.with_suffix(""))))  # the suffix is no part of a name
    root = Path(path.anchor)
    matching = sorted(root.glob(str(path.relative_to(root))))
    return [(each, each.stem if whole_names else _by_wildcards(shape, each)) for each in matching]


def _by_wildcards(shape: re.Pattern[str], path: Path) -> str:
    match = shape.fullmatch(str(path.with_suffix("")))
    parts = [part.strip("/") for part in match.groups() if part] if match else []
    return "_".join(filter(None, parts)).replace("/", "_") or path.stem


def _as_expression(pattern: str) -> str:
    """Return a glob pattern as a regular expression with a group for each wildcard."""
    made, rest = "", pattern
    while rest:
        if rest.startswith("**/"):
            made, rest = made + "((?:.*/)?)", rest[3:]
        elif rest.startswith("*"):
            made, rest = made + "([^/]*)", rest[1:]
        elif rest.startswith("?"):
            made, rest = made + "([^/])", rest[1:]
        elif (choice := re.match(r"\[(!?)([^]]+)\]", rest)) is not None:
            made += f"([{'^' if choice[1] else ''}{choice[2]}])"
            rest = rest[choice.end() :]
        else:
            made, rest = made + re.escape(rest[0]), rest[1:]
    return made
