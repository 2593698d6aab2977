"""Fusion metrics and segmentation IoU: pure batched functions.

Public names: `METRICS["vif"](visible, infrared, fused)`, `evaluate`. Within the project, import from the modules.
"""

from lazy_loader import attach

__getattr__, __dir__, __all__ = attach(__name__, submod_attrs={"collection": ["METRICS", "evaluate"]})
