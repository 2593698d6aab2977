"""Fusion networks and the segmentation branches.

Public names: `from ssvif.models import build_fusion_model`. Within the project, import from the modules.
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
