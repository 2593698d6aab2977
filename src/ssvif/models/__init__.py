"""Fusion networks and the segmentation branches.

What is meant for use from outside can be had from here, `from ssvif.models import build_fusion_model`; within the
project modules are named.
"""

from lazy_loader import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    submod_attrs={
        "base": ["FusionModel"],
        "registry": ["build_fusion_model", "load_fusion_model"],
        "published": ["load_published"],
    },
)
