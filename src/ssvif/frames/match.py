"""Which visible image belongs to which infrared one: by name, or by what a pattern's wildcards stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from ssvif.ops.errors import UserError, shorten
from ssvif.ops.files import IMAGE_SUFFIXES, images_by_stem, printable

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv")
FORMS = "two images, two folders, two quoted patterns ('cam/*_vis.png' 'cam/*_ir.png') or two videos"


@dataclass(frozen=True)
class Matching:
    """Pairs of files, and those that have no partner.

    Attributes:
        pairs: name → visible and infrared file, sorted by name.
        alone: files without a partner, as text, sorted.
    """

    pairs: dict[str, tuple[Path, Path]]
    alone: tuple[str, ...] = ()


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
    a pattern it is what the wildcards stand for, without suffix: 'cam/*_vis.png' calls cam/007_vis.png 007.

    Raises:
        UserError: a source holds no image, two images share a name, or nothing matches.
    """
    if kind_of_both(visible, infrared) == "image":
        return Matching({Path(visible).stem: (Path(visible), Path(infrared))})
    left, right = _by_name(visible), _by_name(infrared)
    both = sorted(left.keys() & right.keys())
    if not both:
        raise UserError(
            "No visible image has an infrared one of the same name",
            expected="equal names but for the suffix; for other names say in patterns which part is equal",
            got=f"visible: {shorten(sorted(left), most=3)}; infrared: {shorten(sorted(right), most=3)}",
            remedy="for instance: ssvif fuse 'cam/*_vis.png' 'cam/*_ir.png' -o fused",
        )
    alone = [f"visible {left[name].name}" for name in sorted(left.keys() - right.keys())]
    alone += [f"infrared {right[name].name}" for name in sorted(right.keys() - left.keys())]
    return Matching({name: (left[name], right[name]) for name in both}, tuple(alone))


def _by_name(source: str) -> dict[str, Path]:
    if kind_of(source) == "folder":
        return images_by_stem(Path(source))
    shape = re.compile(_as_expression(str(Path(source).with_suffix(""))))  # the suffix is no part of a name
    found: dict[str, Path] = {}
    root = Path(Path(source).anchor)
    for path in sorted(root.glob(str(Path(source).relative_to(root)))):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        match = shape.fullmatch(str(path.with_suffix("")))
        parts = [part.strip("/") for part in match.groups() if part] if match else []
        name = "_".join(filter(None, parts)).replace("/", "_") or path.stem
        if name in found:
            raise UserError(
                f"{printable(path)} and {printable(found[name])} share the name {printable(name)}",
                remedy="let the wildcards stand for what tells the images apart",
            )
        found[name] = path
    if not found:
        raise UserError(f"{source} matches no image", expected="files ending in " + " ".join(IMAGE_SUFFIXES))
    return found


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
