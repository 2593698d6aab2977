"""Fusion networks and the segmentation branches.

What is meant for use from outside can be had from here, `from ssvif.models import build_fusion_model`; within the
project modules are named.
"""

from ssvif.ops.lazy import export

__getattr__ = export(
    {
        "FusionModel": "ssvif.models.base",
        "build_fusion_model": "ssvif.models.registry",
        "load_fusion_model": "ssvif.models.registry",
        "load_published": "ssvif.models.published",
    }
)
