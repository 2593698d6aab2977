"""Fusion metrics and segmentation IoU: pure batched functions.

What is meant for use from outside can be had from here: `METRICS["vif"](visible, infrared, fused)`, `FusionMetrics`,
`evaluate`; within the project modules are named.
"""

from lazy_loader import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    submod_attrs={
        "collection": ["METRICS", "FusionMetrics", "evaluate"],
    },
)
