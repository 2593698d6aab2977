"""Fusion networks and the segmentation branches."""
