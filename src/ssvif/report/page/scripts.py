"""What the pages' scripts show, as JavaScript files: a page opened from disk may not fetch, but it may run those."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssvif.data.descriptor import Descriptor
from ssvif.io.files import write_aside
from ssvif.report.figures.style import color_of
from ssvif.report.measured import read_samples
from ssvif.report.overlays import NamedBox, box_color, box_legend, class_legend
from ssvif.report.pictures import SOURCE_TITLES, Gallery, PairPictures
from ssvif.report.sheet import measure_of, position
from ssvif.schema import FUSION_METRICS, RUN_FILES

DIGITS = 6  # of a stored score: more than any table prints, and the file stays small


def write_script(path: Path, kind: str, dataset: str, value: Mapping[str, Any]) -> None:
    """Write SSVIF.{kind}[dataset] = value; equal values give equal bytes.

    Args:
        path: of the script.
        kind: "scores" or "pictures".
        dataset: its short name.
        value: JSON-like.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    with write_aside(path) as aside:
        aside.write_text(
            f"window.SSVIF ??= {{}};\n(SSVIF.{kind} ??= {{}})[{json.dumps(dataset)}] = {text};\n", encoding="utf-8"
        )


def describe_scores(gallery: Gallery, pairs: Sequence[PairPictures]) -> dict[str, Any]:
    """Return every run's fusion metrics image by image.

    Args:
        gallery: of the dataset.
        pairs: what it shows.

    Returns:
        `values[metric][run][pair]`, None where there is no finite number; what these places stand for; and for
        each run the pairs that there is no picture of.

    Raises:
        UserError: a run has no fusion metrics, or the file is damaged.
    """
    runs = gallery.runs
    everyone = [row["pair_id"] for row in gallery.rows]
    found = [read_samples(gallery.results / run.name / RUN_FILES[FUSION_METRICS], FUSION_METRICS) for run in runs]
    names = sorted({metric for samples in found for metric, _ in samples}, key=lambda name: (position(name), name))
    values = {
        name: [
            [_rounded(samples[name, ""].values.get(pair) if (name, "") in samples else None) for pair in everyone]
            for samples in found
        ]
        for name in names
    }
    shown = [name for name in names if any(value is not None for line in values[name] for value in line)]
    return {
        "title": gallery.source.descriptor.title,
        "pairs": everyone,
        "unpictured": [_unpictured(everyone, pairs, place) for place in range(len(SOURCE_TITLES), len(gallery.keys))],
        "runs": [{"name": run.name, "title": run.title, "color": color_of(place)} for place, run in enumerate(runs)],
        "metrics": [_describe_metric(name) for name in shown],
        "values": {name: values[name] for name in shown},
    }


def _unpictured(everyone: Sequence[str], pairs: Sequence[PairPictures], place: int) -> list[str]:
    pictured = {pair.pair_id for pair in pairs if place not in pair.absent}
    return [pair_id for pair_id in everyone if pair_id not in pictured]


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.{DIGITS}g}") if value is not None and math.isfinite(value) else None


def _describe_metric(name: str) -> dict[str, Any]:
    measure = measure_of(name)
    return {"name": name, "title": measure.heading, "arrow": measure.arrow, "decimals": measure.decimals}


def describe_pictures(gallery: Gallery, pairs: Sequence[PairPictures]) -> dict[str, Any]:
    """Return what the gallery needs to know of its pictures, with the legends of what lies over them.

    A box is [class, confidence or None, left, top, width, height], its class a place in `boxes`, or the name
    where the detector knows one that the dataset does not.
    """
    descriptor = gallery.source.descriptor
    # every known class keeps its place in the legend; what is not judged is named where some map holds it
    occurring = frozenset(info.id for info in descriptor.classes).union(*(pair.classes for pair in pairs))
    return {
        "title": descriptor.title,
        "sources": [{"key": key, "title": title} for key, title in zip(gallery.keys, gallery.titles, strict=True)],
        "classes": _listed(class_legend(descriptor, occurring)) if gallery.segmented else [],
        "boxes": _listed(box_legend(descriptor)) if gallery.detected else [],
        "otherBox": box_color((), ""),
        "pairs": [_describe_pair(descriptor, pair) for pair in pairs],
    }


def _listed(legend: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "color": color} for name, color in legend.items()]


def _describe_pair(descriptor: Descriptor, pair: PairPictures) -> dict[str, Any]:
    def described(boxes: Sequence[NamedBox]) -> list[list[Any]]:
        return [_describe_box(descriptor.detection_classes, pair, box) for box in boxes]

    value: dict[str, Any] = {
        "id": pair.pair_id,
        "width": pair.width_px,
        "height": pair.height_px,
        "suffix": pair.suffix,
        "absent": pair.absent,
        "segmented": pair.segmented,
        "truth": pair.truth,
        "boxes": {str(place): described(boxes) for place, boxes in pair.boxes.items()},
    }
    return value | ({"trueBoxes": described(pair.true_boxes)} if pair.true_boxes is not None else {})


def _describe_box(names: Sequence[str], pair: PairPictures, box: NamedBox) -> list[Any]:
    """Return a box as `describe_pictures` says, its place and size in percent of the picture."""
    left, width = (100 * each / pair.width_px for each in (box.left, box.right - box.left))
    top, height = (100 * each / pair.height_px for each in (box.top, box.bottom - box.top))
    name = names.index(box.name) if box.name in names else box.name
    sure = box.confidence if box.confidence is None else round(box.confidence, 2)
    return [name, sure, *(round(each, 2) for each in (left, top, width, height))]
