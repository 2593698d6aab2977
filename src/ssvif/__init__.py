"""SSVIF: self-supervised, segmentation-oriented visible and infrared image fusion.

For use from within a program: `from ssvif import load_model, fuse`, imported when they are asked for.
"""

from ssvif.ops.lazy import export as _export

__version__ = "0.1.0"
__getattr__ = _export({"Fuser": "ssvif.frames.fuser", "fuse": "ssvif.api", "load_model": "ssvif.api"})
__all__ = ["Fuser", "__version__", "fuse", "load_model"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
