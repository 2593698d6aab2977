"""Which images belong together: the images of each source get names, then sides are matched by name.

The two steps are separate, so that another way of naming or of pairing takes the place of one of them alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from glob import has_magic
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Literal

from ssvif.io.errors import ErrorKind, UserError, counted, shorten
from ssvif.io.files import printable
from ssvif.schema import IMAGE_SUFFIXES, VIDEO_SUFFIXES

FORMS = "two images, two folders, two quoted patterns ('cam/*_vis.png' 'cam/*_ir.png') or two videos"
REMEDIES = {
    "no_partner": "add the missing images, or remove the others",
    "same_name": "rename one of those that share a name",
    "not_utf8": "rename the files whose names are not UTF-8",
}
WILDCARDS = {"**/": "((?:.*/)?)", "*": "([^/]*)", "?": "([^/])"}  # of a pattern, as groups of a regular expression
FOLDER, NO_SUFFIX = "folder", "no suffix"  # keys of `Images.others` beside the suffixes


@dataclass(frozen=True)
class Images:
    """The images of one side, named."""

    source: str  # the folder, pattern or file they come from
    # name → its files; more than one where files share the name
    files: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    not_utf8: list[Path] = field(default_factory=list)  # files whose names are not UTF-8
    others: Counter[str] = field(default_factory=Counter)  # suffix, FOLDER or NO_SUFFIX → how many were passed over


@dataclass(frozen=True)
class Fault:
    """Why files are in no pair: a side is missing, files of one side share a name, or a name is not UTF-8."""

    kind: Literal["no_partner", "same_name", "not_utf8"]
    name: str
    files: Mapping[str, Sequence[Path]]  # side → its files of this name
    missing: tuple[str, ...] = ()  # the sides that have no file of this name

    @property
    def side(self) -> str:
        """The first side that has files of this name."""
        return next(iter(self.files))

    def __str__(self) -> str:
        path = self.files[self.side][0]
        if self.kind == "not_utf8":
            return f"{printable(path)} has a name that is not UTF-8"
        if self.kind == "same_name":
            shared = [shorten([str(path) for path in paths]) for paths in self.files.values() if len(paths) > 1]
            return f"{' and '.join(shared)} share the name {self.name}"
        return f"{self.side} {path.name} has no {' or '.join(self.missing)} image of the same name"

    def error(self) -> UserError:
        """Return an error for this fault alone; a missing side has no remedy, since it may be intended."""
        return UserError(str(self), remedy="" if self.missing else REMEDIES[self.kind])


@dataclass(frozen=True)
class Matching:
    """Pairs of files, and what is in no pair."""

    sides: Mapping[str, Images]
    pairs: dict[str, dict[str, Path]]  # name → side → file, sorted by name; an optional side may be missing
    faults: tuple[Fault, ...] = ()  # of the other images, sorted by name after those that are not UTF-8

    def notes(self) -> list[str]:
        """Return one sentence for each source about the files and folders in it that are ignored."""
        return [_ignored(images) for images in self.sides.values() if images.others]

    def no_pairs(self) -> UserError:
        """Return the error for sides that have no name in common."""
        names = [f"{side}: {shorten(sorted(images.files), most=3)}" for side, images in self.sides.items()]
        *first, last = self.sides
        return UserError(
            f"The {', '.join(first)} and {last} images have no name in common",
            expected="names that differ only in the suffix",
            got="; ".join([*names, *(str(fault) for fault in self.faults if fault.kind != "no_partner")][:5]),
            remedy="for other names pass quoted patterns whose wildcards match the common part, such as "
            "'cam/*_vis.png' and 'cam/*_ir.png'",
        )

    def refusal(self, faults: Sequence[Fault]) -> UserError:
        """Return the error of a command that accepts none of these faults."""
        groups: dict[tuple[str, str, tuple[str, ...]], list[Fault]] = defaultdict(list)
        for fault in faults:
            groups[fault.kind, fault.side, fault.missing].append(fault)
        sentences = [_summary(group) for group in groups.values()]
        lacking = dict.fromkeys(side for fault in faults for side in fault.missing)
        remedies = dict.fromkeys(REMEDIES[fault.kind] for fault in faults)
        return UserError(
            sentences[0],
            expected="; ".join(f"{side} images of the same names in {self.sides[side].source}" for side in lacking),
            got="; ".join(sentences[1:]),
            remedy="; ".join(remedies),
        )


def kind_of(source: str) -> str:
    """Return what a path, or a pattern with *, ? or [], is: "image", "video", "folder" or "pattern".

    Raises:
        UserError: it does not exist.
    """
    path = Path(source)
    if path.is_dir():
        return "folder"
    if path.exists():
        return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "image"
    if has_magic(source):
        return "pattern"
    raise UserError(f"{printable(source)} does not exist", expected=FORMS, remedy="check the path")


def kind_of_all(sources: Mapping[str, str]) -> str:
    """Return what the sources of all sides are, see `kind_of`; "pattern" for folders and patterns together.

    Raises:
        UserError: they are of different kinds, or one does not exist.
    """
    kinds = {side: kind_of(source) for side, source in sources.items()}
    if len(set(kinds.values())) > 1 and set(kinds.values()) != {"folder", "pattern"}:
        got = ", ".join(f"{side}: {kind}" for side, kind in kinds.items())
        raise UserError("The sources are of different kinds", expected=FORMS, got=got)
    return "pattern" if "pattern" in kinds.values() else next(iter(kinds.values()))


def match_sources(sources: Mapping[str, str]) -> Matching:
    """Match the images of several sources, side → path or pattern: files, or folders and patterns.

    Single files belong together, whatever they are called, and get the name of the first. Otherwise images of the
    same name belong together; see `find_images`. Beside a folder, the name of a pattern's image is what the wildcards
    stand for or, if no such names match, the whole name.

    Raises:
        UserError: a source holds no image, or nothing matches.
    """
    if kind_of_all(sources) == "image":
        files = {side: Path(source) for side, source in sources.items()}
        sides = {side: Images(source, {files[side].stem: [files[side]]}) for side, source in sources.items()}
        return Matching(sides, {next(iter(files.values())).stem: files})
    found = match_names({side: find_images(source) for side, source in sources.items()})
    if not found.pairs and {kind_of(source) for source in sources.values()} == {"folder", "pattern"}:
        found = match_names({side: find_images(source, whole_names=True) for side, source in sources.items()})
    if not found.pairs:
        raise found.no_pairs()
    return found


def match_names(sides: Mapping[str, Images], *, optional: Collection[str] = ()) -> Matching:
    """Match the images of all sides by name; a pair may lack the `optional` sides, such as "label"."""
    faults = [
        Fault("not_utf8", printable(path.stem), {side: [path]})
        for side, images in sides.items()
        for path in images.not_utf8
    ]
    pairs = {}
    for name in sorted({name for images in sides.values() for name in images.files}):
        files = {side: images.files[name] for side, images in sides.items() if name in images.files}
        missing = tuple(side for side in sides if side not in files and side not in optional)
        if any(len(paths) > 1 for paths in files.values()):
            faults.append(Fault("same_name", name, files))
        elif missing:
            faults.append(Fault("no_partner", name, files, missing))
        else:
            pairs[name] = {side: path for side, (path,) in files.items()}
    return Matching(sides, pairs, tuple(faults))


def find_images(source: str | Path, *, whole_names: bool = False) -> Images:
    """Find and name the images of a folder, a pattern or a file.

    In a folder an image's name is its file's without suffix. In a pattern it is what the wildcards stand for, without
    suffix: 'cam/*_vis.png' calls cam/007_vis.png 007; with `whole_names` it is the file's, as in a folder. Hidden files
    are passed over. A link to nowhere counts, so that reading it can say so.

    Raises:
        UserError: it does not exist or holds no image.
    """
    kind, path = kind_of(str(source)), Path(source)
    paths: Iterable[Path] = path.iterdir() if kind == "folder" else [path]
    if kind == "pattern":
        root = Path(path.anchor)
        pattern = re.sub(r"(?<=[^/])\*\*+|\*\*+(?=[^/])", "*", str(path.relative_to(root)))  # a**b is a*b in a shell
        paths = (each for each in root.glob(pattern) if not each.is_dir())
    by_wildcards = kind == "pattern" and not whole_names
    images = _name_images(str(source), paths, _naming_by_wildcards(path) if by_wildcards else attrgetter("stem"))
    if not images.files:
        unclear = [f"{printable(path)} has a name that is not UTF-8" for path in images.not_utf8[:3]]
        raise UserError(
            f"{printable(source)} {'matches' if kind == 'pattern' else 'holds'} no image",
            expected="files ending in " + " ".join(IMAGE_SUFFIXES),
            got="; ".join(filter(None, [*unclear, _counts(images)])),
            remedy="check the path, or convert the images",
            kind=ErrorKind.EMPTY,
        )
    return images


def find_by_template(root: Path, template: str, suffixes: Collection[str] = IMAGE_SUFFIXES) -> Images:
    """Find and name the images, or files of other `suffixes`, of one side below a dataset's root.

    The template is a path in POSIX form, with `{name}` in its last part and without suffix: 'vi/{name}_8bit' calls
    vi/007_8bit.png 007. Without such a folder there are none.
    """
    place = PurePosixPath(template)
    folder, (before, after) = root / place.parent, place.name.split("{name}")

    def name_of(path: Path) -> str:
        fits = path.stem.startswith(before) and path.stem.endswith(after)
        return path.stem[len(before) : len(path.stem) - len(after)] if fits else ""

    return _name_images(str(folder), folder.iterdir() if folder.is_dir() else (), name_of, suffixes)


def _name_images(
    source: str, paths: Iterable[Path], name_of: Callable[[Path], str], suffixes: Collection[str] = IMAGE_SUFFIXES
) -> Images:
    """Return those of the paths that have one of the suffixes; one without a name belongs to another side."""
    images = Images(source)
    for path in sorted(paths):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            images.others[FOLDER] += 1
        elif path.suffix.lower() not in suffixes:
            images.others[path.suffix.lower() or NO_SUFFIX] += 1
        elif not (name := name_of(path)) or (path.exists() and not path.is_file()):  # the latter is a device
            continue
        elif printable(path.name) != path.name:
            images.not_utf8.append(path)
        else:
            images.files[name].append(path)
    return images


def _naming_by_wildcards(pattern: Path) -> Callable[[Path], str]:
    """Return what names a file by what the wildcards of a pattern stand for in it, joined by "_"."""
    parts = re.split(r"(\*\*/|[*?]|\[[^]]+\])", str(pattern.with_suffix("")))  # the suffix is no part of a name
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = map(_wildcard_to_group, parts[1::2])
    shape = re.compile("".join(parts))

    def name_of(path: Path) -> str:
        match = shape.fullmatch(str(path.with_suffix("")))
        stands_for = [part.strip("/").replace("/", "_") for part in match.groups()] if match else []
        return "_".join(filter(None, stands_for)) or path.stem

    return name_of


def _wildcard_to_group(wildcard: str) -> str:
    """Return *, **/, ? or [] of a pattern as a group of a regular expression."""
    choice = re.fullmatch(r"\[(!?)([^]]+)\]", wildcard)
    return f"([{'^' * len(choice[1])}{choice[2]}])" if choice else WILDCARDS[wildcard]


def _summary(faults: Sequence[Fault]) -> str:
    """Return faults of one kind and side in one sentence."""
    first = faults[0]
    if len(faults) == 1 or first.kind != "no_partner":
        return "; ".join(map(str, faults[:3])) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
    names = shorten([fault.name for fault in faults])
    return f"{len(faults)} {first.side} images have no {' or '.join(first.missing)} image of the same name: {names}"


def _ignored(images: Images) -> str:
    source = images.source
    inside = f"; for images in subfolders pass '{source.rstrip('/')}/**/*.png'" if FOLDER in images.others else ""
    return f"{source}: ignored {_counts(images)}; only {' '.join(IMAGE_SUFFIXES)} are read{inside}"


def _counts(images: Images) -> str:
    kinds = sorted(images.others, key=lambda kind: (kind == FOLDER, kind == NO_SUFFIX, kind))
    nouns = {kind: f"{kind} file" for kind in kinds} | {FOLDER: "folder", NO_SUFFIX: "file"}
    return ", ".join(counted(images.others[kind], nouns[kind]) for kind in kinds)
