"""All figures of a set of runs, in one folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import write_folder_aside
from ssvif.report.figures.bubble import draw_bubbles, missing_for_bubbles
from ssvif.report.figures.curves import print_curves
from ssvif.report.figures.projections import draw_projections
from ssvif.report.figures.rows import draw_detection, draw_fusion, draw_segmentation
from ssvif.report.figures.style import save_figure
from ssvif.report.pictures import Album, PictureSource, open_albums
from ssvif.report.runs import RunLabel

OWN_NAMES = ("*.png", "*.pdf")
# a figure's name to its function, and to what is missing where that draws nothing
Kinds = dict[str, tuple[Callable[[Album], list[Figure]], str]]
PICTURED: Kinds = {
    "fusion": (draw_fusion, "no run has fused test images"),
    "segmentation": (draw_segmentation, "no run has segmentations"),
    "detection": (draw_detection, "no run has found a box"),
}
PLOTTED: Kinds = {
    "curves": (print_curves, "no run was trained here"),
    "projections": (draw_projections, "no run has measured its gradients"),
}
log = logging.getLogger("ssvif")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the figures show."""

    pairs: int = 3  # how many test pairs the rows of pictures show
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)  # dataset to the pairs to show instead
    metric: str = "vif"  # of fusion_metrics.csv that the bubble diagram shows beside mIoU
    networks: Mapping[tuple[str, str], str] = field(default_factory=dict)  # dataset and run to "model channels"


def make_figures(
    results: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    sources: Mapping[str, PictureSource],
    efficiency: Path,
    choices: Choices,
) -> list[Path]:
    """Draw every figure there is something for, as PNG and PDF; equal results give equal bytes.

    A figure without anything to show is left out, with a line in the log.

    Args:
        results: the folder that holds {dataset}/{run}/.
        output: the figures' folder, replaced as a whole.
        runs: dataset to its runs, in the order of columns and colors.
        sources: dataset to its classes and its own pictures.
        efficiency: CSV of `ssvif complexity`; it may be missing.
        choices: what to show.

    Returns:
        the files, by dataset.

    Raises:
        UserError: a dataset has no source, a file is damaged, or `output` holds files of another kind.
    """
    if strange := sorted(set(choices.chosen) - set(runs)):
        raise UserError(f"Pairs of {shorten(strange)} are to be shown, but no run of it", remedy="name other pairs")
    albums = open_albums(results, runs, sources, choices.pairs, choices.chosen)
    with write_folder_aside(output, OWN_NAMES) as folder:
        names = [path.name for album in albums for path in _draw_all(album, folder, efficiency, choices)]
    return [output / name for name in names]


def _draw_all(album: Album, folder: Path, efficiency: Path, choices: Choices) -> list[Path]:
    networks = {run: network for (dataset, run), network in choices.networks.items() if dataset == album.name}
    bubbles = partial(draw_bubbles, networks=networks, efficiency=efficiency, metric=choices.metric)
    kinds = PLOTTED | {"bubble": (bubbles, missing_for_bubbles(album, networks, efficiency))}
    if choices.pairs or album.chosen:
        kinds = PICTURED | kinds
    paths = []
    for kind, (draw, missing) in kinds.items():
        figures = draw(album)
        if not figures:
            log.info("%s: %s, so %s_%s is left out", album.name, missing, kind, album.name)
        for number, figure in enumerate(figures, start=1):
            # a number after the dataset would be taken for a part of its name: there may be a cam and a cam_2
            name = f"{kind}{'' if number == 1 else number}_{album.name}"
            paths += save_figure(figure, folder, name)
    return paths
