"""Fusion metrics and segmentation IoU: pure batched functions."""
