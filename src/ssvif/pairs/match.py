"""Which images belong together: the images of each source get names, then sides are matched by name.

The two steps are separate, so that another way of naming or of pairing takes the place of one of them alone.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from glob import has_magic
from itertools import pairwise
from operator import attrgetter
from pathlib import Path, PurePosixPath
from stat import S_IFREG, S_ISDIR, S_ISREG
from typing import Literal

from ssvif.io.errors import NoImagesError, UserError, counted, shorten
from ssvif.io.files import printable
from ssvif.pairs.pairing import Pairing, constant_offset, keys_of, nearest, nearest_or_refuse, read_list, same_for_both
from ssvif.pairs.paths import any_case, expand, nfc, spelled
from ssvif.schema import IMAGE_SUFFIXES, SIDES, VIDEO_SUFFIXES

log = logging.getLogger("ssvif")

FORMS = "two images, two folders, two quoted patterns ('cam/*_vis.png' 'cam/*_ir.png') or two videos"
REMEDIES = {
    "no_partner": "add the missing images, or remove the others",
    "same_name": "rename one of those that share a name",
    "not_utf8": "rename the files whose names are not UTF-8",
}
BY_NAME = Pairing()
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
    near: str = ""  # a name of theirs that differs in case alone

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
        near = f"; {self.near} differs in case" if self.near else ""
        return f"{self.side} {path.name} has no {' or '.join(self.missing)} image of the same name{near}"

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
        return list(dict.fromkeys(_ignored(images) for images in self.sides.values() if images.others))

    def no_pairs(self) -> UserError:
        """Return the error for sides that have no name in common."""
        names = [f"{side}: {shorten(sorted(images.files), most=3)}" for side, images in self.sides.items()]
        *first, last = self.sides
        near = next((f"{fault.name} and {fault.near} differ in case" for fault in self.faults if fault.near), "")
        others = [near, *(str(fault) for fault in self.faults if fault.kind != "no_partner")]
        return UserError(
            f"The {', '.join(first)} and {last} images have no name in common",
            expected="names that differ only in the suffix",
            got="; ".join([*names, *filter(None, others)][:5]),
            remedy="for other names pass quoted patterns whose wildcards match the common part, such as "
            "'cam/*_vis.png' and 'cam/*_ir.png', with {*} for a part that differs; or pair by --pair-by number or "
            "time, or by --pair-list",
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


def kind_of(source: str | Path) -> str:
    """Return what a path, or a pattern with *, ? or [], is: "image", "video", "folder" or "pattern".

    Raises:
        UserError: it does not exist.
    """
    path = spelled(source)
    if path.is_dir():
        return "folder"
    if path.exists():
        if not path.is_file():
            raise UserError(f"{printable(source)} is a pipe or a device", expected=FORMS, remedy="copy it to a file")
        return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "image"
    if has_magic(str(source)):
        return "pattern"
    near = spelled(source, any_case)
    raise UserError(
        f"{printable(source)} does not exist",
        expected=FORMS,
        got=f"{near}, which differs in case" if near.exists() else "",
        remedy="check the path",
    )


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


def match_sources(sources: Mapping[str, str], pairing: Pairing = BY_NAME) -> Matching:
    """Match the images of several sides, side → path or pattern: files, or folders and patterns.

    Single files belong together, whatever they are called, and get the name of the first. Otherwise the visible and
    the infrared images are paired as `pairing` says, and those of other sides belong to the pair of their name; see
    `find_images`. Beside a folder, the name of a pattern's image is what the wildcards stand for or, if no such names
    match, the whole name. Files that hold both sides are given as visible ones, and are both images of their pairs.

    Raises:
        UserError: a source holds no image, nothing matches, or one file is both images of a pair but should not.
    """
    if pairing.offset and pairing.by == "name":
        what = "An offset in time is for two videos, or for images that are paired by number or time"
        raise UserError(what, remedy="pass --pair-by time or --pair-by number, or leave out --offset")
    if pairing.listed:
        listed = read_list(pairing.listed)
        sides = {
            side: Images(str(pairing.listed), {name: [files[side]] for name, files in listed.items()}) for side in SIDES
        }
        log.info("%s: %s", pairing.listed, counted(len(listed), "pair"))
        found = match_names(sides | {side: find_images(source) for side, source in sources.items()})
    elif kind_of_all(sources) == "image":
        files = {side: spelled(source) for side, source in sources.items()}
        files.setdefault(SIDES[1], files[SIDES[0]])
        name = nfc(next(iter(files.values())).stem)
        found = Matching({side: Images(str(path), {name: [path]}) for side, path in files.items()}, {name: files})
    else:
        found = _match_many(sources, pairing)
    if not found.pairs:
        raise found.no_pairs()
    if not pairing.both_in_one:
        refuse_same_file(found.pairs)
    return found


def _match_many(sources: Mapping[str, str], pairing: Pairing) -> Matching:
    sides = {side: find_images(source) for side, source in sources.items()}
    if pairing.both_in_one:
        sides = dict.fromkeys(SIDES, sides[SIDES[0]]) | sides
    elif pairing.by != "name":
        sides |= _rename_nearest(sides, pairing)
    found = match_names(sides)
    if not found.pairs and {kind_of(source) for source in sources.values()} == {"folder", "pattern"}:
        found = match_names({side: find_images(source, whole_names=True) for side, source in sources.items()})
    return found


def _rename_nearest(sides: Mapping[str, Images], pairing: Pairing) -> dict[str, Images]:
    """Return the visible and infrared images that are nearest to each other under the visible name; log the others."""
    keys = {}
    for side in SIDES:
        files = {name: paths[0] for name, paths in sides[side].files.items() if len(paths) == 1}
        shift = pairing.offset if side == "infrared" else 0.0
        keys[side] = {name: key + shift for name, key in keys_of(pairing.by, side, files).items()}
        counts = Counter(keys[side].values())
        if shared := [name for name, key in keys[side].items() if counts[key] > 1]:
            log.warning("%s images that share their %s are left out: %s", side, pairing.by, shorten(shared))
            keys[side] = {name: key for name, key in keys[side].items() if counts[key] == 1}
    pairs = nearest_or_refuse(keys["visible"], keys["infrared"], pairing)
    unit = " s" if pairing.by == "time" else ""
    remedy = "pass a larger --tolerance, if these images belong together" + constant_offset(keys, pairing)
    if not pairs:
        distances = [distance for _, distance in nearest(keys["visible"], keys["infrared"], math.inf).values()]
        raise UserError(
            f"No visible and infrared images lie within the tolerance of {pairing.most:g}{unit}",
            got=f"the nearest {pairing.by}s are {min(distances):.6g}{unit} apart" if distances else "none to compare",
            remedy=remedy,
        )
    partners = [pairs[name][0] for name in sorted(pairs, key=keys["visible"].__getitem__)]
    if crossed := next((two for two in pairwise(partners) if keys["infrared"][two[0]] > keys["infrared"][two[1]]), ()):
        raise UserError(
            f"The nearest {pairing.by}s pair images crosswise",
            expected="images of both sides in one order",
            got=" before ".join(crossed),
            remedy=remedy.replace("larger", "smaller"),
        )
    paired = {
        "visible": {name: name for name in pairs},
        "infrared": {other: name for name, (other, _) in pairs.items()},
    }
    left = {side: [name for name in sides[side].files if name not in paired[side]] for side in SIDES}
    ahead = [keys["infrared"][other] - keys["visible"][name] for name, (other, _) in pairs.items()]
    log.info(
        "%s paired by %s, infrared minus visible: %.6g to %.6g%s; left over: %s",
        counted(len(pairs), "image pair"),
        pairing.by,
        min(ahead),
        max(ahead),
        unit,
        "; ".join(f"{len(names)} {side} ({shorten(names)})" for side, names in left.items() if names) or "none",
    )
    return {
        side: replace(sides[side], files={name: sides[side].files[own] for own, name in paired[side].items()})
        for side in SIDES
    }


def refuse_same_file(pairs: Mapping[str, Mapping[str, Path]]) -> None:
    """Check that no pair, name → side → file, has one file for both sides, through links or otherwise.

    Raises:
        UserError: a pair has.
    """
    for name, files in pairs.items():
        visible, infrared = (files[side] for side in SIDES)
        with suppress(OSError):  # of a link to nowhere
            if visible == infrared or visible.samefile(infrared):
                raise same_for_both(printable(visible), f"{printable(infrared)} as the infrared image of {name}")


def match_names(sides: Mapping[str, Images], *, optional: Collection[str] = ()) -> Matching:
    """Match the images of all sides by name; a pair may lack the `optional` sides, such as "label"."""
    faults = [
        Fault("not_utf8", printable(path.stem), {side: [path]})
        for side, images in sides.items()
        for path in images.not_utf8
    ]
    pairs = {}
    in_any_case = {side: {any_case(name): name for name in images.files} for side, images in sides.items()}
    for name in sorted({name for images in sides.values() for name in images.files}):
        files = {side: images.files[name] for side, images in sides.items() if name in images.files}
        missing = tuple(side for side in sides if side not in files and side not in optional)
        if any(len(paths) > 1 for paths in files.values()):
            faults.append(Fault("same_name", name, files))
        elif missing:
            near = next(filter(None, (in_any_case[side].get(any_case(name)) for side in missing)), "")
            faults.append(Fault("no_partner", name, files, missing, near))
        else:
            pairs[name] = {side: path for side, (path,) in files.items()}
    return Matching(sides, pairs, tuple(faults))


def find_images(source: str | Path, *, whole_names: bool = False) -> Images:
    """Find and name the images of a folder, a pattern or a file.

    In a folder an image's name is its file's without suffix. In a pattern it is what the wildcards stand for, without
    suffix: 'cam/*_vis.png' calls cam/007_vis.png 007; with `whole_names` it is the file's, as in a folder. `{*}` fits
    a part that is not in the name. Hidden files are passed over. A link to nowhere counts, so that reading it can say
    so.

    Raises:
        UserError: it does not exist or holds no image.
    """
    kind, path = kind_of(source), spelled(source)
    if kind == "pattern":
        found = expand(path)
        naming = {path: "_".join(filter(None, names)) or path.stem for path, names in found.items()}
        images = _name_images(str(source), found, attrgetter("stem") if whole_names else naming.__getitem__)
    else:
        images = _name_images(str(source), path.iterdir() if kind == "folder" else [path], attrgetter("stem"))
    if not images.files:
        unclear = [f"{printable(path)} has a name that is not UTF-8" for path in images.not_utf8[:3]]
        others = expand(path, any_case).keys() - found if kind == "pattern" else ()
        if near := shorten(sorted(map(str, others)), most=3):
            unclear.append(f"{near}, which differs in case")
        raise NoImagesError(
            f"{printable(source)} {'matches' if kind == 'pattern' else 'holds'} no image",
            expected="files ending in " + " ".join(IMAGE_SUFFIXES),
            got="; ".join(filter(None, [*unclear, _counts(images)])),
            remedy="check the path, or convert the images",
        )
    return images


def find_by_template(root: Path, template: str, suffixes: Collection[str] = IMAGE_SUFFIXES) -> Images:
    """Find and name the images, or files of other `suffixes`, of one side below a dataset's root.

    The template is a path in POSIX form, with `{name}` in its last part and without suffix: 'vi/{name}_8bit' calls
    vi/007_8bit.png 007. Without such a folder there are none.
    """
    place = PurePosixPath(template)
    folder, (before, after) = spelled(root / place.parent), nfc(place.name).split("{name}")

    def name_of(path: Path) -> str:
        stem = nfc(path.stem)
        return stem[len(before) : len(stem) - len(after)] if stem.startswith(before) and stem.endswith(after) else ""

    return _name_images(str(folder), folder.iterdir() if folder.is_dir() else (), name_of, suffixes)


def _name_images(
    source: str, paths: Iterable[Path], name_of: Callable[[Path], str], suffixes: Collection[str] = IMAGE_SUFFIXES
) -> Images:
    """Return those of the paths that have one of the suffixes; one without a name belongs to another side."""
    images = Images(source)
    for path in sorted(paths, key=attrgetter("parts")):  # as paths compare, in a third of the time
        if path.name.startswith("."):
            continue
        mode = S_IFREG  # also where nothing can be looked up, as of a link to nowhere: reading it tells why
        with suppress(OSError):
            mode = path.stat().st_mode
        if S_ISDIR(mode):
            images.others[FOLDER] += 1
        elif path.suffix.lower() not in suffixes:
            images.others[path.suffix.lower() or NO_SUFFIX] += 1
        elif not (name := name_of(path)) or not S_ISREG(mode):  # the latter is a device
            continue
        elif printable(path.name) != path.name:
            images.not_utf8.append(path)
        else:
            images.files[nfc(name)].append(path)
    return images


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
