"""The report as a whole: an overview, a gallery for each dataset, a page for each run, and what they need."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import write_folder_aside
from ssvif.report.formats import SUFFIXES, read_sheets, to_html
from ssvif.report.gradients import QUANTITIES
from ssvif.report.page.sections import DatasetSection, describe_dataset
from ssvif.report.pictures import Album, Source
from ssvif.report.runs import RunLabel
from ssvif.report.sheet import Sheet

TEMPLATES = Path(__file__).parents[1] / "templates"
FOLDERS = ("assets", "curves", "data", "figures", "pictures", "runs", "tables", "thumbnails")
OWN_NAMES = ("index.html", "gallery_*.html", *FOLDERS)
PREVIEW_PX = 1600  # width of a figure on the overview; the file it leads to is larger
FIGURE_TITLES = {
    "fusion": "Fused pictures, side by side",
    "segmentation": "Segmentations",
    "detection": "Detections",
    "curves": "Training",
    "projections": "Projections of the gradients",
    "bubble": "Size, cost and score",
}


@dataclass(frozen=True)
class Figure:
    """A figure for print: its title, the dataset, the file's name without suffix, and the preview's size in pixels."""

    title: str
    dataset: str
    name: str
    width_px: int
    height_px: int


def make_page(
    results: Path,
    tables: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    sources: Mapping[str, Source],
    title: str = "SSVIF results",
    assumed: Mapping[str, str] | None = None,
    reproduce: Sequence[str] = (),
    most_pairs: int = 0,
    figures: Path | None = None,
    sheets: Sequence[str] = (),
) -> Path:
    """Write the report, whole or not at all; equal inputs give equal bytes.

    Args:
        results: the folder that holds {dataset}/{run}/.
        tables: the folder that `make_tables` and `make_sheets` wrote.
        output: the report's folder, replaced as a whole.
        runs: dataset to its runs, in the order of rows and columns.
        sources: dataset to its classes and its own pictures.
        title: the headline.
        assumed: settings that the paper does not state, with the values used.
        reproduce: commands that make these results again.
        most_pairs: test pairs in each gallery, evenly chosen; 0 for all.
        figures: the folder that `make_figures` wrote; it may be missing.
        sheets: which of the paper's tables to show, by their short names; all that are there when empty.

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
    with write_folder_aside(output, OWN_NAMES) as folder:
        _make_folders(folder, runs)
        sections = []
        for dataset, labels in runs.items():
            album = Album(results=results / dataset, source=sources[dataset], runs=labels, most=most_pairs)
            sections.append(describe_dataset(album, tables, folder, assumed or {}))
        shared: dict[str, Any] = {"title": title, "sections": sections, "quantities": QUANTITIES}
        overview = {
            "sheets": _copy_sheets(tables, folder, sheets),
            "figures": [_copy_figure(*each, folder) for each in find_figures(figures, runs)] if figures else [],
            "assumed": assumed or {},
            "reproduce": reproduce,
        }
        _write_pages(folder, sections, shared, overview)
    return output / "index.html"


def _make_folders(folder: Path, datasets: Mapping[str, Any]) -> None:
    for name in FOLDERS:
        (folder / name).mkdir()
    for dataset in datasets:
        for name in ("curves", "runs"):
            (folder / name / dataset).mkdir()
    for path in sorted(TEMPLATES.iterdir()):
        if path.suffix in (".css", ".js"):
            shutil.copyfile(path, folder / "assets" / path.name)


def _write_pages(
    folder: Path, sections: Sequence[DatasetSection], shared: Mapping[str, Any], overview: Mapping[str, Any]
) -> None:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["to_html"] = to_html
    environment.filters["address"] = quote

    def write(path: Path, template: str, **values: Any) -> None:
        text = environment.get_template(template).render(**shared, **values)
        path.write_text(text, encoding="utf-8")

    write(folder / "index.html", "index.html.j2", root="", **overview)
    for section in sections:
        write(folder / f"gallery_{section.name}.html", "gallery.html.j2", root="", section=section)
        for run in section.runs:
            path = folder / f"runs/{section.name}/{run.name}.html"
            write(path, "run.html.j2", root="../../", section=section, run=run)


def _copy_sheets(tables: Path, folder: Path, names: Sequence[str]) -> list[Sheet]:
    """Copy the paper's tables, so that the overview can link to them, and read them."""
    sheets = read_sheets(tables, names)
    for sheet in sheets:
        for suffix in SUFFIXES:
            if (path := tables / f"{sheet.name}{suffix}").is_file():
                shutil.copyfile(path, folder / "tables" / path.name)
    return sheets


def find_figures(figures: Path, datasets: Iterable[str]) -> list[tuple[str, str, Path]]:
    """Return (title, dataset, PNG) of the figures of these datasets, kinds in the order of `FIGURE_TITLES`."""
    found = []
    for dataset in datasets:
        for kind, title in FIGURE_TITLES.items():
            own = re.compile(rf"{kind}\d*_{re.escape(dataset)}\.png")  # no other dataset's whose name begins alike
            paths = [path for path in figures.glob(f"{kind}*.png") if own.fullmatch(path.name)]
            paths.sort(key=lambda path: (len(path.name), path.name))  # without a number, 2 to 9, 10 and so on
            found += [(title, dataset, path) for path in paths]
    return found


def _copy_figure(title: str, dataset: str, path: Path, folder: Path) -> Figure:
    """Copy a figure and make a preview of it."""
    for suffix in (".png", ".pdf"):
        if (each := path.with_suffix(suffix)).is_file():
            shutil.copyfile(each, folder / "figures" / each.name)
    with Image.open(path) as image:
        preview = image.convert("RGB")
    preview.thumbnail((PREVIEW_PX, preview.height), Image.Resampling.LANCZOS)
    preview.save(folder / "figures" / f"{path.stem}.jpg", format="JPEG", quality=88)
    return Figure(title, dataset, path.stem, *preview.size)
