"""What the overview says of each dataset."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ssvif.report.figures.curves import Training, draw_curves, read_trainings, tell_apart
from ssvif.report.gradients import GradientMean, read_gradient_table
from ssvif.report.page.gallery import picture_keys, write_gallery
from ssvif.report.page.run_pages import RunPage, describe_run
from ssvif.report.pictures import Album
from ssvif.report.sheet import Table, listed
from ssvif.report.tables import KINDS, read_table

HIGHLIGHTS = {"mIoU": " %", "mAP@0.5": " %", "VIF": "", "Qabf": ""}  # with their units
TEASERS = 6  # pairs whose thumbnails lead to the gallery


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
        UserError: a table or picture is missing or damaged.
    """
    name, title = album.name, album.source.descriptor.title
    shown = _copy_tables(tables, folder, name, title)
    pairs = write_gallery(album, folder)
    trainings = read_trainings(album.results, album.runs)
    by_place = {training.place: training for training in trainings}
    path = tables / f"gradients_{name}.csv"
    if gradients := read_gradient_table(path):
        shutil.copyfile(path, folder / "tables" / path.name)
    return DatasetSection(
        name=name,
        title=title,
        runs=[
            describe_run(folder, album.results, run, by_place.get(place), shown, gradients, assumed)
            for place, run in enumerate(album.runs)
        ],
        tables=shown,
        missing=_missing(shown, trainings),
        highlights=_highlights(shown),
        curves=_curves(trainings, folder, name),
        gradients=gradients,
        gallery=quote(f"gallery_{name}.html"),
        teasers=_teasers(name, pairs, list(picture_keys(album))),
        pictured=len(pairs),
        pair_count=len(album.rows),
    )


def _copy_tables(tables: Path, folder: Path, dataset: str, title: str) -> list[Table]:
    """Copy the dataset's tables, so that the pages can link to them, and read them; fusion metrics are required."""
    found = []
    for kind in KINDS:
        path = tables / f"{kind}_{dataset}.csv"
        if kind == "fusion_metrics" or path.is_file():
            found.append(read_table(path, title))
            for suffix in (".csv", ".md", ".tex"):
                shutil.copyfile(path.with_suffix(suffix), folder / "tables" / f"{path.stem}{suffix}")
    return found


def _missing(tables: Sequence[Table], trainings: Sequence[Training]) -> list[str]:
    names = " ".join(table.name for table in tables)
    sentences = {
        "No segmentation scores: the dataset has no labels, or no run was segmented.": "segmentation_" in names,
        "No detection scores: the dataset has no boxes, or no run went through the detector.": "detection_" in names,
        "No curves: none of these runs was trained here.": bool(trainings),
    }
    return [sentence for sentence, present in sentences.items() if not present]


def _highlights(tables: Iterable[Table]) -> list[dict[str, str]]:
    found = {}
    for table in tables:
        for column, heading in enumerate(table.headings):
            best = [row for row in table.rows if row.cells[column].rank == 1]
            if heading.text in HIGHLIGHTS and heading.arrow and best:
                value = best[0].cells[column].text + HIGHLIGHTS[heading.text]
                label = listed([row.label for row in best])
                found[heading.text] = {"measure": heading.text, "value": value, "label": label}
    return [found[measure] for measure in HIGHLIGHTS if measure in found]


def _curves(trainings: Sequence[Training], folder: Path, dataset: str) -> list[str]:
    addresses = []
    for number, group in enumerate(tell_apart(trainings), start=1):
        address = f"curves/{dataset}/all_{number}.svg"
        draw_curves(group, folder / address)
        addresses.append(quote(address))
    return addresses


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
