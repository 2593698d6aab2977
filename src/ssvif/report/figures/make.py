"""All figures of a set of runs, in one folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import write_folder_aside
from ssvif.report.figures.bubble import count_runs, draw_bubbles
from ssvif.report.figures.curves import print_curves
from ssvif.report.figures.projections import draw_projections
from ssvif.report.figures.rows import draw_detection, draw_fusion, draw_segmentation
from ssvif.report.figures.style import save_figure
from ssvif.report.pictures import Album, PictureSource, open_albums
from ssvif.report.runs import RunLabel
from ssvif.report.scores import SIZE_PX

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


def make_figures(
    results: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    sources: Mapping[str, PictureSource],
    efficiency: Path,
    pairs: int = 3,
    chosen: Mapping[str, Sequence[str]] | None = None,
    metric: str = "vif",
    networks: Mapping[tuple[str, str], str] | None = None,
) -> list[Path]:
    """Draw every figure there is something for, as PNG and PDF, and return the files; equal results give equal bytes.

    A figure without anything to show is left out, with a line in the log.

    Args:
        results: the folder that holds {dataset}/{run}/.
        output: the figures' folder, replaced as a whole.
        runs: dataset to its runs, in the order of columns and colors.
        sources: dataset to its classes and its own pictures.
        efficiency: CSV of `ssvif complexity`; it may be missing.
        pairs: how many test pairs the rows of pictures show.
        chosen: dataset to the pairs to show instead.
        metric: of fusion_metrics.csv, what the bubble diagram shows beside mIoU.
        networks: dataset and run to its network, "model channels".

    Raises:
        UserError: a dataset has no source, a file is damaged, or `output` holds files of another kind.
    """
    chosen = chosen or {}
    if strange := sorted(set(chosen) - set(runs)):
        raise UserError(f"Pairs of {shorten(strange)} are to be shown, but no run of it", remedy="name other pairs")
    paths = []
    with write_folder_aside(output, OWN_NAMES) as folder:
        for album in open_albums(results, runs, sources, pairs, chosen):
            own = {run: network for (dataset, run), network in (networks or {}).items() if dataset == album.name}
            counted = count_runs(album, own, efficiency)
            missing = f"no run has a network that is counted for {SIZE_PX}×{SIZE_PX} in {efficiency}"
            if counted or not efficiency.is_file():
                missing = "fewer than two counted networks have a score" if counted else f"there is no {efficiency}"
            kinds = PLOTTED | {"bubble": (partial(draw_bubbles, counted=counted, metric=metric), missing)}
            paths += _draw_all(album, folder, PICTURED | kinds if pairs or album.chosen else kinds)
    return [output / path.name for path in paths]


def _draw_all(album: Album, folder: Path, kinds: Kinds) -> list[Path]:
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
