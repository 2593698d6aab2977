"""The report as a whole: an overview, a gallery for each dataset, a page for each run, and what they need."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from ssvif.io.files import write_folder_aside
from ssvif.io.images import open_image
from ssvif.report.formats import SUFFIXES, open_templates, read_sheets, to_html
from ssvif.report.page.sections import copy_files, write_section
from ssvif.report.pictures import PictureSource, open_albums
from ssvif.report.runs import RunLabel
from ssvif.report.training import QUANTITIES

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


def make_page(
    results: Path,
    tables: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    sources: Mapping[str, PictureSource],
    title: str = "SSVIF results",
    assumed: Mapping[str, str] | None = None,
    reproduce: Sequence[str] = (),
    most_pairs: int = 0,
    figures: Path | None = None,
    sheets: Sequence[str] = (),
) -> Path:
    """Write the report, whole or not at all, and return its index.html; equal inputs give equal bytes.

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

    Raises:
        UserError: a table or picture is missing or damaged, or `output` holds files of another kind.
    """
    albums = open_albums(results, runs, sources, most_pairs, {})
    with write_folder_aside(output, OWN_NAMES) as folder:
        for name in FOLDERS:
            (folder / name).mkdir()
        for path in (path for path in TEMPLATES.iterdir() if path.suffix in (".css", ".js")):
            shutil.copyfile(path, folder / "assets" / path.name)
        shown = read_sheets(tables, sheets)
        for sheet in shown:
            copy_files(tables / f"{sheet.name}.json", SUFFIXES, folder / "tables")
        overview = {
            "sheets": shown,
            "figures": [_copy_figure(*each, folder) for each in find_figures(figures, runs)] if figures else [],
            "assumed": assumed or {},
            "reproduce": reproduce,
        }
        sections = [write_section(album, tables, folder, assumed or {}) for album in albums]
        environment = open_templates(TEMPLATES)
        environment.globals |= {"to_html": to_html, "quantities": QUANTITIES, "title": title, "sections": sections}
        environment.filters["address"] = quote
        pages = [("index.html", "index.html.j2", overview)]
        for section in sections:
            pages.append((f"gallery_{section['name']}.html", "gallery.html.j2", {"section": section}))
            for run in section["runs"]:
                name = f"runs/{section['name']}/{run['name']}.html"
                pages.append((name, "run.html.j2", {"section": section, "run": run}))
        for name, template, values in pages:
            text = environment.get_template(template).render(root="../" * name.count("/"), **values)
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    return output / "index.html"


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


def _copy_figure(title: str, dataset: str, path: Path, folder: Path) -> dict[str, Any]:
    """Copy a figure, make a preview of it, and return what the overview shows of it."""
    present = [suffix for suffix in (".png", ".pdf") if path.with_suffix(suffix).is_file()]
    copy_files(path, present, folder / "figures")
    with open_image(path) as image:
        preview = image.convert("RGB")
    preview.thumbnail((PREVIEW_PX, preview.height), Image.Resampling.LANCZOS)
    preview.save(folder / "figures" / f"{path.stem}.jpg", format="JPEG", quality=88)
    size = {"width_px": preview.width, "height_px": preview.height}
    return {"title": title, "dataset": dataset, "name": path.stem, **size}
