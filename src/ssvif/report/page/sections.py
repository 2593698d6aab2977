"""What the pages say of each dataset and of each of its runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ssvif.io.errors import UserError
from ssvif.io.progress import format_seconds
from ssvif.report.figures.curves import Training, draw_curves, read_trainings, tell_apart
from ssvif.report.page.gallery import picture_keys, write_gallery
from ssvif.report.pictures import Album
from ssvif.report.runs import RunLabel
from ssvif.report.sheet import Cell, Table, listed
from ssvif.report.tables import KINDS, read_table
from ssvif.report.training import GradientMean, PseudoLabels, collect_pseudo_labels, read_gradient_table

RECORDS = {"Training": "record.json", "Segmentation": "segmentation/record.json", "Detection": "detection/record.json"}
ALREADY_SAID = ("settings", "dataset", "run")  # keys of a record that the page shows elsewhere
HIGHLIGHTS = {"mIoU": " %", "mAP@0.5": " %", "VIF": "", "Qabf": ""}  # with their units
TEASERS = 6  # pairs whose thumbnails lead to the gallery


@dataclass(frozen=True)
class Score:
    """A run's value of a metric."""

    name: str  # of the metric, with unit and direction
    cell: Cell
    best: str  # of all runs; "" where nothing is better


@dataclass(frozen=True)
class Record:
    """The record of a stage."""

    title: str  # of the stage
    settings: list[tuple[str, str, str]]  # name, value, and what is assumed about it: "" if the paper states it
    environment: list[tuple[str, str]]  # name and value of where and how it ran


@dataclass(frozen=True)
class RunPage:
    """Everything on a run's page."""

    name: str  # of the run's folder
    title: str
    address: str  # from the report's folder
    scores: list[tuple[str, list[Score]]]  # the title of each table, and the run's values in it
    warnings: list[str]  # sentences
    curves: str  # address of the figure of its training; "" where it was not trained here
    gradients: list[GradientMean]
    pseudo_labels: PseudoLabels | None
    records: list[Record]  # one for each stage that wrote one


@dataclass(frozen=True)
class DatasetSection:
    """What the overview shows of one dataset, and the pages of its runs."""

    name: str  # short, unique in the report
    title: str
    runs: list[RunPage]
    tables: list[Table]
    missing: list[str]  # sentences about what there is not
    highlights: list[dict[str, str]]  # the best by a "measure": its "value", and the "label" of the run
    curves: list[str]  # addresses of the figures of the trainings
    gradients: list[GradientMean]
    gallery: str  # its address
    teasers: list[dict[str, str]]  # the "pair_id", the "address" in the gallery, the "picture" of a thumbnail
    pictured: int  # how many test pairs the gallery shows
    pair_count: int  # how many there are

    @property
    def warnings(self) -> list[str]:
        """The warnings of all runs."""
        return [warning for run in self.runs for warning in run.warnings]


def describe_dataset(album: Album, tables: Path, folder: Path, assumed: Mapping[str, str]) -> DatasetSection:
    """Write the pictures, curves, tables and scripts of one dataset and return what the pages say of it.

    Args:
        album: its runs and test pairs.
        tables: the folder that `make_tables` wrote.
        folder: the report's.
        assumed: settings that the paper does not state, with the values used.

    Raises:
        UserError: a table, a picture or a file of a run is missing or damaged.
    """
    name, title = album.name, album.source.descriptor.title
    shown = _copy_tables(tables, folder, name, title)
    pairs = write_gallery(album, folder)
    trainings = read_trainings(album.results, album.runs)
    by_place = {training.place: training for training in trainings}
    path = tables / f"gradients_{name}.csv"
    if gradients := read_gradient_table(path):
        copy_files(path, [".csv"], folder / "tables")
    return DatasetSection(
        name=name,
        title=title,
        runs=[
            _describe_run(album.results, run, by_place.get(place), shown, gradients, folder, assumed)
            for place, run in enumerate(album.runs)
        ],
        tables=shown,
        missing=_missing(shown, trainings),
        highlights=_highlights(shown),
        curves=[
            _draw(group, folder, f"curves/{name}/all_{number}.svg")
            for number, group in enumerate(tell_apart(trainings), start=1)
        ],
        gradients=gradients,
        gallery=quote(f"gallery_{name}.html"),
        teasers=_teasers(name, pairs, list(picture_keys(album))),
        pictured=len(pairs),
        pair_count=len(album.rows),
    )


def copy_files(path: Path, suffixes: Sequence[str], folder: Path) -> None:
    """Copy the files beside `path` that have its name, but these suffixes, so that pages can link to them."""
    for suffix in suffixes:
        shutil.copyfile(path.with_suffix(suffix), folder / f"{path.stem}{suffix}")


def _copy_tables(tables: Path, folder: Path, dataset: str, title: str) -> list[Table]:
    """Copy and read the dataset's tables; that of fusion metrics is required."""
    paths = [tables / f"{kind}_{dataset}.csv" for kind in KINDS]
    found = [path for path in paths if path.is_file() or path.name.startswith("fusion_metrics")]
    shown = [read_table(path, title) for path in found]
    for path in found:
        copy_files(path, [".csv", ".md", ".tex"], folder / "tables")
    return shown


def _draw(trainings: Sequence[Training], folder: Path, address: str) -> str:
    draw_curves(trainings, folder / address)
    return quote(address)


def _missing(tables: Sequence[Table], trainings: Sequence[Training]) -> list[str]:
    names = " ".join(table.name for table in tables)
    sentences = {
        "No segmentation scores: the dataset has no labels, or no run was segmented.": "segmentation_" in names,
        "No detection scores: the dataset has no boxes, or no run went through the detector.": "detection_" in names,
        "No curves: none of these runs was trained here.": bool(trainings),
    }
    return [sentence for sentence, present in sentences.items() if not present]


def _best(table: Table, column: int) -> tuple[str, str]:
    """Return the best value of a column and the labels of its rows; two empty texts where nothing is better."""
    best = [row for row in table.rows if row.cells[column].rank == 1]
    return (best[0].cells[column].text, listed([row.label for row in best])) if best else ("", "")


def _highlights(tables: Sequence[Table]) -> list[dict[str, str]]:
    found = {}
    for table in tables:
        for column, heading in enumerate(table.headings):
            value, label = _best(table, column)
            if value and heading.arrow and heading.text in HIGHLIGHTS:
                shown = value + HIGHLIGHTS[heading.text]
                found[heading.text] = {"measure": heading.text, "value": shown, "label": label}
    return [found[measure] for measure in HIGHLIGHTS if measure in found]


def _teasers(dataset: str, pairs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, str]]:
    """Return a thumbnail each of a few pairs: in turn of the visible, the infrared and the last run's picture."""
    step = max(len(pairs) // TEASERS, 1)
    last = len(keys) - 1
    found = []
    for place, pair in enumerate(pairs[::step][:TEASERS]):
        shown = (0, 1, last if last not in pair["absent"] else 0)[place % 3]
        address = quote(f"gallery_{dataset}.html") + "#" + quote(pair["id"], safe="")
        picture = quote(f"thumbnails/{dataset}/{pair['id']}/{keys[shown]}.jpg")
        found.append({"pair_id": pair["id"], "address": address, "picture": picture})
    return found


def _describe_run(
    results: Path,
    run: RunLabel,
    training: Training | None,
    tables: Sequence[Table],
    gradients: Sequence[GradientMean],
    folder: Path,
    assumed: Mapping[str, str],
) -> RunPage:
    paths = {title: results / run.name / file for title, file in RECORDS.items()}
    return RunPage(
        name=run.name,
        title=run.title,
        address=quote(f"runs/{results.name}/{run.name}.html"),
        scores=[(table.title, scores) for table in tables if (scores := _scores(table, run.name))],
        warnings=_warnings(training) if training else [],
        curves=_draw([training], folder, f"curves/{results.name}/run_{run.name}.svg") if training else "",
        gradients=[each for each in gradients if each.label == run.title],
        pseudo_labels=collect_pseudo_labels(results / run.name, folder),
        # other stages have settings of the same names
        records=[
            _record(title, path, assumed if title == "Training" else {})
            for title, path in paths.items()
            if path.is_file()
        ],
    )


def _scores(table: Table, run: str) -> list[Score]:
    scores = []
    for row in table.rows:
        for column, heading in enumerate(table.headings if run in row.runs else ()):
            value, labels = _best(table, column)
            scores.append(Score(heading.shown, row.cells[column], f"{value} ({labels})" if value else ""))
    return scores


def _warnings(training: Training) -> list[str]:
    """Return a warning if the pseudo label of a training lived in one class."""
    epochs = training.history.collapsed
    if not epochs:
        return []
    when = f"epoch {epochs[0]}" if len(epochs) == 1 else f"{len(epochs)} epochs, {epochs[0]} to {epochs[-1]}"
    return [
        f"{training.title}: the pseudo label collapsed into one class ({when}). From then on the consistency loss "
        "taught the fusion model nothing, and this run does not show what SSVIF can do."
    ]


def _record(title: str, path: Path, assumed: Mapping[str, str]) -> Record:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        settings = sorted(found.get("settings", {}).items())
        return Record(
            title,
            [(name, _text(name, value), assumed.get(name, "")) for name, value in settings],
            [(_words(name), _text(name, value)) for name, value in sorted(found.items()) if name not in ALREADY_SAID],
        )
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as a record",
            got=f"{type(error).__name__}: {error}",
            remedy="delete the file, or run the step that writes it again",
        ) from error


def _words(name: str) -> str:
    return name.removesuffix("_mb").removesuffix("_s").replace("sha256", "SHA-256").replace("_", " ")


def _text(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return " · ".join(f"{_words(key)} {_text(key, each)}" for key, each in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(_text("", each) for each in value)
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_mb"):
        return f"{value} MB"
    return format_seconds(float(value)) if name.endswith("_time_s") else str(value)
