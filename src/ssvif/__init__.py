"""SSVIF: self-supervised, segmentation-oriented visible and infrared image fusion.

For use from within a program: `from ssvif import load_model, fuse`, imported when they are asked for.
"""

from lazy_loader import attach as _attach

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = _attach(
    __name__, submod_attrs={"fusing.fuser": ["Fuser"], "fusing.api": ["fuse", "load_model"]}
)
__all__ += ["__version__"]
