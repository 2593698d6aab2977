"""The one place where results are aggregated: long CSV of every run to tables, a dataset and a kind at a time.

The paper's own tables are made in `ssvif.report.paper_tables`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ssvif.io.files import write_aside, write_csv
from ssvif.ops.statistics import mean_of
from ssvif.report.gradients import write_gradient_table
from ssvif.report.layout import (
    MEASURES,
    Cell,
    Row,
    Sheet,
    Table,
    heading_of,
    listed,
    measure_of,
    position,
    rank,
    show,
)
from ssvif.report.markup import to_latex, to_markdown
from ssvif.report.measured import FUSION, Sample, read_samples
from ssvif.report.runs import RunLabel, read_rows, to_number_or_none
from ssvif.schema import RUN_FILES

log = logging.getLogger("ssvif")

KINDS = tuple(RUN_FILES)
COLUMNS = ("dataset", "run", "metric", "class", "mean", "images", "label", "initial_weights", "note")
LongRow = dict[str, str | float | int | None]


def make_tables(
    results: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    titles: Mapping[str, str] | None = None,
) -> list[Path]:
    """Aggregate the results of runs and write a table per dataset and kind.

    For each dataset and each of `KINDS`, the files `{kind}_{dataset}.csv` (long, full digits), `.md` and
    `.tex` are written into `output`, and gradients_{dataset}.csv where a run measured its gradients.
    Segmentation and detection are left out, with a line in the log,
    where no run of the dataset has them; files of theirs from before are removed.

    Args:
        results: the folder that holds {dataset}/{run}/.
        output: folder of the tables; other files in it are left alone.
        runs: dataset to its runs, in the order of the tables' rows.
        titles: dataset to the name in captions; the dataset's own name where it is not given.

    Returns:
        the CSV files that were written.

    Raises:
        UserError: a run without fusion_metrics.csv, or a file that cannot be read as one of ours.
    """
    written = []
    for dataset, labels in runs.items():
        for kind in KINDS:
            rows = _collect(kind, results / dataset, dataset, labels)
            paths = [output / f"{kind}_{dataset}{suffix}" for suffix in (".csv", ".md", ".tex")]
            if not rows:
                log.info("%s: no run has %s results, so that table is left out", dataset, kind)
                for path in paths:
                    path.unlink(missing_ok=True)
                continue
            write_csv(paths[0], rows, COLUMNS)
            table = read_table(paths[0], (titles or {}).get(dataset, dataset))
            sheet = Sheet(table.name, "", table.title, table.caption, (table,))
            for path, text in zip(paths[1:], (to_markdown(sheet), to_latex(sheet)), strict=True):
                with write_aside(path) as aside:
                    aside.write_text(text, encoding="utf-8")
            written.append(paths[0])
        if gradients := write_gradient_table(results, output, dataset, labels):
            written.append(gradients)
    return written


def read_table(path: Path, title: str) -> Table:
    """Read `{kind}_{dataset}.csv` as a table to print.

    Args:
        path: a file written by `make_tables`.
        title: the dataset's name in the caption.

    Raises:
        UserError: the file is missing or not one of `make_tables`.
    """
    rows = read_rows(path, COLUMNS)
    for row in rows:
        to_number_or_none(row["images"], path)
    kind = next(kind for kind in KINDS if path.name.startswith(kind))
    keys = sorted(dict.fromkeys((row["metric"], row["class"]) for row in rows), key=lambda key: position(key[0]))
    by_run: dict[str, dict[tuple[str, str], dict[str, str]]] = {}
    for row in rows:
        by_run.setdefault(row["run"], {})[row["metric"], row["class"]] = row
    columns = [_column(key, [cells.get(key, {}) for cells in by_run.values()], path) for key in keys]
    labels = {row["run"]: row["label"] for row in rows}
    lines = zip(by_run, zip(*columns, strict=True), strict=True)
    return Table(
        name=path.stem,
        title=f"{TITLES[kind]} on {title}",
        caption=CAPTIONS[kind](title, rows),
        dataset=path.stem.removeprefix(f"{kind}_"),
        headings=tuple(heading_of(*key) for key in keys),
        rows=tuple(Row(labels[run], cells, (run,)) for run, cells in lines),
        notes=tuple(_notes(kind, rows)),
    )


def _column(key: tuple[str, str], rows: Sequence[Mapping[str, str]], path: Path) -> list[Cell]:
    scale = measure_of(key[0]).scale
    stored = [to_number_or_none(row.get("mean", ""), path) for row in rows]
    values = [value * scale if value is not None else None for value in stored]
    texts = [show(value, key[0]) for value in values]
    places = zip(texts, rank(texts, measure_of(key[0]).arrow), values, rows, strict=True)
    return [
        Cell(text, place, value, images=int(row.get("images") or 0), seeds=1, note=row.get("note", ""))
        for text, place, value, row in places
    ]


def _collect(kind: str, folder: Path, dataset: str, labels: Sequence[RunLabel]) -> list[LongRow]:
    rows: list[LongRow] = []
    for run in labels:
        path = folder / run.name / RUN_FILES[kind]
        # the fusion metrics every run must have, the others are as the dataset's labels allow
        found = read_samples(path, kind) if kind == FUSION or path.is_file() else {}
        if not found:
            log.info("%s/%s: no %s results", dataset, run.name, kind)
        known = [metric for metric in MEASURES if (metric, "") in found] if kind == FUSION else []
        ordered = {key: found[key] for key in [*((metric, "") for metric in known), *found]}
        base: LongRow = {"dataset": dataset, "run": run.name, "label": run.title}
        rows += [{**base, "metric": key[0], "class": key[1], **_mean(each)} for key, each in ordered.items()]
        for (metric, _), each in ordered.items():
            if any(map(math.isnan, each.known.values())):
                log.warning("%s: %s is %s, and so is its mean", path, metric, each.note)
    return rows


def _mean(sample: Sample) -> LongRow:
    """Average over images; one NaN makes the mean NaN and is named, an empty value is skipped."""
    known = list(sample.known.values())
    return {
        "mean": mean_of(known) if known else None,
        "images": len(known) if "" not in sample.values else None,
        "initial_weights": sample.initial_weights or None,
        "note": sample.note or None,
    }


def _fusion_caption(title: str, own: Sequence[Mapping[str, str]]) -> str:
    most = max(int(float(row["images"])) for row in own)
    images = "one test image" if most == 1 else f"{most} test images"
    return f"Fusion quality on {title}, mean over {images}."


def _segmentation_caption(title: str, own: Sequence[Mapping[str, str]]) -> str:
    return f"Segmentation on {title}: IoU in percent of a SegFormer trained {_training(own)}."


def _detection_caption(title: str, own: Sequence[Mapping[str, str]]) -> str:
    return f"Detection on {title}: AP@0.5 in percent of a YOLO detector trained {_training(own)}."


BLIND = {"miou_without_background": "SegFormer found nothing but background", "map50": "YOLO found nothing"}
TITLES = {"fusion_metrics": "Fusion quality", "segmentation": "Segmentation", "detection": "Detection"}
CAPTIONS: dict[str, Callable[[str, Sequence[Mapping[str, str]]], str]] = {
    "fusion_metrics": _fusion_caption,
    "segmentation": _segmentation_caption,
    "detection": _detection_caption,
}


def _training(own: Sequence[Mapping[str, str]]) -> str:
    found = list(dict.fromkeys(row["initial_weights"] for row in own))
    start = "from scratch" if found == ["scratch"] else f"from the weights {found[0]}"
    return "on each run's fused images" + (f", {start}" if len(found) == 1 else "")


def _notes(kind: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    return [*_remarks(rows), *_differences(kind, rows), *_blind(rows)]


def _remarks(own: Sequence[Mapping[str, str]]) -> Iterable[str]:
    everyone = list(dict.fromkeys(row["label"] for row in own))
    remarks: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in own:
        if row["note"]:
            columns, labels = remarks.setdefault(row["note"], ({}, {}))
            columns[row["class"] or measure_of(row["metric"]).heading] = None
            labels[row["label"]] = None
    for note, (columns, labels) in remarks.items():
        whose = "" if list(labels) == everyone else f" of {listed(list(labels))}"
        yield f"{listed(list(columns))}{whose}: {note}."


def _differences(kind: str, own: Sequence[Mapping[str, str]]) -> Iterable[str]:
    """Say when rows are not measured alike: other initial weights, other numbers of images."""
    facts = {"fusion_metrics": "images"}.get(kind, "initial_weights")
    found: dict[str, str] = {}
    for row in own:
        found[row["label"]] = max(found.get(row["label"], ""), row[facts], key=lambda text: (len(text), text))
    if len(set(found.values())) > 1:
        listed = "; ".join(f"{label}: {fact}" for label, fact in found.items())
        yield f"The runs differ in {facts.replace('_', ' ')}: {listed}."


def _blind(own: Sequence[Mapping[str, str]]) -> Iterable[str]:
    """Say of which runs a judge saw nothing: its scores then compare trainings that have not begun, not images."""
    everyone = list(dict.fromkeys(row["label"] for row in own))
    for metric, judge in BLIND.items():
        found = [row["label"] for row in own if row["metric"] == metric and row["mean"] and float(row["mean"]) == 0]
        if found:
            whose = "any run's" if found == everyone else f"{listed(found)}'s"
            yield f"{judge} in {whose} images: after so short a training, or with so few labels, it judges no fusion."
