"""Fusion metrics and segmentation IoU: pure batched functions.

What is meant for use from outside can be had from here: `METRICS["vif"](visible, infrared, fused)`, `FusionMetrics`,
`evaluate`; within the project modules are named.
"""

from ssvif.ops.lazy import export

__getattr__ = export(
    {
        "METRICS": "ssvif.metrics.collection",
        "FusionMetrics": "ssvif.metrics.collection",
        "evaluate": "ssvif.metrics.collection",
    }
)
