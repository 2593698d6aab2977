"""All fusion metrics by name, and their evaluation together."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ssvif.metrics.base import Metric, Triple
from ssvif.metrics.color_difference import delta_e76, delta_e2000
from ssvif.metrics.information import en, mi
from ssvif.metrics.qabf import qabf
from ssvif.metrics.ssim import ms_ssim, ms_ssim255, ssim, ssim255
from ssvif.metrics.vif import vif
from ssvif.ops.errors import UserError

METRICS: dict[str, Metric] = {
    "en": en,
    "mi": mi,
    "vif": vif,
    "qabf": qabf,
    "ssim": ssim,
    "ssim255": ssim255,
    "ms_ssim": ms_ssim,
    "ms_ssim255": ms_ssim255,
    "delta_e76": delta_e76,
    "delta_e2000": delta_e2000,
}


def evaluate(
    visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor, metrics: Sequence[str] = tuple(METRICS)
) -> dict[str, torch.Tensor]:
    """Evaluate several metrics, doing once what they have in common.

    On the CPU one image is in work at a time, so memory does not grow with the batch and a value
    does not depend on the image's neighbours.

    Args:
        visible: (B,C,H,W) uint8, C 1 or 3.
        infrared: (B,C,H,W) uint8, C 1 or 3.
        fused: (B,C,H,W) uint8, C 1 or 3, on the same device.
        metrics: names out of `METRICS`.

    Returns:
        Name → (B,) float64, in the order asked for.

    Raises:
        UserError: a name is unknown.
        ValueError: an image is not as said above, sizes differ, or a metric needs larger images.
    """
    check_names(metrics)
    Triple(visible, infrared, fused)  # checks the batch as a whole
    size = 1 if fused.device.type == "cpu" else len(fused)
    starts = range(0, len(fused), size)
    triples = [Triple(*(each[start : start + size] for each in (visible, infrared, fused))) for start in starts]
    values: list[list[torch.Tensor]] = []
    with torch.no_grad():
        while triples:
            # taken out of the list, a triple's shared work is freed before the next begins
            images = triples.pop(0)
            values.append([METRICS[name].of(images) for name in metrics])
    return {name: torch.cat(each) for name, each in zip(metrics, zip(*values, strict=True), strict=True)}


def check_names(metrics: Sequence[str]) -> None:
    """Check that every name is a metric's.

    Raises:
        UserError: listing the unknown names and the known ones.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise UserError(
            "Unknown metric" if unknown else "No metric is asked for",
            expected=" ".join(METRICS),
            got=" ".join(unknown),
        )
