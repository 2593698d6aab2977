"""Fusion loss (Eq. 3) and cross-segmentation consistency loss (Eq. 4-6)."""
