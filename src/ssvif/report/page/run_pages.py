"""What a run's own page says: its scores, settings, environment, curves, gradients, pseudo labels and warnings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ssvif.io.errors import UserError
from ssvif.io.progress import format_seconds
from ssvif.report.figures.curves import Training, draw_curves
from ssvif.report.gradients import GradientMean
from ssvif.report.pseudo_labels import PseudoLabels, collect_pseudo_labels
from ssvif.report.runs import History, RunLabel
from ssvif.report.sheet import Cell, Row, Table, listed

RECORDS = {"Training": "record.json", "Segmentation": "segmentation/record.json", "Detection": "detection/record.json"}
ALREADY_SAID = ("settings", "dataset", "run")  # keys of a record that the page shows elsewhere


@dataclass(frozen=True)
class Score:
    """A metric, with unit and direction, the run's value, and the best of all runs; "" where nothing is better."""

    name: str
    cell: Cell
    best: str


@dataclass(frozen=True)
class Setting:
    """A setting as it was used, and what is assumed about it; "" where the paper states it or it is ours."""

    name: str
    value: str
    assumed: str


@dataclass(frozen=True)
class Record:
    """The record of a stage: its name, its settings, and (name, value) of where and how it ran."""

    title: str
    settings: list[Setting]
    environment: list[tuple[str, str]]


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


def describe_run(
    folder: Path,
    results: Path,
    run: RunLabel,
    training: Training | None,
    tables: Sequence[Table],
    gradients: Sequence[GradientMean],
    assumed: Mapping[str, str],
) -> RunPage:
    """Draw the run's curves, copy its pseudo labels, and return what its page says.

    Args:
        folder: the report's.
        results: results/{dataset}.
        run: which.
        training: its own; None where it was not trained here.
        tables: of the dataset.
        gradients: of every run.
        assumed: settings that the paper does not state, with what is to be said about them.

    Raises:
        UserError: a file of the run is damaged.
    """
    curves = f"curves/{results.name}/run_{run.name}.svg" if training else ""
    if training:
        draw_curves([training], folder / curves)
    return RunPage(
        name=run.name,
        title=run.title,
        address=quote(f"runs/{results.name}/{run.name}.html"),
        scores=[(table.title, scores) for table in tables if (scores := _scores(table, run.name))],
        warnings=[warning] if training and (warning := warn_of_collapse(run.title, training.history)) else [],
        curves=quote(curves),
        gradients=[each for each in gradients if each.label == run.title],
        pseudo_labels=collect_pseudo_labels(results / run.name, folder),
        records=[
            _record(title, results / run.name / file, assumed)
            for title, file in RECORDS.items()
            if (results / run.name / file).is_file()
        ],
    )


def _scores(table: Table, run: str) -> list[Score]:
    own = [row for row in table.rows if run in row.runs]
    return [
        Score(heading.shown, cell, _best(table.rows, column))
        for row in own
        for column, (heading, cell) in enumerate(zip(table.headings, row.cells, strict=True))
    ]


def _best(rows: Sequence[Row], column: int) -> str:
    best = [row for row in rows if row.cells[column].rank == 1]
    return f"{best[0].cells[column].text} ({listed([row.label for row in best])})" if best else ""


def warn_of_collapse(title: str, history: History) -> str:
    """Return a warning that the pseudo label of a training lived in one class; "" where it did not."""
    epochs = history.collapsed
    if not epochs:
        return ""
    when = f"epoch {epochs[0]}" if len(epochs) == 1 else f"{len(epochs)} epochs, {epochs[0]} to {epochs[-1]}"
    return (
        f"{title}: the pseudo label collapsed into one class ({when}). From then on the consistency loss "
        "taught the fusion model nothing, and this run does not show what SSVIF can do."
    )


def _record(title: str, path: Path, assumed: Mapping[str, str]) -> Record:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        settings = found.get("settings", {}).items()
        known = assumed if title == "Training" else {}  # other stages have settings of the same names
        return Record(
            title,
            [Setting(name, _text(name, value), known.get(name, "")) for name, value in sorted(settings)],
            [(_words(name), _text(name, value)) for name, value in sorted(found.items()) if name not in ALREADY_SAID],
        )
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as a record",
            got=f"{type(error).__name__}: {error}",
            remedy="delete the file, or run the step that writes it again",
        ) from error


def _words(name: str) -> str:
    for unit in ("_mb", "_s"):
        name = name.removesuffix(unit)
    return name.replace("sha256", "SHA-256").replace("_", " ")


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
