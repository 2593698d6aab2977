"""A picture that shows an alignment: the visible image's edges over the infrared one, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ssvif.inspecting.structure import Grey, resample, shrink
from ssvif.io.files import write_png
from ssvif.ops.statistics import choose_evenly
from ssvif.pairs.alignment import Alignment, Matrix, resizing

MOST_PAIRS = 3
EDGE_SHARE = 0.07  # of the pixels, the strongest, are drawn as edges
EDGE_COLOR = (255, 64, 48)
BEYOND = (32, 48, 80)  # where the infrared camera sees nothing
GAP_PX = 8
CAPTION_PX, FONT_PX = 24, 14
CAPTIONS = ("infrared resized; red: edges of visible", "infrared aligned")
LONGEST_PX = 640


def write_overlay(path: Path, visible: Sequence[Grey], infrared: Sequence[Grey], alignment: Alignment) -> None:
    """Write a PNG: a row for each of up to three pairs, plainly resized on the left, aligned on the right; captioned.

    Args:
        path: the PNG.
        visible: (H,W) images of the alignment's visible size, or smaller ones of the same view.
        infrared: likewise, as many.
        alignment: of the two cameras.
    """
    rows = []
    for place in choose_evenly(range(len(visible)), MOST_PAIRS):
        edges = _edges_of(shrink(visible[place], LONGEST_PX))
        plain = resizing(alignment.visible_size, alignment.infrared_size)
        both = [_draw(edges, infrared[place], alignment, matrix) for matrix in (plain, alignment.array)]
        gap = np.full((len(edges), GAP_PX, 3), 255, np.uint8)
        rows += [np.concatenate([both[0], gap, both[1]], axis=1)]
    width = rows[0].shape[1]
    between = np.full((GAP_PX, width, 3), 255, np.uint8)
    below = [part for row in rows for part in (row, between)][:-1]
    write_png(path, np.concatenate([_captions(width, CAPTIONS), *below]))


def _captions(width: int, texts: tuple[str, str]) -> NDArray[np.uint8]:
    """Return a strip (CAPTION_PX,width,3) with a text over either half."""
    strip = Image.new("RGB", (width, CAPTION_PX), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(FONT_PX)
    for start, text in zip((0, (width + GAP_PX) // 2), texts, strict=True):
        draw.text((start + 4, CAPTION_PX // 2), text, "black", font, anchor="lm")
    return np.asarray(strip)


def _edges_of(image: Grey) -> NDArray[np.bool_]:
    from scipy.ndimage import gaussian_gradient_magnitude

    strength = gaussian_gradient_magnitude(image, 1.0)
    edges: NDArray[np.bool_] = strength > max(float(np.quantile(strength, 1 - EDGE_SHARE)), 1e-6)
    return edges


def _draw(edges: NDArray[np.bool_], infrared: Grey, alignment: Alignment, matrix: Matrix) -> NDArray[np.uint8]:
    size = (edges.shape[1], edges.shape[0])
    own = (infrared.shape[1], infrared.shape[0])
    look = resizing(alignment.infrared_size, own) @ matrix @ resizing(size, alignment.visible_size)
    warped, inside = resample(infrared, look, (size[1], size[0]))
    low, high = np.quantile(infrared, [0.01, 0.99])
    grey = ((warped - low) / max(high - low, 1e-6) * 255).clip(0, 255).astype(np.uint8)
    drawn = np.repeat(grey[..., None], 3, axis=2)
    drawn[inside == 0] = BEYOND
    drawn[edges] = EDGE_COLOR
    return drawn
