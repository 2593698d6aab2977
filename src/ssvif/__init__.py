"""SSVIF: self-supervised, segmentation-oriented visible and infrared image fusion.

For use from within a program: `from ssvif import load_model, fuse`, imported when they are asked for.
"""

from ssvif.ops.lazy import export as _export

__version__ = "0.1.0"
__getattr__ = _export({"fuse": "ssvif.api", "load_model": "ssvif.api"})
