"""One HTML page, in a folder that needs nothing outside itself: tables, curves and pictures of the runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ssvif.ops.errors import UserError, shorten
from ssvif.ops.files import write_folder_aside
from ssvif.report.figures import COLORS, draw_curves
from ssvif.report.gradients import QUANTITIES, Mean, read_gradient_table
from ssvif.report.layout import Table
from ssvif.report.pictures import IGNORED_COLOR, Gallery, PairView, Source, box_color
from ssvif.report.pseudo_labels import PseudoLabels, collect_pseudo_labels
from ssvif.report.runs import History, RunLabel, read_history
from ssvif.report.tables import KINDS, read_table

TEMPLATES = Path(__file__).parent / "templates"
OWN_NAMES = ("index.html", "pictures", "figures", "tables")
HIGHLIGHTS = {"mIoU": " %", "mAP@0.5": " %", "VIF": "", "Qabf": ""}  # with their units


@dataclass(frozen=True)
class Highlight:
    """The best run by one metric: what is measured, its value, and who has it."""

    measure: str
    value: str
    label: str


@dataclass(frozen=True)
class Swatch:
    """A color of a legend."""

    name: str
    color: str


@dataclass(frozen=True)
class DatasetSection:
    """What the page shows of one dataset.

    Attributes:
        name: the dataset's short name, unique on the page.
        title: in headlines.
        runs: titles of the runs.
        tables: those that exist.
        missing: sentences about what there is not.
        highlights: the best run by each of a few metrics.
        curves: relative addresses of the figures of the trainings.
        gradients: how the two tasks' gradients related, by run and quantity.
        pseudo_labels: of the runs that have some.
        warnings: of trainings whose pseudo label collapsed.
        pairs: the pictures.
        pair_count: how many test pairs there are.
        classes: legend of the segmentation.
        box_classes: legend of the boxes.
    """

    name: str
    title: str
    runs: list[str]
    tables: list[Table]
    missing: list[str]
    highlights: list[Highlight]
    curves: list[str]
    gradients: list[Mean]
    pseudo_labels: list[PseudoLabels]
    warnings: list[str]
    pairs: list[PairView]
    pair_count: int
    classes: list[Swatch]
    box_classes: list[Swatch]


def make_page(
    results: Path,
    tables: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    sources: Mapping[str, Source],
    title: str = "SSVIF results",
    assumed: Mapping[str, str] | None = None,
    facts: Mapping[str, str] | None = None,
    reproduce: Sequence[str] = (),
    most_pairs: int = 12,
) -> Path:
    """Write the page, whole or not at all; equal inputs give equal bytes.

    Args:
        results: the folder that holds {dataset}/{run}/.
        tables: the folder that `make_tables` wrote.
        output: the page's folder, replaced as a whole.
        runs: dataset to its runs, in the order of rows and columns.
        sources: dataset to its classes and its own pictures.
        title: the page's headline.
        assumed: settings that the paper does not state, with the values used.
        facts: further facts about the configuration.
        reproduce: commands that make these results again.
        most_pairs: test pairs to show per dataset, evenly chosen.

    Returns:
        the path of index.html.

    Raises:
        UserError: a table or picture is missing or damaged, or `output` holds files of another kind.
    """
    unknown = [dataset for dataset in runs if dataset not in sources]
    if unknown:
        raise UserError(
            f"There is no source for {shorten(unknown)}",
            expected="for each dataset the folder of its own pictures",
            remedy="name it, as in --source DATASET=FOLDER",
        )
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    with write_folder_aside(output, OWN_NAMES) as folder:
        sections = [
            _section(results / dataset, tables, folder, sources[dataset], labels, most_pairs)
            for dataset, labels in runs.items()
        ]
        page = environment.get_template("page.html.j2").render(
            title=title,
            sections=sections,
            assumed=assumed or {},
            facts=facts or {},
            reproduce=reproduce,
            quantities=QUANTITIES,
        )
        (folder / "index.html").write_text(page, encoding="utf-8")
    return output / "index.html"


def _section(
    results: Path, tables: Path, folder: Path, source: Source, labels: Sequence[RunLabel], most_pairs: int
) -> DatasetSection:
    name, title = results.name, source.descriptor.title
    shown = _copy_tables(tables, folder, name, title)
    gallery = Gallery(results, source, labels, folder)
    pairs, pair_count = gallery.pairs(most_pairs)
    trained = {run.title: read_history(results / run.name / "history.csv") for run in labels}
    histories = {label: history for label, history in trained.items() if history}
    return DatasetSection(
        name=name,
        title=title,
        runs=[run.title for run in labels],
        tables=shown,
        missing=_missing(shown, gallery, histories),
        highlights=_highlights(shown),
        curves=_curves(histories, folder, name),
        gradients=_copy_gradients(tables / f"gradients_{name}.csv", folder),
        pseudo_labels=collect_pseudo_labels(results, labels, folder),
        warnings=[warning for label, history in histories.items() if (warning := _warning(label, history))],
        pairs=pairs,
        pair_count=pair_count,
        classes=_class_legend(source) if gallery.segmented else [],
        box_classes=_box_legend(source) if gallery.detected else [],
    )


def _copy_tables(tables: Path, folder: Path, dataset: str, title: str) -> list[Table]:
    """Copy the dataset's tables, so that the page can link to them, and read them."""
    found = []
    for kind in KINDS:
        path = tables / f"{kind}_{dataset}.csv"
        if kind != "fusion_metrics" and not path.is_file():
            continue
        found.append(read_table(path, title))
        (folder / "tables").mkdir(exist_ok=True)
        for suffix in (".csv", ".md", ".tex"):
            shutil.copyfile(path.with_suffix(suffix), folder / "tables" / f"{path.stem}{suffix}")
    return found


def _copy_gradients(path: Path, folder: Path) -> list[Mean]:
    means = read_gradient_table(path)
    if means:
        shutil.copyfile(path, folder / "tables" / path.name)
    return means


def _missing(tables: Sequence[Table], gallery: Gallery, histories: Mapping[str, History]) -> list[str]:
    kinds = [table.name for table in tables]
    sentences = {
        "No segmentation scores: the dataset has no labels, or no run was segmented.": any(
            name.startswith("segmentation") for name in kinds
        ),
        "No detection scores: the dataset has no boxes, or no run went through the detector.": any(
            name.startswith("detection") for name in kinds
        ),
        "No curves: none of these runs was trained here.": bool(histories),
    }
    return [sentence for sentence, present in sentences.items() if not present]


def _highlights(tables: Iterable[Table]) -> list[Highlight]:
    found = {}
    for table in tables:
        for column, heading in enumerate(table.headings):
            best = [row for row in table.rows if row.cells[column].rank == 1]
            if heading.arrow and best:
                labels = ", ".join(row.label for row in best)
                value = best[0].cells[column].text + HIGHLIGHTS.get(heading.text, "")
                found[heading.text] = Highlight(heading.text, value, labels)
    return [found[measure] for measure in HIGHLIGHTS if measure in found]


def _curves(histories: Mapping[str, History], folder: Path, dataset: str) -> list[str]:
    """Draw as many runs in a figure as there are colors."""
    addresses = []
    titles = list(histories)
    for number, start in enumerate(range(0, len(titles), len(COLORS)), start=1):
        chosen = {title: histories[title] for title in titles[start : start + len(COLORS)]}
        address = f"figures/curves_{dataset}{'' if number == 1 else f'_{number}'}.svg"
        draw_curves(chosen, folder / address)
        addresses.append(address)
    return addresses


def _warning(label: str, history: History) -> str:
    epochs = history.collapsed
    if not epochs:
        return ""
    when = f"epoch {epochs[0]}" if len(epochs) == 1 else f"{len(epochs)} epochs, {epochs[0]} to {epochs[-1]}"
    return (
        f"{label}: the pseudo label collapsed into one class ({when}). From then on the consistency loss "
        "taught the fusion model nothing, and this run does not show what SSVIF can do."
    )


def _class_legend(source: Source) -> list[Swatch]:
    descriptor = source.descriptor
    known = [info for info in descriptor.classes if info.id != descriptor.background_id]
    colors = [(info.name, info.color) for info in known] + [("not judged", IGNORED_COLOR)]
    return [Swatch(name, "#{:02x}{:02x}{:02x}".format(*color)) for name, color in colors]


def _box_legend(source: Source) -> list[Swatch]:
    names = source.descriptor.detection_classes
    return [Swatch(name, box_color(names, name)) for name in names]
