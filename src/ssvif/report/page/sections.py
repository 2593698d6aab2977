"""What the overview says of each dataset."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ssvif.report.figures.curves import Training, draw_curves, read_trainings, tell_apart
from ssvif.report.gradients import GradientMean, read_gradient_table
from ssvif.report.page.run_pages import RunPage, describe_run
from ssvif.report.page.scripts import describe_pictures, describe_scores, write_script
from ssvif.report.pictures import THUMBNAILS, Gallery, PairPictures, Source
from ssvif.report.runs import RunLabel
from ssvif.report.sheet import Table, listed
from ssvif.report.tables import KINDS, read_table

HIGHLIGHTS = {"mIoU": " %", "mAP@0.5": " %", "VIF": "", "Qabf": ""}  # with their units
TEASERS = 6  # pairs whose thumbnails lead to the gallery


@dataclass(frozen=True)
class Highlight:
    """The best run by one metric: what is measured, its value, and who has it."""

    measure: str
    value: str
    label: str


@dataclass(frozen=True)
class Teaser:
    """A thumbnail on the overview: the pair, the address in the gallery, and that of the picture."""

    pair_id: str
    address: str
    picture: str


@dataclass(frozen=True)
class Site:
    """What all of a dataset's parts are made from.

    Attributes:
        results: the folder that holds {dataset}/{run}/.
        tables: the folder that `make_tables` wrote.
        folder: the report's.
        assumed: settings that the paper does not state, with the values used.
        most_pairs: test pairs in the gallery; 0 for all.
    """

    results: Path
    tables: Path
    folder: Path
    assumed: Mapping[str, str]
    most_pairs: int


@dataclass(frozen=True)
class DatasetSection:
    """What the overview shows of one dataset, and the pages of its runs.

    Attributes:
        name: the dataset's short name, unique in the report.
        title: in headlines.
        runs: a page for each.
        tables: those that exist.
        missing: sentences about what there is not.
        highlights: the best run by each of a few metrics.
        curves: relative addresses of the figures of the trainings.
        gradients: how the two tasks' gradients related, by run and quantity.
        gallery: relative address of the gallery.
        teasers: a few thumbnails.
        pictured: how many test pairs the gallery shows.
        pair_count: how many test pairs there are.
    """

    name: str
    title: str
    runs: list[RunPage]
    tables: list[Table]
    missing: list[str]
    highlights: list[Highlight]
    curves: list[str]
    gradients: list[GradientMean]
    gallery: str
    teasers: list[Teaser]
    pictured: int
    pair_count: int

    @property
    def warnings(self) -> list[str]:
        """The warnings of all runs."""
        return [warning for run in self.runs for warning in run.warnings]


def describe_dataset(site: Site, name: str, source: Source, labels: Sequence[RunLabel]) -> DatasetSection:
    """Write the pictures, curves, tables and scripts of one dataset and return what the pages say of it.

    Args:
        site: the folders.
        name: of the dataset.
        source: the dataset's classes and its own pictures.
        labels: its runs.

    Raises:
        UserError: a table or picture is missing or damaged.
    """
    title = source.descriptor.title
    results = site.results / name
    shown = copy_tables(site.tables, site.folder, name, title)
    gallery = Gallery(results, source, labels, site.folder)
    pairs = gallery.pairs(site.most_pairs)
    write_script(site.folder / f"data/scores_{name}.js", "scores", name, describe_scores(gallery, pairs))
    write_script(site.folder / f"data/pictures_{name}.js", "pictures", name, describe_pictures(gallery, pairs))
    trainings = read_trainings(results, labels)
    by_place = {training.place: training for training in trainings}
    gradients = _copy_gradients(site.tables / f"gradients_{name}.csv", site.folder)
    runs = [
        describe_run(site.folder, results, run, by_place.get(place), shown, gradients, site.assumed)
        for place, run in enumerate(labels)
    ]
    return DatasetSection(
        name=name,
        title=title,
        runs=runs,
        tables=shown,
        missing=_missing(shown, trainings),
        highlights=_highlights(shown),
        curves=_curves(trainings, site.folder, name),
        gradients=gradients,
        gallery=quote(f"gallery_{name}.html"),
        teasers=_teasers(name, pairs, gallery.keys),
        pictured=len(pairs),
        pair_count=len(gallery.rows),
    )


def copy_tables(tables: Path, folder: Path, dataset: str, title: str) -> list[Table]:
    """Copy the dataset's tables, so that the pages can link to them, and read them.

    Raises:
        UserError: the table of the fusion metrics is missing, or one is not ours.
    """
    found = []
    for kind in KINDS:
        path = tables / f"{kind}_{dataset}.csv"
        if kind != "fusion_metrics" and not path.is_file():
            continue
        found.append(read_table(path, title))
        for suffix in (".csv", ".md", ".tex"):
            shutil.copyfile(path.with_suffix(suffix), folder / "tables" / f"{path.stem}{suffix}")
    return found


def _copy_gradients(path: Path, folder: Path) -> list[GradientMean]:
    means = read_gradient_table(path)
    if means:
        shutil.copyfile(path, folder / "tables" / path.name)
    return means


def _missing(tables: Sequence[Table], trainings: Sequence[Training]) -> list[str]:
    kinds = [table.name for table in tables]
    sentences = {
        "No segmentation scores: the dataset has no labels, or no run was segmented.": any(
            name.startswith("segmentation") for name in kinds
        ),
        "No detection scores: the dataset has no boxes, or no run went through the detector.": any(
            name.startswith("detection") for name in kinds
        ),
        "No curves: none of these runs was trained here.": bool(trainings),
    }
    return [sentence for sentence, present in sentences.items() if not present]


def _highlights(tables: Iterable[Table]) -> list[Highlight]:
    found = {}
    for table in tables:
        for column, heading in enumerate(table.headings):
            best = [row for row in table.rows if row.cells[column].rank == 1]
            if heading.arrow and best:
                labels = listed([row.label for row in best])
                value = best[0].cells[column].text + HIGHLIGHTS.get(heading.text, "")
                found[heading.text] = Highlight(heading.text, value, labels)
    return [found[measure] for measure in HIGHLIGHTS if measure in found]


def _curves(trainings: Sequence[Training], folder: Path, dataset: str) -> list[str]:
    addresses = []
    for number, group in enumerate(tell_apart(trainings), start=1):
        address = f"curves/{dataset}/all_{number}.svg"
        draw_curves(group, folder / address)
        addresses.append(quote(address))
    return addresses


def _teasers(dataset: str, pairs: Sequence[PairPictures], keys: Sequence[str]) -> list[Teaser]:
    """Return a thumbnail each of a few pairs: in turn of the visible, the infrared and the last run's picture."""
    step = max(len(pairs) // TEASERS, 1)
    last = len(keys) - 1
    found = []
    for place, pair in enumerate(pairs[::step][:TEASERS]):
        shown = (0, 1, last if last not in pair.absent else 0)[place % 3]
        address = quote(f"gallery_{dataset}.html") + "#" + quote(pair.pair_id, safe="")
        picture = quote(f"{THUMBNAILS}/{dataset}/{pair.pair_id}/{keys[shown]}.jpg")
        found.append(Teaser(pair.pair_id, address, picture))
    return found
