"""A probe as judge: a linear classifier on frozen ImageNet features of a run's fused images. Ours, not the paper's.

It has little capacity and nothing to train by steps, so it tells how much of a scene's classes a fused image shows
openly, not what a network might recover from it; a few hundred pairs and a minute are enough.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from ssvif.data.packed import PairsFile
from ssvif.io.files import read_image, write_folder_aside
from ssvif.io.progress import track
from ssvif.judging.discriminant import ClassMoments, Discriminant
from ssvif.judging.fused_images import IGNORE, JudgedRun, Score, find_labeled, find_lacking, fused_path
from ssvif.judging.options import ProbeOptions
from ssvif.judging.probe_cells import LEAST_BLOCK, CellLabels, LabeledPair, choose_labels, plan_fits
from ssvif.metrics.segmentation import confusion_matrix, iou
from ssvif.models.efficientnet import CHANNELS, EfficientNetLite0, load_efficientnet
from ssvif.ops.seeds import make_deterministic
from ssvif.schema import PROBE_COLUMNS

SMALLEST_PX = 32  # of the image that the features see: the stride of the coarsest map
OWNED = ("scores.csv", "record.json")
log = logging.getLogger("ssvif")


def probe(run: JudgedRun, options: ProbeOptions) -> None:
    """Fit a linear discriminant to features of labeled fused images, and score it on images it was not fitted to.

    Writes the folder `run.output`, whole or not at all: `scores.csv` (log-loss in nats, lower is better; fractions 0
    to 1 of AP and IoU, higher is better; per image, and without a pair_id over all judged pairs) and `record.json`.
    Without labeled pairs to fit and to judge, or with too few of them for the folds, the table has one row, which
    says so. A class that one of the fits or the judged pairs lack has no score. On a CPU equal images give equal bytes.

    Raises:
        UserError: a fused image is missing or of another size than its pair, or the weights of the features are not
            installed.
    """
    source = PairsFile(run.pairs)
    kind = choose_labels(source, options)
    labeled = find_labeled(source, kind)
    left_out = _why_left_out(labeled, kind, options.folds)
    plan = [] if left_out else plan_fits(labeled, options.folds)
    rows: list[dict[str, Any]] = []
    fitted = sum(bool(pair.learned_by) for pair in plan)
    facts: dict[str, Any] = {"data_sha256": source.digest, "fitted_pairs": fitted, "labels": kind}
    with write_folder_aside(run.output, OWNED) as folder:
        if not left_out:
            run.tally(source, {"masks": "label"}.get(kind, kind), labeled)
            for pair in plan:  # a missing image is reported before the work, not after it
                fused_path(run.fused, pair.split, pair.name, source.size(pair.split, pair.name))
            make_deterministic(run.device)
            rows = _Probe(source, run, options, CellLabels(source, kind, options.cell_px)).rows(plan)
            left_out = "" if rows else "fewer than two classes that can be told apart"
        run.write_result(folder / "scores.csv", PROBE_COLUMNS, rows, options, left_out=left_out, **facts)


def _why_left_out(labeled: Mapping[str, list[str]], kind: str, folds: int) -> str:
    """Return what is lacking to fit and to judge, given the labeled pairs of each split; "" if nothing is."""
    if not folds:
        return find_lacking({**labeled, "train": labeled["train"] + labeled["validation"]}, kind)  # fitted to both
    count, least = sum(map(len, labeled.values())), LEAST_BLOCK * folds
    if not count:
        return f"no {kind}"
    return f"{count} pairs with {kind}, fewer than the {least} pairs of {folds} folds" if count < least else ""


@torch.inference_mode()
def cell_features(
    network: EfficientNetLite0, image: NDArray[np.uint8], grid: tuple[int, int], scale: float, device: torch.device
) -> torch.Tensor:
    """Return the features (N,512) of the N cells of an image (H,W,3) or (H,W), row by row.

    They are the network's five maps of the image at `scale` times its size, resized to the grid of cells.
    """
    color = Image.fromarray(image).convert("RGB")
    scale = max(scale, SMALLEST_PX / min(color.size))
    width, height = (round(side * scale) for side in color.size)
    color = color.resize((width, height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(color, np.float32)).permute(2, 0, 1)[None]
    maps = network(pixels.to(device))
    resized = [functional.interpolate(each, grid, mode="bilinear", align_corners=False)[0] for each in maps]
    return torch.cat(resized).flatten(1).T


class _Probe:
    """The fits to a run's fused images and their scores."""

    def __init__(self, source: PairsFile, run: JudgedRun, options: ProbeOptions, labels: CellLabels) -> None:
        self._source, self._run, self._options, self._labels = source, run, options, labels
        self._network = load_efficientnet().to(run.device)
        self._classes, self._background = list(labels.classes), labels.background

    def rows(self, plan: Sequence[LabeledPair]) -> list[dict[str, Any]]:
        """Return the rows of scores.csv: those of each judged pair, then those over all of them."""
        cells = {pair: self._labels.read(pair.split, pair.name) for pair in plan}
        self._keep_known(plan, cells)
        if len(self._classes) < 2:
            return []
        fits = self._fit(plan, cells)
        judged = [pair for pair in plan if pair.judged_by is not None]
        found: list[tuple[NDArray[Any], ...]] = []
        rows: list[dict[str, Any]] = []
        for pair in track(judged, "probe, judging"):
            found.append(self._classify(pair, cells[pair], fits))
            rows += self._named(pair.pair_id, self._score([found[-1]]))
        pooled = self._score(found)
        if absent := [name for metric, name, value in pooled if metric == "ap" and value is None]:
            log.info("the judged pairs show no %s: no scores of it", ", ".join(absent))
        return rows + self._named("", pooled, keep_empty=True)

    def _keep_known(self, plan: Sequence[LabeledPair], cells: dict[LabeledPair, NDArray[np.int64]]) -> None:
        """Leave out the classes that a fit lacks, and number the others anew: their cells count nowhere."""
        seen: dict[int, set[int]] = {}
        for pair in plan:
            for fit in pair.learned_by:
                seen.setdefault(fit, set()).update(np.unique(cells[pair]).tolist())
        known = [index for index in range(len(self._classes)) if all(index in each for each in seen.values())]
        if lacking := [name for index, name in enumerate(self._classes) if index not in known]:
            log.info("the fitted pairs show too little of %s: no scores of it", ", ".join(lacking))
        numbers = np.full(256, IGNORE, np.int64)
        numbers[known] = np.arange(len(known))
        for pair, ids in cells.items():
            cells[pair] = numbers[ids]
        self._classes = [self._classes[index] for index in known]
        self._background = known.index(self._background) if self._background in known else None

    def _fit(self, plan: Sequence[LabeledPair], cells: dict[LabeledPair, NDArray[np.int64]]) -> list[Discriminant]:
        """Return the fits. The moments of neighbors that the same fits learn from are summed up once."""
        count = 1 + max(fit for pair in plan for fit in pair.learned_by)
        moments = [self._no_moments() for _ in range(count)]
        learned = [pair for pair in plan if pair.learned_by]
        for fits, block in groupby(track(learned, "probe, fitting"), key=lambda pair: pair.learned_by):
            part = self._no_moments()
            for pair in block:
                part.add(self._read(pair), torch.from_numpy(cells[pair]).to(self._run.device))
            for fit in fits:
                moments[fit].merge(part)
        return [Discriminant(each, self._options.shrinkage) for each in moments]

    def _no_moments(self) -> ClassMoments:
        return ClassMoments(len(self._classes), CHANNELS, self._run.device)

    def _read(self, pair: LabeledPair) -> torch.Tensor:
        path = fused_path(self._run.fused, pair.split, pair.name, self._source.size(pair.split, pair.name))
        grid = self._labels.grid(pair.split, pair.name)
        return cell_features(self._network, read_image(path), grid, self._options.scale, self._run.device)

    def _classify(
        self, pair: LabeledPair, ids: NDArray[np.int64], fits: Sequence[Discriminant]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Return log-probabilities (N,K), the most likely classes (N,) and the true ones of the cells that count."""
        fit = fits[pair.judged_by or 0]
        logits = fit.logits(self._read(pair))
        guess = (logits + fit.log_priors).argmax(dim=1).cpu().numpy()
        counted = ids != IGNORE
        # float32 is exact enough for scores, and all judged cells are held at once
        posterior = logits.log_softmax(dim=1).float().cpu().numpy()
        return posterior[counted], guess[counted], ids[counted]

    def _score(self, found: Iterable[tuple[NDArray[Any], ...]]) -> list[Score]:
        posterior, guess, label = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return cell_scores(posterior, guess, label, self._classes, self._background)

    def _named(self, pair_id: str, scores: Iterable[Score], *, keep_empty: bool = False) -> list[dict[str, Any]]:
        known = (self._run.dataset, self._run.run, pair_id)
        kept = [score for score in scores if keep_empty or score[2] is not None]
        return [dict(zip(PROBE_COLUMNS, (*known, *score, self._labels.kind), strict=True)) for score in kept]


def average_precision(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return the average precision in 0..1 of scores (N,), higher is better: Σ (R_i − R_i−1) P_i over thresholds.

    Samples of one score pass the threshold together, so their order does not matter. NaN without a positive sample.
    Source: Manning, Raghavan and Schütze, Introduction to Information Retrieval, 8.4, without interpolation.
    """
    total = int(positive.sum())
    if not total:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # of each group of equal scores
    gained = np.diff(hits[last], prepend=0)
    return float((gained * (hits[last] / (last + 1))).sum() / total)


def cell_scores(
    log_posterior: NDArray[np.floating],
    guess: NDArray[np.integer],
    label: NDArray[np.integer],
    classes: Sequence[str],
    background: int | None,
) -> list[Score]:
    """Return the scores of cells: log-loss, AP of each class and their mean, IoU of each class and their mean.

    They follow from the log-probabilities (N,K) of the classes, equally likely beforehand, the most likely classes
    (N,) and the true ones (N,), of 0..K−1. The log-loss in nats is the mean over the classes of the mean over each
    class's cells; means of AP leave out the background. A class that no cell has gives no value and is in no mean.
    """
    present = [index for index in range(len(classes)) if (label == index).any()]
    losses = [-float(log_posterior[label == index, index].mean(dtype=np.float64)) for index in present]
    precision = {index: average_precision(log_posterior[:, index], label == index) for index in present}
    objects = [precision[index] for index in present if index != background]
    overlap = iou(confusion_matrix(torch.from_numpy(guess), torch.from_numpy(label), len(classes))).tolist()
    return [
        ("log_loss", "", _mean(losses)),
        *(("ap", name, precision.get(index)) for index, name in enumerate(classes)),
        ("mean_ap", "", _mean(objects)),
        *(("iou", name, overlap[index] if index in precision else None) for index, name in enumerate(classes)),
        ("miou", "", _mean([overlap[index] for index in present])),
    ]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
