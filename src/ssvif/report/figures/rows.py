"""Test pairs in rows: fused images with enlargements, segmentations, boxes (the paper's Figs. 3 to 5)."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssvif.data.descriptor import Descriptor
from ssvif.report.figures.grid import Panel, Strip, draw_grid
from ssvif.report.figures.insets import Window, choose_windows, disagreement, find_objects
from ssvif.report.overlays import box_legend, class_legend, class_palette
from ssvif.report.pictures import Album

OPACITY = 0.6  # of a class's color over the picture
log = logging.getLogger("ssvif")


def draw_fusion(album: Album, folder: Path) -> list[Path]:
    """Draw fusion_{dataset}: the pairs' sources and every run's fused image, with one or two enlargements.

    The places are chosen by the rule of `ssvif.report.figures.insets`.

    Returns:
        the files; none where no run has a fused image of the pairs.
    """
    strips = []
    for row in album.pairs():
        sources = [album.visible(row), album.infrared(row)]
        fused = [album.fused(run, row) for run in album.runs]
        if any(picture is not None for picture in fused):
            titles = ["Visible", "Infrared", *(run.title for run in album.runs)]
            panels = [Panel(title, picture) for title, picture in zip(titles, [*sources, *fused], strict=True)]
            strips.append(Strip(row["pair_id"], panels, _windows(album, row, sources, fused)))
    if not strips:
        log.info("%s: no run has fused test images, so that figure is left out", album.name)
        return []
    return draw_grid(strips, folder, f"fusion_{album.name}")


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


def draw_segmentation(album: Album, folder: Path) -> list[Path]:
    """Draw segmentation_{dataset}: the label map and every run's prediction over the picture it was made from.

    Returns:
        the files; none where no run has a segmentation.
    """
    if not album.segmented:
        log.info("%s: no run has segmentations, so that figure is left out", album.name)
        return []
    descriptor = album.source.descriptor
    occurring: set[int] = set()
    strips = []
    for row in album.pairs("label"):
        visible = album.visible(row)
        panels = [Panel("Visible", visible), Panel("Infrared", album.infrared(row))]
        drawn = [("Ground truth", visible, album.label(row))]
        for run in album.runs:
            fused = album.fused(run, row)
            drawn.append((run.title, visible if fused is None else fused, album.predicted(run, row)))
        for title, base, classes in drawn:
            panels.append(Panel(title, None if classes is None else lay_over(base, classes, descriptor)))
            occurring |= set(np.unique(classes).tolist()) if classes is not None else set()
        strips.append(Strip(row["pair_id"], panels))
    return draw_grid(strips, folder, f"segmentation_{album.name}", legend=class_legend(descriptor, occurring))


def lay_over(base: NDArray[np.uint8], classes: NDArray[np.uint8], descriptor: Descriptor) -> NDArray[np.uint8]:
    """Return a picture with its classes' colors laid over; background shows the picture alone.

    Args:
        base: (H,W) or (H,W,3) uint8.
        classes: (H,W) class ids.
        descriptor: of the dataset; ids it does not know are drawn like the ignore index.

    Returns:
        (H,W,3) uint8.
    """
    palette, shown = class_palette(descriptor)
    # the colors lie on gray, or a red car would give its class another color
    gray = base if base.ndim == 2 else base @ np.array([0.299, 0.587, 0.114])
    colored = base if base.ndim == 3 else np.repeat(base[..., None], 3, axis=2)
    share = OPACITY * shown[classes][..., None]
    under = np.where(share > 0, gray[..., None], colored)
    return np.round((1 - share) * under + share * palette[classes]).astype(np.uint8)


def draw_detection(album: Album, folder: Path) -> list[Path]:
    """Draw detection_{dataset}: annotated boxes on the visible image, detected ones on every run's.

    Returns:
        the files; none where no run found a box.
    """
    if not any(album.found.values()):
        log.info("%s: no run has found a box, so that figure is left out", album.name)
        return []
    colors = box_legend(album.source.descriptor)
    strips = []
    for row in album.pairs("boxes"):
        visible = album.visible(row)
        truth = album.true_boxes(row, *visible.shape[:2])
        panels = [Panel("Visible", visible), Panel("Infrared", album.infrared(row))]
        panels.append(Panel("Ground truth", visible if truth is not None else None, boxes=truth or [], colors=colors))
        for run in album.runs:
            picture = album.fused(run, row) if run.name in album.found else None
            found = album.found.get(run.name, {}).get(row["pair_id"], [])
            panels.append(Panel(run.title, picture, boxes=found, colors=colors))
        strips.append(Strip(row["pair_id"], panels))
    return draw_grid(strips, folder, f"detection_{album.name}", legend=colors)
