"""Does the CUDA device compute what the CPU computes? Networks, losses and metrics on made pairs, in float32."""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from gpu_rows import TRIED, device_and_facts, made_images, tell

from ssvif.losses.consistency import consistency_loss, make_pseudo_label
from ssvif.losses.fusion import fusion_terms, weighted_sum
from ssvif.metrics.collection import METRICS, evaluate
from ssvif.models.registry import build_fusion_model
from ssvif.schema import FUSION_MODELS
from ssvif.training.options import TrainingOptions

COLUMNS = ("part", "name", "quantity", "difference", "limit", "verdict")
# an order above what was seen (README.md): float32 rounds in another order there
LIMITS = {"fused image": 1e-5, "gradient": 1e-4, "loss": 1e-5, "metric": 1e-6}
CPU = torch.device("cpu")
Finding = tuple[str, str, float]  # name, quantity (a key of `LIMITS`), difference


def check_all(output: Path, tiny: bool) -> int:
    """Write checks.csv, a row a comparison; return 0 if each difference is within its limit."""
    device, facts = device_and_facts(output)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    rows = []
    parts: dict[str, Callable[[torch.device, bool], Iterator[Finding]]] = {
        "networks": check_networks,
        "losses": check_losses,
        "metrics": check_metrics,
    }
    for part, check in parts.items():
        for name, quantity, difference in check(device, tiny):
            limit = LIMITS[quantity]
            verdict = "equal" if difference <= limit else "DIFFERENT"  # NaN too
            rows.append((part, name, quantity, f"{difference:.2g}", f"{limit:g}", verdict))
            tell("%s %s, %s: %.2g %s", part, name, quantity, difference, verdict)
    with (output / "checks.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    different = [row for row in rows if row[-1] != "equal"]
    tell("%s: %d of %d comparisons are equal", facts["device"], len(rows) - len(different), len(rows))
    return min(len(different), 1)


def check_networks(device: torch.device, tiny: bool) -> Iterator[Finding]:
    """Compare each network's fused image, and the fusion loss's gradient of all its parameters (relative)."""
    weights = TrainingOptions().fusion_weights()
    side = 48 if tiny else 96
    for name in TRIED if tiny else FUSION_MODELS:
        torch.manual_seed(0)
        network = build_fusion_model(name, 3).eval()
        visible, infrared = (made_images(seed, 1, 3, side + 5, side + 13) for seed in (0, 1))
        found = []
        for place in (CPU, device):
            moved = copy.deepcopy(network).to(place)
            pair = visible.to(place), infrared.to(place)
            fused = moved(*pair)
            terms = fusion_terms(*pair, fused, "gradient")
            weighted_sum(terms, weights).backward()
            gradient = torch.cat([each.grad.flatten() for each in moved.parameters() if each.grad is not None])
            found.append((fused.detach().cpu(), gradient.cpu()))
        (fused, gradient), (other, other_gradient) = found
        yield name, "fused image", float((fused - other).abs().max())
        yield name, "gradient", relative(other_gradient, gradient)


def check_losses(device: torch.device, tiny: bool) -> Iterator[Finding]:
    """Compare each fusion term and the consistency loss, and their gradients (relative)."""
    side = 48 if tiny else 128
    images = [made_images(seed, 2, 3, side, side) for seed in range(3)]
    logits = [4 * made_images(seed, 2, 15, side, side) for seed in (3, 4)]
    names = list(fusion_terms(*images, "gradient"))

    def fusion(name: str) -> Callable[..., torch.Tensor]:
        return lambda *given: fusion_terms(*given, "gradient")[name]

    def consistency(feature: torch.Tensor, pixel: torch.Tensor) -> torch.Tensor:
        return consistency_loss(feature, pixel, make_pseudo_label(feature, pixel), 1.0)

    cases = [(name, fusion(name), images) for name in names] + [("consistency", consistency, logits)]
    for name, loss, given in cases:
        values, gradients = zip(*(value_and_gradient(loss, given, place) for place in (CPU, device)), strict=True)
        yield name, "loss", relative(values[1], values[0])
        yield name, "gradient", relative(gradients[1], gradients[0])


def value_and_gradient(
    loss: Callable[..., torch.Tensor], given: list[torch.Tensor], place: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a loss and its gradient by the last of the tensors given, both on the CPU."""
    moved = [each.to(place) for each in given]
    moved[-1].requires_grad_()
    value = loss(*moved)
    (gradient,) = torch.autograd.grad(value, moved[-1])
    for each in moved:
        each.requires_grad_(False)
    return value.detach().cpu(), gradient.cpu()


def check_metrics(device: torch.device, tiny: bool) -> Iterator[Finding]:
    """Compare every metric of 8-bit images."""
    height, width = (192, 200) if tiny else (240, 320)
    visible, infrared, fused = (
        (255 * made_images(seed, 2, channels, height, width)).round().byte()
        for seed, channels in ((0, 3), (1, 1), (2, 3))
    )
    here = evaluate(visible, infrared, fused, tuple(METRICS))
    there = evaluate(visible.to(device), infrared.to(device), fused.to(device), tuple(METRICS))
    for name, values in here.items():
        yield name, "metric", float((values - there[name].cpu()).abs().max())


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return ‖found − expected‖ / ‖expected‖, the difference itself where nothing is expected."""
    scale = float(expected.double().norm())
    return float((found.double() - expected.double()).norm()) / (scale or 1.0)
