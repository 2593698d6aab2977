"""Tables of every run's scores, one for each dataset and kind of score; `paper_tables` makes those of the paper."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from ssvif.io.files import write_csv, write_json
from ssvif.report.formats import write_texts
from ssvif.report.runs import RunLabel, read_rows, to_number, to_number_or_none
from ssvif.report.scores import average, read_left_out, read_samples
from ssvif.report.sheet import Cell, Heading, Row, Sheet, Table, listed, position, rank
from ssvif.report.training import write_gradient_table
from ssvif.schema import DETECTION, FUSION_METRICS, LEFT_OUT, PROBE, RUN_FILES, SEGMENTATION

log = logging.getLogger("ssvif")

KINDS = tuple(RUN_FILES)
PRINTED = (".md", ".tex")
COLUMNS = ("dataset", "run", "metric", "class", "mean", "images", "label", "initial_weights", "labels", "note")
TITLES = {FUSION_METRICS: "Fusion quality", SEGMENTATION: "Segmentation", DETECTION: "Detection", PROBE: "Probe"}
CAPTIONS = {
    FUSION_METRICS: "Fusion quality on {title}, mean over {images}.",
    SEGMENTATION: "Segmentation on {title}: IoU in percent of a SegFormer trained on each run's fused images{start}.",
    DETECTION: "Detection on {title}: AP@0.5 in percent of a YOLO detector trained on each run's fused images{start}.",
    PROBE: "Probe on {title}: log-loss (class-balanced, in nats), average precision and IoU in percent of a linear "
    "classifier on ImageNet features of each run's fused images; classes from {labels}, {images}.",
}
MAIN = {FUSION_METRICS: "en", SEGMENTATION: "miou", DETECTION: "map50", PROBE: "mean_ap"}  # of a table without scores
NOT_SHOWN = {PROBE: ("iou",)}  # beside AP of the same classes; the files of scores hold them
BLIND = {
    "miou_without_background": "SegFormer found next to nothing but background",
    "map50": "YOLO found next to nothing",
}
UNMARKED = "; the best is marked only where all means are over as many images"
LEAST_PERCENT = 1.0  # of such a metric; below it the judge has not learned to see


@dataclass(frozen=True)
class MeasuredRow:
    """What was measured for a row of a table, before the columns are chosen."""

    label: str
    runs: tuple[str, ...] = ()
    cells: dict[Heading, Cell] = field(default_factory=dict)  # means in the unit that they are stored in
    group: str = ""
    note: str = ""
    published: Mapping[Heading, str] = field(default_factory=dict)  # the paper's numbers as they are stored


def make_tables(
    results: Path, output: Path, runs: Mapping[str, Sequence[RunLabel]], *, titles: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a table for each dataset and kind of score: `{kind}_{dataset}.csv` (long, full digits), `.md`, `.tex`.

    A run whose scores of a kind were left out has a row without numbers, and a note below the table says why. Where no
    run of a dataset has a file of a kind, the table is left out, which is logged, and older files of it are removed.
    gradients_{dataset}.csv holds what runs measured of their gradients, means.json all means over images and classes
    by dataset, run and "{kind}.{metric}". Other files are left alone.

    The folder `results` holds {dataset}/{run}/. `runs` are those of each dataset, in the order of the rows; `titles`
    are the datasets' names in captions. Returns the CSV files that were written.

    Raises:
        UserError: a run without fusion_metrics.csv, or a file that cannot be read as one of ours.
    """
    written = []
    means: dict[str, dict[str, dict[str, str | float | None]]] = {}
    for dataset, labels in runs.items():
        means[dataset] = {run.name: {} for run in labels}
        for kind in KINDS:
            rows = [row for run in labels for row in _measure(kind, results / dataset, run)]
            path = output / f"{kind}_{dataset}.csv"
            if not rows:
                log.info("%s: no run has %s results, so that table is left out", dataset, kind)
                for suffix in (".csv", *PRINTED):
                    path.with_name(f"{path.stem}{suffix}").unlink(missing_ok=True)
                continue
            write_csv(path, rows, COLUMNS)
            for row in rows:
                if row.get("mean") is not None and not row["class"]:
                    means[dataset][str(row["run"])][f"{kind}.{row['metric']}"] = row["mean"]
            table = read_table(path, (titles or {}).get(dataset, dataset))
            write_texts(output, Sheet(table.name, "", table.title, table.caption, (table,)), PRINTED)
            written.append(path)
        written.append(write_gradient_table(results, output, dataset, labels))
    write_json(output / "means.json", means)
    return written


def _measure(kind: str, folder: Path, run: RunLabel) -> Iterator[dict[str, str | float | None]]:
    """Yield a run's rows of `{kind}_{dataset}.csv`; `folder` is results/{dataset}."""
    path = folder / run.name / RUN_FILES[kind]
    # every run must have the fusion metrics; the others depend on the dataset's labels
    samples = read_samples(path, kind) if kind == FUSION_METRICS or path.is_file() else {}
    if not samples:
        log.info("%s/%s: no %s results", folder.name, run.name, kind)
        if path.is_file():
            why = read_left_out(path) or "no scores in its file"
            yield {"dataset": folder.name, "run": run.name, "metric": LEFT_OUT, "label": run.title, "note": why}
    for (metric, class_name), sample in sorted(samples.items(), key=lambda item: position(item[0][0])):
        mean = average([sample], interval=False)
        if any(map(math.isnan, sample.known.values())):
            log.warning("%s: %s is %s, and so is its mean", path, metric, mean.note)
        yield {
            "dataset": folder.name,
            "run": run.name,
            "metric": metric,
            "class": class_name,
            "mean": mean.value,
            "images": mean.images or None,
            "label": run.title,
            "initial_weights": sample.initial_weights,
            "labels": sample.labels,
            "note": mean.note,
        }


def read_table(path: Path, title: str) -> Table:
    """Read `{kind}_{dataset}.csv` of `make_tables` as a table; `title` is the dataset's name in its caption.

    Raises:
        UserError: the file is missing or not one of `make_tables`.
    """
    runs: dict[str, MeasuredRow] = {}
    rows = read_rows(path, COLUMNS)
    for row in rows:
        left_out = row["note"] if row["metric"] == LEFT_OUT else ""
        run = runs.setdefault(row["run"], MeasuredRow(row["label"], (row["run"],), note=left_out))
        if left_out:
            continue
        run.cells[Heading(row["metric"], row["class"])] = Cell(
            value=to_number_or_none(row["mean"], path),
            images=int(to_number(row["images"] or "0", path, finite=True)),
            seeds=1,
            initial_weights=(row["initial_weights"],),
            note=row["note"],
        )
    kind = next(kind for kind in KINDS if path.name.startswith(kind))
    hidden = NOT_SHOWN.get(kind, ())
    headings = dict.fromkeys(each for run in runs.values() for each in run.cells if each.metric not in hidden)
    headings = headings or {Heading(MAIN[kind]): None}  # where every run was left out
    ordered = tuple(sorted(headings, key=lambda heading: position(heading.metric)))
    empty = Table(path.stem, f"{TITLES[kind]} on {title}", "", path.stem.removeprefix(f"{kind}_"), ordered, ())
    table = fill_table(empty, list(runs.values()))
    most = max((cell.images for cell in table.cells), default=0)
    what = "image" if kind == PROBE else "test image"  # by folds it judges all pairs
    images = f"one {what}" if most == 1 else f"{most} {what}s"
    labels = " and ".join(sorted({row["labels"] for row in rows} - {""}))
    caption = CAPTIONS[kind].format(title=title, images=images, start=_start(table), labels=labels)
    caption = f"{table.title}: no scores." if all(row.note for row in table.rows) else caption
    scored = replace(table, rows=tuple(row for row in table.rows if not row.note))
    remarked = remarks(scored, [(row.label, row) for row in scored.rows])
    notes = (*remarked, *_differences(kind, scored), *_blind(scored), *_left_out(table))
    return replace(table, caption=caption, notes=notes)


def fill_table(
    table: Table, measured: Sequence[MeasuredRow], *, decimals: int = 3, rank_in_groups: bool = False
) -> Table:
    """Return a table with rows: in shown units, with at most `decimals` digits after the point, and ranked.

    The best is marked in the whole column, or in each group, where all its means are over as many images.
    """
    groups = [row.group if rank_in_groups else "" for row in measured]
    columns = []
    for heading in table.headings:
        cells = [_shown_cell(row, heading, decimals) for row in measured]
        columns.append(_ranked(cells, groups, heading.arrow))
    rows = [
        Row(row.label, tuple(column[place] for column in columns), row.runs, row.group, row.note)
        for place, row in enumerate(measured)
    ]
    return replace(table, rows=tuple(rows))


def _shown_cell(row: MeasuredRow, heading: Heading, decimals: int) -> Cell:
    cell, published, measure = row.cells.get(heading, Cell()), row.published.get(heading, ""), heading.measure
    value, low, high = (None if each is None else each * measure.scale for each in (cell.value, cell.low, cell.high))
    number = str(Decimal(published).scaleb(2)) if published and measure.scale != 1 else published
    digits = min(decimals, measure.decimals)
    return replace(cell, value=value, low=low, high=high, published=number, decimals=digits)


def _ranked(cells: Sequence[Cell], groups: Sequence[str], arrow: str) -> list[Cell]:
    ranked = list(cells)
    for group in set(groups):
        places = [place for place, each in enumerate(groups) if each == group]
        images = {cells[place].images for place in places if cells[place].value is not None}
        measured = rank([cells[place].text for place in places], arrow if len(images) < 2 else "")
        published = rank([cells[place].published for place in places], arrow)
        for place, own, others in zip(places, measured, published, strict=True):
            ranked[place] = replace(cells[place], rank=own, published_rank=others)
    return ranked


def remarks(table: Table, rows: Sequence[tuple[str, Row]]) -> Iterator[str]:
    """Yield the remarks on the cells of some rows of a table, given with their names; equal remarks become one."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, row in rows:
        for heading, cell in zip(table.headings, row.cells, strict=True):
            if cell.note:
                found.setdefault(cell.note, []).append((heading.text, name))
    for note, places in found.items():
        columns, names = (list(dict.fromkeys(each)) for each in zip(*places, strict=True))
        whose = "" if len(names) == len(table.rows) else f" of {listed(names)}"
        yield f"{listed(columns)}{whose}: {note}."


def _start(table: Table) -> str:
    if len(table.weights) != 1:
        return ""
    return ", from scratch" if table.weights == ["scratch"] else f", from the weights {table.weights[0]}"


def _differences(kind: str, table: Table) -> Iterator[str]:
    """Yield a note where the runs differ in their initial weights or numbers of images."""
    if kind in (FUSION_METRICS, PROBE):
        what, facts = "images", [str(max(cell.images for cell in row.cells)) for row in table.rows]
    else:
        weights = [{each for cell in row.cells for each in cell.initial_weights} for row in table.rows]
        what, facts = "initial weights", [", ".join(sorted(each)) for each in weights]
    if len(set(facts)) > 1:
        listing = "; ".join(f"{row.label}: {fact}" for row, fact in zip(table.rows, facts, strict=True))
        unmarked = UNMARKED if what == "images" else ""
        yield f"The runs differ in {what}: {listing}{unmarked}."


def _left_out(table: Table) -> Iterator[str]:
    for reason in dict.fromkeys(row.note for row in table.rows if row.note):
        yield f"{listed([row.label for row in table.rows if row.note == reason])}: left out, {reason}."


def _blind(table: Table) -> Iterator[str]:
    """Yield notes on runs in whose images the segmenter or detector found hardly anything; such scores mean nothing."""
    for metric, finding in BLIND.items():
        found = [row.label for row in table.rows if is_blind(table, row, metric)]
        if found:
            whose = "any run's" if len(found) == len(table.rows) else f"{listed(found)}'s"
            yield f"{finding} in {whose} images: after so short a training, or with so few labels, it judges no fusion."


def is_blind(table: Table, row: Row, *metrics: str) -> bool:
    """Return whether a segmenter or detector found hardly anything in a run's images, by one of `BLIND`'s metrics."""
    values = [cell.value for heading, cell in zip(table.headings, row.cells, strict=True) if heading.metric in metrics]
    return any(value is not None and value < LEAST_PERCENT for value in values)
