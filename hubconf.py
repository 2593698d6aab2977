"""Networks for torch.hub, from a clone: `torch.hub.load(FOLDER_OF_THE_CLONE, "fast", source="local")`.

Beside `fast` and `accurate` there are the trainable networks of `ssvif models`, with initial weights, `trained` for a
file of `ssvif train` and `released` for a checkpoint of its authors. Each returns a `torch.nn.Module` that maps visible
and infrared (B,C,H,W) in [0,1] to the fused image (B,C,H,W), not clamped. Nothing is downloaded.
"""

import sys as _sys
from collections.abc import Callable as _Callable
from pathlib import Path as _Path

_sys.path.insert(0, str(_Path(__file__).resolve().parent / "src"))  # the clone needs no installation of its own

from ssvif.models.base import FusionModel as _FusionModel
from ssvif.models.published import load_published as released  # noqa: F401
from ssvif.models.registry import build_fusion_model as _build_fusion_model
from ssvif.models.registry import load_fusion_model as trained
from ssvif.schema import FUSION_MODELS as _FUSION_MODELS

dependencies = ["lazy_loader", "numpy", "PIL", "safetensors", "torch"]


def fast() -> _FusionModel:
    """Return the small trained network that `ssvif fuse` takes by default."""
    return trained("fast")


def accurate() -> _FusionModel:
    """Return the larger trained network inside the package."""
    return trained("accurate")


def _untrained(name: str) -> _Callable[..., _FusionModel]:
    def build(channels: int = 3) -> _FusionModel:
        return _build_fusion_model(name, channels)

    build.__doc__ = f"Return {name} for images of 1 or 3 channels, with initial weights."
    return build


globals().update({name: _untrained(name) for name in _FUSION_MODELS})
