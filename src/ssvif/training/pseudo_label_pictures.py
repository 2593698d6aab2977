"""Pictures and statistics of the final pseudo label: its classes, and which image cues they follow."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ssvif.data.packed import PairsFile
from ssvif.io.files import write_csv, write_folder_aside, write_png
from ssvif.ops.color import rgb_to_ycbcr, to_image, to_tensor
from ssvif.ops.sampling import choose_evenly
from ssvif.schema import PSEUDO_LABEL_CUES as CUES
from ssvif.training.framework import Framework, Output
from ssvif.training.stages import Stage

MOST_PICTURES = 4
GAP_PX = 4
SHADES = ((0.8, 0.95), (0.8, 0.6), (0.45, 0.95))  # saturation and value, in turn
CLASS_COLUMNS = ("class", "share", *CUES)
OWNED = ("*.png", "classes.csv", "follows.csv")


@torch.no_grad()
def write_pseudo_labels(framework: Framework | None, pairs: Path, output: Path) -> None:
    """Segment whole validation pairs with both branches; write pictures, classes.csv and follows.csv.

    `{pair_id}.png` shows visible, infrared and fused image, pseudo label, segmentation head and segmenter side by side,
    for at most four pairs, evenly chosen. classes.csv has a row for each class that these pseudo labels use: its share
    of the pixels and the means there of visible luma, infrared, row, and distance to the border, each 0..1. follows.csv
    says how much of each cue's variance the classes explain (the correlation ratio η², 0..1). The border is a cue since
    padded convolutions detect it, and both branches can agree on it whatever the scene. Classes have colors of their
    own in all pictures of a run: those of the dataset where its masks were trained on.
    Without a framework, where the branches were not trained, the tables are empty. `output` is replaced as a whole.
    """
    with write_folder_aside(output, OWNED) as folder:
        tally = _draw_all(framework, pairs, folder) if framework else ClassTally(0)
        write_csv(folder / "classes.csv", tally.rows(), CLASS_COLUMNS)
        write_csv(folder / "follows.csv", tally.explained(), ("cue", "explained"))


def _draw_all(framework: Framework, pairs: Path, folder: Path) -> ClassTally:
    framework.eval()
    classes = framework.options.classes
    tally, colors, reader = ClassTally(classes), class_colors(classes), PairsFile(pairs)
    readers = {"visible": reader.visible, "infrared": reader.infrared}
    known = sorted(reader.descriptor.classes, key=lambda each: each.id)
    if framework.options.framework == "supervised" and len(known) == classes:  # of masks; boxes have no colors
        colors = np.array([each.color for each in known], np.uint8)
    for name in choose_evenly(reader.names(reader.validation), MOST_PICTURES):
        images = {side: to_tensor(read(reader.validation, name)) for side, read in readers.items()}
        output: Output = framework(*framework.inputs(images), Stage.JOINT)
        assert output.branches is not None, "only a framework with branches is drawn"
        feature_logits, pixel_logits, pseudo_label = output.branches
        labels = [each.argmax(dim=1)[0].cpu() for each in (pseudo_label, feature_logits, pixel_logits)]
        tally.add(labels[0], **images)
        panels = [to_image(each) for each in (*images.values(), output.fused.expand(-1, 3, -1, -1))]
        panels += [colors[label.numpy()] for label in labels]
        gap = np.full((len(panels[0]), GAP_PX, 3), 255, np.uint8)
        strip = np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)
        write_png(folder / f"{name}.png", strip)
    return tally


class ClassTally:
    """Sums of the cues over the pixels of each of K classes."""

    def __init__(self, classes: int) -> None:
        self._counts = torch.zeros(classes, dtype=torch.float64)
        self._sums = torch.zeros(len(CUES), classes, dtype=torch.float64)
        self._squares = torch.zeros(len(CUES), dtype=torch.float64)

    def add(self, label: torch.Tensor, visible: torch.Tensor, infrared: torch.Tensor) -> None:
        """Add a label map (H,W) and its pair (1,3,H,W) in [0,1]."""
        height, width = label.shape
        rows = torch.linspace(0, 1, height, dtype=torch.float64)[:, None].expand(height, width)
        columns = torch.linspace(0, 1, width, dtype=torch.float64).expand(height, width)
        border = 2 * torch.minimum(torch.minimum(rows, 1 - rows), torch.minimum(columns, 1 - columns))
        luma = rgb_to_ycbcr(visible)[0, 0].double().cpu()
        flat = label.flatten()
        self._counts += torch.bincount(flat, minlength=len(self._counts)).double()
        for number, cue in enumerate((luma, infrared[0, 0].double().cpu(), rows, border)):
            self._sums[number].index_add_(0, flat, cue.flatten())
            self._squares[number] += cue.square().sum()

    def rows(self) -> list[dict[str, float | int]]:
        """Return a row for each class in use, largest first."""
        used = [int(each) for each in self._counts.argsort(descending=True, stable=True) if self._counts[each]]
        return [
            {"class": each, "share": float(self._counts[each] / self._counts.sum())}
            | {cue: float(self._sums[number, each] / self._counts[each]) for number, cue in enumerate(CUES)}
            for each in used
        ]

    def explained(self) -> list[dict[str, float | str]]:
        """Return each cue's η² = Σ n_k (m_k − m)² / Σ (x − m)²; 0 for a cue that does not vary."""
        total = self._counts.sum()
        if not total:
            return []
        within = self._squares - (self._sums.square() / self._counts.clamp(min=1)).sum(dim=1)
        around = self._squares - self._sums.sum(dim=1).square() / total
        shares = torch.where(around > 1e-9 * total, 1 - within / around, 0.0)
        return [{"cue": cue, "explained": float(share)} for cue, share in zip(CUES, shares, strict=True)]


def class_colors(count: int) -> NDArray[np.uint8]:
    """Return (count,3) uint8 RGB, hues a golden section apart and shades in turn, so that neighbours differ."""
    hues = [(0.07 + index * 0.618034) % 1 for index in range(count)]
    shades = [colorsys.hsv_to_rgb(hue, *SHADES[index % len(SHADES)]) for index, hue in enumerate(hues)]
    return (np.array(shades) * 255).round().astype(np.uint8)
