"""The views of packed pairs that a training reads: with labels only where its task is given some."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ssvif.data.labelled_view import LabelledView, RandomClusterView
from ssvif.data.packed import ImageReader
from ssvif.data.training_view import TrainingView
from ssvif.ops.seeds import derive_seed
from ssvif.training.options import TrainingOptions

log = logging.getLogger("ssvif")


def open_views(pairs: Path, options: TrainingOptions) -> tuple[TrainingView, TrainingView]:
    """Return the views of the splits "train" and "validation"; the second takes center crops without flips.

    Without validation pairs, which too few pairs leave, it takes those of the training.

    Raises:
        UserError: there is nothing to train on, an image is smaller than the crop, or a supervised training lacks
            labels.
    """
    view: Callable[..., TrainingView] = TrainingView
    if options.framework == "supervised":
        view = LabelledView
    elif options.framework == "ssvif" and options.consistency == "random_clusters":
        view = partial(RandomClusterView, num_classes=options.classes)
    validation = ImageReader(pairs).validation
    if validation == "train":
        log.warning("%s has no validation pairs: the training is validated on its own pairs", pairs)
    return (
        view(pairs, "train", options.crop_px, derive_seed(options.seed, "pairs")),
        view(pairs, validation, options.crop_px, 0, augment=False),
    )
