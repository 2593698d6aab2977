"""All fusion metrics by name, and their evaluation together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import torch

from ssvif.io.errors import UserError
from ssvif.metrics.base import Convention, Metric, Triple
from ssvif.metrics.color_difference import delta_e76, delta_e2000
from ssvif.metrics.edges import ag, nabf, qabf, sf
from ssvif.metrics.fmi import fmi
from ssvif.metrics.information import en, mi
from ssvif.metrics.second_moments import cc, psnr, scd, sd
from ssvif.metrics.ssim import ms_ssim, ms_ssim255, ssim, ssim255
from ssvif.metrics.vif import vif, viff
from ssvif.schema import StandardMetric

METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        en, mi, vif, qabf, ssim, ssim255, ms_ssim, ms_ssim255, delta_e76, delta_e2000,
        sd, sf, ag, cc, scd, psnr, fmi, nabf, viff,
    )
}  # fmt: skip
# what scoring measures unless asked otherwise: the seven of the paper's table of fusion quality, in both conventions
STANDARD_SET: tuple[str, ...] = get_args(StandardMetric)


def evaluate(
    visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor, metrics: Sequence[str] = STANDARD_SET
) -> dict[str, torch.Tensor]:
    """Evaluate metrics, by their names in `METRICS`, on images (B,C,H,W) uint8, each with C 1 or 3, of one device.

    What metrics share is computed once. On the CPU the images are processed one at a time, so memory does not grow
    with the batch and a value does not depend on the other images.

    Returns:
        Name → (B,) float64, in the order asked for.

    Raises:
        UserError: a name is unknown.
        ValueError: an image has another shape or dtype, sizes differ, or a metric needs larger images.
    """
    check_names(metrics)
    Triple(visible, infrared, fused)  # checks the batch as a whole
    size = 1 if fused.device.type == "cpu" else len(fused)
    values: list[list[torch.Tensor]] = []
    with torch.no_grad():
        for start in range(0, len(fused), size):
            # one at a time: what the metrics of a triple share is freed before the next computes anything
            images = Triple(*(each[start : start + size] for each in (visible, infrared, fused)))
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


def of_convention(metrics: Sequence[str], convention: str) -> tuple[str, ...]:
    """Return the names of one convention (paper, standard, or both), in the order given.

    A metric with a single definition belongs to either.

    Raises:
        UserError: a name or the convention is unknown.
    """
    check_names(metrics)
    known = get_args(Convention)
    if convention not in known:
        raise UserError("Unknown convention", expected=" ".join(known), got=convention)
    return tuple(name for name in metrics if convention == "both" or METRICS[name].convention in ("both", convention))
