"""A ladder's result in one folder: what was declared, every comparison, every arm's scores, and results.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssvif.io.files import read_image, write_csv, write_folder_aside
from ssvif.ops.sampling import choose_evenly
from ssvif.ops.statistics import mean_of, student_interval
from ssvif.report.figures.style import save_figure
from ssvif.report.ladder.declaration import Declaration
from ssvif.report.ladder.document import IMAGES, write_document
from ssvif.report.ladder.effects import COLUMNS, Findings, find
from ssvif.report.ladder.forest import draw_effects
from ssvif.report.ladder.measured import Measured, read_measured

OWNED = ("declaration.json", "effects.csv", "arms.csv", "effects.pdf", "results.md", "images")
ARM_COLUMNS = ("arm", "role", "title", "score", "metric", "class", "seeds", "mean", "low", "high")
PICTURED_PAIRS = 2  # whose pseudo labels are shown, one above the other
PICTURE_WIDTH_PX = 960
GAP_PX = 4
JPEG_QUALITY = 88


def make_ladder(results: Path, declaration: Declaration, output: Path, *, pictures: bool = True) -> Path:
    """Compare the arms of a ladder; equal results give equal bytes.

    Arms without scores are reported as missing. `output`, replaced as a whole, gets declaration.json, effects.csv
    (a row a comparison), arms.csv (a row a score), effects.pdf, and results.md with its pictures in images/. Without
    `pictures` it shows none of the dataset's images.

    Returns:
        results.md.

    Raises:
        UserError: a file of a run is not one of ours, or `output` holds other files.
    """
    measured = read_measured(results, declaration)
    found = find(measured)
    with write_folder_aside(output, OWNED) as folder:
        (folder / "declaration.json").write_text(declaration.to_json() + "\n", encoding="utf-8")
        write_csv(folder / "effects.csv", _effect_rows(found), COLUMNS)
        write_csv(folder / "arms.csv", _arm_rows(measured), ARM_COLUMNS)
        images = folder / IMAGES.format(dataset=declaration.dataset)
        images.mkdir(parents=True)
        if figure := draw_effects(measured, found):
            save_figure(figure, folder, "effects")
            (folder / "effects.png").replace(images / "effects.png")
        drawn = list(_draw_pseudo_labels(measured, images)) if pictures else []
        text = write_document(measured, found, charts=figure is not None, pictures=drawn)
        (folder / "results.md").write_text(text, encoding="utf-8")
    return output / "results.md"


def _effect_rows(found: Findings) -> Iterator[dict[str, Any]]:
    decisive = [effect for judged in found.judged for effect in (judged.reference, *judged.controls)]
    for effect in (*decisive, *found.controls, *found.others, *found.images):
        yield {
            "arm": effect.arm.declared.name,
            "role": effect.arm.declared.role,
            "against": effect.against.declared.name,
            "score": effect.key.score,
            "metric": effect.key.metric,
            "class": effect.key.class_name,
            "over": "seeds" if effect.seed is None else "images",
            "seed": effect.seed,
            "count": effect.count,
            "difference": effect.mean,
            "low": effect.low,
            "high": effect.high,
            "p": None if math.isnan(effect.p_value) else effect.p_value,
            "p_holm": None if math.isnan(effect.p_holm) else effect.p_holm,
        }


def _arm_rows(measured: Measured) -> Iterator[dict[str, Any]]:
    confidence = 1 - measured.declaration.ladder.level
    for arm in measured.arms:
        for key in sorted({key for run in arm.runs.values() for key in run.whole}):
            values = arm.values(key)
            low, high = student_interval(values, confidence) if len(values) > 1 else (None, None)
            yield {
                "arm": arm.declared.name,
                "role": arm.declared.role,
                "title": arm.title,
                "score": key.score,
                "metric": key.metric,
                "class": key.class_name,
                "seeds": len(values),
                "mean": mean_of(values),
                "low": low,
                "high": high,
            }


def _draw_pseudo_labels(measured: Measured, folder: Path) -> Iterator[tuple[str, str]]:
    """Write a picture of the first seed of each arm that has pseudo labels; yield title and file."""
    for arm in measured.arms:
        run = next(iter(arm.folders.values()), None)
        paths = sorted((run / "pseudo_labels").glob("*.png")) if run else []
        if paths:
            strips = [_narrowed(read_image(path)) for path in choose_evenly(paths, PICTURED_PAIRS)]
            name = f"{arm.declared.name}.jpg"
            _stacked(strips).save(folder / name, format="JPEG", quality=JPEG_QUALITY)
            yield arm.title, name


def _narrowed(strip: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(strip).convert("RGB")
    height = max(1, round(image.height * PICTURE_WIDTH_PX / image.width))
    return image.resize((PICTURE_WIDTH_PX, height), Image.Resampling.LANCZOS)


def _stacked(images: Sequence[Image.Image]) -> Image.Image:
    gap = np.full((GAP_PX, PICTURE_WIDTH_PX, 3), 255, np.uint8)
    parts = [part for image in images for part in (gap, np.asarray(image))]
    return Image.fromarray(np.concatenate(parts[1:]))
