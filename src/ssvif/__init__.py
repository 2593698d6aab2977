"""SSVIF: self-supervised, segmentation-oriented visible and infrared image fusion.

Python API: `from ssvif import load_model, fuse`; each name is imported on first use.
"""

from lazy_loader import attach as _attach

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = _attach(
    __name__, submod_attrs={"fusing.fuser": ["Fuser"], "fusing.api": ["fuse", "load_model"], "io.errors": ["UserError"]}
)
__all__ += ["__version__"]
