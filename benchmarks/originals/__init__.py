"""Fusion networks computed as their released code does: what our speed and memory are compared with.

Transcribed from descriptions of the releases, nothing shared or fused. Modules carry the released names, so a released
state dictionary fits as it is. `check` compares each with our network on the same weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from originals.cddfuse import CDDFuse
from originals.emma import EMMA
from originals.mrfs import MRFS
from originals.sage import SAGE
from originals.seafusion import SeAFusion
from originals.segmif import SegMiF
from originals.swinfusion import SwinFusion
from originals.timfusion import TIMFusion
from originals.timfusion_light import TIMFusionLight
from ssvif.models.published import load_published

ORIGINALS: dict[str, Callable[[int], nn.Module]] = {  # number of channels → network
    "seafusion": SeAFusion,
    "emma": EMMA,
    "swinfusion": SwinFusion,
    "sage": SAGE,
    "cddfuse": CDDFuse,
    "timfusion": TIMFusion,
    "timfusion_light": TIMFusionLight,
    "segmif": SegMiF,
    "mrfs": MRFS,
}


def build_pair(name: str, channels: int = 3) -> tuple[nn.Module, nn.Module]:
    """Return a network as released and ours, with the same weights, in evaluation mode."""
    torch.manual_seed(0)
    original = ORIGINALS[name](channels).eval()
    return original, load_published(name, original.state_dict())


def check(name: str) -> float:
    """Return the largest difference of both networks' fused images of a pair of 72×56 pixels."""
    original, ours = build_pair(name)
    pair = torch.rand(2, 1, 3, 72, 56)
    with torch.no_grad():
        return float((original(*pair) - ours(*pair)).abs().max())
