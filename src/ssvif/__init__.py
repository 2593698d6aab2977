"""SSVIF: self-supervised, segmentation-oriented visible and infrared image fusion."""

__version__ = "0.1.0"
