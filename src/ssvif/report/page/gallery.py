"""The gallery's pictures and what its scripts show: test pairs, class maps, boxes, and every image's scores.

The data are JavaScript files: a page opened from disk may not fetch JSON, but it may run scripts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.io.ahead import core_count
from ssvif.io.files import write_aside
from ssvif.io.progress import track
from ssvif.report.pictures import Album, NamedBox, box_color, box_legend, class_legend, class_palette
from ssvif.report.runs import color_of
from ssvif.report.scores import read_samples
from ssvif.report.sheet import measure_of, position
from ssvif.schema import FUSION_METRICS, RUN_FILES

SMALL_PX = 256  # narrower pictures are stored without loss and enlarged with hard pixels
THUMBNAIL_PX = 208  # width; narrower pictures keep theirs
MOST_THREADS = 8
SOURCES = {"visible": "Visible", "infrared": "Infrared"}
DIGITS = 6  # of a stored score: more than any table prints, and the file stays small


def picture_keys(album: Album) -> dict[str, str]:
    """Return the file stem and the title of each of a pair's pictures: its two sources and every run."""
    return SOURCES | {f"run_{run.name}": run.title for run in album.runs}


def write_gallery(album: Album, folder: Path) -> list[dict[str, Any]]:
    """Write the pictures and scripts of a dataset's gallery into the page's folder.

    A picture lies at pictures/{dataset}/{pair}/{key}.jpg, or .png where it is small, its thumbnail at
    thumbnails/{dataset}/{pair}/{key}.jpg, the class map of a run at pictures/{dataset}/{pair}/classes_{run}.png
    and the labelled one at truth.png beside it.

    Returns:
        what the script holds of each pair shown: "id", the places in `picture_keys` that are "absent", and so on.

    Raises:
        UserError: splits.csv, a picture it names or a file of a run is missing or damaged.
    """
    chosen, _ = album.pairs(), album.found  # read before the threads start
    # Pillow lets go of Python's lock while it reads, scales and writes
    with ThreadPoolExecutor(min(core_count(), MOST_THREADS)) as threads:
        described = threads.map(lambda row: _write_pair(album, row, folder), chosen)
        found = list(track(described, f"{album.name}: pictures", total=len(chosen)))
    pairs = [pair for pair, _ in found]
    descriptor = album.source.descriptor
    # every known class keeps its place in the legend; the ignore index is named where some map holds it
    occurring = {info.id for info in descriptor.classes}.union(*(classes for _, classes in found))
    legends = (
        class_legend(descriptor, occurring) if album.segmented else {},
        box_legend(descriptor) if any(album.found.values()) else {},
    )
    classes, boxes = ([{"name": name, "color": color} for name, color in legend.items()] for legend in legends)
    pictures = {
        "sources": [{"key": key, "title": title} for key, title in picture_keys(album).items()],
        "classes": classes,
        "boxes": boxes,
        "otherBox": box_color((), ""),
        "pairs": pairs,
    }
    _write_script(folder, "pictures", album.name, pictures)
    _write_script(folder, "scores", album.name, _describe_scores(album, pairs))
    return pairs


def _write_pair(album: Album, row: dict[str, str], folder: Path) -> tuple[dict[str, Any], set[int]]:
    """Write a pair's pictures; return what the script holds of it, and the class ids in its maps.

    A box is [class, confidence or None, left, top, width, height], its class a place in the legend, or the name
    where the detector knows one that the dataset does not; the rest in percent of the picture.
    """
    name = row["pair_id"]
    shown, thumbnails = (folder / kind / album.name / name for kind in ("pictures", "thumbnails"))
    shown.mkdir(parents=True, exist_ok=True)
    thumbnails.mkdir(parents=True, exist_ok=True)
    visible = album.visible(row)
    height, width = visible.shape[:2]
    suffix = ".png" if width < SMALL_PX else ".jpg"
    pictures = [visible, album.infrared(row), *(album.fused(run, row) for run in album.runs)]
    for key, picture in zip(picture_keys(album), pictures, strict=True):
        if picture is not None:
            _save(picture, shown / f"{key}{suffix}", thumbnails / f"{key}.jpg")
    pair: dict[str, Any] = {
        "id": name,
        "width": width,
        "height": height,
        "suffix": suffix,
        "absent": [place for place, picture in enumerate(pictures) if picture is None],
        "segmented": [],
        "truth": False,
        "boxes": {},
    }
    occurring = set()
    if album.segmented and (label := album.label(row)) is not None:
        pair["truth"] = True
        occurring |= _save_classes(label, album, shown / "truth.png")
    names = album.source.descriptor.detection_classes
    for place, run in enumerate(album.runs, start=len(SOURCES)):
        if pictures[place] is not None:
            if (predicted := album.predicted(run, row)) is not None:
                pair["segmented"].append(place)
                occurring |= _save_classes(predicted, album, shown / f"classes_{run.name}.png")
            if run.name in album.found:
                pair["boxes"][str(place)] = _describe_boxes(album.found[run.name].get(name, []), names, height, width)
    if any(album.found.values()) and (boxes := album.true_boxes(row, height, width)) is not None:
        pair["trueBoxes"] = _describe_boxes(boxes, names, height, width)
    return pair, occurring


def _save(picture: NDArray[np.uint8], path: Path, thumbnail: Path) -> None:
    image = Image.fromarray(picture)
    if path.suffix == ".png":
        image.save(path, format="PNG")
    else:
        image.save(path, format="JPEG", quality=90, subsampling=0)
    image.thumbnail((THUMBNAIL_PX, image.height), Image.Resampling.LANCZOS, reducing_gap=1.5)
    image.save(thumbnail, format="JPEG", quality=82)


def _save_classes(classes: NDArray[np.uint8], album: Album, path: Path) -> set[int]:
    """Write (H,W) class ids as a palette image whose background is transparent, and return those that occur."""
    colors, drawn = class_palette(album.source.descriptor)
    image = Image.fromarray(classes)
    image.putpalette(colors.tobytes())
    image.save(path, format="PNG", transparency=(drawn * np.uint8(255)).tobytes(), optimize=False)
    return set(np.unique(classes).tolist())


def _describe_boxes(boxes: Sequence[NamedBox], names: Sequence[str], height: int, width: int) -> list[list[Any]]:
    described = []
    for box in boxes:
        name = names.index(box.name) if box.name in names else box.name
        sure = box.confidence if box.confidence is None else round(box.confidence, 2)
        size = (100 * (box.right - box.left) / width, 100 * (box.bottom - box.top) / height)
        percent = (100 * box.left / width, 100 * box.top / height, *size)
        described.append([name, sure, *(round(each, 2) for each in percent)])
    return described


def _describe_scores(album: Album, pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return every run's fusion metrics image by image: `values[metric][run][pair]`, None without a finite number."""
    everyone = [row["pair_id"] for row in album.rows]
    found = [read_samples(album.results / run.name / RUN_FILES[FUSION_METRICS], FUSION_METRICS) for run in album.runs]
    names = sorted({metric for samples in found for metric, _ in samples}, key=lambda name: (position(name), name))
    values = {}
    for name in names:
        columns = [samples[name, ""].values if (name, "") in samples else {} for samples in found]
        lines = [[_rounded(column.get(pair)) for pair in everyone] for column in columns]
        if any(value is not None for line in lines for value in line):
            values[name] = lines
    measures = {name: measure_of(name) for name in values}
    places = range(len(SOURCES), len(picture_keys(album)))
    pictured = [{pair["id"] for pair in pairs if place not in pair["absent"]} for place in places]
    return {
        "pairs": everyone,
        "unpictured": [[name for name in everyone if name not in shown] for shown in pictured],
        "runs": [
            {"name": run.name, "title": run.title, "color": color_of(place)} for place, run in enumerate(album.runs)
        ],
        "metrics": [
            {"name": name, "title": measure.heading, "arrow": measure.arrow, "decimals": measure.decimals}
            for name, measure in measures.items()
        ],
        "values": values,
    }


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.{DIGITS}g}") if value is not None and math.isfinite(value) else None


def _write_script(folder: Path, kind: str, dataset: str, value: Mapping[str, Any]) -> None:
    """Write data/{kind}_{dataset}.js, which sets SSVIF.{kind}[dataset]; equal values give equal bytes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    script = f"window.SSVIF ??= {{}};\n(SSVIF.{kind} ??= {{}})[{json.dumps(dataset)}] = {text};\n"
    with write_aside(folder / f"data/{kind}_{dataset}.js") as aside:
        aside.write_text(script, encoding="utf-8")
