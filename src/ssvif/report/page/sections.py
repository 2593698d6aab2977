"""The contents of the pages: each dataset, and each of its runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ssvif.io.documents import parse_mapping, read_text
from ssvif.io.errors import UserError
from ssvif.io.progress import format_seconds
from ssvif.report.page.gallery import picture_keys, write_gallery
from ssvif.report.pictures import Album
from ssvif.report.runs import RunLabel
from ssvif.report.sheet import Table, listed
from ssvif.report.tables import BLIND, KINDS, is_blind, read_table
from ssvif.report.training import (
    GradientMean,
    Training,
    collect_pseudo_labels,
    diagnose,
    read_gradient_table,
    read_trainings,
    tell_apart,
)
from ssvif.schema import DETECTION, PACKAGED_MODELS, PROBE, SEGMENTATION

RECORDS = {
    "Training": "record.json",
    "Segmentation": "segmentation/record.json",
    "Detection": "detection/record.json",
    "Probe": "probe/record.json",
}
ALREADY_SAID = ("settings", "dataset", "run")  # keys of a record that the page shows elsewhere
HIGHLIGHTS = {"mIoU": " %", "mAP@0.5": " %", "mean AP (cells)": " %", "VIF": "", "Qabf": ""}  # with their units
FINDERS = {SEGMENTATION: "a segmenter", DETECTION: "a detector"}
TEASERS = 6  # pairs whose thumbnails lead to the gallery


def write_section(album: Album, tables: Path, folder: Path, assumed: Mapping[str, str]) -> dict[str, Any]:
    """Write the pictures, curves, tables and scripts of one dataset and return what the pages show of it.

    `tables` is the folder that `make_tables` wrote, `folder` the report's, `assumed` what the paper does not state.

    Raises:
        UserError: a table, a picture or a file of a run is missing or damaged.
    """
    name, title = album.name, album.source.descriptor.title
    shown = _copy_tables(tables, folder, name, title)
    pairs = write_gallery(album, folder)
    trainings = read_trainings(album.results, album.runs)
    groups = enumerate(tell_apart(trainings), start=1)
    by_place = {training.place: training for training in trainings}
    path = tables / f"gradients_{name}.csv"
    if gradients := read_gradient_table(path):
        copy_files(path, [".csv"], folder / "tables")
    runs = [
        _describe_run(album.results, run, by_place.get(place), shown, gradients, folder, assumed)
        for place, run in enumerate(album.runs)
    ]
    return {
        "name": name,
        "title": title,
        "runs": runs,
        "warnings": [warning for run in runs for warning in run["warnings"]],
        "tables": shown,
        "missing": _missing(shown, trainings, album.rows),
        "finders": [finder for kind, finder in FINDERS.items() if any(table.name.startswith(kind) for table in shown)],
        "highlights": _highlights(shown),
        "curves": [_draw(group, folder, f"curves/{name}/all_{number}.svg") for number, group in groups],
        "gradients": gradients,
        "gallery": quote(f"gallery_{name}.html"),
        "teasers": _teasers(album, pairs),
        "pictured": len(pairs),  # in the gallery
        "pair_count": len(album.rows),
    }


def copy_files(path: Path, suffixes: Sequence[str], folder: Path) -> None:
    """Copy the files with the same stem as `path` and one of these suffixes, so that pages can link to them."""
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
    from ssvif.report.figures.curves import draw_curves  # matplotlib is an extra

    draw_curves(trainings, folder / address)
    return quote(address)


def _missing(tables: Sequence[Table], trainings: Sequence[Training], pairs: Sequence[Mapping[str, str]]) -> list[str]:
    labels, boxes = (any(pair[kind] for pair in pairs) for kind in ("label", "boxes"))
    kinds = {kind for kind in KINDS if any(table.name.startswith(f"{kind}_") for table in tables)}
    needs = ((SEGMENTATION, labels, "labels"), (DETECTION, boxes, "boxes"), (PROBE, labels or boxes, "labels or boxes"))
    reasons = {
        kind: f"{kind} is switched off, or no run was judged" if there else f"the dataset has no {what}"
        for kind, there, what in needs
    }
    missing = [f"No {kind} scores: {reason}." for kind, reason in reasons.items() if kind not in kinds]
    return missing + ([] if trainings else ["No curves: none of these runs was trained here."])


def _best(table: Table, column: int) -> tuple[str, str]:
    """Return the best value of a column and the labels of its rows; two empty texts where nothing is better."""
    best = [row for row in table.rows if row.cells[column].rank == 1]
    return (best[0].cells[column].text, listed([row.label for row in best])) if best else ("", "")


def _highlights(tables: Sequence[Table]) -> list[dict[str, str]]:
    """Return the best runs by a few metrics; a metric whose judge found hardly anything in the best is left out."""
    found: dict[str, dict[str, str]] = {}
    for table in tables:
        for column, heading in enumerate(table.headings):
            value, label = _best(table, column)
            if value and heading.arrow and heading.text in HIGHLIGHTS:
                best = [row for row in table.rows if row.cells[column].rank == 1]
                shown = {"measure": heading.text, "value": value + HIGHLIGHTS[heading.text], "label": label}
                # the probe has an mIoU too: the first table's, the segmenter's, is meant, even where it is left out
                found.setdefault(heading.text, {} if any(is_blind(table, row, *BLIND) for row in best) else shown)
    return [found[measure] for measure in HIGHLIGHTS if found.get(measure)]


def _teasers(album: Album, pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a thumbnail each of a few pairs: in turn of the visible, the infrared and the last run's picture."""
    step, dataset, keys = max(len(pairs) // TEASERS, 1), album.name, list(picture_keys(album))
    last = len(keys) - 1
    titles = {0: "Visible", 1: "Infrared", last: album.runs[-1].title}
    found = []
    for place, pair in enumerate(pairs[::step][:TEASERS]):
        shown = (0, 1, last if last not in pair["absent"] else 0)[place % 3]
        address = quote(f"gallery_{dataset}.html") + "#" + quote(pair["id"], safe="")
        picture = quote(f"thumbnails/{dataset}/{pair['id']}/{keys[shown]}.jpg")
        found.append({"pair_id": pair["id"], "address": address, "picture": picture, "shows": titles[shown]})
    return found


def _describe_run(
    results: Path,
    run: RunLabel,
    training: Training | None,
    tables: Sequence[Table],
    gradients: Sequence[GradientMean],
    folder: Path,
    assumed: Mapping[str, str],
) -> dict[str, Any]:
    """Draw a run's curves, copy its pseudo labels, and return what its page shows, out of the tables of all runs."""
    paths = {stage: results / run.name / file for stage, file in RECORDS.items()}
    # other stages have settings of the same names
    records = {
        stage: _record(path, assumed if stage == "Training" else {}) for stage, path in paths.items() if path.is_file()
    }
    settings = {name: value for name, value, _ in records.get("Training", {}).get("settings", ())}
    return {
        "name": run.name,
        "title": run.title,
        "address": quote(f"runs/{results.name}/{run.name}.html"),
        "scores": [(table.title, scores) for table in tables if (scores := _scores(table, run.name))],
        "warnings": _warnings(training) if training else [],
        "curves": _draw([training], folder, f"curves/{results.name}/run_{run.name}.svg") if training else "",
        "gradients": [each for each in gradients if each.run == run.name],
        "diagnosis": diagnose(training.history) if training else None,
        "pseudo_labels": collect_pseudo_labels(results / run.name, folder),
        "records": records,
        "starts_from": settings["initialization"] if settings.get("initialization") in PACKAGED_MODELS else "",
    }


def _scores(table: Table, run: str) -> list[dict[str, Any]]:
    scores = []
    for row in table.rows:
        for column, heading in enumerate(table.headings if run in row.runs else ()):
            value, labels = _best(table, column)
            best = f"{value} ({labels})" if value else ""
            scores.append({"name": heading.shown, "cell": row.cells[column], "best": best})
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


def _record(path: Path, assumed: Mapping[str, str]) -> dict[str, list[tuple[str, ...]]]:
    """Read a stage's record: (name, value, what is assumed about it) of settings, (name, value) of everything else."""
    try:
        found = parse_mapping(read_text(path))
        settings = sorted(found.get("settings", {}).items())
        others = [(name, value) for name, value in sorted(found.items()) if name not in ALREADY_SAID]
        return {
            "settings": [(name, _text(name, value), assumed.get(name, "")) for name, value in settings],
            "environment": [(_words(name), _text(name, value)) for name, value in others],
        }
    except (ValueError, TypeError, AttributeError) as error:
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
