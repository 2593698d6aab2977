"""All figures of a set of runs, in one folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssvif.io.errors import UserError, shorten
from ssvif.io.files import write_folder_aside
from ssvif.report.figures.bubble import Network, draw_bubbles
from ssvif.report.figures.curves import print_curves, read_trainings
from ssvif.report.figures.projections import draw_projections
from ssvif.report.figures.rows import draw_detection, draw_fusion, draw_segmentation
from ssvif.report.pictures import Album, Source
from ssvif.report.runs import RunLabel

OWN_NAMES = ("*.png", "*.pdf")
log = logging.getLogger("ssvif")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the figures show.

    Attributes:
        pairs: how many test pairs the rows of pictures show.
        chosen: dataset to the names of the pairs to show instead of evenly spaced ones.
        metric: of fusion_metrics.csv that the bubble diagram shows beside mIoU.
        networks: dataset and run to the network whose cost the bubble diagram shows.
    """

    pairs: int = 3
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    metric: str = "vif"
    networks: Mapping[tuple[str, str], Network] = field(default_factory=dict)


def make_figures(
    results: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    sources: Mapping[str, Source],
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
    if unknown := [dataset for dataset in runs if dataset not in sources]:
        raise UserError(
            f"The pictures of {shorten(unknown)} are not named",
            expected="for each dataset the folder of its own pictures",
            remedy="add --source DATASET=FOLDER",
        )
    if strange := sorted(set(choices.chosen) - set(runs)):
        raise UserError(f"Pairs of {shorten(strange)} are to be shown, but no run of it", remedy="name other pairs")
    with write_folder_aside(output, OWN_NAMES) as folder:
        paths = []
        for dataset, labels in runs.items():
            chosen = choices.chosen.get(dataset, ())
            album = Album(
                results=results / dataset, source=sources[dataset], runs=labels, most=choices.pairs, chosen=chosen
            )
            paths += _draw_all(album, folder, efficiency, choices)
    return [output / path.name for path in paths]


def _draw_all(album: Album, folder: Path, efficiency: Path, choices: Choices) -> list[Path]:
    networks = {run: network for (dataset, run), network in choices.networks.items() if dataset == album.name}
    pictured = [draw_fusion, draw_segmentation, draw_detection] if choices.pairs or album.chosen else []
    trainings = read_trainings(album.results, album.runs)
    if not trainings:
        log.info("%s: no run was trained here, so the curves are left out", album.name)
    return [
        *(path for draw in pictured for path in draw(album, folder)),
        *print_curves(trainings, folder, album.name),
        *draw_projections(album, folder),
        *draw_bubbles(album, folder, networks, efficiency, choices.metric),
    ]
