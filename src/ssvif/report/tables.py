"""The one place where results are aggregated: long CSV of every run to CSV, Markdown and LaTeX tables."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ssvif.ops.errors import shorten
from ssvif.ops.files import write_aside, write_csv
from ssvif.report.gradients import write_gradient_table
from ssvif.report.layout import MEASURES, WITH_LABELS, Table, lay_out, measure_of, to_latex, to_markdown
from ssvif.report.runs import RunLabel, read_rows, to_number, to_number_or_none

log = logging.getLogger("ssvif")

KINDS = ("fusion_metrics", "segmentation", "detection")
COLUMNS = (
    "dataset",
    "run",
    "metric",
    "class",
    "mean",
    "images",
    "source",
    "label",
    "initial_weights",
    "note",
)
SOURCES = {"segmentation": "segmentation/iou.csv", "detection": "detection/ap.csv"}
PUBLISHED_COLUMNS = ("dataset", "method", "labels", "metric", "class", "value")
TOO_SMALL = "not defined at this image size"
ABSENT = "absent from the test labels"
LongRow = dict[str, str | float | int | None]


def make_tables(
    results: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    published: Path | None = None,
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
        published: folder of {kind}.csv with the paper's numbers; None leaves the paper out.
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
            rows += _published(published, kind, dataset)
            write_csv(paths[0], rows, COLUMNS)
            table = read_table(paths[0], (titles or {}).get(dataset, dataset))
            for path, text in zip(paths[1:], (to_markdown(table), to_latex(table)), strict=True):
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
        to_number_or_none(row["mean"], path)
        to_number_or_none(row["images"], path)
    kind = next(kind for kind in KINDS if path.name.startswith(kind))
    own = [row for row in rows if row["source"] == "run"]
    return lay_out(path.stem, CAPTIONS[kind](title, own), rows, _notes(kind, rows))


def _collect(kind: str, folder: Path, dataset: str, labels: Sequence[RunLabel]) -> list[LongRow]:
    collect = _fusion_means if kind == "fusion_metrics" else _scores
    rows: list[LongRow] = []
    for run in labels:
        path = folder / run.name / SOURCES.get(kind, "fusion_metrics.csv")
        base: LongRow = {"dataset": dataset, "run": run.name, "label": run.title, "source": "run"}
        found = collect(path)
        if not found:
            log.info("%s/%s: no %s results", dataset, run.name, kind)
        rows += [{**base, **row} for row in found]
    return rows


def _fusion_means(path: Path) -> list[LongRow]:
    values: dict[str, dict[str, float | None]] = {metric: {} for metric in MEASURES}
    for row in read_rows(path, ("pair_id", "metric", "value")):
        values.setdefault(row["metric"], {})[row["pair_id"]] = to_number_or_none(row["value"], path)
    return [{"metric": metric, **_mean(found, metric, path)} for metric, found in values.items() if found]


def _mean(values: Mapping[str, float | None], metric: str, path: Path) -> LongRow:
    """Average over images; one NaN makes the mean NaN and is named, an empty value is skipped."""
    known = {pair_id: value for pair_id, value in values.items() if value is not None}
    undefined = sorted(pair_id for pair_id, value in known.items() if math.isnan(value))
    if undefined:
        log.warning("%s: %s is NaN for %s, and so is its mean", path, metric, shorten(undefined))
        return {"mean": math.nan, "images": len(known), "note": f"NaN for {shorten(undefined)}"}
    if not known:
        return {"mean": None, "images": 0, "note": TOO_SMALL}
    partial = f"mean over {len(known)} of {len(values)} images, {TOO_SMALL} for the others"
    return {
        "mean": math.fsum(known.values()) / len(known),
        "images": len(known),
        "note": partial if len(known) < len(values) else None,
    }


def _scores(path: Path) -> list[LongRow]:
    if not path.is_file():
        return []
    rows: list[LongRow] = []
    for row in read_rows(path, ("metric", "class", "value", "initial_weights")):
        value = to_number_or_none(row["value"], path)
        rows.append(
            {
                "metric": row["metric"],
                "class": row["class"],
                "mean": value,
                "initial_weights": row["initial_weights"],
                "note": ABSENT if value is None else None,
            }
        )
    return rows


def _published(folder: Path | None, kind: str, dataset: str) -> list[LongRow]:
    path = folder / f"{kind}.csv" if folder else None
    if path is None or not path.is_file():
        return []
    rows: list[LongRow] = []
    for row in read_rows(path, PUBLISHED_COLUMNS):
        if row["dataset"] == dataset:
            to_number(row["value"], path)  # read for its error: the digits stay as they were printed
            mark = WITH_LABELS if row["labels"] == "with" else ""
            base: LongRow = {"dataset": dataset, "run": row["method"], "label": row["method"] + mark}
            rest: LongRow = {"metric": row["metric"], "class": row["class"], "mean": row["value"]}
            rows.append({**base, **rest, "source": "paper"})
    return rows


def _fusion_caption(title: str, own: Sequence[Mapping[str, str]]) -> str:
    most = max(int(float(row["images"])) for row in own)
    images = "one test image" if most == 1 else f"{most} test images"
    return f"Fusion quality on {title}, mean over {images}."


def _segmentation_caption(title: str, own: Sequence[Mapping[str, str]]) -> str:
    return f"Segmentation on {title}: IoU in percent of a SegFormer trained {_training(own)}."


def _detection_caption(title: str, own: Sequence[Mapping[str, str]]) -> str:
    return f"Detection on {title}: AP@0.5 in percent of a YOLO detector trained {_training(own)}."


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
    own = [row for row in rows if row["source"] == "run"]
    return [*_remarks(own), *_differences(kind, own), *_paper_notes(kind, rows)]


def _remarks(own: Sequence[Mapping[str, str]]) -> Iterable[str]:
    everyone = list(dict.fromkeys(row["label"] for row in own))
    remarks: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in own:
        if row["note"]:
            columns, labels = remarks.setdefault(row["note"], ({}, {}))
            columns[row["class"] or measure_of(row["metric"]).heading] = None
            labels[row["label"]] = None
    for note, (columns, labels) in remarks.items():
        whose = "" if list(labels) == everyone else f" of {', '.join(labels)}"
        yield f"{', '.join(columns)}{whose}: {note}."


def _differences(kind: str, own: Sequence[Mapping[str, str]]) -> Iterable[str]:
    """Say when rows are not measured alike: other initial weights, other numbers of images."""
    facts = {"fusion_metrics": "images"}.get(kind, "initial_weights")
    found: dict[str, str] = {}
    for row in own:
        found[row["label"]] = max(found.get(row["label"], ""), row[facts], key=lambda text: (len(text), text))
    if len(set(found.values())) > 1:
        listed = "; ".join(f"{label}: {fact}" for label, fact in found.items())
        yield f"The runs differ in {facts.replace('_', ' ')}: {listed}."


def _paper_notes(kind: str, rows: Sequence[Mapping[str, str]]) -> Iterable[str]:
    paper = [row["label"] for row in rows if row["source"] == "paper"]
    if paper:
        labels = "" if kind == "fusion_metrics" else " with human labels"
        yield (
            "Rows marked “paper” are the numbers printed in the SSVIF paper. They compare with ours only on "
            f"the full official test set{labels}."
        )
    if any(label.endswith(WITH_LABELS) for label in paper):
        yield "† trained with segmentation or detection labels, according to the paper."
