"""Test pairs in rows: fused images with enlargements, segmentations, boxes (the paper's Figs. 3 to 5).

Each function returns no figure where no run has what it shows.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ssvif.data.descriptor import Descriptor
from ssvif.report.figures.grid import Strip, draw_grid
from ssvif.report.figures.insets import Window, choose_windows, disagreement, find_objects
from ssvif.report.pictures import Album, box_legend, class_legend, class_palette
from ssvif.schema import LUMA_PER_MILLE

SOURCES = ("Visible", "Infrared")
OPACITY = 0.6  # of a class's color over the picture


def draw_fusion(album: Album) -> list[Figure]:
    """Draw the pairs' sources and every run's fused image, with one or two enlargements of `choose_windows`."""
    strips = []
    for row in album.pairs():
        sources = [album.visible(row), album.infrared(row)]
        fused = [album.fused(run, row) for run in album.runs]
        if any(picture is not None for picture in fused):
            strips.append(Strip(row["pair_id"], [*sources, *fused], _windows(album, row, sources, fused)))
    return [draw_grid([*SOURCES, *(run.title for run in album.runs)], strips)] if strips else []


def _windows(
    album: Album, row: dict[str, str], sources: list[NDArray[np.uint8]], fused: list[NDArray[np.uint8] | None]
) -> list[Window]:
    height, width = sources[0].shape[:2]
    shown = [picture for picture in fused if picture is not None and picture.shape[:2] == (height, width)]
    # one run differs from nothing but its sources
    difference = disagreement(shown if len(shown) > 1 else [*shown, *sources])
    if boxes := album.true_boxes(row, height, width):
        return choose_windows(difference, [((box.left + box.right) / 2, (box.top + box.bottom) / 2) for box in boxes])
    label = album.label(row)
    return choose_windows(difference, [] if label is None else find_objects(label, album.source.descriptor))


def draw_segmentation(album: Album) -> list[Figure]:
    """Draw the label map and every run's prediction over the picture it was made from."""
    descriptor, occurring = album.source.descriptor, set[int]()
    strips = []
    for row in album.pairs("label") if album.segmented else ():
        visible, fused = album.visible(row), [album.fused(run, row) for run in album.runs]
        bases = [visible, *(visible if picture is None else picture for picture in fused)]
        maps = [album.label(row), *(album.predicted(run, row) for run in album.runs)]
        drawn = [
            None if classes is None else lay_over(base, classes, descriptor)
            for base, classes in zip(bases, maps, strict=True)
        ]
        occurring.update(*(np.unique(classes).tolist() for classes in maps if classes is not None))
        strips.append(Strip(row["pair_id"], [visible, album.infrared(row), *drawn]))
    titles = [*SOURCES, "Label", *(run.title for run in album.runs)]  # which need not be drawn by people
    return [draw_grid(titles, strips, class_legend(descriptor, occurring))] if strips else []


def lay_over(base: NDArray[np.uint8], classes: NDArray[np.uint8], descriptor: Descriptor) -> NDArray[np.uint8]:
    """Return a picture (H,W,3) uint8: `base` (H,W) or (H,W,3) with the colors of class ids (H,W) laid over.

    Background shows the picture alone; ids that the dataset does not know are drawn like the ignore index.
    """
    palette, shown = class_palette(descriptor)
    # the colors lie on gray, or a red car would give its class another color
    gray = base if base.ndim == 2 else base @ (np.array(LUMA_PER_MILLE) / 1000)
    colored = base if base.ndim == 3 else np.repeat(base[..., None], 3, axis=2)
    share = OPACITY * shown[classes][..., None]
    under = np.where(share > 0, gray[..., None], colored)
    return np.round((1 - share) * under + share * palette[classes]).astype(np.uint8)


def draw_detection(album: Album) -> list[Figure]:
    """Draw annotated boxes on the visible image, detected ones on every run's."""
    strips = []
    for row in album.pairs("boxes") if any(album.found.values()) else ():
        visible = album.visible(row)
        truth = album.true_boxes(row, *visible.shape[:2])
        pictures = [visible, album.infrared(row), None if truth is None else visible]
        boxes = {len(pictures) - 1: truth or []}
        for place, run in enumerate(album.runs, start=len(pictures)):
            found = album.found.get(run.name)
            pictures.append(None if found is None else album.fused(run, row))
            boxes[place] = (found or {}).get(row["pair_id"], [])
        strips.append(Strip(row["pair_id"], pictures, boxes=boxes))
    titles = [*SOURCES, "Ground truth", *(run.title for run in album.runs)]
    return [draw_grid(titles, strips, box_legend(album.source.descriptor))] if strips else []
