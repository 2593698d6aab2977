"""A ladder's result in one folder: what was declared, every comparison, every arm's scores, and results.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

from ssvif.io.files import read_image, write_csv, write_folder_aside
from ssvif.ops.sampling import choose_evenly
from ssvif.ops.statistics import mean_of, student_interval
from ssvif.report.figures.style import (
    FAINT,
    GRID,
    INK,
    SIZE_PT,
    STYLE,
    TWO_COLUMNS_IN,
    add_legend,
    fit_text,
    save_figure,
)
from ssvif.report.ladder.declaration import Declaration
from ssvif.report.ladder.document import IMAGES, write_document
from ssvif.report.ladder.effects import COLUMNS, Effect, Findings, find
from ssvif.report.ladder.measured import Measured, read_measured
from ssvif.report.runs import color_of
from ssvif.report.sheet import measure_of

OWNED = ("declaration.json", "effects.csv", "arms.csv", "effects.pdf", "results.md", "images")
ARM_COLUMNS = ("arm", "role", "title", "score", "metric", "class", "seeds", "mean", "low", "high")
ROW_IN, LABEL_IN = 0.34, 2.1  # of the figure of effects
MARKERS = ("o", "s", "D", "^", "v", "P")
SPREAD = 0.5  # of a row's height, over which the comparisons of one arm are spread
PICTURED_PAIRS = 2  # whose pseudo labels are shown, one above the other
PICTURE_WIDTH_PX = 960
GAP_PX = 4
JPEG_QUALITY = 88


def make_ladder(results: Path, declaration: Declaration, output: Path, *, pictures: bool = True) -> Path:
    """Compare the arms of a ladder and return results.md; equal results give equal bytes.

    Arms without scores are reported as missing. `output`, replaced as a whole, gets declaration.json, effects.csv
    (a row a comparison), arms.csv (a row a score), effects.pdf, and results.md with its pictures in images/. Without
    `pictures` it shows none of the dataset's images.

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


@rc_context(STYLE)
def draw_effects(measured: Measured, found: Findings) -> Figure | None:
    """Draw each arm's difference from the reference and from each negative control; None where there is none.

    Colors tell what an arm is compared with, markers too. An effect of one seed has no interval.
    """
    rows = [(each.arm.title, (each.reference, *each.controls)) for each in found.judged]
    rows += [(each.arm.title, (each,)) for each in found.controls]
    if not rows:
        return None
    margin, key = measured.declaration.ladder.margin, measured.primary
    figure = Figure((TWO_COLUMNS_IN, ROW_IN * len(rows) + 0.9), layout="constrained")
    axes = figure.add_subplot()
    others = list(dict.fromkeys(each.against.title for _, effects in rows for each in effects))
    axes.axvspan(-margin, margin, color=GRID, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    entries: dict[str, Artist] = {}
    for place, (_, effects) in enumerate(rows):
        entries |= _draw_row(axes, place, effects, others)
    for group in (len(found.judged), len(found.judged) + len(found.negatives)):
        if 0 < group < len(rows):
            axes.axhline(group - 0.5, color=FAINT, linewidth=0.5, linestyle=":")
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)))
    axes.set_yticklabels([fit_text(title, LABEL_IN)[0] for title, _ in rows])
    measure = measure_of(key.metric)
    unit = "points" if key.scale == 100 else measure.unit
    axes.set_xlabel(f"difference in {measure.heading}{f' ({unit})' if unit else ''} {measure.arrow}")
    axes.grid(axis="x")
    title = f"band: ±{margin:g}, the margin of interest"
    add_legend(figure, entries, SIZE_PT, loc="outside lower center", title=title)
    return figure


def _draw_row(axes: Axes, place: int, effects: Sequence[Effect], others: Sequence[str]) -> dict[str, Artist]:
    entries: dict[str, Artist] = {}
    for number, effect in enumerate(effects):
        kind = others.index(effect.against.title)
        height = place + SPREAD * ((number + 0.5) / len(effects) - 0.5)
        ends = None
        if effect.low is not None and effect.high is not None:
            ends = [[effect.mean - effect.low], [effect.high - effect.mean]]
        style: Any = {"color": color_of(kind), "marker": MARKERS[kind % len(MARKERS)], "linestyle": ""}
        axes.errorbar([effect.mean], [height], xerr=ends, capsize=2, elinewidth=1.1, zorder=3, **style)
        entries[f"− {effect.against.title}"] = Line2D([], [], **style)
    return entries


def _draw_pseudo_labels(measured: Measured, folder: Path) -> Iterator[tuple[str, str]]:
    """Write a picture of the first seed of each arm that has pseudo labels; yield title and file."""
    for arm in measured.arms:
        run = next(iter(arm.folders.values()), None)
        paths = sorted((run / "pseudo_labels").glob("*.png")) if run else []
        if paths:
            strips = [read_image(path) for path in choose_evenly(paths, PICTURED_PAIRS)]
            name = f"{arm.declared.name}.jpg"
            _stacked(strips).save(folder / name, format="JPEG", quality=JPEG_QUALITY)
            yield arm.title, name


def _stacked(strips: Sequence[NDArray[np.uint8]]) -> Image.Image:
    """Return pictures (H,W) or (H,W,3) brought to one width, one above the other with white between them."""
    gap, parts = np.full((GAP_PX, PICTURE_WIDTH_PX, 3), 255, np.uint8), []
    for strip in strips:
        image = Image.fromarray(strip).convert("RGB")
        height = max(1, round(image.height * PICTURE_WIDTH_PX / image.width))
        parts += [gap, np.asarray(image.resize((PICTURE_WIDTH_PX, height), Image.Resampling.LANCZOS))]
    return Image.fromarray(np.concatenate(parts[1:]))
